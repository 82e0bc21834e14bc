import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Testing

@Suite struct ValidatorCommandTests {
  /// Digits of numbers and keys as `#`.
  static func masked(_ text: String) -> String {
    text.replacing(/ed25519:[0-9a-f]{64}/, with: "ed25519:<64 hex>").replacing(/[0-9]+(?=s\)|$)/.anchorsMatchLineEndings(), with: "#").replacing(
      /Slot: [0-9]+/, with: "Slot: #")
  }

  @Test func theStatusIsThatOfTheGuide() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    _ = try node.status { $0["state"] as? String == "live" }
    let status = try Command.moloch("validator", "status", "--check", "--home", scratch.url.path)
    #expect(status.status == 0, "\(status.errors)")
    #expect(
      Self.masked(status.output) == """
        Validator: active
        Public Key: ed25519:<64 hex>
        Power: #
        Blocks Proposed (24h): #
        Next Slot: # (in #s)
        Missed Votes (24h): #

        """, "\(status.output)")
    let validators = try node.client().get("/v1/validators").json["validators"] as? [[String: Any]] ?? []
    let key = validators.first?["public_key"] as? String ?? ""
    #expect(status.output.contains("Public Key: \(key)\nPower: 1\n"), "\(status.output)")
    let json = try Command.moloch("validator", "status", "--json", "--home", scratch.url.path)
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any] ?? [:]
    #expect(object["schema"] as? String == "moloch.validator.status/1" && object["state"] as? String == "active" && object["public_key"] as? String == key)

    // The view of the only validator, and what it did wrong: nothing.
    let state = try node.client().get("/v1/consensus/state").json
    let leader = state["leader"] as? [String: Any] ?? [:]
    #expect(leader["public_key"] as? String == key && state["quorum_power"] as? Int == 1 && (state["view"] as? Int ?? 0) >= 1, "\(state)")
    let evidence = try node.client().get("/v1/evidence").json
    #expect(evidence["count"] as? Int == 0 && (evidence["evidence"] as? [Any])?.isEmpty == true)
    let unknown = try node.client().get("/v1/validators/ed25519:\(String(repeating: "7", count: 64))")
    #expect(unknown.status == 404)

    node.signal(SIGTERM)
    node.waitForExit()
    let stopped = try Command.moloch("validator", "status", "--home", scratch.url.path)
    #expect(stopped.status == 69, "\(stopped.errors)")
    #expect(stopped.output.hasPrefix("Validator: stopped\nPublic Key: \(key)\nLast Signed Height: "), "\(stopped.output)")
    #expect(!stopped.output.contains("Height: -"), "\(stopped.output)")
  }

  @Test func evidenceIsServedAfterARestart() throws {
    let scratch = try ScratchDirectory()
    var node: NodeProcess? = try NodeProcess(home: scratch.url)
    let hash = try node?.status { $0["state"] as? String == "live" }["genesis_hash"] as? String ?? ""
    node?.signal(SIGTERM)
    node?.waitForExit()
    node = nil
    let tag = ChainTag(genesisHash: Digest(try #require(Bytes32(hex: hash))))
    let key = SigningKey(seed: Bytes32(1, 2, 3, 4))
    let votes = [UInt64(5), 6].map { number in
      SignedVote(
        signing: Vote(
          kind: .finalise, chainTag: tag, epoch: Epoch(0), view: View(9), parentView: View(8), height: Height(3), blockHash: Digest(Bytes32(0, 0, 0, number))), with: key
      ).encoded
    }
    let file = scratch.url.appendingPathComponent("data/evidence.bin")
    try Data(votes[0] + votes[1]).write(to: file)
    node = try NodeProcess(home: scratch.url)
    let body = try #require(try node?.client().get("/v1/evidence").json)
    let piece = (body["evidence"] as? [[String: Any]])?.first ?? [:]
    #expect(body["count"] as? Int == 1 && piece["kind"] as? String == "double_finalise" && piece["signer"] as? String == "\(key.publicKey)", "\(body)")
    #expect(piece["epoch"] as? Int == 0 && piece["view"] as? Int == 9, "\(body)")
    #expect(piece["first"] as? String == Data(votes[0]).base64EncodedString() && piece["second"] as? String == Data(votes[1]).base64EncodedString())
    // It raised its alarm in the process that found it. The margin stands there as soon as the figures of the consensus were read.
    let metrics = try HTTPClient(port: #require(node?.metricsPort)), deadline = Date(timeIntervalSinceNow: 180)
    var text = ""
    while !text.contains("\nmoloch_consensus_quorum_margin "), Date() < deadline { text = try metrics.get("/metrics").text }
    #expect(text.contains("\nmoloch_consensus_quorum_margin ") && text.contains("\nmoloch_evidence_total{kind=\"double_finalise\"} 0\n"), "\(text)")
    node = nil
    try Data(votes[0] + votes[0]).write(to: file)
    let end = #expect(throws: NodeProcess.EarlyEnd.self) { _ = try NodeProcess(home: scratch.url) }
    #expect(end?.status == 65 && end?.log.contains("evidence.bin is damaged") == true)
  }
}
