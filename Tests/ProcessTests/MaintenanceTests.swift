import Foundation
import Testing

/// Long work beside a running node: its pace, its end by Ctrl-C, and what a stop cuts off.
@Suite struct MaintenanceTests {
  /// Three megabytes of bodies that no table compresses, and the pace at which maintenance takes some seconds for them.
  private static let bodies = 15, bodyBytes = 200_000
  /// So many take it longer than a test needs to cut it off.
  private static let manyBodies = 90
  private static let pace = ["--set", "storage.maintenance_max_mbps=1"]

  private static func node(_ home: URL, arguments: [String] = [], bodies: Int = bodies) throws -> NodeProcess {
    let node = try NodeProcess(home: home, arguments: arguments)
    let client = try node.client()
    guard try client.get("/v1/status").json["tree_size"] as? Int == 0 else { return node }
    let records = try RecordMaker(client, key: .forTest())
    for _ in 0..<bodies {
      #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next(note: OldChain.letters(bodyBytes)).bytes).status == 201)
    }
    return node
  }

  /// Waits until the log has `words`; each turn reads a file of the node.
  private static func wait(for words: String, in node: NodeProcess) throws {
    let deadline = Date(timeIntervalSinceNow: 180)
    while !node.log.contains(words) {
      guard Date() < deadline, node.isRunning else { throw NodeProcess.Failure(description: "no '\(words)' in the log: \(node.log.suffix(2000))") }
      usleep(10_000)
    }
  }

  @Test func maintenanceKeepsItsPace() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let node = try Self.node(home, arguments: Self.pace)
    let slowest = Double(Self.bodies * Self.bodyBytes) / 1e6 - 0.5
    for (words, verb) in [(["maintenance", "compact"], "compact"), (["maintenance", "verify"], "verify"), (["backup", "create", scratch.url.path + "/b1"], "backup")] {
      let watch = Stopwatch()
      let done = try Command.run(NodeProcess.moloch, words + ["--home", home.path])
      #expect(done.status == 0 && watch.seconds > slowest, "\(verb) took \(watch.seconds) s: \(done.output)\(done.errors)")
    }
    // An option of the command counts more.
    let free = try Command.moloch("maintenance", "compact", "--max-mbps", "0", "--home", home.path)
    #expect(free.status == 0, "\(free.output)\(free.errors)")
    let begun = node.log.split(separator: "\n").filter { $0.contains("begun task=compact") }
    #expect(begun.map { $0.hasSuffix("mbps=0") } == [false, true] && begun[0].hasSuffix("mbps=1"), "\(begun)")
    #expect(try Command.moloch("maintenance", "compact", "--max-mbps", "10001", "--home", home.path).status == 64)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let stopped = Stopwatch()
    let offline = try Command.moloch("maintenance", "compact", "--max-mbps", "1", "--home", home.path)
    #expect(offline.status == 0 && stopped.seconds > slowest, "\(stopped.seconds) s: \(offline.output)\(offline.errors)")
  }

  @Test func controlCEndsTheWorkOfTheNode() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let node = try Self.node(home, arguments: Self.pace, bodies: Self.manyBodies)
    for (task, words) in [("verify", "verify"), ("compact", "compact")] {
      let command = try RunningCommand(["maintenance", words, "--home", home.path])
      try command.waitForErrors { $0.contains("online: node pid") }
      command.signal(SIGINT)
      let ended = command.end()
      #expect(ended.status == 75 && ended.errors.contains("interrupted"), "\(task): \(ended)")
      try Self.wait(for: "interrupted task=\(task)", in: node)
    }
    for left in ["verify-staging", "compaction.pending"] { #expect(!FileManager.default.fileExists(atPath: home.path + "/data/" + left), "\(left) is left") }
    // The node goes on, and so does its maintenance.
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    #expect(try Command.moloch("maintenance", "compact", "--max-mbps", "0", "--home", home.path).status == 0)
  }

  @Test func aCompactionThatAStopCutsOffBeginsAgain() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home"), mark = home.path + "/data/compaction.pending"
    let node = try Self.node(home, arguments: Self.pace, bodies: Self.manyBodies)
    let command = try RunningCommand(["maintenance", "compact", "--home", home.path])
    try Self.wait(for: "begun task=compact", in: node)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log.suffix(1000))")
    #expect(command.end().status != 0)
    #expect(try String(contentsOfFile: mark, encoding: .utf8) == "compact\n")
    let again = try NodeProcess(home: home)
    try Self.wait(for: "a compaction that was cut off begins again task=compact", in: again)
    try Self.wait(for: "done task=compact", in: again)
    #expect(!FileManager.default.fileExists(atPath: mark))
    again.signal(SIGTERM)
    #expect(again.waitForExit() == 0)
    let third = try NodeProcess(home: home)
    _ = try third.status { $0["state"] as? String == "live" && ($0["uptime_seconds"] as? Int ?? 0) >= 2 }
    #expect(!third.log.contains("cut off"))
  }
}
