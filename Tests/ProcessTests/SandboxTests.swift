import Foundation
import Testing

/// The node under a kernel, or among users, that refuse something.
@Suite struct SandboxTests {
  private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Independent")
  private static let python = URL(fileURLWithPath: "/usr/bin/python3")

  /// Runs a node behind a filter that refuses io_uring, until `then` has seen it serve.
  private func sandboxed(_ home: URL, backend: String, then: (Int, HTTPClient) throws -> Void) throws -> (status: Int32, log: String) {
    let process = Process()
    process.executableURL = Self.python
    process.arguments = [
      Self.scripts.appendingPathComponent("refuse-io-uring.py").path, NodeProcess.moloch.path, "dev", "--home", home.path, "--json", "--set",
      "api.listen_addr=127.0.0.1:0", "--set", "metrics.prometheus_addr=127.0.0.1:0", "--set", "runtime.io_backend=\(backend)",
    ]
    let output = Pipe(), errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    var line = Data()
    while !line.contains(0x0A) {
      let piece = output.fileHandleForReading.availableData
      if piece.isEmpty { break }
      line += piece
    }
    if let urls = try? JSONSerialization.jsonObject(with: line) as? [String: Any], let port = (urls["api"] as? String).flatMap({ URL(string: $0)?.port }) {
      try then(Int(process.processIdentifier), HTTPClient(port: UInt16(port)))
      kill(process.processIdentifier, SIGTERM)
    }
    let log = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, log)
  }

  @Test func whereIOUringIsRefusedEpollServesAndOneLineSaysSo() throws {
    let scratch = try ScratchDirectory()
    var status = 0
    let outcome = try sandboxed(scratch.url, backend: "auto") { _, client in status = try client.get("/v1/health").status }
    #expect(status == 200 && outcome.status == 0, "\(outcome.log)")
    let lines = outcome.log.split(separator: "\n").filter { $0.contains("io_uring") }
    #expect(lines.count == 1 && lines[0].contains("epoll"), "\(outcome.log)")
  }

  @Test func whereIOUringIsRefusedAndDemandedTheNodeDoesNotStart() throws {
    let scratch = try ScratchDirectory()
    var served = false
    let outcome = try sandboxed(scratch.url, backend: "io_uring") { _, _ in served = true }
    #expect(!served && outcome.status == 78, "\(outcome.status): \(outcome.log)")
    #expect(outcome.log.contains("runtime.io_backend"), "\(outcome.log)")
  }

  /// Only root can become somebody else.
  @Test(.enabled(if: geteuid() == 0, "changing the user needs root"))
  func theAdminSocketAnswersRootTheNodesUserAndItsGroup() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let socket = scratch.url.appendingPathComponent("data/admin.sock").path
    #expect(try FileManager.default.attributesOfItem(atPath: socket)[.posixPermissions] as? Int == 0o660)
    // The permissions of the file would keep others out before the node sees them.
    for (path, mode) in [(scratch.url.path, 0o755), (scratch.url.appendingPathComponent("data").path, 0o755), (socket, 0o777)] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    func ask(_ identity: String...) throws -> String {
      let script = Self.scripts.appendingPathComponent("connect-as-nobody.py").path
      return try Command.run(Self.python, [script, socket] + identity).output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let group = String(getegid())
    #expect(try ask("0", "0") == "HTTP/1.1 200 OK")
    #expect(try ask("65534", "65534") == "closed")
    #expect(try ask("65534", group) == "HTTP/1.1 200 OK", "a member by its own group")
    #expect(try ask("65534", "65534", group) == "HTTP/1.1 200 OK", "a member by a supplementary group")
    #expect(node.isRunning)
  }
}
