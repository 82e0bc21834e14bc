import Glibc

/// Where a node listens.
enum Endpoint: Equatable, CustomStringConvertible {
  case tcp(host: String, port: UInt16)
  case unix(path: String)

  /// Parses `http://host[:port]`, with an optional slash at the end; the port is 8080 when it is missing. IPv6 addresses stand in brackets.
  init(url: String) throws(CommandFailure) {
    guard !url.hasPrefix("https://") else {
      throw CommandFailure("\(url): this command speaks plain HTTP; use a node's local listener or a proxy that ends TLS", Exit.usage)
    }
    guard url.hasPrefix("http://") else { throw CommandFailure("'\(url)' is not a URL of the form http://host:port", Exit.usage) }
    var rest = url.dropFirst("http://".count)
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    var host = rest
    var port: UInt16 = 8080
    let bracket = rest.lastIndex(of: "]") ?? rest.startIndex
    if let colon = rest.lastIndex(of: ":"), colon >= bracket {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { throw CommandFailure("'\(url)' has no valid port", Exit.usage) }
      (host, port) = (rest[..<colon], number)
    }
    if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F && $0 != 0x40 }) else {
      throw CommandFailure("'\(url)' is not a URL of the form http://host:port", Exit.usage)
    }
    self = .tcp(host: String(host), port: port)
  }

  /// Value of the Host field.
  var authority: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix: "localhost"
    }
  }

  var description: String {
    switch self {
    case .tcp: "http://" + authority
    case .unix(let path): path
    }
  }

  /// Opens a connected, non-blocking stream socket. The caller closes it.
  func connect(deadline: Deadline) throws(SocketError) -> Int32 {
    switch self {
    case .tcp(let host, let port): try Self.connect(host: host, port: port, deadline: deadline)
    case .unix(let path): try Self.connect(path: path)
    }
  }

  private static func connect(host: String, port: UInt16, deadline: Deadline) throws(SocketError) -> Int32 {
    // Plain integers of a structure that also has pointers, all nil.
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = Int32(AI_NUMERICSERV)
    var list: UnsafeMutablePointer<addrinfo>?
    // The resolver copies both strings; its list is freed below, after the last use.
    let status = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard status == 0 else { throw .unresolved(host, unsafe String(cString: gai_strerror(status))) }
    defer { unsafe freeaddrinfo(list) }
    var failure = SocketError.system("connect", ECONNREFUSED)
    var next = unsafe list
    while let entry = unsafe next {
      let address = unsafe entry.pointee
      unsafe next = address.ai_next
      // `list` is freed when the function returns, not before.
      let descriptor = unsafe socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      guard descriptor >= 0 else {
        failure = .system("socket", errno)
        continue
      }
      // The address belongs to the list, which outlives the call.
      let result = unsafe Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen)
      let code = result == 0 ? 0 : errno
      do throws(SocketError) {
        if code == EINPROGRESS {
          try deadline.wait(descriptor, for: POLLOUT)
          let pending = pendingError(descriptor)
          guard pending == 0 else { throw .system("connect", pending) }
        } else if code != 0 {
          throw .system("connect", code)
        }
        var one: Int32 = 1
        // The kernel copies the value during the call.
        _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
      } catch {
        close(descriptor)
        failure = error
      }
    }
    throw failure
  }

  private static func connect(path: String) throws(SocketError) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < room else { throw .system("connect", ENAMETOOLONG) }
    // The path, checked to be shorter than the field, is copied into it; the rest stays zero.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw .system("socket", errno) }
    // sockaddr_un is laid out as sockaddr for this family; the kernel reads it during the call.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    guard result == 0 else {
      let code = errno
      close(descriptor)
      throw .system("connect", code)
    }
    return descriptor
  }

  private static func pendingError(_ descriptor: Int32) -> Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    // The kernel writes one integer.
    return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
  }
}

/// Why an exchange over a socket failed.
enum SocketError: Error, Equatable {
  case unresolved(String, String)
  /// A call and its errno.
  case system(String, Int32)
  case timedOut
  /// The other side closed before its answer was complete; `isFresh`: not one byte of it came.
  case closed(isFresh: Bool)
  case malformed(String)

  var reason: String {
    switch self {
    case .unresolved(let host, let why): "cannot resolve \(host): \(why)"
    case .system(_, let code): Files.reason(code)
    case .timedOut: "no answer in time"
    case .closed: "the node closed the connection"
    case .malformed(let why): "the answer is not valid HTTP: \(why)"
    }
  }
}

/// A moment of the monotonic clock after which waiting ends.
struct Deadline {
  private let end: UInt64
  init(after milliseconds: UInt64) { end = SystemTime.monotonicMilliseconds() + milliseconds }

  /// Waits until the descriptor is ready for `events` or broken.
  func wait(_ descriptor: Int32, for events: Int32) throws(SocketError) {
    while true {
      let now = SystemTime.monotonicMilliseconds()
      guard now < end else { throw .timedOut }
      var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      // The kernel writes into the one entry during the call.
      let count = unsafe poll(&entry, 1, Int32(min(end - now, 3_600_000)))
      if count > 0 { return }
      if count < 0 && errno != EINTR { throw .system("poll", errno) }
    }
  }
}
