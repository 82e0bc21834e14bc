import Foundation
import Testing

/// `moloch maintenance prune --deep` on a chain of 480 old events: the entries of the first 256 go, beside a node that runs and beside one that is stopped.
@Suite(.serialized) struct DeepPruneTests {
  private static let policy = ["MOLOCH_RETENTION_MIN_DAYS": "1"]

  private static func prune(_ home: String, _ before: Int, _ more: String...) throws -> Command {
    try Command.run(NodeProcess.moloch, ["maintenance", "prune", "--deep", "--home", home, "--before-height", "\(before)", "--yes"] + more, environment: policy)
  }

  /// A node on an old chain, with a block of today on it: the replay window ends above the old ones.
  private static func running(_ home: URL) throws -> NodeProcess {
    let node = try NodeProcess(home: home, environment: policy)
    let client = try node.client()
    let answer = try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: try RecordMaker(client, key: .forTest()).next().bytes)
    guard answer.status == 201 else { throw NodeProcess.Failure(description: "\(answer.status) \(answer.text)\n\(node.log)") }
    return node
  }

  private static func expectVerified(_ home: String, _ note: String = "") throws {
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home)
    #expect(verified.status == 0 && verified.output.contains("0 minor, 0 major"), "\(note) \(verified.output)\(verified.errors)")
  }

  /// What a holder of an event needs after its entry is pruned: the record, and the place in the tree.
  private struct Holder {
    let record: String
    let leaf: Int

    init(_ id: String, _ client: HTTPClient, _ directory: String) throws {
      record = directory + "/a.record"
      let answer = try client.get("/v1/events/\(id)/raw")
      #expect(answer.status == 200)
      try Data(answer.body).write(to: URL(fileURLWithPath: record))
      leaf = try #require(try client.get("/v1/events/\(id)").json["leaf_index"] as? Int)
    }

    /// The node proves the place, and a verifier without a network the rest.
    func expectProven(_ client: HTTPClient, _ directory: String) throws {
      let proof = try client.get("/v1/proofs/inclusion?leaf_index=\(leaf)&format=tlog-proof")
      #expect(proof.status == 200, "\(proof.text)")
      try Data(proof.body).write(to: URL(fileURLWithPath: directory + "/a.tlog-proof"))
      try Data(try client.get("/v1/policy").body).write(to: URL(fileURLWithPath: directory + "/policy"))
      let arguments = ["verify", directory + "/a.tlog-proof", "--record", record, "--policy", directory + "/policy", "--require-body"]
      let verified = try Command.run(NodeProcess.moloch, arguments)
      #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
      // Of another place it is not.
      let other = try client.get("/v1/proofs/inclusion?leaf_index=\(leaf + 1)&format=tlog-proof")
      try Data(other.body).write(to: URL(fileURLWithPath: directory + "/a.tlog-proof"))
      #expect(try Command.run(NodeProcess.moloch, arguments).status == 1)
    }
  }

  @Test func entriesOfARunningNodeArePrunedAndAPresentedOneIsProven() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home"), path = scratch.url.path
    let ids = try OldChain.make(home, blocks: 60)
    var node = try Self.running(home)
    var client = try node.client()
    #expect(try Command.moloch("maintenance", "compact", "--home", home.path).status == 0)
    let height = try #require(try client.get("/v1/events/\(ids[59])").json["block_height"] as? Int)
    let holder = try Holder(ids[10], client, path)
    let old = try #require(try client.get("/v1/events/\(ids[10])").json["block_height"] as? Int)
    // The dry run names what goes of each directory, and changes nothing.
    let plain = try Command.run(
      NodeProcess.moloch, ["maintenance", "prune", "--home", home.path, "--before-height", "\(height)", "--dry-run", "--json"], environment: Self.policy)
    let dry = try Self.prune(home.path, height, "--dry-run", "--json")
    func number(_ command: Command, _ name: String) throws -> Int {
      let json = try #require(try JSONSerialization.jsonObject(with: Data(command.output.utf8)) as? [String: Any])
      let members = json["result"] as? [String: Any] ?? json
      return members[name] as? Int ?? -1
    }
    #expect(try number(plain, "entry_bytes") == -1 && number(dry, "entries") == 256 && number(dry, "body_bytes") == number(plain, "body_bytes"), "\(dry.output)")
    #expect(try number(dry, "entry_bytes") > 256 * 64 && number(dry, "index_row_bytes") > 0 && number(dry, "earliest_entry_index") == 256, "\(dry.output)")
    let text = try Self.prune(home.path, height, "--dry-run")
    #expect(text.output.contains("Entries:       256, those from leaf 256 in block ") && text.output.contains("Snapshots:"), "\(text.output)")
    #expect(try client.get("/v1/events/\(ids[10])").status == 200 && Self.prune(home.path, height).status == 2)

    let asked = try Command.run(
      NodeProcess.moloch, ["maintenance", "prune", "--deep", "--home", home.path, "--before-height", "\(height)", "--force"], environment: Self.policy)
    #expect(asked.status == 64 && asked.errors.contains("and 256 entries with their rows of the index"), "\(asked.errors)")
    let pruned = try Self.prune(home.path, height, "--force")
    #expect(pruned.status == 0 && pruned.output.contains("Entries:       256, those from leaf 256 in block "), "\(pruned.output)\(pruned.errors)")
    let status = try node.status { $0["earliest_entry_index"] as? Int == 256 }
    #expect(status["earliest_body_height"] as? Int == height, "\(status)")
    for round in ["running", "restarted"] {
      let gone = try client.get("/v1/events/\(ids[10])")
      #expect(gone.status == 404 && gone.text.contains("\"earliest_entry_index\":256"), "\(round): \(gone.text)")
      #expect(try client.get("/v1/events/\(ids[40])").errorCode == "PRUNED", "\(round): its entry is here")
      #expect(try client.get("/v1/proofs/inclusion?event_id=\(ids[40])").status == 200 && client.get("/v1/events/\(ids[59])").status == 200)
      let block = try client.get("/v1/blocks/\(old)?include=events")
      #expect(block.status == 410 && block.errorCode == "PRUNED" && block.text.contains("\"leaf_index\""), "\(round): \(block.text)")
      #expect(try client.get("/v1/blocks/\(old)?include=certificate").json["event_count"] as? Int == 8)
      #expect(try client.get("/tlog/tile/entries/000").status == 404 && client.get("/tlog/tile/0/000").status == 200)
      #expect(try client.get("/v1/proofs/inclusion?leaf_index=\(holder.leaf)&format=bundle").status == 410)
      #expect(try client.get("/v1/proofs/consistency?from_size=100&to_size=400").status == 200)
      try holder.expectProven(client, path)
      try Self.expectVerified(home.path, round)
      guard round == "running" else { break }
      node.signal(SIGTERM)
      #expect(node.waitForExit() == 0, "\(node.log)")
      try Self.expectVerified(home.path, "stopped")
      node = try Self.running(home)
      client = try node.client()
      #expect(try client.get("/v1/status").json["earliest_entry_index"] as? Int == 256)
      try Self.expectDerivedDataIsRepaired(home.path)
      try Self.expectBackupIsComplete(home.path, path)
    }
  }

  /// A wrong node of the tree above the lowest level is written anew, beside a node that runs and one that is stopped.
  private static func expectDerivedDataIsRepaired(_ home: String) throws {
    let file = try #require(FileHandle(forUpdatingAtPath: home + "/data/mmr/level-01"))
    try file.seek(toOffset: 32 * 5)
    try file.write(contentsOf: Data(repeating: 0xAA, count: 32))
    try file.close()
    let found = try Command.moloch("maintenance", "verify", "--home", home)
    #expect(found.status == 65 && found.output.contains("mmr/level-01"), "\(found.output)")
    let repaired = try Command.moloch("maintenance", "repair", "--yes", "--home", home)
    #expect(repaired.status == 0, "\(repaired.output)\(repaired.errors)")
    try expectVerified(home, "repaired")
  }

  private static func expectBackupIsComplete(_ home: String, _ directory: String) throws {
    let backup = directory + "/backup", restored = directory + "/restored"
    for arguments in [["create", backup, "--home", home], ["verify", backup], ["restore", backup, "--home", restored]] {
      let done = try Command.run(NodeProcess.moloch, ["backup"] + arguments)
      #expect(done.status == 0, "\(arguments) \(done.output)\(done.errors)")
    }
    try FileManager.default.copyItem(atPath: home + "/keys", toPath: restored + "/keys")
    try expectVerified(restored, "restored")
  }

  @Test func aDeepPruneThatIsKilledIsEndedByTheNextStart() throws {
    let scratch = try ScratchDirectory()
    let original = scratch.url.appendingPathComponent("original")
    let ids = try OldChain.make(original, blocks: 45)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(state: seed)
    for round in 0..<3 {
      let home = scratch.url.appendingPathComponent("round\(round)"), note = "seed \(seed), round \(round)"
      try FileManager.default.copyItem(at: original, to: home)
      let node = try Self.running(home)
      let height = try #require(try node.client().get("/v1/events/\(ids[44])").json["block_height"] as? Int)
      let command = Process()
      command.executableURL = NodeProcess.moloch
      command.arguments = ["maintenance", "prune", "--deep", "--home", home.path, "--before-height", "\(height)", "--force", "--yes"]
      command.standardOutput = FileHandle.nullDevice
      command.standardError = FileHandle.nullDevice
      try command.run()
      // The pause between looks is short beside the time within which the kill is to come.
      let deadline = Date(timeIntervalSinceNow: 180)
      while !node.log.contains("begun task=prune"), Date() < deadline { usleep(1000) }
      try #require(node.log.contains("begun task=prune"), "\(note): \(node.log)")
      usleep(useconds_t(UInt32.random(in: 0...30_000, using: &random)))
      node.signal(SIGKILL)
      _ = node.waitForExit()
      command.waitUntilExit()
      let again = try NodeProcess(home: home, environment: Self.policy)
      let status = try again.status { $0["earliest_entry_index"] as? Int == 256 }
      #expect(status["earliest_body_height"] as? Int == height, "\(note): \(status)")
      let client = try again.client()
      // Its row goes with the sweep, which goes on beside the node.
      let late = Date(timeIntervalSinceNow: 180)
      var gone = try client.get("/v1/events/\(ids[5])")
      while gone.status != 404, Date() < late {
        usleep(20_000)
        gone = try client.get("/v1/events/\(ids[5])")
      }
      #expect(gone.status == 404, "\(note): \(gone.text)")
      #expect(try client.get("/v1/events/\(ids[44])").status == 200, "\(note)")
      try Self.expectVerified(home.path, note)
      again.signal(SIGTERM)
      #expect(again.waitForExit() == 0, "\(note): \(again.log)")
      try Self.expectVerified(home.path, note)
    }
  }

  @Test func aStoppedNodeIsPruned() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let ids = try OldChain.make(home, blocks: 40)
    let node = try Self.running(home)
    let height = try #require(try node.client().get("/v1/events/\(ids[39])").json["block_height"] as? Int)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let few = try Self.prune(home.path, height)
    #expect(few.status == 2 && few.errors.contains("bodies and entries") && few.errors.contains("--force"), "\(few.errors)")
    let held = try Command.run(
      NodeProcess.moloch, ["maintenance", "prune", "--deep", "--force", "--yes", "--home", home.path, "--before-height", "\(height)"],
      environment: ["MOLOCH_RETENTION_MIN_DAYS": "1", "MOLOCH_RETENTION_LEGAL_HOLD": "true"])
    #expect(held.status == 77)
    let pruned = try Self.prune(home.path, height, "--force")
    #expect(pruned.status == 0 && pruned.output.contains("Entries:       256, those from leaf 256"), "\(pruned.output)\(pruned.errors)")
    try Self.expectVerified(home.path)
    try Self.expectDerivedDataIsRepaired(home.path)
    // The lowest level below the mark is nowhere else: that is damage, named by its place.
    let level = home.path + "/data/mmr/level-00", whole = try Data(contentsOf: URL(fileURLWithPath: level))
    var wrong = whole
    wrong[32 * 100 + 3] ^= 1
    try wrong.write(to: URL(fileURLWithPath: level))
    let damaged = try Command.moloch("maintenance", "verify", "--home", home.path)
    #expect(damaged.status == 65 && damaged.output.contains("leaves 96..<104  wrong") && damaged.output.contains("0 minor, 1 major"), "\(damaged.output)")
    try whole.write(to: URL(fileURLWithPath: level))
    try Self.expectVerified(home.path)
    let again = try NodeProcess(home: home, environment: Self.policy)
    #expect(try again.client().get("/v1/events/\(ids[2])").status == 404)
    #expect(try again.client().get("/v1/events/\(ids[39])").status == 200)
  }
}
