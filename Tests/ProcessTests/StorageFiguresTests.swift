import Foundation
import Testing

/// What a node says of its disk, and what it leaves there.
@Suite struct StorageFiguresTests {
  private static func du(_ path: String) throws -> Double {
    let run = try Command.run(URL(fileURLWithPath: "/usr/bin/du"), ["-s", "--block-size=1", path])
    return try #require(Double(run.output.prefix { $0.isNumber }), "\(run.errors)")
  }

  /// The figure is that of a look once a second, the files change meanwhile: both are read until they are of one moment.
  private static func expectBytesOfDu(_ member: Cluster.Member, _ note: String) throws {
    let deadline = Date(timeIntervalSinceNow: 180)
    var last = (metric: 0.0, du: 1.0)
    repeat {
      last = (try member.metric("moloch_storage_bytes") ?? 0, try du(member.file("data").path))
      if abs(last.metric - last.du) <= last.du / 100 { return }
      usleep(100_000)
    } while Date() < deadline
    Issue.record("\(note): moloch_storage_bytes \(last.metric), du \(last.du)")
  }

  @Test func bytesAreThoseOfDuWithABackupBesideTheChain() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-du"), member = cluster[0], records = try cluster.records()
    try member.start()
    // Tables of some size: each compaction writes what was in memory.
    for _ in 0..<3 {
      let batch = (0..<200).map { _ in records.next(note: OldChain.letters(6000)) }
      #expect(try member.client().post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes }).status == 201)
    }
    #expect(try Command.moloch("maintenance", "compact", "--home", member.home.path).status == 0)
    try Self.expectBytesOfDu(member, "before the backup")
    let before = try Self.du(member.file("data").path)
    let made = try Command.moloch("backup", "create", member.file("data/backups/x").path, "--home", member.home.path)
    #expect(made.status == 0, "\(made.errors)")
    let tables = try OldChain.tableBytes(member.file("data/backups/x/data/chain").path)
    #expect(Double(tables) > before / 50, "what is linked is more than the figure may be off by: \(tables) of \(before)")
    try Self.expectBytesOfDu(member, "after the backup")
  }

  /// Blocks are written when they are proposed and made final by a second write: both are synced, both are measured.
  @Test func eachSyncedWriteOfTheChainIsMeasured() throws {
    let cluster = try Cluster(chainID: "moloch-fsync")
    try cluster.start()
    let records = try cluster.records()
    for _ in 0..<6 { try cluster[0].finalise(1, of: records) }
    for member in cluster.members {
      try member.status { $0["head_height"] as? Int ?? 0 >= 6 }
      let commits = try #require(try member.metric("moloch_storage_commit_seconds_count"))
      try member.expectMetric("moloch_storage_fsync_seconds_count{file=\"chain\"}") { $0 > commits }
    }
  }

  /// The configuration may lie anywhere; a backup has the one that the node was started with.
  @Test func aBackupHasTheConfigurationThatTheNodeWasStartedWith() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-elsewhere"), member = cluster[0]
    let elsewhere = cluster.scratch.url.appendingPathComponent("etc/node-a.toml")
    try FileManager.default.createDirectory(at: elsewhere.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.moveItem(at: member.file("config/node.toml"), to: elsewhere)
    let text = try Data(contentsOf: elsewhere)
    func expectConfiguration(_ name: String, _ words: String...) throws {
      let backup = cluster.scratch.url.appendingPathComponent(name)
      let made = try Command.run(NodeProcess.moloch, ["backup", "create", backup.path, "--home", member.home.path, "--config", elsewhere.path] + words)
      #expect(made.status == 0, "\(name): \(made.output)\(made.errors)")
      #expect((try? Data(contentsOf: backup.appendingPathComponent("config/node.toml"))) == text, "\(name)")
      #expect(try Command.moloch("backup", "verify", backup.path).status == 0)
    }
    try member.start(options: ["--config", elsewhere.path])
    try member.finalise(1, of: cluster.records())
    try expectConfiguration("running")
    #expect(member.stop() == 0, "\(member.lastLines)")
    try expectConfiguration("stopped")
  }

  /// `du -sh data/*` of the guide, and nothing of the node beside `data` and `logs`.
  @Test func theNodeWritesOnlyToDataAndLogs() throws {
    let cluster = try Cluster(count: 1, chainID: "moloch-writes"), member = cluster[0]
    func files() throws -> [String: String] {
      // Names, sizes, times of change of the content and of the entry; the home itself has the output of this test in it.
      let list = try Command.run(
        URL(fileURLWithPath: "/usr/bin/find"), [member.home.path, "-mindepth", "1", "(", "-name", "data", "-o", "-name", "logs", "-o", "-name", "output.log", ")", "-prune", "-o", "-printf", "%P\t%s %T@ %C@\n"])
      let lines = list.output.split(separator: "\n").map { $0.split(separator: "\t") }
      return Dictionary(uniqueKeysWithValues: lines.map { (String($0[0]), String($0[1])) })
    }
    let before = try files()
    #expect(before["config/node.toml"] != nil && before["keys/validator.key"] != nil, "\(before)")
    try member.start()
    try member.finalise(3, of: cluster.records())
    #expect(try Command.moloch("reload", "--home", member.home.path).status == 0)
    #expect(member.stop() == 0, "\(member.lastLines)")
    #expect(try files() == before)
    #expect(try String(contentsOf: member.file("logs/moloch.log"), encoding: .utf8).contains("block final"))
    var directories: Set<String> = []
    // The reserve is there to be given up when the disk is full.
    for name in try FileManager.default.contentsOfDirectory(atPath: member.file("data").path) where name != "reserve" {
      let kind = try FileManager.default.attributesOfItem(atPath: member.file("data/\(name)").path)
      if kind[.type] as? FileAttributeType == .typeDirectory { directories.insert(name) } else { #expect(kind[.size] as? Int ?? .max < 1 << 20, "\(name) is no small file") }
    }
    #expect(directories.isSuperset(of: ["chain", "mmr", "index", "validator"]), "\(directories)")
  }

  /// How fast blocks come is known at once: from those of the chain, not from those that this process has seen.
  @Test func thePaceOfBlocksOutlivesARestart() throws {
    let scratch = try ScratchDirectory(), home = scratch.url.appendingPathComponent("home")
    // Three days lie between the last two blocks.
    _ = try OldChain.make(home, blocks: 1, eventsPerBlock: 1)
    var node: NodeProcess? = try NodeProcess(home: home)
    #expect(try node?.client().post("/v1/events?wait=finalized", type: SubmissionTests.event, body: RecordMaker(node!.client(), key: .forTest()).next().bytes).status == 201)
    node?.signal(SIGTERM)
    #expect(node?.waitForExit() == 0)
    node = try NodeProcess(home: home)
    let key = try String(contentsOf: home.appendingPathComponent("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    let validator = try #require(try node?.client().get("/v1/validators/\(key)").json)
    let head = try #require(try node?.status { $0["head_height"] is Int }["head_height"] as? Int)
    // At most some empty blocks came between.
    #expect(validator["next_slot_in_ms"] as? Int ?? 0 > OldChain.days * 86_400_000 / (head + 1), "\(validator) at height \(head)")
  }
}
