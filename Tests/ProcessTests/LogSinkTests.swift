import Foundation
import Testing

/// What reaches the sinks of the log when something is wrong: with the file, with the configuration, at the end.
@Suite struct LogSinkTests {
  private static func wait(_ what: String, _ node: NodeProcess, until isDone: () -> Bool) throws {
    let deadline = Date(timeIntervalSinceNow: 120)
    while !isDone() {
      guard Date() < deadline else { throw NodeProcess.Failure(description: "\(what) did not come\n\(node.log.suffix(3000))") }
      usleep(20_000)
    }
  }

  /// A file stands where the directory of the log should be, and goes away while the node runs.
  @Test func aLogFileThatCannotBeOpenedIsToldAndTriedAgain() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home"), logs = home.appendingPathComponent("logs").path
    try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    try "".write(toFile: logs, atomically: true, encoding: .utf8)
    let node = try NodeProcess(
      home: home, arguments: ["log.file=logs/x.log", "log.stderr=false", "log.format=json", "log.file_format=logfmt"].flatMap { ["--set", $0] })
    try node.logs("cannot open log.file")
    let line = try #require(node.log.split(separator: "\n").first), record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    #expect(record["msg"] as? String == "cannot open log.file" && record["level"] as? String == "WARN" && record["ts"] is String, "\(line)")
    #expect(record["path"] as? String == logs + "/x.log" && record["error"] as? String == "Not a directory", "\(line)")
    try FileManager.default.removeItem(atPath: logs)
    func written() -> [Substring] { ((try? String(contentsOfFile: logs + "/x.log", encoding: .utf8)) ?? "").split(separator: "\n") }
    try Self.wait("the count of the lost records", node) { written().contains { $0.contains("log records dropped") } }
    #expect(written().contains { $0.wholeMatch(of: /ts=\S+ level=WARN subsystem=node msg="log records dropped" count=[1-9]\d*/) != nil }, "\(written())")
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    #expect(written().last?.contains("msg=\"shutdown complete\"") == true, "\(written())")
    #expect(node.log.split(separator: "\n").count == 1, "log.stderr is off, and one complaint is enough: \(node.log)")
  }

  private static let invalid = "[network]\nmax_peer = 100\n[storage]\ncompression = \"lz5\"\n"

  @Test(arguments: ["run", "dev"]) func aStartWithAnInvalidConfigurationLeavesOneRecord(_ command: String) throws {
    let scratch = try ConfigurationTests.home(Self.invalid), file = scratch.url.path + "/config/node.toml"
    let refused = try Command.moloch(command, "--home", scratch.url.path)
    #expect(refused.status == 78 && refused.output.isEmpty, "\(refused)")
    #expect(refused.errors.contains("| ^^^^^^^^ did you mean 'max_peers'?") && refused.errors.contains("\(file):4:15"), "the findings are there, too: \(refused.errors)")
    let records = refused.errors.split(separator: "\n").filter { $0.contains("ERROR") || $0.contains("WARN") }
    #expect(records.count == 1, "\(refused.errors)")
    let record = try #require(records.first?.wholeMatch(of: /\d{4}-\d\d-\d\dT[\d:.]+Z ERROR node: (.*)/))
    #expect(record.1 == "unknown key 'network.max_peer' place=\(file):2:1 code=78 fatal=true")
    // The format of the log holds where it can be read.
    let json = try Command.moloch(command, "--home", scratch.url.path, "--set", "log.format=json")
    let line = try #require(json.errors.split(separator: "\n").last), object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    #expect(object["level"] as? String == "ERROR" && object["code"] as? Int == 78 && object["fatal"] as? String == "true", "\(line)")
  }

  @Test func aConfigurationThatCannotBeReadLeavesARecord() throws {
    let scratch = try ScratchDirectory()
    let refused = try Command.moloch("run", "--home", scratch.url.path, "--config", scratch.url.path + "/none.toml")
    #expect(refused.status == 66)
    #expect(refused.errors.contains(" ERROR node: cannot read \(scratch.url.path)/none.toml: No such file or directory code=66 fatal=true\n"), "\(refused.errors)")
  }

  @Test func underTheJournalTheRecordHasItsPriority() throws {
    let scratch = try ConfigurationTests.home(Self.invalid)
    let script = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" run --home \"$1\""
    let refused = try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", script, NodeProcess.moloch.path, scratch.url.path])
    #expect(refused.status == 78)
    #expect(refused.errors.contains("\n<3>ERROR node: unknown key 'network.max_peer' place="), "\(refused.errors)")
  }

  /// Calls of all threads in the order in which the kernel saw them.
  @Test func theAdminSocketIsGoneBeforeTheLastRecord() throws {
    let scratch = try ScratchDirectory(), trace = scratch.url.appendingPathComponent("trace")
    let home = scratch.url.appendingPathComponent("home")
    let node = try NodeProcess(home: home, launcher: ["/usr/bin/strace", "-f", "-s", "400", "-e", "trace=unlink,unlinkat,write", "-o", trace.path])
    #expect(FileManager.default.fileExists(atPath: home.path + "/data/admin.sock"))
    // strace keeps the signal from the node, whose lock file says who it is.
    let lock = try String(contentsOfFile: home.path + "/data/LOCK", encoding: .utf8)
    kill(try #require(Int32(lock.trimmingCharacters(in: .whitespacesAndNewlines))), SIGTERM)
    #expect(node.waitForExit() == 0)
    let calls = try String(contentsOf: trace, encoding: .utf8).split(separator: "\n")
    // A call that another thread's interrupts is two lines, the first of which has its arguments.
    let unlinked = try #require(calls.lastIndex { $0.contains("unlink") && $0.contains("admin.sock\"") }, "\(calls.suffix(20))")
    let last = try #require(calls.firstIndex { $0.contains("write(2") && $0.contains("shutdown complete") }, "\(calls.suffix(20))")
    #expect(unlinked < last)
    #expect(!FileManager.default.fileExists(atPath: home.path + "/data/admin.sock"))
  }
}
