import Audit
import Ed25519
import Foundation
import Testing

/// The promises of a validator are carried to another home, and the old one refuses the key.
@Suite struct ProtectionCommandTests {
  @Test func promisesMoveToAnotherHome() throws {
    let cluster = try Cluster(chainID: "moloch-protection")
    let scratch = try ScratchDirectory()
    try cluster.start()
    let records = try cluster.records()
    // Without v2 every other one is needed, v4 and its cosignature, too.
    cluster[1].kill()
    try cluster[0].finalise(5, of: records)
    #expect(try cluster[3].client().get("/v1/checkpoint?min_size=5&timeout_ms=30000").status == 200)
    let old = cluster[3], file = scratch.url.appendingPathComponent("protection.json").path
    try ValidatorChangesTests.expectRefusal(old.home, 75, ["in use"], "validator", "protection", "export", file)
    #expect(old.stop() == 0)
    try ValidatorChangesTests.expectRefusal(old.home, 64, ["for ever", "--yes"], "validator", "protection", "export", "--retire", file)
    #expect(!FileManager.default.fileExists(atPath: file))
    let exported = try Command.moloch("validator", "protection", "export", "--retire", file, "--yes", "--home", old.home.path)
    let key = try String(contentsOf: old.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(exported.status == 0 && exported.output == "Exported \(key), which is retired here\n", "\(exported.output)\(exported.errors)")
    let text = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: file))) as? [String: Any] ?? [:]
    let promises = (text["keys"] as? [[String: Any]])?.first ?? [:], votes = promises["votes"] as? [String: Any] ?? [:]
    #expect(text["schema"] as? String == "moloch.validator.protection/1" && promises["public_key"] as? String == key, "\(text)")
    #expect((votes["view"] as? Int ?? 0) > 0 && (votes["height"] as? Int ?? 0) > 0 && (promises["cosignature"] as? [String: Any])?["tree_size"] as? Int == 5, "\(text)")

    // The old host refuses the key from now on, whatever is asked of it.
    try ValidatorChangesTests.expectRefusal(old.home, 78, ["was retired on this host"], "run")
    try ValidatorChangesTests.expectRefusal(old.home, 78, ["was retired on this host"], "validator", "protection", "import", file)

    // The new one has the key and an empty disk.
    let new = try cluster.join("v4-again", in: scratch.url, hasJournal: false)
    for name in ["validator.key", "validator.pub"] {
      let target = new.file("keys/\(name)")
      try FileManager.default.removeItem(at: target)
      try FileManager.default.copyItem(at: old.file("keys/\(name)"), to: target)
    }
    try "nonsense".write(toFile: scratch.url.appendingPathComponent("nonsense.json").path, atomically: true, encoding: .utf8)
    try ValidatorChangesTests.expectRefusal(new.home, 65, ["no file of"], "validator", "protection", "import", scratch.url.appendingPathComponent("nonsense.json").path)
    let imported = try ValidatorChangesTests.json(new.home, "validator", "protection", "import", file)
    #expect(imported["schema"] as? String == "moloch.validator.protection.import/1" && imported["public_key"] as? String == key)
    // Importing once more changes nothing for the worse, and there is nothing to reset.
    _ = try ValidatorChangesTests.json(new.home, "validator", "protection", "import", file)
    try ValidatorChangesTests.expectRefusal(new.home, 64, ["--unsafe"], "validator", "protection", "reset")
    try ValidatorChangesTests.expectRefusal(new.home, 64, ["--key"], "validator", "protection", "reset", "--unsafe")
    try ValidatorChangesTests.expectRefusal(new.home, 64, ["the key of this home"], "validator", "protection", "reset", "--unsafe", "--key", ValidatorChangesTests.stranger)
    try ValidatorChangesTests.expectRefusal(new.home, 2, ["intact"], "validator", "protection", "reset", "--unsafe", "--key", key)
    // A lost journal can be begun anew by whoever names the key.
    try FileManager.default.removeItem(at: new.file("data/validator"))
    let reset = try ValidatorChangesTests.json(new.home, "validator", "protection", "reset", "--unsafe", "--key", key)
    #expect(reset["schema"] as? String == "moloch.validator.protection.reset/1")
  }

  /// Moves in a row; a drill sets more.
  static let moves = ProcessInfo.processInfo.environment["MOLOCH_MOVES"].flatMap { Int($0) } ?? 2

  /// While events come in, a validator moves to a home with an empty disk. It votes there without listening: with another validator gone it is needed.
  @Test func aMovedValidatorTakesPart() throws {
    let cluster = try Cluster(chainID: "moloch-moved")
    let scratch = try ScratchDirectory()
    try cluster.start()
    let records = try cluster.records()
    var (ids, height) = try cluster[0].finalise(5, of: records)
    var mover = cluster[3]
    for move in 1...Self.moves {
      let load = BatchLoad(member: cluster[0], genesis: cluster.genesis, key: try .generate())
      load.start()
      try load.waitForFirst()
      #expect(mover.stop() == 0, "\(mover.lastLines)")
      let file = scratch.url.appendingPathComponent("protection-\(move).json").path
      let exported = try Command.moloch("validator", "protection", "export", "--retire", file, "--yes", "--home", mover.home.path)
      #expect(exported.status == 0, "move \(move): \(exported.errors)")
      let new = try cluster.join("v4-\(move)", in: scratch.url, hasJournal: false)
      for name in ["validator.key", "validator.pub"] {
        try FileManager.default.removeItem(at: new.file("keys/\(name)"))
        try FileManager.default.copyItem(at: mover.file("keys/\(name)"), to: new.file("keys/\(name)"))
      }
      _ = try ValidatorChangesTests.json(new.home, "validator", "protection", "import", file)
      try new.start()
      ids += load.stop()
      try new.status { $0["state"] as? String == "live" && ($0["peer_count"] as? Int ?? 0) >= 3 }
      cluster[1].kill()
      let needed = Stopwatch()
      let (some, at) = try cluster[0].finalise(5, of: records)
      needed.report("finality that needs a validator after its move \(move)")
      ids += some
      height = at
      try new.expectMetric("moloch_validator_active") { $0 == 1 }
      #expect(!new.log.contains("the validator listens"), "\(new.lastLines)")
      try cluster[1].start()
      try cluster[1].status { ($0["peer_count"] as? Int ?? 0) >= 3 }
      mover = new
    }
    try cluster.expectAgreement(at: height, of: [cluster[0], cluster[1], cluster[2], mover])
    try mover.expectFinal(ids)
    #expect(try cluster[0].client().get("/v1/evidence").json["count"] as? Int == 0)
  }
}
