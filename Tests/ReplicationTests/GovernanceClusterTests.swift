import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Mempool
import Replication
import Testing

/// A network whose validators change its set.
@Suite struct GovernanceClusterTests {
  /// Admits a governance event of a validator at its own node.
  private func admit(_ act: GovernanceAct, by index: Int, _ cluster: Cluster) throws -> EventID {
    let key = SigningKey(seed: Bytes32(repeating: UInt8(index + 1)))
    let blob = [UInt8](repeating: 9, count: 16) + act.encoded
    let statement = Statement(
      flags: [], contentType: act.contentType, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: cluster.now.milliseconds), stream: 1,
      sequence: 1, chainTag: Cluster.tag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    let record = Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + blob
    let id = EventID(SHA256.hash(statement.encoded))
    let replica = try #require(cluster.nodes[index].replica)
    _ = replica.pool.admit(record.bytes, id: id, statement: statement, reactor: 0, now: cluster.now)
    return id
  }

  @Test func aValidatorLeavesTheSetAndTheOthersGoOn() throws {
    let cluster = try Cluster(validators: 4, seed: 31, epochLength: 12)
    try cluster.startAll()
    let next = try ValidatorSet(cluster.set.validators.filter { $0.name != "v3" })
    let proposal = ValidatorsProposal(effectiveEpoch: Epoch(1), base: cluster.set.hash, next: next, acceptances: [])
    let id = try admit(.proposeValidators(proposal), by: 0, cluster)
    // An approval in front of its proposal would have no object.
    for _ in 0..<50 where cluster.nodes[0].store.governanceRecords(from: Height(0), blocksMax: 1).isEmpty { cluster.run(milliseconds: 100) }
    for index in 1...2 { _ = try admit(.decide(GovernanceDecision(.approve, of: id)), by: index, cluster) }
    for round in 0..<40 {
      cluster.admit(at: round % 4)
      cluster.run(milliseconds: 300)
      if round == 12 {
        cluster.crash(1)
        try cluster.start(1)
      }
    }
    cluster.settle(withinMilliseconds: 40_000)
    cluster.expectAgreement(heightMin: 20)
    for node in cluster.nodes {
      #expect(node.replica?.chain.validators == next, "node \(node.index)")
      let handoffs = try node.store.handoffs(from: Height(0), countMax: 9)
      #expect(handoffs.map(\.header.height) == [Height(12)], "node \(node.index)")
      for handoff in handoffs { try handoff.verify(from: cluster.set, epochLength: 12) }
      // Every certificate is by the set of its height.
      for height in 1...node.store.head.height.rawValue {
        guard let header = node.store.header(at: Height(height)), let bytes = node.store.certificate(at: Height(height)), !bytes.isEmpty else { continue }
        let set = try node.store.validators(at: Height(height), genesis: cluster.set)
        try Certificate(decoding: bytes.bytes, chainTag: Cluster.tag).verifyFinality(of: header, in: set, epochLength: 12)
      }
    }
  }
}
