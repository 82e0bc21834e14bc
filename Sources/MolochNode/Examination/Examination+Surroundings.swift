import Ambient
import Configuration
import CLinux
import Glibc
import Peering
import Reactor

// The disk, the ports and the other nodes.
extension Examination {
  /// Synced writes of one page, one after another.
  private static let syncs = 20
  private static let slowMicroseconds: UInt64 = 10_000
  private static let unfitMicroseconds: UInt64 = 50_000

  func disk() -> [Finding] {
    let data = options.dataPath
    guard HomeFile.exists(data) else { return [Finding(.fail, "disk", "\(data) does not exist", fix: "moloch init, or node.data_dir")] }
    let limits = options.diskLimits
    var status = statvfs()
    // The kernel fills the structure; the path is lent to the call.
    guard unsafe statvfs(data, &status) == 0 else { return [Finding(.fail, "disk", "\(data): \(HomeFile.reason())")] }
    let free = UInt64(status.f_bavail) * UInt64(status.f_frsize), size = UInt64(status.f_blocks) * UInt64(status.f_frsize)
    let text = "\(free >> 20) MiB of \(size >> 20) MiB free"
    var findings: [Finding]
    if free < limits.freeBytesMin {
      findings = [Finding(.fail, "disk", text + ": the node is read-only below \(limits.freeBytesMin >> 20) MiB", fix: "free space, or lower storage.min_free_mb")]
    } else if size > 0, free * 100 < size * limits.warnPercent {
      findings = [Finding(.warn, "disk", text + ": less than \(limits.warnPercent) percent", fix: "free space or grow the file system")]
    } else {
      findings = [Finding(.ok, "disk", text)]
    }
    findings.append(fsync(data))
    return findings
  }

  private func fsync(_ data: String) -> Finding {
    // A member of the node's group reads there and does not write: nothing is wrong with the disk.
    guard isOfTheNode || HomeFile.isWritable(data) else { return Finding(.ok, "fsync", "not measured: \(data) is written by the user of the node") }
    let path = data + "/doctor.probe"
    // The path is lent to the call.
    let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { return Finding(.fail, "fsync", "cannot write below \(data): \(HomeFile.reason())", fix: "run as the node's user, check the owner of \(data)") }
    defer {
      close(file)
      HomeFile.remove(path)
    }
    let page = [UInt8](repeating: 0x5A, count: 4096)
    var spans: [UInt64] = []
    for index in 0..<Self.syncs {
      let began = MonotonicClock.now()
      // The array outlives the call.
      let written = unsafe page.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, index * 4096) }
      guard written == 4096, fdatasync(file) == 0 else { return Finding(.fail, "fsync", "a synced write failed: \(HomeFile.reason())", fix: "check the disk (smartctl -a)") }
      spans.append(MonotonicClock.now().nanoseconds(since: began) / 1000)
    }
    spans.sort()
    let median = spans[spans.count / 2], worst = spans[spans.count - 1]
    let text = "a synced write takes \(Self.milliseconds(median)) ms, at worst \(Self.milliseconds(worst)) ms"
    guard median > Self.slowMicroseconds else { return Finding(.ok, "fsync", text) }
    let fix = "use a disk with power-loss protection; look for others that write to this one (iostat -x 1)"
    return Finding(median > Self.unfitMicroseconds ? .fail : .warn, "fsync", text, fix: fix)
  }

  private static func milliseconds(_ microseconds: UInt64) -> String { "\(microseconds / 1000).\(microseconds % 1000 / 100)" }

  // MARK: Network

  /// Whether the addresses of a stopped node are free.
  func ports() -> [Finding] {
    var listeners: [(key: String, address: String)] = []
    if options.servesAPI { listeners.append(("api.listen_addr", options.apiAddress)) }
    if options.servesMetrics { listeners.append(("metrics.prometheus_addr", options.metricsAddress)) }
    if options.takesPeers { listeners.append(("network.listen_addr", options.peersAddress)) }
    return listeners.map { key, address in
      guard let port = NodeOptions.parse(address)?.port else { return Finding(.fail, "ports", "\(key) = \"\(address)\" is no address") }
      guard port > 0, let owner = PortOwner.description(of: port) else { return Finding(.ok, "ports", "\(address) is free for \(key)") }
      return Finding(.fail, "ports", "\(address) is taken by \(owner)", fix: "stop it, or set \(key) to another address")
    }
  }

  func bootNodes() -> [Finding] {
    options.settings.list("network.boot_nodes").map { text in
      let parts = text.split(separator: "/").map(String.init)
      guard (try? Multiaddr(parsing: text)) != nil, parts.count >= 4 else {
        return Finding(.fail, "peers", "network.boot_nodes: \(text) is no address", fix: "write /dns/HOST/tcp/9000/p2p/12D3KooW...")
      }
      switch Dial.outcome(host: parts[1], port: parts[3]) {
      case .connected: return Finding(.ok, "peers", "\(parts[1]):\(parts[3]) accepts connections")
      case .unknownName: return Finding(.fail, "peers", "\(parts[1]) is not found by its name", fix: "check the name and DNS (getent hosts \(parts[1]))")
      case .refused(let reason):
        return Finding(.fail, "peers", "\(parts[1]):\(parts[3]): \(reason)", fix: "check that the node runs, its address and the firewalls for port \(parts[3])/tcp")
      }
    }
  }
}

/// One attempt to reach a TCP port, by name or number.
enum Dial {
  enum Outcome { case connected, unknownName, refused(String) }

  private static let timeoutMilliseconds: Int32 = 2000

  static func outcome(host: String, port: String) -> Outcome {
    // All zero: any family; its pointers stay null.
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    // Both texts are lent to the call; the list is freed below.
    guard unsafe getaddrinfo(host, port, &hints, &list) == 0 else { return .unknownName }
    defer { unsafe freeaddrinfo(list) }
    var reason = "no address"
    var next = unsafe list
    // The list ends with a null pointer and lives until the function returns.
    while let entry = unsafe next {
      let address = unsafe entry.pointee
      unsafe next = address.ai_next
      let socket = unsafe Glibc.socket(address.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
      guard socket >= 0 else { continue }
      defer { close(socket) }
      // The address belongs to the list.
      if unsafe connect(socket, address.ai_addr, address.ai_addrlen) == 0 { return .connected }
      guard errno == EINPROGRESS else {
        reason = HomeFile.reason()
        continue
      }
      var waiting = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
      // The kernel fills the structures during the calls.
      guard unsafe poll(&waiting, 1, timeoutMilliseconds) == 1 else {
        reason = "no answer within \(timeoutMilliseconds / 1000) s"
        continue
      }
      var (failure, length): (Int32, socklen_t) = (0, 4)
      _ = unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &length)
      if failure == 0 { return .connected }
      reason = unsafe String(cString: strerror(failure))
    }
    return .refused(reason)
  }
}
