import Configuration
import CLinux
import Glibc
import Lanes

/// What is logged: levels by subsystem and sink, formats, and a token bucket per place in the program. Any thread; a reload changes it under their feet.
final class LogRules: Sendable {
  private static let subsystems = Key.subsystems.count
  /// Places that share a bucket share its limit; with some hundred places in the program few do.
  private static let buckets = 512
  private enum Word { static let format = 0, fileFormat = 1, interval = 2, tolerance = 3, count = 4 }

  /// Least severe level by subsystem, first for stderr, then for the file; 6 = nothing.
  private let levels = AtomicWords(count: 2 * subsystems, value: UInt64(LogLevel.info.rawValue))
  private let words = AtomicWords(count: Word.count)
  /// When each bucket is full again, nanoseconds of the monotonic clock (GCRA), and what it refused since it last admitted.
  private let fullAt = AtomicWords(count: buckets)
  private let refused = AtomicWords(count: buckets)
  private let counts = AtomicWords(count: LogLevel.allCases.count)

  func apply(_ settings: Settings) {
    func level(_ name: String) -> UInt64? { settings.optionalText(name).flatMap { LogLevel(name: $0) }.map { UInt64($0.rawValue) } }
    let off = UInt64(LogLevel.error.rawValue + 1)
    let general = level("log.level") ?? UInt64(LogLevel.info.rawValue)
    for (position, subsystem) in Key.subsystems.enumerated() {
      let own = level("log.levels.\(subsystem)") ?? general
      levels.storeReleasing(settings.boolean("log.stderr") ? own : off, position)
      levels.storeReleasing(settings.text("log.file").isEmpty ? off : level("log.file_level") ?? own, Self.subsystems + position)
    }
    let format = LogFormat(rawValue: settings.text("log.format")) ?? Self.unnamedFormat
    words.storeReleasing(Self.number(format), Word.format)
    words.storeReleasing(Self.number(LogFormat(rawValue: settings.text("log.file_format")) ?? .text), Word.fileFormat)
    let rate = UInt64(settings.integer("log.rate_limit"))
    let interval = rate == 0 ? 0 : 1_000_000_000 / rate
    words.storeReleasing(interval, Word.interval)
    words.storeReleasing(interval * UInt64(settings.integer("log.rate_burst")), Word.tolerance)
  }

  func set(_ level: LogLevel, _ subsystem: Subsystem?) {
    let positions = subsystem.map { $0.position..<$0.position + 1 } ?? 0..<Self.subsystems
    for position in positions {
      for word in [position, Self.subsystems + position] where levels.loadRelaxed(word) <= UInt64(LogLevel.error.rawValue) {
        levels.storeReleasing(UInt64(level.rawValue), word)
      }
    }
  }

  // MARK: Records

  func sinks(_ level: LogLevel, _ subsystem: Subsystem) -> LogSinks {
    var sinks: LogSinks = []
    if UInt64(level.rawValue) >= levels.loadRelaxed(subsystem.position) { sinks.insert(.stderr) }
    if UInt64(level.rawValue) >= levels.loadRelaxed(Self.subsystems + subsystem.position) { sinks.insert(.file) }
    return sinks
  }

  var format: LogFormat { LogFormat.allCases[Int(words.loadRelaxed(Word.format))] }
  var fileFormat: LogFormat { LogFormat.allCases[Int(words.loadRelaxed(Word.fileFormat))] }
  func count(_ level: LogLevel) { _ = counts.add(1, level.rawValue) }
  func records(_ level: LogLevel) -> UInt64 { counts.loadRelaxed(level.rawValue) }

  enum Admission: Equatable { case admitted(suppressed: UInt64), refused }

  /// Takes a token from the bucket of a place.
  func admit(site: Int, now: UInt64) -> Admission {
    let interval = words.loadRelaxed(Word.interval)
    let bucket = site & (Self.buckets - 1)
    guard interval > 0 else { return .admitted(suppressed: 0) }
    let tolerance = words.loadRelaxed(Word.tolerance)
    while true {
      let full = fullAt.loadAcquiring(bucket)
      let next = max(full, now) + interval
      guard next - now <= tolerance else {
        _ = refused.add(1, bucket)
        return .refused
      }
      // Another thread took a token from the same bucket meanwhile: look again.
      guard fullAt.exchange(bucket, expected: full, desired: next) else { continue }
      let suppressed = refused.loadRelaxed(bucket)
      if suppressed > 0 { refused.subtract(suppressed, bucket) }
      return .admitted(suppressed: suppressed)
    }
  }

  /// A number for a place in the program.
  static func site(_ file: StaticString, _ line: Int) -> Int {
    // The address of the literal is only a number here.
    let address = file.hasPointerRepresentation ? unsafe Int(bitPattern: file.utf8Start) : 0
    let mixed = (UInt64(truncatingIfNeeded: address) &+ UInt64(line) &* 0x9E37_79B9_7F4A_7C15) &* 0xFF51_AFD7_ED55_8CCD
    return Int(truncatingIfNeeded: mixed >> 40)
  }

  private static func number(_ format: LogFormat) -> UInt64 { UInt64(LogFormat.allCases.firstIndex(of: format) ?? 0) }

  /// The format of stderr when the configuration names none.
  static var unnamedFormat: LogFormat { stderrIsJournal() ? .journald : .text }

  /// systemd names the journal's socket by device and inode; standard error is it only when both fit.
  private static func stderrIsJournal() -> Bool {
    // The environment is not changed by this program; the text is copied at once.
    guard let text = unsafe getenv("JOURNAL_STREAM") else { return false }
    var status = stat()
    // The kernel fills the structure during the call; the text is a C string.
    return unsafe fstat(STDERR_FILENO, &status) == 0 && String(cString: text) == "\(status.st_dev):\(status.st_ino)"
  }
}
