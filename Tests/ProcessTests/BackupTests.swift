import Foundation
import Testing

/// `moloch backup` and `moloch maintenance compact`, beside a running node and without one.
@Suite struct BackupTests {
  /// A node with some final events.
  static func node(_ scratch: ScratchDirectory, events: Int = 20) throws -> NodeProcess {
    let node = try NodeProcess(home: scratch.url.appendingPathComponent("home"))
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    for _ in 0..<events { #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201) }
    return node
  }

  static func json(_ command: Command) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: Data(command.output.utf8)) as? [String: Any] ?? [:]
  }

  /// The bar of a terminal of 80 columns; a pipe gets none.
  @Test func verifyingAndRestoringShowHowFarTheyAre() throws {
    let scratch = try ScratchDirectory()
    let node = try Self.node(scratch, events: 2)
    let backup = scratch.url.path + "/backup", other = scratch.url.path + "/other"
    #expect(try Command.moloch("backup", "create", backup, "--home", node.home.path).status == 0)
    for (words, label) in [("backup verify \(backup)", "Verifying"), ("backup restore \(backup) --dry-run --home \(other)", "Verifying"), ("backup restore \(backup) --home \(other)", "Restoring")] {
      let command = "stty cols 80 rows 24; \(NodeProcess.moloch.path) \(words)"
      let shown = try Command.run(URL(fileURLWithPath: "/usr/bin/script"), ["-qec", command, "/dev/null"], environment: ["TERM": "xterm", "NO_COLOR": "1"])
      #expect(shown.status == 0 && shown.output.contains("\r\(label)  ["), "\(words): \(shown.output)")
      let bars = shown.output.split(separator: "\r").filter { $0.hasPrefix(label) }
      #expect(bars.last?.contains("100.0 %") == true && bars.last?.contains("B/s") == true, "\(bars)")
    }
    let piped = try Command.moloch("backup", "verify", backup)
    #expect(piped.status == 0 && piped.errors.isEmpty, "\(piped.errors)")
  }

  @Test func aBackupOfARunningNodeVerifiesAndBringsAnotherHomeToItsHead() throws {
    let scratch = try ScratchDirectory()
    let node = try Self.node(scratch)
    let home = node.home.path, backup = scratch.url.path + "/backup", other = scratch.url.path + "/other"
    let made = try Command.moloch("backup", "create", backup, "--home", home, "--json")
    #expect(made.status == 0, "\(made.output)\(made.errors)")
    #expect(made.errors.contains("online: node pid \(node.identifier)"), "\(made.errors)")
    let figures = try Self.json(made)
    let height = try #require(figures["height"] as? Int)
    #expect(height >= 20 && figures["schema"] as? String == "moloch.backup.create/1", "\(figures)")
    // Blocks go on after it and are not in it.
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    for _ in 0..<3 { #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201) }
    let verified = try Command.moloch("backup", "verify", backup)
    #expect(verified.status == 0 && verified.output.contains("intact"), "\(verified.output)\(verified.errors)")
    #expect(try Command.moloch("backup", "verify", backup).status == 0, "a verification leaves nothing behind")
    #expect(!FileManager.default.fileExists(atPath: backup + "/data/validator") && !FileManager.default.fileExists(atPath: backup + "/keys"))
    // The figure comes with the next look of the storage thread.
    try node.expectMetric("moloch_backup_last_success_timestamp_seconds") { $0 > 0 }
    // Another home: the backup's head, block for block, and it goes on from there.
    let block = try client.get("/v1/blocks/\(height)").json["hash"] as? String
    let dry = try Command.moloch("backup", "restore", backup, "--dry-run", "--home", other)
    #expect(dry.status == 0 && !FileManager.default.fileExists(atPath: other + "/data/chain"), "\(dry.output)\(dry.errors)")
    let restored = try Command.moloch("backup", "restore", backup, "--home", other)
    #expect(restored.status == 0, "\(restored.output)\(restored.errors)")
    let checked = try Command.moloch("backup", "verify", backup)
    #expect(checked.status == 0, "restoring changes nothing in the backup: \(checked.output)")
    #expect(try Command.moloch("keygen", "--output", other + "/keys").status == 0)
    // The data is looked at without the validator's key, which no backup holds; a start asks for it.
    let voting = ["MOLOCH_CONSENSUS_VALIDATOR": "true"]
    let deep = try Command.run(NodeProcess.moloch, ["maintenance", "verify", "--level", "deep", "--home", other], environment: voting)
    #expect(deep.status == 0, "\(deep.output)\(deep.errors)")
    let started = try Command.run(NodeProcess.moloch, ["run", "--home", other], environment: voting)
    #expect(started.status == 66 && started.errors.contains("validator.key"), "\(started.status) \(started.errors)")
    let second = try NodeProcess(home: URL(fileURLWithPath: other), arguments: ["--set", "consensus.validator=false"])
    let status = try second.client().get("/v1/status").json
    #expect(status["head_height"] as? Int == height && status["head_hash"] as? String == block, "\(status) \(block ?? "")")
  }

  @Test func anIncrementalBackupSharesTheFilesOfItsBase() throws {
    let scratch = try ScratchDirectory()
    let node = try Self.node(scratch)
    let home = node.home.path, first = scratch.url.path + "/b1", second = scratch.url.path + "/b2"
    #expect(try Command.moloch("backup", "create", first, "--home", home).status == 0)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    let made = try Command.moloch("backup", "create", second, "--incremental", first, "--home", home, "--json")
    #expect(made.status == 0, "\(made.output)\(made.errors)")
    #expect(try Self.json(made)["shared_bytes"] as? Int ?? 0 > 0, "\(made.output)")
    #expect(try Command.moloch("backup", "verify", second).status == 0)
    // The base may go: what is shared stays.
    try FileManager.default.removeItem(atPath: first)
    #expect(try Command.moloch("backup", "verify", second).status == 0)
    let again = try Command.moloch("backup", "create", second, "--home", home)
    #expect(again.status == 73 && again.errors.contains("not empty"), "\(again.errors)")
  }

  @Test func aStoppedNodeIsBackedUpUnderItsLock() throws {
    let scratch = try ScratchDirectory()
    let node = try Self.node(scratch)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let backup = scratch.url.path + "/backup"
    let real = try Command.moloch("backup", "create", backup, "--home", node.home.path)
    #expect(real.status == 0 && real.errors.contains("offline: lock on"), "\(real.output)\(real.errors)")
    #expect(try Command.moloch("backup", "verify", backup).status == 0)
    // Data in the way is named, moved aside when that is asked for, and the vote journal is never touched.
    let validator = node.home.path + "/data/validator"
    func journal() throws -> [String: Data] {
      var files: [String: Data] = [:]
      for name in try FileManager.default.contentsOfDirectory(atPath: validator) { files[name] = try Data(contentsOf: URL(fileURLWithPath: validator + "/" + name)) }
      return files
    }
    let before = try journal()
    #expect(!before.isEmpty)
    let refused = try Command.moloch("backup", "restore", backup, "--home", node.home.path)
    #expect(refused.status == 73 && refused.errors.contains("--replace"), "\(refused.errors)")
    let replaced = try Command.moloch("backup", "restore", backup, "--replace", "--home", node.home.path)
    #expect(replaced.status == 0 && replaced.errors.contains("/replaced-"), "\(replaced.output)\(replaced.errors)")
    #expect(try journal() == before)
    let again = try NodeProcess(home: node.home)
    #expect(try again.client().get("/v1/status").json["tree_size"] as? Int == 20)
  }

  @Test func everyKindOfDamageOfABackupIsNamed() throws {
    let scratch = try ScratchDirectory()
    let node = try Self.node(scratch, events: 3)
    let backup = scratch.url.path + "/backup"
    #expect(try Command.moloch("backup", "create", backup, "--home", node.home.path).status == 0)
    let manager = FileManager.default
    let table = try #require(try manager.contentsOfDirectory(atPath: backup + "/data/chain").first { $0.hasSuffix(".sst") })
    for path in ["data/chain/\(table)", "data/mmr/level-00", "config/genesis.json"] {
      // A copy of its own: a table file of a backup may be another name of one that the node uses.
      let file = URL(fileURLWithPath: backup + "/" + path), good = try Data(contentsOf: file)
      var bad = good
      bad[bad.count / 2] ^= 1
      try manager.removeItem(at: file)
      try bad.write(to: file)
      let verified = try Command.moloch("backup", "verify", backup)
      #expect(verified.status == 65 && verified.output.contains("DAMAGED  \(path)"), "\(verified.output)\(verified.errors)")
      let restored = try Command.moloch("backup", "restore", backup, "--home", scratch.url.path + "/never")
      #expect(restored.status == 65 && !manager.fileExists(atPath: scratch.url.path + "/never/data"), "\(restored.errors)")
      try manager.removeItem(at: file)
      let missing = try Command.moloch("backup", "verify", backup)
      #expect(missing.status == 65 && missing.output.contains("\(path)  missing"), "\(missing.output)")
      try good.write(to: file)
    }
    try Data([1]).write(to: URL(fileURLWithPath: backup + "/data/more"))
    let extra = try Command.moloch("backup", "verify", backup)
    #expect(extra.status == 65 && extra.output.contains("data/more  not in the manifest"), "\(extra.output)")
    try manager.removeItem(atPath: backup + "/data/more")
    #expect(try Command.moloch("backup", "verify", backup).status == 0)
    try manager.removeItem(atPath: backup + "/manifest.json")
    #expect(try Command.moloch("backup", "verify", backup).status == 66)
  }

  @Test func aCompactionGivesSpaceBackWhileBlocksGoOn() throws {
    let scratch = try ScratchDirectory()
    let node = try Self.node(scratch)
    let online = try Command.moloch("maintenance", "compact", "--home", node.home.path)
    #expect(online.status == 0 && online.errors.contains("online: node pid \(node.identifier)"), "\(online.output)\(online.errors)")
    #expect(online.output.contains("Chain Data:     ") && online.output.contains(" before, "), "\(online.output)")
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log)")
    let offline = try Command.moloch("maintenance", "compact", "--home", node.home.path, "--json")
    #expect(offline.status == 0 && offline.errors.contains("offline: lock on"), "\(offline.output)\(offline.errors)")
    let figures = try Self.json(offline)
    let (before, after) = (figures["chain_bytes_before"] as? Int ?? 0, figures["chain_bytes"] as? Int ?? 0)
    #expect(after > 0 && after <= before + 65_536, "\(figures)")
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", node.home.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
  }
}
