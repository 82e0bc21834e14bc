import Configuration

/// Files for the machine around the node, from its configuration.
struct SystemFiles {
  /// Without a slash at the end, absolute.
  let home: String
  let settings: Settings

  /// The guide's block; at another port, with that port.
  var prometheus: String {
    let address = settings.text("metrics.prometheus_addr")
    let port = address.split(separator: ":").last ?? "9090"
    return """
      # prometheus.yml
      scrape_configs:
        - job_name: 'moloch'
          static_configs:
            - targets: ['localhost:\(port)']
          scrape_interval: 15s

      """ + (settings.text("metrics.path") == "/metrics" ? "" : "    metrics_path: '\(settings.text("metrics.path"))'\n")
  }

  /// The guide's five lines.
  static let sysctl = """
    # Increase file descriptor limit
    fs.file-max = 1000000

    # Network tuning
    net.core.rmem_max = 134217728
    net.core.wmem_max = 134217728
    net.ipv4.tcp_rmem = 4096 87380 134217728
    net.ipv4.tcp_wmem = 4096 65536 134217728

    """

  var logrotate: String {
    let file = settings.path("log.file", home: home)
    return """
      # Made by 'moloch gen logrotate'; wants log.rotate = "external" in node.toml.
      \(file) {
        daily
        rotate \(settings.integer("log.rotate_keep"))
        compress
        delaycompress
        missingok
        notifempty
        su moloch moloch
        create 0640 moloch moloch
        postrotate
          systemctl kill --kill-who=main --signal=HUP moloch.service 2>/dev/null || true
        endscript
      }

      """
  }

  /// The directories that the node writes: data and logs.
  private var writable: [String] {
    let file = settings.path("log.file", home: home)
    let logs = file.isEmpty ? nil : file.lastIndex(of: "/").map { String(file[..<$0]) }
    return [settings.path("node.data_dir", home: home)] + (logs.map { [$0] } ?? [])
  }

  /// The unit for systemd. A home below /home or /root can be read, and written where the node writes; every other home is hidden.
  var systemd: String {
    let isInHome = home.hasPrefix("/home/") || home.hasPrefix("/root/")
    return """
      # Made by 'moloch gen systemd'.
      [Unit]
      Description=Moloch audit chain node
      After=network-online.target time-sync.target
      Wants=network-online.target
      StartLimitIntervalSec=600
      StartLimitBurst=20

      [Service]
      Type=notify
      NotifyAccess=main
      User=moloch
      ExecStart=\(home)/bin/moloch run --config \(home)/config/node.toml
      ExecReload=/bin/kill -HUP $MAINPID
      WatchdogSec=30
      TimeoutStartSec=90
      TimeoutStopSec=60
      Restart=on-failure
      RestartSec=5
      RestartPreventExitStatus=65 77 78
      LimitNOFILE=1048576
      LimitMEMLOCK=256M
      LimitCORE=0
      OOMScoreAdjust=-500
      UMask=0027
      ProtectSystem=strict
      ReadWritePaths=\(writable.joined(separator: " "))
      ProtectHome=\(isInHome ? "read-only" : "yes")
      PrivateTmp=yes
      PrivateDevices=yes
      ProtectKernelTunables=yes
      ProtectKernelModules=yes
      ProtectKernelLogs=yes
      ProtectControlGroups=yes
      ProtectClock=yes
      ProtectHostname=yes
      ProtectProc=invisible
      NoNewPrivileges=yes
      CapabilityBoundingSet=
      RestrictNamespaces=yes
      RestrictRealtime=yes
      RestrictSUIDSGID=yes
      LockPersonality=yes
      MemoryDenyWriteExecute=yes
      RemoveIPC=yes
      RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
      SystemCallArchitectures=native
      SystemCallFilter=@system-service
      SystemCallFilter=~@privileged
      SystemCallErrorNumber=EPERM

      [Install]
      WantedBy=multi-user.target

      """
  }
}
