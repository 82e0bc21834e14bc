import Audit
import Ed25519
import Foundation
import Testing

/// "Key Rotation" and "Validator Operations" of the guide on a network with short epochs.
@Suite struct KeyRotationTests {
  private static let epochLength = 40

  private func setNextKey(_ member: Cluster.Member, _ path: String?, current: String? = nil) throws {
    let file = member.file("config/node.toml")
    var text = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).filter {
      !$0.hasPrefix("next_validator_key") && !$0.hasPrefix("validator_key")
    }.joined(separator: "\n")
    let lines = "validator = true\n" + (current.map { "validator_key = \"\($0)\"\n" } ?? "") + (path.map { "next_validator_key = \"\($0)\"\n" } ?? "")
    text = text.replacingOccurrences(of: "validator = true\n", with: lines)
    try text.write(to: file, atomically: true, encoding: .utf8)
  }

  private func fate(_ member: Cluster.Member, _ id: String, _ state: String) throws {
    try member.read("/v1/governance") { answer in
      (answer["changes"] as? [[String: Any]] ?? []).contains { $0["id"] as? String == id && $0["state"] as? String == state }
    }
  }

  /// How many views of an epoch failed before its first block that has a certificate of its own.
  private func failedViews(_ member: Cluster.Member, from first: Int) throws -> Int {
    let client = try member.client()
    for height in first..<first + 10 {
      // The first view of an epoch is 1, and a block takes one at least.
      if let view = try client.get("/v1/blocks/\(height)").json["view"] as? Int { return view - 1 - (height - first) }
    }
    throw NodeProcess.Failure(description: "no block from \(first) on has a certificate")
  }

  /// The longest time between two blocks of a range, milliseconds, and the height of the later one.
  private func longestGap(_ member: Cluster.Member, _ heights: ClosedRange<Int>) throws -> (milliseconds: Int, height: Int) {
    let client = try member.client()
    let times = try heights.map { try client.get("/v1/blocks/\($0)").json["timestamp_ms"] as? Int ?? 0 }
    let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
    let longest = gaps.indices.max { gaps[$0] < gaps[$1] } ?? 0
    return (gaps[longest], heights.lowerBound + longest + 1)
  }

  /// The old name in the configuration does not matter after a restart, and neither does the new one.
  private func expectVotesAfterRestarts(_ v4: Cluster.Member, of new: String, seenBy v1: Cluster.Member) throws {
    for (next, current) in [("keys/new/validator.key", nil), (nil, "keys/new/validator.key")] as [(String?, String?)] {
      #expect(v4.stop() == 0)
      try setNextKey(v4, next, current: current)
      try v4.start()
      let height = try v1.headHeight()
      try v1.read("/v1/validators/\(new)") { ($0["last_vote_height"] as? Int ?? 0) > height }
    }
  }

  @Test func aKeyIsRotatedUnderLoad() throws {
    let cluster = try Cluster(chainID: "moloch-rotation", epochLength: UInt32(Self.epochLength))
    try cluster.start()
    let (v1, v4) = (cluster[0], cluster[3])
    let loads = [BatchLoad(member: cluster[2], genesis: cluster.genesis, key: try .forTest()), BatchLoad(member: cluster[2], genesis: cluster.genesis, key: try .forTest())]
    loads[0].start()
    try loads[0].waitForFirst()
    let before = try v1.finalise(1, of: cluster.records())

    // The guide's line, for a validator; the running node takes the key.
    let made = try ValidatorChangesTests.json(v4.home, "keygen", "--output", v4.file("keys/new").path, "--validator")
    let new = made["public_key"] as? String ?? ""
    let old = try String(contentsOf: v4.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    try setNextKey(v4, "keys/new/validator.key")
    v4.signal(SIGHUP)
    try v4.logs("configuration reloaded", "consensus.next_validator_key")
    #expect(FileManager.default.fileExists(atPath: v4.file("keys/new/validator.key.used").path))

    // Without a load the epoch does not pass while the states of the proposal are looked at.
    #expect(!loads[0].stop().isEmpty)
    let proposal = try ValidatorChangesTests.json(v4.home, "validator", "propose-change", "--rotate", "v4=\(new)")
    let id = proposal["id"] as? String ?? ""
    #expect(proposal["change"] as? String == "rotate v4: \(old) to \(new)", "\(proposal)")
    let epoch = try #require(proposal["effective_epoch"] as? Int)
    for member in [cluster[0], cluster[1]] {
      try fate(member, id, "open")
      _ = try ValidatorChangesTests.json(member.home, "validator", "approve", id)
    }
    try fate(v4, id, "approved")
    #expect(try v1.client().get("/v1/validators/\(new)").json["state"] as? String == "pending")
    loads[1].start()

    let first = epoch * Self.epochLength + 1
    try v4.logs("another validator key votes from here on", new)
    try fate(v1, id, "active")
    // Seen by another validator: the new key votes, the old one is out.
    try v1.read("/v1/validators/\(new)") { $0["state"] as? String == "active" && ($0["last_vote_height"] as? Int ?? 0) >= first + 10 }
    #expect(try v1.client().get("/v1/validators/\(old)").status == 404)
    let status = try Command.moloch("validator", "status", "--check", "--home", v4.home.path)
    #expect(status.status == 0 && status.output.hasPrefix("Validator: active\nPublic Key: \(new)\nPower: 1\n"), "\(status.output)\(status.errors)")
    try cluster.expectAgreement(at: first + Self.epochLength)

    // Finality goes on across the boundary within one skipped leader. The time says how busy the machine is, too.
    let gap = try longestGap(v1, first - 10...first + 20)
    print("MEASURED key rotation: longest time between blocks \(first - 10) to \(first + 20): \(gap.milliseconds) ms, before height \(gap.height)")
    let failed = try failedViews(v1, from: first)
    #expect(failed <= 1, "\(failed) views failed; \(gap)")
    let after = try v1.finalise(1, of: cluster.records())
    for member in cluster.members {
      for id in [before.ids[0], after.ids[0]] { try member.expectBundleVerifies(id, genesis: cluster.genesis) }
      #expect(try member.client().get("/v1/evidence").json["count"] as? Int == 0)
    }
    let history = try v1.client().get("/v1/validators/history?from_epoch=0").json["handoffs"] as? [[String: Any]] ?? []
    #expect(history.map { $0["height"] as? Int } == [first - 1], "\(history)")

    try expectVotesAfterRestarts(v4, of: new, seenBy: v1)
    cluster[2].kill()
    #expect(!loads[1].finish().isEmpty)
  }

  @Test func aValidatorIsAddedWithTheAcceptanceOfItsKey() throws {
    let cluster = try Cluster(count: 4, chainID: "moloch-growth", epochLength: UInt32(Self.epochLength))
    let scratch = try ScratchDirectory()
    try cluster.start()
    let (v1, v2, v3) = (cluster[0], cluster[1], cluster[2])
    // A node of its own that follows with a key nobody knows yet.
    let joiner = try cluster.join("v5", in: scratch.url)
    try joiner.start()
    try joiner.status { ($0["peer_count"] as? Int ?? 0) >= 4 && $0["syncing"] as? Bool == false }
    #expect(try ValidatorChangesTests.json(joiner.home, "validator", "status")["state"] as? String == "inactive")
    let key = try String(contentsOf: joiner.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    try ValidatorChangesTests.expectRefusal(joiner.home, 2, ["not in the validator set"], "validator", "propose-change", "--remove", "v1")

    let file = joiner.file("v5.acceptance").path
    let accepted = try Command.moloch("validator", "accept", "--name", "v5", "--out", file, "--home", joiner.home.path)
    #expect(accepted.status == 0 && accepted.errors.contains("accepts to be v5 with power 1"), "\(accepted.errors)")
    try ValidatorChangesTests.expectRefusal(joiner.home, 73, ["exists"], "validator", "accept", "--name", "v5", "--out", file)
    try ValidatorChangesTests.expectRefusal(v1.home, 64, ["the acceptance is of"], "validator", "propose-change", "--add", ValidatorChangesTests.stranger, "--acceptance", file)
    try ValidatorChangesTests.expectRefusal(v1.home, 64, ["the acceptance is for v5 with power 1"], "validator", "propose-change", "--add", key, "--power", "2", "--acceptance", file)
    let proposal = try ValidatorChangesTests.json(v1.home, "validator", "propose-change", "--add", key, "--acceptance", file)
    let id = proposal["id"] as? String ?? ""
    #expect(proposal["change"] as? String == "add v5: \(key) power 1", "\(proposal)")
    for member in [v2, v3] {
      try fate(member, id, "open")
      _ = try ValidatorChangesTests.json(member.home, "validator", "approve", id)
    }
    let first = (proposal["effective_height"] as? Int ?? 0)
    try fate(joiner, id, "active")
    // The heartbeat of an idle chain is too slow for a test: events keep it going.
    let records = try cluster.records()
    try joiner.status { _ in
      (try? v1.finalise(1, of: records)) != nil && (try? ValidatorChangesTests.json(joiner.home, "validator", "status")["state"] as? String) == "active"
    }
    try v1.read("/v1/validators/\(key)") { _ in
      (try? v1.finalise(1, of: records)) != nil && ((try? v1.client().get("/v1/validators/\(key)").json["last_vote_height"] as? Int ?? 0) ?? 0) > first
    }
    let (ids, height) = try joiner.finalise(5, of: records)
    try cluster.expectAgreement(at: height, of: cluster.members + [joiner])
    for member in cluster.members + [joiner] { try member.expectBundleVerifies(ids[0], genesis: cluster.genesis) }
    // Four of five are a quorum.
    cluster[3].kill()
    _ = try joiner.finalise(5, of: records)
  }
}
