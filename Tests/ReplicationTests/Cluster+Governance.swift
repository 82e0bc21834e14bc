import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Mempool
import Replication
import Testing

extension Cluster {
  /// A set of these nodes, of equal powers.
  func validators(_ indexes: [Int]) throws -> ValidatorSet {
    try ValidatorSet(
      indexes.map { Validator(publicKey: Self.key($0).publicKey, cosignerKey: Self.key($0).publicKey, power: 1, name: "v\($0)") })
  }

  /// Admits a governance event of a validator at its own node.
  @discardableResult func admit(_ act: GovernanceAct, by index: Int) throws -> EventID {
    sequence += 1
    let key = Self.key(index)
    let blob = [UInt8](repeating: 9, count: 16) + act.encoded
    let statement = Statement(
      flags: [], contentType: act.contentType, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: now.milliseconds), stream: 1,
      sequence: sequence, chainTag: Self.tag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    let record = Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + blob
    let id = EventID(SHA256.hash(statement.encoded))
    let replica = try #require(nodes[index].replica)
    _ = replica.pool.admit(record.bytes, id: id, statement: statement, reactor: 0, now: now)
    return id
  }

  /// Has a set proposed by the first of these nodes and approved by the others, and waits until all of that is final.
  func propose(_ next: ValidatorSet, from epoch: Epoch, by members: [Int]) throws {
    let first = try #require(members.first)
    let state = try #require(nodes[first].replica?.chain.tip.governance)
    var acceptances: [Signature] = []
    for validator in next.validators where state.validators.index(of: validator.publicKey) == nil {
      let index = try #require(nodes.firstIndex { $0.key?.publicKey == validator.publicKey })
      acceptances.append(Self.key(index).sign(ValidatorsProposal.acceptanceMessage(validator, effectiveEpoch: epoch, chainTag: Self.tag).bytes))
    }
    let proposal = ValidatorsProposal(effectiveEpoch: epoch, base: state.validators.hash, next: next, acceptances: acceptances)
    let id = try admit(.proposeValidators(proposal), by: first)
    // An approval in front of its proposal would have no object.
    func isOpen() -> Bool { nodes[first].replica?.chain.tip.governance.open.contains { $0.id == id } ?? false }
    func isScheduled() -> Bool { nodes[first].replica?.chain.tip.governance.scheduled.contains { $0.id == id } ?? false }
    for _ in 0..<50 where !isOpen() && !isScheduled() { run(milliseconds: 100) }
    for index in members.dropFirst() { try admit(.decide(GovernanceDecision(.approve, of: id)), by: index) }
    for _ in 0..<50 where !isScheduled() && nodes[first].replica?.chain.validators != next { run(milliseconds: 100) }
    #expect(isScheduled() || nodes[first].replica?.chain.validators == next, "the set is not approved at height \(nodes[first].store.head.height.rawValue)")
  }

  /// Lets time pass until every running node has reached a height.
  func run(until height: UInt64) throws {
    for _ in 0..<400 where nodes.contains(where: { $0.replica != nil && $0.store.head.height.rawValue < height }) { run(milliseconds: 100) }
    #expect(nodes.allSatisfy { $0.replica == nil || $0.store.head.height.rawValue >= height }, "heads: \(nodes.map { $0.store.head.height.rawValue })")
  }
}
