import Foundation

/// A `moloch` process of the build under test, started in a directory of its own; killed when the test lets go of it.
final class NodeProcess {
  struct Failure: Error, CustomStringConvertible { var description: String }
  /// The process ended before it served.
  struct EarlyEnd: Error, CustomStringConvertible {
    /// Exit status, or minus the signal.
    var status: Int32
    var log: String
    var description: String { "moloch dev ended with \(status) before it served: \(log)" }
  }

  let home: URL
  private(set) var apiPort: UInt16 = 0
  private(set) var metricsPort: UInt16 = 0
  private let process = Process()
  private let errors: URL

  /// Directory of the built executables: that of the running test bundle.
  static let binaries = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
  static var moloch: URL { binaries.appendingPathComponent("moloch") }

  /// Starts `moloch dev` on free ports in `home` and waits for its line of JSON, which it prints when it serves.
  /// - Parameter launcher: a program and its arguments that becomes the node.
  init(home: URL, arguments: [String] = [], environment: [String: String] = [:], launcher: [String] = []) throws {
    self.home = home
    try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    errors = home.appendingPathComponent("stderr-\(UUID().uuidString.prefix(8)).log")
    _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
    let words = launcher + [Self.moloch.path]
    process.executableURL = URL(fileURLWithPath: words[0])
    process.arguments =
      words.dropFirst() + ["dev", "--home", home.path, "--json", "--set", "api.listen_addr=127.0.0.1:0", "--set", "metrics.prometheus_addr=127.0.0.1:0"] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    var line = Data()
    while !line.contains(0x0A) {
      let piece = output.fileHandleForReading.availableData
      guard !piece.isEmpty else {
        process.waitUntilExit()
        throw EarlyEnd(status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus, log: log)
      }
      line += piece
    }
    let urls = (try JSONSerialization.jsonObject(with: line) as? [String: Any]) ?? [:]
    func port(_ key: String) -> UInt16? { (urls[key] as? String).flatMap { URL(string: $0)?.port }.map { UInt16($0) } }
    guard let api = port("api"), let metrics = port("metrics") else {
      throw Failure(description: "no ports in \(String(decoding: line, as: UTF8.self))")
    }
    (apiPort, metricsPort) = (api, metrics)
  }

  deinit {
    if process.isRunning {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }

  var identifier: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }
  /// What the node logged so far.
  var log: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

  func client() throws -> HTTPClient { try HTTPClient(port: apiPort) }

  /// Sends a signal and does not wait.
  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Stops the process with SIGSTOP and waits until it stands still.
  func freeze(within seconds: Double = 180) throws {
    signal(SIGSTOP)
    let deadline = Date(timeIntervalSinceNow: seconds)
    while try !String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8).contains(") T ") {
      guard Date() < deadline else { throw Failure(description: "it does not stop") }
      usleep(1000)
    }
  }

  /// Waits for the process to end. Returns its exit status, or minus the signal that ended it.
  @discardableResult func waitForExit() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
  }

  /// Asks for the status until `accept` likes it.
  func status(within seconds: Double = 180, until accept: ([String: Any]) -> Bool) throws -> [String: Any] {
    let client = try client()
    let deadline = Date(timeIntervalSinceNow: seconds)
    while true {
      let status = try client.get("/v1/status").json
      if accept(status) { return status }
      guard Date() < deadline else { throw Failure(description: "status stayed \(status)\n\(log)") }
      usleep(10_000)
    }
  }

  /// Waits until a metric without labels is as wanted: most are brought up to date once a second.
  func expectMetric(_ name: String, within seconds: Double = 120, _ accept: (Double) -> Bool) throws {
    let deadline = Date(timeIntervalSinceNow: seconds)
    var last: Double?
    repeat {
      let line = try HTTPClient(port: metricsPort).get("/metrics").text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
      last = line.flatMap { Double($0.dropFirst(name.count + 1)) }
      if let last, accept(last) { return }
      usleep(50_000)
    } while Date() < deadline
    throw Failure(description: "\(name) stayed \(last.map { "\($0)" } ?? "absent")\n\(log.suffix(1000))")
  }

  /// Waits until a line of the log holds all `words`: a thread of the node's own writes it.
  func logs(_ words: String..., within seconds: Double = 180) throws {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while !log.split(separator: "\n").contains(where: { line in words.allSatisfy { line.contains($0) } }) {
      guard Date() < deadline else { throw Failure(description: "no line with \(words)\n\(log.suffix(3000))") }
      usleep(20_000)
    }
  }
}

/// A finished command.
struct Command {
  var status: Int32
  var output: String
  var errors: String

  /// Runs `executable` to its end and collects what it printed.
  static func run(_ executable: URL, _ arguments: [String], directory: URL? = nil, environment: [String: String] = [:]) throws -> Command {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = directory
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    let errors = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-\(UUID().uuidString).err")
    _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
    defer { try? FileManager.default.removeItem(at: errors) }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Command(
      status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
      output: String(decoding: printed, as: UTF8.self), errors: (try? String(contentsOf: errors, encoding: .utf8)) ?? "")
  }

  /// Runs the `moloch` of the build under test on a terminal at which somebody types `answer`. What it shows is in `output`.
  static func answering(_ answer: String, _ arguments: [String], environment: [String: String] = [:]) throws -> Command {
    let words = ([NodeProcess.moloch.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try run(URL(fileURLWithPath: "/bin/sh"), ["-c", "echo \"$1\" | /usr/bin/script -qec \"$2\" /dev/null", "sh", answer, words], environment: environment)
  }

  /// Runs the `moloch` of the build under test.
  static func moloch(_ arguments: String..., directory: URL? = nil) throws -> Command {
    try run(NodeProcess.moloch, arguments, directory: directory)
  }
}

/// A directory that is removed with the value's owner.
final class ScratchDirectory {
  let url: URL
  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }
}
