import Foundation
import Synchronization

/// A command that runs on, and what it has printed so far; killed when the test lets go of it.
final class RunningCommand {
  private let process = Process()
  private let output = Collector()
  private let errors = Collector()

  init(_ arguments: [String], of executable: URL = NodeProcess.moloch) throws {
    process.executableURL = executable
    process.arguments = arguments
    process.standardOutput = output.pipe
    process.standardError = errors.pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    for collector in [output, errors] { collector.start() }
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits until what it has printed so far is as wanted. Returns that.
  @discardableResult func waitForOutput(within seconds: Double = 180, until accept: (String) -> Bool) throws -> String {
    try wait(for: output, within: seconds, until: accept)
  }

  /// The same for its stderr.
  @discardableResult func waitForErrors(within seconds: Double = 180, until accept: (String) -> Bool) throws -> String {
    try wait(for: errors, within: seconds, until: accept)
  }

  private func wait(for collector: Collector, within seconds: Double, until accept: (String) -> Bool) throws -> String {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while true {
      let hasEnded = collector.hasEnded, text = collector.text
      if accept(text) { return text }
      guard !hasEnded, Date() < deadline else { throw NodeProcess.Failure(description: "it printed only '\(output.text)' and '\(errors.text)'") }
      usleep(10_000)
    }
  }

  /// Waits for its end.
  func end() -> Command {
    process.waitUntilExit()
    while !output.hasEnded || !errors.hasEnded { usleep(5000) }
    return Command(
      status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus, output: output.text, errors: errors.text)
  }

  /// What comes out of a pipe, read on a thread of its own.
  private final class Collector: Sendable {
    private let state = Mutex<(bytes: [UInt8], hasEnded: Bool)>(([], false))
    let pipe = Pipe()

    var text: String { String(decoding: state.withLock { $0.bytes }, as: UTF8.self) }
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    func start() {
      Thread { [self] in
        while case let piece = pipe.fileHandleForReading.availableData, !piece.isEmpty { state.withLock { $0.bytes += piece } }
        state.withLock { $0.hasEnded = true }
      }.start()
    }
  }
}
