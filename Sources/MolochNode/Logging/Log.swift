import Ambient
import Configuration
import CLinux
import Glibc

/// Severity of a log record, with the word that every format prints.
enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case trace, debug, info, notice, warn, error
  init?(name: String) {
    guard let level = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
    self = level
  }
  static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  var word: String { "\(self)".uppercased() }
  /// Priority of the journal.
  var priority: Int { [7, 7, 6, 5, 4, 3][rawValue] }
}

enum LogFormat: String, Sendable, CaseIterable { case text, json, logfmt, journald }

/// A part of the node that logs: one of `Key.subsystems`. A literal that is none of them traps.
struct Subsystem: Sendable, ExpressibleByStringLiteral {
  let name: String
  let position: Int
  init(stringLiteral name: String) {
    guard let position = Key.subsystems.firstIndex(of: name) else { preconditionFailure("\(name) is no subsystem") }
    self.name = name
    self.position = position
  }

  /// Nil for a name that is none.
  init?(named name: String) {
    guard let position = Key.subsystems.firstIndex(of: name) else { return nil }
    (self.name, self.position) = (name, position)
  }
}

/// Log records: formatted on the calling thread, written by a thread of their own. A caller never waits: what the writer cannot take is dropped and counted.
///
///     caller: level? tokens? ──format──► lane (bounded) ──► log thread ──► stderr, file (rotated, compressed)
///
/// Never a secret, a token or a body. What comes from outside is escaped, and records below WARN cannot contain the words that operators search for.
struct Log: Sendable {
  typealias Fields = [(String, String)]
  private let rules: LogRules
  private let writer: LogWriter

  /// Starts the writer. Records before `apply` go by the rules given here.
  /// - Parameter settings: of the node; `home` is where a relative `log.file` starts.
  init(_ settings: Settings, home: String) throws(NodeFailure) {
    rules = LogRules()
    writer = LogWriter(rules)
    apply(settings, home: home)
    let result = writer.start()
    guard result == 0 else { throw NodeFailure(75, "cannot start the log thread: errno \(result)") }
  }

  /// Takes over levels, formats, limits and the file; the file is opened anew. Any thread.
  func apply(_ settings: Settings, home: String) {
    rules.apply(settings)
    writer.apply(LogFile.Rules(settings, home: home))
  }

  /// Takes over levels, formats and limits; the file stays. Any thread.
  func applyRules(_ settings: Settings) { rules.apply(settings) }

  /// Changes the least severe level of a subsystem, or of all, in every sink that is on. Any thread; `apply` and `applyRules` take it back.
  func setLevel(_ level: LogLevel, _ subsystem: Subsystem?) { rules.set(level, subsystem) }

  func trace(_ subsystem: Subsystem, _ message: String, _ fields: Fields = [], file: StaticString = #fileID, line: Int = #line) {
    write(.trace, subsystem, message, fields, file, line)
  }
  func debug(_ subsystem: Subsystem, _ message: String, _ fields: Fields = [], file: StaticString = #fileID, line: Int = #line) {
    write(.debug, subsystem, message, fields, file, line)
  }
  func info(_ subsystem: Subsystem, _ message: String, _ fields: Fields = [], file: StaticString = #fileID, line: Int = #line) {
    write(.info, subsystem, message, fields, file, line)
  }
  func notice(_ subsystem: Subsystem, _ message: String, _ fields: Fields = [], file: StaticString = #fileID, line: Int = #line) {
    write(.notice, subsystem, message, fields, file, line)
  }
  func warn(_ subsystem: Subsystem, _ message: String, _ fields: Fields = [], file: StaticString = #fileID, line: Int = #line) {
    write(.warn, subsystem, message, fields, file, line)
  }
  func error(_ subsystem: Subsystem, _ message: String, _ fields: Fields = [], file: StaticString = #fileID, line: Int = #line) {
    write(.error, subsystem, message, fields, file, line)
  }

  /// Whether a record would go anywhere: worth asking before its fields are computed.
  func takes(_ level: LogLevel, _ subsystem: Subsystem) -> Bool { rules.sinks(level, subsystem) != [] }

  /// Waits until all records are written, at most two seconds, and ends the thread. Records after it are lost.
  func close() { writer.close() }

  /// Records written or queued, by level.
  func recordCount(_ level: LogLevel) -> UInt64 { rules.records(level) }
  var droppedCount: UInt64 { writer.droppedCount }

  private func write(_ level: LogLevel, _ subsystem: Subsystem, _ message: String, _ fields: Fields, _ file: StaticString, _ line: Int) {
    let sinks = rules.sinks(level, subsystem)
    guard sinks != [] else { return }
    var fields = fields
    switch rules.admit(site: LogRules.site(file, line), now: MonotonicClock.now().nanoseconds) {
    case .refused: return
    case .admitted(let suppressed): if suppressed > 0 { fields.append(("suppressed", "\(suppressed)")) }
    }
    rules.count(level)
    let time = WallClock.now()
    let (format, fileFormat) = (rules.format, rules.fileFormat)
    let stderr = sinks.contains(.stderr) ? Array((Self.line(format, time, level, subsystem.name, message, fields) + "\n").utf8) : []
    var fileBytes: [UInt8] = []
    if sinks.contains(.file) {
      let isSame = !stderr.isEmpty && format == fileFormat
      fileBytes = isSame ? stderr : Array((Self.line(fileFormat, time, level, subsystem.name, message, fields) + "\n").utf8)
    }
    writer.post(LogRecord(stderr: stderr, file: fileBytes))
  }
}

/// Where a record goes.
struct LogSinks: OptionSet, Sendable {
  let rawValue: Int
  static let stderr = LogSinks(rawValue: 1), file = LogSinks(rawValue: 2)
}
