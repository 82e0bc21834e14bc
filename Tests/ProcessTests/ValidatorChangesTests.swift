import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Testing

/// Proposals from the command line: of validators, signers and parameters.
@Suite struct ValidatorChangesTests {
  /// Runs a command against a home and reads the object that it prints.
  static func json(_ home: URL, _ words: String...) throws -> [String: Any] {
    let command = try Command.run(NodeProcess.moloch, words + ["--home", home.path, "--json"])
    #expect(command.status == 0, "\(words): \(command.output)\(command.errors)")
    return try JSONSerialization.jsonObject(with: Data(command.output.utf8)) as? [String: Any] ?? [:]
  }

  /// Expects a command to be refused with a status and words in its message.
  static func expectRefusal(_ home: URL, _ status: Int32, _ fragments: [String], _ words: String...) throws {
    let command = try Command.run(NodeProcess.moloch, words + ["--home", home.path])
    #expect(command.status == status && command.output.isEmpty && fragments.allSatisfy { command.errors.contains($0) }, "\(words): \(command.status) \(command.output)\(command.errors)")
  }

  static let stranger = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

  @Test func aSoleValidatorDecidesAlone() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let home = scratch.url
    _ = try node.status { $0["state"] as? String == "live" }

    let signer = try Self.json(home, "signer", "put", Self.stranger, "--name", "app", "--valid-from", "5")
    #expect(signer["schema"] as? String == "moloch.signer.put/1" && signer["state"] as? String == "active" && signer["approving_power"] as? Int == 1, "\(signer)")
    #expect(signer["needed_power"] as? Int == 1 && signer["effective_epoch"] is NSNull && signer["change"] as? String == "put \(Self.stranger)", "\(signer)")
    let revoked = try Self.json(home, "signer", "revoke", Self.stranger)
    #expect(revoked["schema"] as? String == "moloch.signer.revoke/1" && revoked["state"] as? String == "active")

    let faster = try Self.json(home, "parameters", "propose", "--max-events-per-block", "500", "--epoch", "900")
    #expect(faster["schema"] as? String == "moloch.parameters.propose/1" && faster["state"] as? String == "approved" && faster["effective_epoch"] as? Int == 900, "\(faster)")
    #expect(faster["effective_height"] as? Int == 90_001)
    let stronger = try Self.json(home, "validator", "propose-change", "--add", try Self.key(home), "--power", "7", "--epoch", "900")
    #expect(stronger["state"] as? String == "approved" && (stronger["change"] as? String)?.hasSuffix("power 7") == true, "\(stronger)")

    let changes = try Self.json(home, "validator", "changes")
    let list = changes["changes"] as? [[String: Any]] ?? []
    #expect(changes["schema"] as? String == "moloch.validator.changes/1")
    #expect(list.map { $0["kind"] as? String } == ["signers", "signers", "parameters", "validators"], "\(changes)")
    #expect(list.map { $0["state"] as? String } == ["active", "active", "approved", "approved"], "\(changes)")
    let pending = try Self.json(home, "validator", "pending")["changes"] as? [[String: Any]] ?? []
    #expect(pending.map { $0["kind"] as? String } == ["parameters", "validators"])
    let table = try Command.moloch("validator", "changes", "--home", home.path)
    #expect(table.status == 0 && table.output.hasPrefix("ID                KIND        EPOCH  STATE     POWER  CHANGE\nevt_"), "\(table.output)")

    let governance = try node.client().get("/v1/governance").json
    let parameters = governance["parameters"] as? [String: Any] ?? [:]
    #expect(parameters["max_events_per_block"] as? Int == 10_000 && parameters["signer_mode"] as? String == "any" && governance["registered_signers"] as? Int == 1)
    // Once approved, nothing is decided any more, and only whole beginnings of ids are looked for.
    let id = list[2]["id"] as? String ?? ""
    try Self.expectRefusal(home, 2, ["approved", "nothing can be decided"], "validator", "withdraw", id)
    try Self.expectRefusal(home, 2, ["no proposal"], "validator", "approve", "evt_\(String(repeating: "0", count: 64))")
    try Self.expectRefusal(home, 64, ["no id of a proposal"], "validator", "approve", "evt_12")
    try Self.expectRefusal(home, 2, ["lose its quorum"], "validator", "propose-change", "--remove", try Self.key(home))
    try Self.expectRefusal(home, 2, ["no validator v9"], "validator", "propose-change", "--remove", "v9")
    try Self.expectRefusal(home, 64, ["must accept its place", "moloch validator accept"], "validator", "propose-change", "--add", Self.stranger, "--name", "v2")
    try Self.expectRefusal(home, 64, ["the earliest that can still be approved is"], "parameters", "propose", "--max-events-per-block", "9", "--epoch", "0")
    try Self.expectRefusal(home, 64, ["out of range"], "parameters", "propose", "--max-events-per-block", "0")
    try Self.expectRefusal(home, 2, ["that already"], "parameters", "propose", "--max-events-per-block", "10000")
    try Self.expectRefusal(home, 64, ["one of --add"], "validator", "propose-change")
    let policy = try node.client().get("/v1/policy")
    #expect(policy.status == 200 && policy.text.contains("\nquorum validators\n") && policy.text.hasPrefix("log "), "\(policy.text)")
    #expect(throws: Never.self) { try TlogPolicy(parsing: policy.body) }

    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    try Self.expectRefusal(home, 69, ["cannot reach the node"], "validator", "pending")
    let help = try Command.moloch("validator", "propose-change", "--help")
    #expect(help.status == 0 && ["--add", "--remove", "--rotate", "--power", "--name", "--epoch", "--acceptance"].allSatisfy { help.output.contains($0) })
  }

  private static func key(_ home: URL) throws -> String {
    try String(contentsOf: home.appendingPathComponent("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  @Test func fourValidatorsDecideTogether() throws {
    let cluster = try Cluster(chainID: "moloch-changes", epochLength: 10_000)
    try cluster.start()
    let (v1, v2, v3, v4) = (cluster[0].home, cluster[1].home, cluster[2].home, cluster[3].home)

    let proposal = try Self.json(v1, "validator", "propose-change", "--remove", "v4", "--epoch", "9")
    let id = proposal["id"] as? String ?? ""
    #expect(proposal["state"] as? String == "open" && proposal["approving_power"] as? Int == 1 && proposal["needed_power"] as? Int == 3, "\(proposal)")
    #expect((proposal["change"] as? String)?.hasPrefix("remove v4: ed25519:") == true)
    try Self.expectRefusal(v1, 2, ["approved", "already"], "validator", "approve", id)
    // Final on one node is final on the next a moment later.
    func isListed(_ answer: [String: Any], _ state: String, _ power: Int) -> Bool {
      (answer["changes"] as? [[String: Any]] ?? []).contains { $0["id"] as? String == id && $0["state"] as? String == state && $0["approving_power"] as? Int == power }
    }
    for member in cluster.members { try member.read("/v1/governance") { isListed($0, "open", 1) } }
    try Self.expectRefusal(v3, 2, ["has not approved"], "validator", "withdraw", id)
    let second = try Self.json(v2, "validator", "approve", String(id.dropFirst(4).prefix(8)))
    #expect(second["state"] as? String == "open" && second["approving_power"] as? Int == 2 && second["schema"] as? String == "moloch.validator.approve/1", "\(second)")
    let back = try Self.json(v2, "validator", "withdraw", id)
    #expect(back["approving_power"] as? Int == 1 && back["schema"] as? String == "moloch.validator.withdraw/1", "\(back)")
    for home in [v2, v4] { _ = try Self.json(home, "validator", "approve", id) }
    for member in cluster.members { try member.read("/v1/governance") { isListed($0, "approved", 3) } }
    try Self.expectRefusal(v3, 2, ["approved"], "validator", "approve", id)
    #expect(try Self.json(v4, "validator", "status")["state"] as? String == "leaving")
    // Three of three are needed then, and one of them is not there.
    cluster[2].kill()
    try cluster[0].status { ($0["peer_count"] as? Int ?? 9) == 2 }
    try Self.expectRefusal(v1, 2, ["lose its quorum", "needs 3", "power 2 is connected", "missing: v3"], "validator", "propose-change", "--remove", "v4", "--epoch", "9")
    let forced = try Self.json(v1, "validator", "propose-change", "--remove", "v4", "--epoch", "9", "--force")
    #expect(forced["state"] as? String == "open")
  }
}
