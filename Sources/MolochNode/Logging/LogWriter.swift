import Ambient
import CLinux
import Glibc
import Lanes
import Synchronization

/// One record, formatted for each sink that takes it; empty for one that does not.
final class LogRecord: Sendable {
  let stderr: [UInt8]
  let file: [UInt8]
  init(stderr: [UInt8], file: [UInt8]) {
    self.stderr = stderr
    self.file = file
  }
}

/// The thread that writes log records.
final class LogWriter: @unchecked Sendable {
  // Sendable: the lane hands each record from one thread to the log thread, the file is used by that thread alone, the rest is atomic.

  /// Records that may wait: at 200 bytes each about a megabyte.
  static let capacity = 4096
  /// Bytes gathered for one write.
  private static let batchBytes = 65_536

  private let lane = MPSCLane<UInt>(capacity: capacity)
  private let bell = Doorbell()
  private let ended = Doorbell()
  private let state = AtomicWords(count: 4)
  /// `dropped`: all; the other two: those that stderr and the file would have taken.
  private enum Word { static let isClosing = 0, dropped = 1, droppedStderr = 2, droppedFile = 3 }
  private let rules: LogRules
  /// Rules that the log thread takes over when it sees them; nil when it has.
  private let news = Mutex<LogFile.Rules?>(nil)
  private var file: LogFile?
  /// What was told of drops, by sink, and the records that found no file.
  private var reportedStderr: UInt64 = 0
  private var reportedFile: UInt64 = 0
  private var lostFile: UInt64 = 0

  init(_ rules: LogRules) { self.rules = rules }

  var droppedCount: UInt64 { state.loadRelaxed(Word.dropped) }

  /// - Returns: 0, or the errno of the thread that could not start.
  func start() -> Int32 { startThread(name: "log") { [self] in run() } }

  /// The file is opened anew with these rules, by the log thread. Reactors call it at a reload only.
  func apply(_ rules: LogFile.Rules) {
    news.withLock { $0 = rules }
    bell.ring()
  }

  /// Any thread; never waits.
  func post(_ record: LogRecord) {
    // Retained for the log thread; released at once when the lane is full.
    let retained = unsafe Unmanaged.passRetained(record)
    if unsafe lane.push(UInt(bitPattern: retained.toOpaque())) { return bell.ring() }
    unsafe retained.release()
    if !record.stderr.isEmpty { _ = state.add(1, Word.droppedStderr) }
    if !record.file.isEmpty { _ = state.add(1, Word.droppedFile) }
    _ = state.add(1, Word.dropped)
  }

  /// Returns when everything that was posted before is written. A sink that takes nothing for ten seconds, a pipe that nobody reads, does not keep the process.
  func close() {
    state.storeReleasing(1, Word.isClosing)
    bell.ring()
    _ = ended.wait(milliseconds: 10_000)
  }

  // MARK: The log thread

  private func run() {
    while true {
      let isClosing = state.loadAcquiring(Word.isClosing) == 1
      drain()
      if isClosing { break }
      _ = bell.wait(milliseconds: 1000)
    }
    file = nil
    ended.ring()
  }

  private func drain() {
    while true {
      var stderr: [UInt8] = [], toFile: [UInt8] = []
      while stderr.count + toFile.count < Self.batchBytes, let address = lane.pop() {
        // The address was made by `post` and left the lane just now, so the retain is ours.
        let record = unsafe Unmanaged<LogRecord>.fromOpaque(UnsafeRawPointer(bitPattern: address)!).takeRetainedValue()
        stderr += record.stderr
        toFile += record.file
      }
      let now = MonotonicClock.now()
      // After the records were taken: one that was logged after a reload goes by the rules of the reload.
      takeNews(now)
      file?.retry(now)
      reportFile(&stderr)
      reportDrops(&stderr, &toFile)
      if stderr.isEmpty && toFile.isEmpty { return }
      if !stderr.isEmpty { Self.write(stderr, to: STDERR_FILENO) }
      // Each record is one line. What is lost here is told when there is a file again.
      if !toFile.isEmpty, file?.append(toFile, now: now) != true { lostFile += UInt64(toFile.count { $0 == 0x0A }) }
    }
  }

  func takeNews(_ now: Instant) {
    guard let rules = news.withLock({ rules in defer { rules = nil }; return rules }) else { return }
    file = nil
    file = LogFile(rules, now: now)
  }

  /// A file that cannot be opened is told on stderr even where `log.stderr` is off: no other sink is left.
  private func reportFile(_ stderr: inout [UInt8]) {
    guard let fields = file?.takeComplaint() else { return }
    stderr += line(rules.format, "cannot open log.file", fields)
  }

  /// Tells a sink that takes warnings of the node how many of its own records it did not get.
  func reportDrops(_ stderr: inout [UInt8], _ toFile: inout [UInt8]) {
    let (droppedStderr, droppedFile) = (state.loadRelaxed(Word.droppedStderr), state.loadRelaxed(Word.droppedFile) + lostFile)
    let sinks = rules.sinks(.warn, "node")
    if sinks.contains(.stderr), droppedStderr > reportedStderr {
      stderr += line(rules.format, "log records dropped", [("count", "\(droppedStderr - reportedStderr)")])
      reportedStderr = droppedStderr
    }
    if sinks.contains(.file), droppedFile > reportedFile, file?.isOpen == true {
      toFile += line(rules.fileFormat, "log records dropped", [("count", "\(droppedFile - reportedFile)")])
      reportedFile = droppedFile
    }
  }

  /// A record of the writer's own.
  private func line(_ format: LogFormat, _ message: String, _ fields: Log.Fields) -> [UInt8] {
    rules.count(.warn)
    return Array((Log.line(format, WallClock.now(), .warn, "node", message, fields) + "\n").utf8)
  }

  /// Writes all bytes. A sink that does not take them loses them: there is nobody to tell.
  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    var offset = 0
    while offset < bytes.count {
      // The array outlives the call.
      let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { return }
      offset += written
    }
  }
}
