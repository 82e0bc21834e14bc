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
    let repaired = try Command.moloch("maintenance", "repair", "--yes", "--home", home)
    #expect(repaired.status == 0, "\(repaired.output)\(repaired.errors)")
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
