import API
import Audit
public import Configuration
import Consensus
import CLinux
import Glibc
import Ledger
import Peering
import Reactor
import RocksStore

/// Why the node cannot start or had to stop, with the exit code of the process.
public struct NodeFailure: Error, Sendable {
  public let code: Int32
  public let message: String
  public init(_ code: Int32, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The next height, or an early one, has rules that this program does not know.
  static func unknownProtocol(_ version: UInt32, from height: Height) -> NodeFailure {
    NodeFailure(
      78, "the chain uses protocol version \(version) from height \(height.rawValue) on; this program knows \(ProtocolVersion.newest): install a newer release")
  }
}

/// Reloadable rules of the storage thread.
struct StoragePolicies: Sendable {
  var disk: DiskGuard.Limits
  var retention: RetentionPolicy
  var scrub: ScrubPolicy
  /// 0: no limit.
  var maintenanceBytesPerSecond: UInt64
  /// Parts of the snapshot are written.
  var keepsSnapshots: Bool
}

/// What a node is told: its home and its settings, which the properties below give the types that the parts of the node take.
public struct NodeOptions: Sendable {
  /// Without a slash at the end.
  public let home: String
  /// The configuration file, which need not be there.
  public let configurationPath: String
  public var settings: Settings
  /// The commit that the program was built from, for `build_info`.
  public var commit = "unknown"
  /// Reads the configuration again, for SIGHUP.
  public var reread: @Sendable () -> Settings

  /// - Parameters:
  ///   - configuration: path of the file; nil: the one of the home.
  ///   - settings: without errors.
  public init(home: String, configuration: String? = nil, settings: Settings, reread: @escaping @Sendable () -> Settings) {
    self.home = home
    configurationPath = configuration ?? home + "/config/node.toml"
    self.settings = settings
    self.reread = reread
  }

  // MARK: Files

  public var dataPath: String { settings.path("node.data_dir", home: home) }
  public var genesisPath: String { settings.path("node.genesis_file", home: home) }
  public var nodeKeyPath: String { settings.path("node.key_file", home: home) }
  public var validatorKeyPath: String { settings.path("consensus.validator_key", home: home) }
  /// The key that takes over with a set that names it; nil without one.
  public var nextValidatorKeyPath: String? {
    settings.text("consensus.next_validator_key").isEmpty ? nil : settings.path("consensus.next_validator_key", home: home)
  }
  public var adminSocketPath: String {
    let path = settings.path("node.admin_socket", home: home)
    return path.isEmpty ? dataPath + "/admin.sock" : path
  }

  // MARK: Parts

  var backend: BackendChoice {
    switch settings.text("runtime.io_backend") {
    case "io_uring": .io_uring
    case "epoll": .epoll
    default: .auto
    }
  }

  var apiAddress: String { settings.text("api.listen_addr") }
  var servesAPI: Bool { settings.boolean("api.enabled") }
  var servesMetrics: Bool { settings.boolean("metrics.enabled") }
  var metricsAddress: String { settings.text("metrics.prometheus_addr") }
  var connections: Int { settings.integer("api.max_connections") }
  var drainDelayMilliseconds: UInt64 { settings.milliseconds("api.drain_delay") }
  var drainTimeoutMilliseconds: UInt64 { settings.milliseconds("api.drain_timeout") }
  var poolEventsMax: Int { settings.integer("mempool.max_size") }
  var poolBytesMax: Int { settings.bytes("mempool.max_bytes") }
  var poolRebroadcastMilliseconds: UInt64 { settings.milliseconds("mempool.rebroadcast_interval") }
  var poolTimeToLiveMilliseconds: UInt64 { settings.milliseconds("mempool.event_ttl") }
  var poolSignerPercent: Int { settings.integer("mempool.per_signer_percent") }
  /// Name of the node, as its peers and its logs show it.
  var name: String { settings.text("node.name") }
  var keepsPending: Bool { settings.boolean("mempool.persist") }

  var gate: Gate.Options {
    var options = Gate.Options()
    options.maxBodyBytes = settings.bytes("api.max_body_size")
    options.requestTimeoutMilliseconds = settings.milliseconds("api.request_timeout")
    options.headerTimeoutMilliseconds = settings.milliseconds("api.header_timeout")
    options.idleTimeoutMilliseconds = settings.milliseconds("api.idle_timeout")
    options.drainStatus = settings.integer("api.drain_status")
    options.metricsPath = settings.text("metrics.path")
    options.detailsRequests = settings.boolean("metrics.detailed_histograms")
    options.trustedProxies = settings.list("api.trusted_proxies").compactMap { AddressNetwork($0) }
    options.corsOrigins = settings.boolean("api.cors.enabled") ? settings.list("api.cors.origins") : []
    if settings.boolean("api.rate_limit.enabled") {
      options.rateLimit = (settings.integer("api.rate_limit.requests_per_minute"), settings.integer("api.rate_limit.burst_size"))
    }
    return options
  }

  var peersAddress: String { settings.text("network.listen_addr") }
  /// A chain of one's own needs no port for peers, unless one is asked for.
  var takesPeers: Bool { !settings.isDevelopment || settings["network.listen_addr"].origin != .development }
  var syncRequestsMax: Int { settings.integer("network.max_concurrent_requests") }
  var readyLagMax: UInt64 { UInt64(settings.integer("api.ready_max_lag")) }

  /// - Throws: 78 for a boot node that is no address with a peer id.
  func peering(listenPort: UInt16) throws(NodeFailure) -> PeeringOptions {
    var options = PeeringOptions()
    options.peersMax = settings.integer("network.max_peers")
    options.peersMin = settings.integer("network.min_peers")
    options.inboundPerAddressMax = settings.integer("network.max_inbound_per_ip")
    options.ratePerPeer = settings.integer("network.rate_limit_per_peer")
    options.banMilliseconds = settings.milliseconds("network.ban_duration")
    options.isExchangingAddresses = settings.boolean("network.peer_exchange")
    options.connectionTimeoutMilliseconds = settings.milliseconds("network.connection_timeout")
    options.handshakeTimeoutMilliseconds = settings.milliseconds("network.handshake_timeout")
    options.keepAliveMilliseconds = settings.milliseconds("network.keepalive_interval")
    options.idleTimeoutMilliseconds = settings.milliseconds("network.idle_timeout")
    options.messageBufferSize = settings.integer("network.message_buffer_size")
    options.isTLSEnabled = settings.boolean("network.tls.enabled")
    options.protocols = UInt16(settings.integer("network.protocol_min"))...UInt16(settings.integer("network.protocol_max"))
    options.listenPort = listenPort
    options.name = name
    options.version = Node.version
    for text in settings.list("network.boot_nodes") {
      do throws(MultiaddrError) { options.bootNodes.append(try Multiaddr(parsing: text)) } catch { throw NodeFailure(78, "network.boot_nodes: \"\(text)\": \(error)") }
    }
    let external = settings.text("network.external_addr")
    if !external.isEmpty {
      do throws(MultiaddrError) { options.externalAddress = try Multiaddr(parsing: external) } catch { throw NodeFailure(78, "network.external_addr: \"\(external)\": \(error)") }
    }
    return options
  }

  func apply(to machine: inout Machine.Options) {
    machine.baseDelayMilliseconds = settings.milliseconds("consensus.base_delay")
    machine.listenMilliseconds = settings.milliseconds("consensus.listen_window")
    machine.skipTimeoutMilliseconds = settings.milliseconds("consensus.skip_timeout")
    machine.clockAheadMilliseconds = settings.milliseconds("consensus.clock_ahead")
    machine.clockStaleMilliseconds = settings.milliseconds("consensus.stale_base")
  }

  public var retention: RetentionPolicy {
    var policy = RetentionPolicy(
      daysMin: nil, archivePeersMin: settings.integer("retention.min_archive_peers"), isHeld: settings.boolean("retention.legal_hold"),
      backfills: settings.boolean("retention.backfill"), prunesByItself: settings.boolean("retention.auto_prune"))
    if case .integer(let days)? = settings["retention.min_days"].value { policy.daysMin = UInt64(days) }
    return policy
  }

  /// What the storage thread is told at the start and by a reload.
  var storagePolicies: StoragePolicies {
    StoragePolicies(
      disk: diskLimits, retention: retention, scrub: scrub, maintenanceBytesPerSecond: maintenanceBudget.bytesPerSecond,
      keepsSnapshots: settings.boolean("storage.snapshots"))
  }

  /// What maintenance goes through in a second.
  var maintenanceBudget: ByteBudget { ByteBudget(megabytesPerSecond: UInt64(settings.integer("storage.maintenance_max_mbps"))) }

  var scrub: ScrubPolicy {
    ScrubPolicy(
      intervalMilliseconds: settings.milliseconds("storage.scrub_interval"), bytesPerSecond: UInt64(settings.integer("storage.scrub_max_mbps")) * 1_000_000)
  }

  var diskLimits: DiskGuard.Limits {
    DiskGuard.Limits(
      freeBytesMin: UInt64(settings.integer("storage.min_free_mb")) << 20, warnPercent: UInt64(settings.integer("storage.warn_free_percent")),
      reserveBytes: UInt64(settings.integer("storage.reserve_mb")) << 20)
  }

  var store: StoreOptions {
    var options = StoreOptions()
    options.cacheBytes = settings.integer("storage.cache_size_mb") << 20
    options.writeBufferBytes = settings.integer("storage.write_buffer_size_mb") << 20
    options.openFilesMax = settings.integer("storage.max_open_files")
    options.syncWrites = settings.boolean("storage.sync_writes")
    options.backgroundJobs = settings.integer("storage.background_jobs")
    switch settings.text("storage.compression") {
    case "none": options.compression = .none
    case "snappy": options.compression = .snappy
    case "zstd": options.compression = .zstd
    default: options.compression = .lz4
    }
    return options
  }

  /// `host:port` with a numeric host.
  static func parse(_ text: String) -> SocketAddress? {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    return SocketAddress(host: String(text[..<colon]), port: port)
  }

  /// Raises the limit of open files to what the system allows, and checks that the settings fit below it.
  func raiseFileLimit() throws(NodeFailure) {
    var limit = rlimit()
    // The kernel fills the structure during the call. Without an answer nothing can be said about the limit.
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      // The kernel reads the structure during the call; raising the soft limit to the hard one needs no privilege.
      _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    let files = settings.integer("storage.max_open_files")
    let needed = files + connections + 256
    guard limit.rlim_max >= UInt(needed) else {
      throw NodeFailure(
        78,
        "the system allows \(limit.rlim_max) open files, storage.max_open_files = \(files) and api.max_connections = \(connections) need \(needed): "
          + "raise LimitNOFILE (ulimit -n) or lower storage.max_open_files")
    }
  }
}
