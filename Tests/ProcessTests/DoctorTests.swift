import Foundation
import Testing

/// `moloch doctor`: what it finds on this host and says of a node, each with its fix.
@Suite struct DoctorTests {
  static func findings(_ home: String, _ arguments: String...) throws -> (status: Int32, findings: [[String: String]]) {
    let run = try Command.run(NodeProcess.moloch, ["doctor", "--json", "--home", home] + arguments)
    let json = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any] ?? [:]
    #expect(json["schema"] as? String == "moloch.doctor/1", "\(run.output)\(run.errors)")
    return (run.status, json["findings"] as? [[String: String]] ?? [])
  }

  @Test func everySubjectIsLookedAtAndEveryComplaintHasAFix() throws {
    let scratch = try ScratchDirectory()
    #expect(try Command.moloch("init", "--chain-id", "doctor-1", "--home", scratch.url.path).status == 0)
    let (_, findings) = try Self.findings(scratch.url.path)
    for subject in ["clock", "limits", "sysctl", "memory", "io_uring", "disk", "fsync", "keys", "certs", "ports", "backup", "node"] {
      #expect(findings.contains { $0["subject"] == subject }, "\(subject) is missing: \(findings)")
    }
    for finding in findings where finding["verdict"] != "ok" { #expect(finding["fix"] != "", "\(finding)") }
    #expect(!FileManager.default.fileExists(atPath: scratch.url.path + "/data/doctor.probe"))
  }

  @Test func whatIsWrongIsFound() throws {
    let ports = try FreePort.three(), listener = try Listener(port: ports[0])
    let scratch = try ConfigurationTests.home(
      """
      [network]
      listen_addr = "127.0.0.1:\(ports[0])"
      boot_nodes = ["/ip4/127.0.0.1/tcp/\(ports[1])/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", "/dns/nobody.invalid/tcp/9000/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"]
      [storage]
      min_free_mb = 1048576
      """)
    let home = scratch.url.path
    for directory in ["data", "keys"] { try FileManager.default.createDirectory(atPath: home + "/" + directory, withIntermediateDirectories: true) }
    #expect(try Command.moloch("keygen", "--output", home + "/keys").status == 0)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: home + "/keys/node.key")
    let (status, findings) = try Self.findings(home)
    #expect(status == 2)
    func failed(_ subject: String, _ text: String, _ fix: String) {
      #expect(findings.contains { $0["verdict"] == "fail" && $0["subject"] == subject && $0["text"]!.contains(text) && $0["fix"]!.contains(fix) }, "\(subject): \(findings)")
    }
    failed("ports", "127.0.0.1:\(ports[0]) is taken by process \(getpid())", "network.listen_addr")
    failed("peers", "127.0.0.1:\(ports[1]): Connection refused", "\(ports[1])/tcp")
    failed("peers", "nobody.invalid is not found", "getent")
    failed("keys", "can be read by others", "chmod 0600")
    failed("disk", "read-only below 1048576 MiB", "storage.min_free_mb")
    withExtendedLifetime(listener) {}
  }

  @Test func aRunningNodeIsAskedAndWatched() throws {
    // The longest time between empty blocks that a chain can have: none comes within the looks.
    let cluster = try Cluster(count: 1, chainID: "moloch-doctor", emptyBlockInterval: 240_000)
    let node = cluster[0], home = node.home.path
    try node.start()
    try node.finalise(1, of: cluster.records())
    let (_, findings) = try Self.findings(home)
    #expect(findings.contains { $0["subject"] == "node" && $0["verdict"] == "ok" && $0["text"]!.hasPrefix("live at height") }, "\(findings)")
    #expect(!findings.contains { $0["subject"] == "ports" }, "the ports are the node's own")
    // Nothing is submitted. However short the watch, it compares two looks: two lines and the verdict.
    let lines = try Command.moloch("doctor", "--watch", "1ms", "--json", "--home", home)
    let looks = try lines.output.split(separator: "\n").map { try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
    #expect(lines.status == 2 && looks.count == 3 && lines.errors.isEmpty, "\(lines.output)\(lines.errors)")
    #expect(looks.dropLast().allSatisfy { $0["schema"] as? String == "moloch.doctor.watch/1" && $0["head_height"] is Int && $0["ready"] as? Bool == true }, "\(looks)")
    #expect(looks.last?["healthy"] as? Bool == false && looks.last?["faults"] as? [String] == ["the height did not grow"], "\(looks)")
    let still = try Command.moloch("doctor", "--watch", "1s", "--home", home)
    #expect(still.status == 2 && still.output.contains("the height did not grow"), "\(still.output)\(still.errors)")
    let client = try node.client()
    let records = try cluster.records()
    let watching = Process()
    watching.executableURL = NodeProcess.moloch
    watching.arguments = ["doctor", "--watch", "5s", "--home", home]
    let output = Pipe()
    watching.standardOutput = output
    watching.standardError = FileHandle.nullDevice
    try watching.run()
    // Blocks are made for as long as the watch lasts.
    while watching.isRunning { _ = try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes) }
    let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(watching.terminationStatus == 0 && said.hasPrefix("healthy: height "), "\(said)")
  }

  @Test func theReportFitsEightyColumnsAndAPipe() throws {
    let scratch = try ScratchDirectory()
    #expect(try Command.moloch("init", "--chain-id", "doctor-1", "--home", scratch.url.path).status == 0)
    let run = try Command.moloch("doctor", "--home", scratch.url.path)
    #expect(!run.output.contains("\u{1B}") && run.output.contains(" checks: "), "\(run.output)")
    let head = run.output.split(separator: "\n").filter { !$0.contains(scratch.url.path) && !$0.contains("fix: ") }
    for line in head { #expect(line.count <= 80, "\(line)") }
  }
}
