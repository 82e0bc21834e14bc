import Foundation
import Testing

/// Damage in derived data: named by `maintenance verify`, cured by `maintenance repair`; damage in the chain is neither hidden nor cured.
@Suite struct RepairTests {
  /// A stopped node with some events.
  static func stopped(_ scratch: ScratchDirectory) throws -> String {
    let node = try BackupTests.node(scratch, events: 9)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    return node.home.path
  }

  /// Flips a bit of a byte.
  static func damage(_ path: String, at offset: Int) throws {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[offset] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
  }

  @Test func aDamagedNodeBelowARightRootIsNamedAndRebuilt() throws {
    let scratch = try ScratchDirectory()
    let home = try Self.stopped(scratch)
    // Of nine leaves the first two are below no peak of their own.
    try Self.damage(home + "/data/mmr/level-00", at: 40)
    let verified = try Command.moloch("maintenance", "verify", "--home", home)
    let line = "DAMAGED  mmr/level-00   offset 32   nodes 1..1   minor   moloch maintenance repair rebuilds it from chain/\n"
    #expect(verified.status == 65 && verified.output.contains(line), "\(verified.output)\(verified.errors)")
    let planned = try Command.moloch("maintenance", "repair", "--dry-run", "--home", home)
    #expect(planned.status == 0 && planned.output.contains("mmr"), "\(planned.output)\(planned.errors)")
    #expect(try Command.moloch("maintenance", "verify", "--home", home).status == 65, "a plan changes nothing")
    let asked = try Command.moloch("maintenance", "repair", "--home", home)
    #expect(asked.status == 64 && asked.errors.contains("--yes"), "\(asked.errors)")
    func object(_ words: String...) throws -> [String: Any] {
      let run = try Command.run(NodeProcess.moloch, ["maintenance", "repair", "--json", "--home", home] + words)
      #expect(run.status == 0, "\(run.output)\(run.errors)")
      return try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run.output)")
    }
    let plan = try object("--dry-run"), damages = plan["damages"] as? [[String: Any]] ?? []
    #expect(plan["outcome"] as? String == "planned" && plan["moved"] as? [String] == ["mmr"] && plan["place"] is NSNull, "\(plan)")
    #expect(damages.count == 1 && damages[0]["path"] as? String == "mmr/level-00" && damages[0]["offset"] as? Int == 32, "\(damages)")
    let declined = try Command.answering("", ["maintenance", "repair", "--home", home])
    #expect(declined.status == 2 && declined.output.contains("plan: move mmr") && declined.output.contains("Go on? [y/N]"), "\(declined)")
    let repaired = try object("--yes")
    #expect(repaired["outcome"] as? String == "repaired" && repaired["height"] is Int && (repaired["place"] as? String)?.contains("/damaged-") == true, "\(repaired)")
    #expect(try object()["outcome"] as? String == "clean")
    #expect(try Command.moloch("maintenance", "verify", "--home", home).status == 0)
    let aside = try FileManager.default.contentsOfDirectory(atPath: home + "/data").filter { $0.hasPrefix("damaged-") }
    #expect(aside.count == 1 && FileManager.default.fileExists(atPath: home + "/data/\(aside[0])/mmr/level-00"))
    let nothing = try Command.moloch("maintenance", "repair", "--home", home)
    #expect(nothing.status == 0 && nothing.output.contains("nothing to repair"), "\(nothing.output)")
  }

  @Test func eachLevelSeesWhatItIsForAndSaysWhatItChecked() throws {
    let scratch = try ScratchDirectory()
    let home = try Self.stopped(scratch)
    for level in ["quick", "full", "deep"] {
      let clean = try Command.moloch("maintenance", "verify", "--level", level, "--home", home)
      #expect(clean.status == 0, "\(level): \(clean.output)\(clean.errors)")
      #expect(clean.output.wholeMatch(of: /checked \d+ blocks, 9 events, \d+\.\d [kM]B in \d+ s: 0 minor, 0 major\n/) != nil, "\(level): \(clean.output)")
    }
    #expect(try Command.moloch("maintenance", "verify", "--level", "shallow", "--home", home).status == 64)
    let copy = scratch.url.path + "/copy"
    try FileManager.default.copyItem(atPath: home + "/data", toPath: copy)
    try Self.damage(copy + "/mmr/level-00", at: 40)
    // The first leaves are below no peak: the root does not need their hashes, so the quick check cannot see them.
    #expect(try Command.moloch("maintenance", "verify", "--level", "quick", "--data-dir", copy, "--home", home).status == 0)
    let told = try Command.moloch("maintenance", "verify", "--json", "--data-dir", copy, "--home", home)
    #expect(told.status == 65, "\(told.output)\(told.errors)")
    let json = try #require(try JSONSerialization.jsonObject(with: Data(told.output.utf8)) as? [String: Any])
    #expect(json["schema"] as? String == "moloch.maintenance.verify/1" && json["level"] as? String == "full")
    #expect(json["minor"] as? Int == 1 && json["major"] as? Int == 0)
    let damage = try #require((json["damages"] as? [[String: Any]])?.first)
    #expect(damage["path"] as? String == "mmr/level-00" && damage["offset"] as? Int == 32)
    #expect(damage["range"] as? String == "nodes 1..1" && damage["grade"] as? String == "minor")
    #expect(try Command.moloch("maintenance", "verify", "--home", home).status == 0, "the copy was checked, not the node's own data")
    #expect(try Command.moloch("maintenance", "verify", "--data-dir", scratch.url.path + "/none", "--home", home).status == 66)
  }

  /// An index that cannot be read is no reason to stop: it starts again when the store opens.
  @Test func aDamagedIndexIsBuiltAnew() throws {
    let scratch = try ScratchDirectory()
    let first = try NodeProcess(home: scratch.url.appendingPathComponent("home"))
    let client = try first.client()
    let records = try RecordMaker(client, key: .forTest())
    var ids: [String] = []
    for _ in 0..<9 {
      let (bytes, id) = records.next()
      ids.append("\(id)")
      #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: bytes).status == 201)
    }
    first.signal(SIGTERM)
    #expect(first.waitForExit() == 0)
    let index = first.home.path + "/data/index"
    let table = try #require(try FileManager.default.contentsOfDirectory(atPath: index).first { $0.hasSuffix(".sst") })
    try Self.damage(index + "/" + table, at: 100)
    let again = try NodeProcess(home: first.home)
    for id in ids { #expect(try again.client().get("/v1/events/\(id)").json["status"] as? String == "finalized") }
    again.signal(SIGTERM)
    #expect(again.waitForExit() == 0)
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", first.home.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
  }

  /// Flips a bit of a byte in place, as a disk does.
  private static func damageInPlace(_ path: String, at offset: UInt64) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: offset)
    let byte = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: offset)
    try file.write(contentsOf: [byte ^ 1])
    try file.close()
  }

  @Test func derivedDataIsRepairedBesideTheRunningNode() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 9)
    let home = node.home.path, client = try node.client(), records = try RecordMaker(client, key: .forTest())
    func verified() throws -> Command { try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home) }
    // It also brings the index into a table.
    #expect(try verified().status == 0)
    try Self.damageInPlace(home + "/data/mmr/level-00", at: 40)
    try Self.damageInPlace(home + "/data/mmr/history-00", at: 70)
    let found = try verified()
    #expect(found.status == 65 && found.output.contains("mmr/level-00   offset 32 ") && found.output.contains("mmr/history-00   offset 64 "), "\(found.output)\(found.errors)")
    let planned = try Command.moloch("maintenance", "repair", "--dry-run", "--home", home)
    #expect(planned.status == 0 && planned.output.contains("plan: move mmr to ") && planned.errors.contains("online: node pid \(node.identifier)"), "\(planned.output)\(planned.errors)")
    #expect(try Command.moloch("maintenance", "repair", "--home", home).status == 64)
    #expect(try verified().status == 65, "a plan changes nothing")
    let repaired = try Command.moloch("maintenance", "repair", "--yes", "--home", home)
    #expect(repaired.status == 0 && repaired.output.contains("repaired at height "), "\(repaired.output)\(repaired.errors)")
    let clean = try verified()
    #expect(clean.status == 0, "\(clean.output)\(clean.errors)")
    // The health check hears of it with the next look of the storage thread.
    let deadline = Date(timeIntervalSinceNow: 120)
    while try client.get("/v1/health").status != 200, Date() < deadline { usleep(20_000) }
    #expect(try client.get("/v1/health").status == 200, "what was found is cured")
    var aside = try FileManager.default.contentsOfDirectory(atPath: home + "/data").filter { $0.hasPrefix("damaged-") }
    #expect(try aside.count == 1 && FileManager.default.contentsOfDirectory(atPath: home + "/data/\(aside[0])/mmr").sorted() == ["history-00", "level-00"])
    // The node's own files go on where they were.
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)

    let tables = try FileManager.default.contentsOfDirectory(atPath: home + "/data/index").filter { $0.hasSuffix(".sst") }
    for table in tables { try Self.damageInPlace(home + "/data/index/" + table, at: 30) }
    let index = try verified()
    #expect(!tables.isEmpty && index.status == 65 && index.output.contains("DAMAGED  index") && !index.output.contains("major "), "\(index.output)\(index.errors)")
    let again = try Command.moloch("maintenance", "repair", "--yes", "--home", home)
    #expect(again.status == 0 && again.output.contains("the index grows"), "\(again.output)\(again.errors)")
    let (record, id) = records.next()
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: record).status == 201)
    #expect(try client.get("/v1/events/\(id)").json["status"] as? String == "finalized")
    let last = try verified()
    #expect(last.status == 0, "\(last.output)\(last.errors)")
    aside = try FileManager.default.contentsOfDirectory(atPath: home + "/data").filter { $0.hasPrefix("damaged-") }
    #expect(aside.count == 2)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log.suffix(1000))")
    let stopped = try verified()
    #expect(stopped.status == 0, "\(stopped.output)\(stopped.errors)")
  }

  @Test func damageThatPeersMustCureIsSaid() throws {
    let scratch = try ScratchDirectory()
    let home = try Self.stopped(scratch)
    // A table of the chain with the bodies of the blocks.
    #expect(try Command.moloch("maintenance", "compact", "--home", home).status == 0)
    for table in try FileManager.default.contentsOfDirectory(atPath: home + "/data/chain") where table.hasSuffix(".sst") { try Self.damage(home + "/data/chain/" + table, at: 60) }
    for level in ["quick", "full", "deep"] {
      let verified = try Command.moloch("maintenance", "verify", "--level", level, "--home", home)
      #expect(verified.status == 65, "\(level): \(verified.output)\(verified.errors)")
      #expect(verified.output.contains("DAMAGED  chain   ") && verified.output.contains("   major   restore a backup"), "\(level): \(verified.output)")
      #expect(verified.output.contains(".sst"), "the file is named: \(verified.output)")
    }
    let repaired = try Command.moloch("maintenance", "repair", "--yes", "--home", home)
    #expect(repaired.status == 65 && !FileManager.default.fileExists(atPath: home + "/data/damaged"), "\(repaired.output)\(repaired.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: home + "/data").filter { $0.hasPrefix("damaged-") }.isEmpty)
  }
}
