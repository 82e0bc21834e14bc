import CLinux
import Glibc
import Configuration
import Reactor

/// What `moloch doctor` looks at on this host: clock, limits, system settings, disk, ports, keys, certificates, boot nodes. It changes nothing but a small file that it writes
/// to measure the disk and removes.
public struct Examination: Sendable {
  public enum Verdict: String, Sendable { case ok, warn, fail }

  public struct Finding: Sendable {
    public var verdict: Verdict
    /// One word for what was looked at.
    public var subject: String
    public var text: String
    /// What to do about it; empty when all is well.
    public var fix: String

    public init(_ verdict: Verdict, _ subject: String, _ text: String, fix: String = "") {
      (self.verdict, self.subject, self.text, self.fix) = (verdict, subject, text, fix)
    }
  }

  let options: NodeOptions
  private let isRunning: Bool

  /// - Parameter isRunning: the node of this home answers: its ports are its own.
  public init(_ options: NodeOptions, isRunning: Bool) {
    self.options = options
    self.isRunning = isRunning
  }

  /// All findings, in a fixed order. Takes up to a few seconds, most of them for boot nodes that do not answer.
  public func findings() -> [Finding] {
    [clock()] + limits() + sysctls() + [memory(), backend()] + disk() + keys() + [certificates()] + (isRunning ? [] : ports()) + bootNodes() + [backup()]
  }

  // MARK: Kernel

  private func clock() -> Finding {
    guard clock_is_synchronised() == 0 else { return Finding(.ok, "clock", "synchronised") }
    return Finding(
      .warn, "clock", "the kernel says that the clock is not synchronised", fix: "run chrony (apt install chrony), then look at: chronyc tracking")
  }

  private func limits() -> [Finding] {
    let needed = options.settings.integer("storage.max_open_files") + options.connections + 256
    let files = Self.limit(RLIMIT_NOFILE.rawValue)
    let enough = files >= UInt64(needed)
    return [
      Finding(
        enough ? .ok : .fail, "limits", "open files: \(files == .max ? "unlimited" : "\(files)") allowed, \(needed) needed",
        fix: enough ? "" : "LimitNOFILE=1048576 in the unit (moloch gen systemd), or ulimit -n \(needed)")
    ]
  }

  private static func limit(_ resource: UInt32) -> UInt64 {
    var limit = rlimit()
    // The kernel fills the structure during the call.
    return unsafe getrlimit(__rlimit_resource_t(resource), &limit) == 0 ? UInt64(limit.rlim_max) : 0
  }

  /// The keys of the operations guide with its values: least, default and largest, where there are three.
  public static let guideSysctls: [(key: String, values: [UInt64])] = [
    ("fs.file-max", [1_000_000]), ("net.core.rmem_max", [134_217_728]), ("net.core.wmem_max", [134_217_728]),
    ("net.ipv4.tcp_rmem", [4096, 87_380, 134_217_728]), ("net.ipv4.tcp_wmem", [4096, 65_536, 134_217_728]),
  ]

  private func sysctls() -> [Finding] {
    let low = Self.guideSysctls.compactMap { key, wanted in
      Self.shortfall(key, ProcessStatistics.text("/proc/sys/" + key.split(separator: ".").joined(separator: "/")), wanted)
    }
    guard !low.isEmpty else { return [Finding(.ok, "sysctl", "as in the operations guide")] }
    return low.map { Finding(.warn, "sysctl", $0, fix: "moloch gen sysctl > /etc/sysctl.d/90-moloch.conf && sysctl --system") }
  }

  /// What is wrong with a key of which the kernel says `text`; nil when each number is at least the one wanted.
  static func shortfall(_ key: String, _ text: String?, _ wanted: [UInt64]) -> String? {
    let values = (text ?? "").split(whereSeparator: \.isWhitespace).map { UInt64($0) }
    guard values.count == wanted.count, !values.contains(nil) else { return "\(key) cannot be read" }
    let low = zip(values.compactMap { $0 }, wanted).filter { $0 < $1 }
    if low.count == 1 { return "\(key) is \(low[0].0), the guide says \(low[0].1)" }
    return low.isEmpty ? nil : "\(key): " + low.map { "\($0) < \($1)" }.joined(separator: ", ")
  }

  private func memory() -> Finding {
    let caches = options.settings.cacheBytes, memory = HostMemory()
    let text = "caches and pools: \(caches >> 20) MiB of \(memory.bytes >> 20) MiB" + (memory.source == "the host" ? "" : " (\(memory.source))")
    guard memory.bytes > 0, caches > memory.bytes / 2 else { return Finding(.ok, "memory", text) }
    return Finding(.warn, "memory", text, fix: "lower storage.cache_size_mb or mempool.max_bytes below half of the memory")
  }

  private func backend() -> Finding {
    let decision: BackendDecision
    do throws(ReactorError) { decision = try BackendDecision(options.backend) } catch {
      return Finding(.fail, "io_uring", "demanded and refused: \(error)", fix: "set runtime.io_backend = \"auto\"")
    }
    guard let reason = decision.fallbackReason else { return Finding(.ok, "io_uring", "the event loop uses \(decision.kind)") }
    return Finding(.warn, "io_uring", "epoll takes over: \(reason)", fix: "allow io_uring: sysctl kernel.io_uring_disabled=0, and the container's seccomp profile")
  }

  // MARK: Files

  /// Whether this is the user of the node, or root, who may do everything: whoever has the data. For others what is closed to them is as it should be.
  var isOfTheNode: Bool {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call. Without the directory there is no node yet.
    guard geteuid() != 0, unsafe stat(options.dataPath, &status) == 0 else { return true }
    return status.st_uid == geteuid()
  }

  func keys() -> [Finding] {
    var paths = [(path: options.nodeKeyPath, isValidator: false)]
    if options.settings.boolean("consensus.validator") {
      paths += [options.validatorKeyPath, options.nextValidatorKeyPath].compactMap { $0 }.map { ($0, true) }
    }
    return paths.map { path, isValidator in
      let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
      guard isOfTheNode || directory.isEmpty || HomeFile.isReadable(directory) else {
        return Finding(.ok, "keys", "not looked at: \(directory) is for the user of the node alone")
      }
      do throws(NodeFailure) {
        _ = try isValidator ? NodeHome.validatorKey(path) : NodeHome.key(path)
        return Finding(.ok, "keys", "\(path) is " + (isValidator ? "for its owner alone" : "closed to others"))
      } catch {
        return Finding(.fail, "keys", error.message, fix: error.code == 77 ? "chmod 0600 \(path)" : "moloch keygen, or restore the key")
      }
    }
  }

  /// No file of a certificate is read: peers know each other by their keys, and the API serves no TLS.
  private func certificates() -> Finding {
    guard options.settings.boolean("network.tls.enabled") else {
      return Finding(.warn, "certs", "links between peers are open, without certificates", fix: "remove network.tls.enabled = false")
    }
    return Finding(.ok, "certs", "peers are shown one of the node key, valid until the year 9999")
  }

  private func backup() -> Finding {
    let path = options.dataPath + "/" + BackupMark.name
    guard let seconds = BackupMark.seconds(data: options.dataPath) else {
      return Finding(.warn, "backup", "no backup has been completed (\(path) is missing)", fix: "moloch backup create DIR, best by a timer")
    }
    let hours = (UInt64(max(0, WallClock.now().seconds)) - min(seconds, UInt64(max(0, WallClock.now().seconds)))) / 3600
    guard hours >= 26 else { return Finding(.ok, "backup", "the last one is \(hours) h old") }
    return Finding(.warn, "backup", "the last one is \(hours) h old", fix: "moloch backup create DIR; look at what should have run it")
  }
}
