import Glibc

/// Severity of a log record, with the word that every format prints.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case trace, debug, info, notice, warn, error
  public init?(name: String) {
    guard let level = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
    self = level
  }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  var word: String { "\(self)".uppercased() }
  /// Priority of the journal.
  var priority: Int { [7, 7, 6, 5, 4, 3][rawValue] }
}

public enum LogFormat: String, Sendable { case text, json, journald }

/// Log records on stderr: one line each, control characters escaped, never a secret or a body.
public struct Log: Sendable {
  let level: LogLevel
  let format: LogFormat

  public init(level: LogLevel, format: LogFormat) {
    self.level = level
    self.format = format
  }

  public func info(_ subsystem: String, _ message: String, _ fields: [(String, String)] = []) { write(.info, subsystem, message, fields) }
  public func notice(_ subsystem: String, _ message: String, _ fields: [(String, String)] = []) { write(.notice, subsystem, message, fields) }
  public func warn(_ subsystem: String, _ message: String, _ fields: [(String, String)] = []) { write(.warn, subsystem, message, fields) }
  public func error(_ subsystem: String, _ message: String, _ fields: [(String, String)] = []) { write(.error, subsystem, message, fields) }

  private func write(_ level: LogLevel, _ subsystem: String, _ message: String, _ fields: [(String, String)]) {
    guard level >= self.level else { return }
    let line = Array((Self.line(format, WallClock.now(), level, subsystem, message, fields) + "\n").utf8)
    // One write per record keeps lines whole; a full pipe of a reader that went away loses the record, never the node.
    _ = unsafe line.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// The text of one record.
  static func line(_ format: LogFormat, _ time: WallClock, _ level: LogLevel, _ subsystem: String, _ message: String, _ fields: [(String, String)]) -> String {
    switch format {
    case .text: "\(time.text) \(padded(level.word)) \(subsystem): \(escaped(message))\(pairs(fields))"
    case .journald: "<\(level.priority)>\(padded(level.word)) \(subsystem): \(escaped(message))\(pairs(fields))"
    case .json:
      "{\"ts\":\"\(time.text)\",\"level\":\"\(level.word)\",\"subsystem\":\"\(subsystem)\",\"msg\":\"\(escaped(message))\""
        + fields.map { ",\"\($0.0)\":" + (UInt64($0.1) != nil ? $0.1 : "\"\(escaped($0.1))\"") }.joined() + "}"
    }
  }

  private static func padded(_ word: String) -> String { word.count < 5 ? word + String(repeating: " ", count: 5 - word.count) : word }

  private static func pairs(_ fields: [(String, String)]) -> String {
    fields.map { " \($0.0)=" + ($0.1.contains(" ") || $0.1.isEmpty ? "\"\(escaped($0.1))\"" : escaped($0.1)) }.joined()
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": escaped += "\\\""
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\r": escaped += "\\r"
      case "\t": escaped += "\\t"
      default: if scalar.value < 0x20 || scalar.value == 0x7F { escaped += "\\u00" + String(scalar.value / 16, radix: 16) + String(scalar.value % 16, radix: 16) } else { escaped.unicodeScalars.append(scalar) }
      }
    }
    return escaped
  }
}

/// Wall-clock time, UTC.
public struct WallClock: Sendable {
  public let seconds: Int
  public let nanoseconds: Int

  public static func now() -> WallClock {
    var time = timespec()
    // The kernel fills the structure during the call.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return WallClock(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }

  public var milliseconds: UInt64 { UInt64(max(0, seconds)) * 1000 + UInt64(nanoseconds / 1_000_000) }

  private var broken: tm {
    var seconds = time_t(self.seconds)
    var parts = unsafe tm()
    // The library fills the structure during the call.
    _ = unsafe gmtime_r(&seconds, &parts)
    return unsafe parts
  }

  /// `2026-01-15T12:00:00.123456Z`.
  var text: String {
    let parts = unsafe broken
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = String(nanoseconds / 1000)
    let day = unsafe "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    let clock = unsafe "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return "\(day)T\(clock).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)Z"
  }

  /// `Thu, 15 Jan 2026 12:00:00 GMT`, the form of HTTP's Date field.
  var httpDate: String {
    let parts = unsafe broken
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return
      unsafe "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(1900 + parts.tm_year) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }
}
