import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Testing

/// Governance events through the API of a node that is the whole set: what it signs is approved at once.
@Suite struct GovernanceTests {
  private func record(_ act: GovernanceAct, by key: SigningKey, tag: ChainTag, sequence: UInt64, body: [UInt8]? = nil) -> [UInt8] {
    let content = body ?? act.encoded
    let blob = (0..<16).map { _ in UInt8.random(in: 0...255) } + content
    let statement = Statement(
      flags: [], contentType: act.contentType, bodyLength: UInt32(content.count), timestamp: RecordMaker.now(), stream: 1, sequence: sequence, chainTag: tag,
      signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + blob
  }

  @Test func aSignerChangeIsInForceFromTheNextBlockAndAfterARestart() throws {
    let scratch = try ScratchDirectory()
    var node = try NodeProcess(home: scratch.url)
    var client = try node.client()
    let genesis = try client.get("/v1/genesis").body
    let tag = ChainTag(genesisHash: SHA256.hash(genesis))
    let key = try SigningKey(pem: [UInt8](Data(contentsOf: scratch.url.appendingPathComponent("keys/validator.key"))))
    let app = SignerRecord(key: try SigningKey.forTest().publicKey, validFrom: Height(0), validTo: Height(0), name: "app")
    let act = GovernanceAct.proposeSigners([SignerChange(.put, app)])
    func post(_ record: [UInt8]) throws -> HTTPClient.Answer { try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: record) }

    let foreign = try post(record(act, by: .forTest(), tag: tag, sequence: 1))
    #expect(foreign.status == 400 && foreign.errorReason == "bad_governance", "\(foreign.text)")
    let malformed = try post(record(act, by: key, tag: tag, sequence: 1, body: act.encoded + [0]))
    #expect(malformed.status == 400 && malformed.errorReason == "bad_governance", "\(malformed.text)")
    let accepted = try post(record(act, by: key, tag: tag, sequence: 2))
    #expect(accepted.status == 201, "\(accepted.text)")
    let height = try #require(accepted.json["block_height"] as? Int)

    // The next block carries the hash of the new registry.
    let next = try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: RecordMaker(client, key: .forTest()).next().bytes)
    #expect(next.status == 201, "\(next.text)")
    var parameters = try Genesis(json: genesis).parameters
    let before = try client.get("/v1/blocks/\(height)").json["params_hash"] as? String
    #expect(before == parameters.hash.hex)
    parameters.signersHash = try SignerRegistry([app]).hash
    let after = try client.get("/v1/blocks/\(height + 1)").json["params_hash"] as? String
    #expect(after == parameters.hash.hex)

    let set = try client.get("/v1/validators?height=\(height)")
    #expect(set.status == 200 && (set.json["validators"] as? [[String: Any]])?.count == 1, "\(set.text)")
    #expect(try client.get("/v1/validators?height=\(height + 1_000_000)").status == 404)
    let history = try client.get("/v1/validators/history?from_epoch=0")
    #expect(history.status == 200 && (history.json["handoffs"] as? [Any])?.isEmpty == true, "\(history.text)")

    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let checked = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", scratch.url.path)
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    node = try NodeProcess(home: scratch.url)
    client = try node.client()
    let again = try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: RecordMaker(client, key: .forTest()).next().bytes)
    let last = try #require(again.json["block_height"] as? Int)
    #expect(try client.get("/v1/blocks/\(last)").json["params_hash"] as? String == parameters.hash.hex)
  }
}
