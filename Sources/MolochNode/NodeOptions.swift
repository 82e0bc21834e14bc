import Ambient
public import Reactor

/// Why the node cannot start or had to stop, with the exit code of the process.
public struct NodeFailure: Error, Sendable {
  public let code: Int32
  public let message: String
  public init(_ code: Int32, _ message: String) {
    self.code = code
    self.message = message
  }
}

/// Options of a node. Each has the name `SECTION.KEY` on the command line (`--set`) and `MOLOCH_SECTION_KEY` in the environment.
public struct NodeOptions: Sendable {
  public var home = "."
  public var apiAddress = "0.0.0.0:8080"
  public var metricsAddress = "0.0.0.0:9090"
  public var backend = BackendChoice.auto
  public var connections = 4096
  public var maxBodyBytes = 10_000_000
  public var requestTimeoutMilliseconds: UInt64 = 30_000
  public var headerTimeoutMilliseconds: UInt64 = 10_000
  public var idleTimeoutMilliseconds: UInt64 = 60_000
  public var drainDelayMilliseconds: UInt64 = 10_000
  public var drainTimeoutMilliseconds: UInt64 = 20_000
  public var isRateLimited = true
  public var requestsPerMinute = 600
  public var burst = 100
  public var poolEventsMax = 100_000
  public var poolBytesMax = 256_000_000
  public var poolTimeToLiveMilliseconds: UInt64 = 86_400_000
  public var logLevel = LogLevel.info
  public var logFormat = LogFormat.text

  public init(home: String) { self.home = home }

  /// The options of `moloch dev`: loopback only, no rate limits, no drain delay.
  public static func dev(home: String) -> NodeOptions {
    var options = NodeOptions(home: home)
    options.apiAddress = "127.0.0.1:8080"
    options.metricsAddress = "127.0.0.1:9090"
    options.isRateLimited = false
    options.drainDelayMilliseconds = 0
    return options
  }

  public static let keys = [
    "api.listen_addr", "api.max_connections", "api.max_body_size", "api.request_timeout", "api.header_timeout", "api.idle_timeout", "api.drain_delay",
    "api.drain_timeout", "api.rate_limit.enabled", "api.rate_limit.requests_per_minute", "api.rate_limit.burst_size", "metrics.prometheus_addr",
    "runtime.io_backend", "mempool.max_size", "mempool.max_bytes", "mempool.event_ttl", "log.level", "log.format",
  ]

  /// Sets one option from its text.
  /// - Throws: 78 with the key, the text and what is expected.
  public mutating func set(_ key: String, _ text: String) throws(NodeFailure) {
    func wrong(_ expected: String) -> NodeFailure { NodeFailure(78, "\(key) = \"\(text)\" is not \(expected)") }
    func milliseconds(_ range: ClosedRange<UInt64>) throws(NodeFailure) -> UInt64 {
      guard let value = Self.duration(text), range.contains(value) else { throw wrong("a duration from \(range.lowerBound) ms to \(range.upperBound / 1000) s, such as 500ms or 30s") }
      return value
    }
    func integer(_ range: ClosedRange<Int>) throws(NodeFailure) -> Int {
      guard let value = Int(text), range.contains(value) else { throw wrong("an integer from \(range.lowerBound) to \(range.upperBound)") }
      return value
    }
    func address() throws(NodeFailure) -> String {
      guard Self.parse(text) != nil else { throw wrong("an address such as 127.0.0.1:8080") }
      return text
    }
    switch key {
    case "api.listen_addr": apiAddress = try address()
    case "metrics.prometheus_addr": metricsAddress = try address()
    case "api.max_connections": connections = try integer(16...65_536)
    case "api.max_body_size":
      guard let value = Self.size(text), (1000...1_000_000_000).contains(value) else { throw wrong("a size from 1kB to 1GB") }
      maxBodyBytes = value
    case "api.request_timeout": requestTimeoutMilliseconds = try milliseconds(100...600_000)
    case "api.header_timeout": headerTimeoutMilliseconds = try milliseconds(100...600_000)
    case "api.idle_timeout": idleTimeoutMilliseconds = try milliseconds(100...600_000)
    case "api.drain_delay": drainDelayMilliseconds = try milliseconds(0...300_000)
    case "api.drain_timeout": drainTimeoutMilliseconds = try milliseconds(0...300_000)
    case "api.rate_limit.enabled":
      guard text == "true" || text == "false" else { throw wrong("true or false") }
      isRateLimited = text == "true"
    case "api.rate_limit.requests_per_minute": requestsPerMinute = try integer(1...100_000_000)
    case "api.rate_limit.burst_size": burst = try integer(1...100_000_000)
    case "runtime.io_backend":
      switch text {
      case "auto": backend = .auto
      case "io_uring": backend = .io_uring
      case "epoll": backend = .epoll
      default: throw wrong("one of auto, io_uring, epoll")
      }
    case "mempool.max_size": poolEventsMax = try integer(100...1_000_000)
    case "mempool.max_bytes":
      guard let value = Self.size(text), (1_000_000...64_000_000_000).contains(value) else { throw wrong("a size from 1MB to 64GB") }
      poolBytesMax = value
    case "mempool.event_ttl": poolTimeToLiveMilliseconds = try milliseconds(60_000...604_800_000)
    case "log.level":
      guard let level = LogLevel(name: text) else { throw wrong("one of trace, debug, info, notice, warn, error") }
      logLevel = level
    case "log.format":
      guard let format = LogFormat(rawValue: text) else { throw wrong("one of text, json, journald") }
      logFormat = format
    default: throw NodeFailure(78, "unknown key '\(key)'; known keys: \(Self.keys.joined(separator: ", "))")
    }
  }

  /// `500ms 30s 5m 24h 7d` in milliseconds.
  static func duration(_ text: String) -> UInt64? {
    for (suffix, factor) in [("ms", UInt64(1)), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)] where text.hasSuffix(suffix) {
      guard let value = UInt64(text.dropLast(suffix.count)), value < 1 << 40 else { return nil }
      return value * factor
    }
    return nil
  }

  /// `10MB`, `16MiB` or plain bytes.
  static func size(_ text: String) -> Int? {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)]
    for (suffix, factor) in units where text.hasSuffix(suffix) {
      guard let value = Int(text.dropLast(suffix.count)), value >= 0, value < 1 << 32 else { return nil }
      return value * factor
    }
    return Int(text)
  }

  /// `host:port` with a numeric host.
  static func parse(_ text: String) -> SocketAddress? {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    return SocketAddress(host: String(text[..<colon]), port: port)
  }
}
