import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Replication
import Testing

@testable import Simulation

/// The recount of governance: what it takes for a set to come into force, and who may vote then.
@Suite struct MembershipTests {
  private static let tag = ChainTag(Bytes16(1, 2))
  private static let keys = (0..<5).map { SigningKey(seed: Bytes32(7, UInt64($0), 3, 4)) }

  private static func set(_ members: [Int]) throws -> ValidatorSet {
    try ValidatorSet(members.map { Validator(publicKey: keys[$0].publicKey, cosignerKey: keys[$0].publicKey, power: 1, name: "v\($0)") })
  }

  private let old = try! Self.set([0, 1, 2, 3])
  private let new = try! Self.set([0, 1, 2])

  private func record(_ act: GovernanceAct, by key: Int) -> (bytes: [UInt8], id: EventID) {
    let blob = [UInt8](repeating: 9, count: 16) + act.encoded
    let statement = Statement(
      flags: [], contentType: act.contentType, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: 5), stream: 1, sequence: 1, chainTag: Self.tag,
      signer: Self.keys[key].publicKey, bodyDigest: SHA256.hash(blob))
    let entry = Entry(statement: statement, signature: Self.keys[key].sign(statement.encoded.bytes))
    return (entry.encoded + blob, EventID(SHA256.hash(statement.encoded)))
  }

  private func proposal(_ next: ValidatorSet) -> GovernanceAct {
    .proposeValidators(ValidatorsProposal(effectiveEpoch: Epoch(1), base: old.hash, next: next, acceptances: []))
  }

  /// Blocks of an epoch of three, each with these records; the last hands over to `next`.
  private func failure(_ records: [[[UInt8]]], next: ValidatorSet, then check: (SetLaws) throws(Failure) -> Void = { _ in }) throws -> Failure.Class? {
    var laws = SetLaws(chainTag: Self.tag, epochLength: 3, genesis: old)
    do throws(Failure) {
      for (index, list) in records.enumerated() {
        let header = BlockHeader(
          eventCount: UInt32(list.count), chainTag: Self.tag, height: Height(UInt64(index + 1)), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero,
          eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: old.hash, nextValidatorsHash: index == 2 ? next.hash : old.hash,
          parametersHash: .zero, proposer: PublicKey(Bytes32()))
        guard let block = try? Block(header: header, body: list.flatMap { $0 }) else { preconditionFailure("the records are a block") }
        try laws.extended(block, now: 0)
      }
      try check(laws)
      return nil
    } catch { return error.kind }
  }

  @Test func aSetNeedsAQuorumBelowTheLastBlock() throws {
    let (proposed, id) = record(proposal(new), by: 0)
    func approval(_ key: Int, _ verdict: GovernanceDecision.Verdict = .approve) -> [UInt8] { record(.decide(GovernanceDecision(verdict, of: id)), by: key).bytes }
    let approved = [[proposed], [approval(1), approval(2)], []]
    #expect(try failure(approved, next: new) == nil)
    #expect(try failure(approved, next: old) == .membership)
    // Two of four are no quorum, twice the same one is one, a withdrawn approval is none, and the last block comes too late.
    let lacking = [
      [[proposed], [approval(1)], []], [[proposed], [approval(1), approval(1)], []], [[proposed], [approval(1), approval(1, .withdraw), approval(2)], []],
      [[proposed], [approval(1)], [approval(2)]], [[], [proposed], []],
    ]
    for records in lacking {
      #expect(try failure(records, next: old) == nil)
      #expect(try failure(records, next: new) == .membership)
    }
  }

  @Test func governanceIsForValidators() throws {
    let (proposed, _) = record(proposal(new), by: 4)
    #expect(try failure([[proposed], [], []], next: old) == .membership)
    // v4 has not agreed to be in the set.
    let (forced, _) = record(proposal(try Self.set([0, 1, 2, 4])), by: 0)
    #expect(try failure([[forced], [], []], next: old) == .membership)
  }

  @Test func onlyMembersVoteAndOnlyInEpochsThatHaveBegun() throws {
    let (proposed, id) = record(proposal(new), by: 0)
    let approvals = [1, 2].map { record(.decide(GovernanceDecision(.approve, of: id)), by: $0).bytes }
    func vote(_ key: Int, _ epoch: UInt64) -> SignedVote {
      SignedVote(signing: Vote(nullify: View(1), epoch: Epoch(epoch), chainTag: Self.tag), with: Self.keys[key])
    }
    func failure(_ vote: SignedVote) throws -> Failure.Class? {
      try self.failure([[proposed], approvals, []], next: new) { laws throws(Failure) in try laws.released(vote, now: 0) }
    }
    #expect(try failure(vote(3, 0)) == nil && failure(vote(0, 1)) == nil)
    #expect(try failure(vote(3, 1)) == .membership)
    #expect(try failure(vote(0, 2)) == .membership)
  }

  private func header(_ height: UInt64, _ set: ValidatorSet, _ next: ValidatorSet) -> BlockHeader {
    BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(height), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: next.hash, parametersHash: .zero, proposer: PublicKey(Bytes32()))
  }

  @Test func boundariesThatNameAnotherSetAreSeen() throws {
    let (proposed, id) = record(proposal(new), by: 0)
    let approvals = [1, 2].map { record(.decide(GovernanceDecision(.approve, of: id)), by: $0).bytes }
    func failure(_ set: [UInt8]) throws -> Failure.Class? {
      let last = header(3, old, new)
      let vote = Vote(
        kind: .finalise, chainTag: Self.tag, epoch: Epoch(0), view: View(3), parentView: View(2), height: last.height, blockHash: last.hash)
      let boundary = Boundary(header: last, certificate: Certificate(vote: vote, signatures: [], in: old), nextSet: set)
      return try self.failure([[proposed], approvals, []], next: new) { laws throws(Failure) in try laws.shown([boundary], now: 0) }
    }
    #expect(try failure(new.encoded) == nil)
    #expect(try failure(old.encoded) == .membership && failure([]) == .membership)
  }

  @Test func aStoreWhoseHandoffsLeadElsewhereIsSeen() {
    let laws = SetLaws(chainTag: Self.tag, epochLength: 3, genesis: old)
    func failure(_ set: ValidatorSet) -> Failure.Class? {
      do throws(Failure) {
        _ = try laws.verify(MemoryStore(genesis: header(0, set, set)), node: 0, now: 0)
        return nil
      } catch { return error.kind }
    }
    #expect(failure(old) == nil && failure(new) == .membership)
  }

  @Test func aNodeThatGoesThroughOldEpochsAgainUsesNoViewsUp() {
    var views = ViewCount()
    for (epoch, view) in [(0, 1), (0, 3), (1, 2), (0, 1), (0, 2), (1, 1)] as [(UInt64, UInt64)] { views.entered(Epoch(epoch), View(view)) }
    #expect(views.total == 5)
  }

  @Test func aClusterTakesInAValidatorAndNoneThatWouldLoseTheQuorum() {
    var options = Scenario.Options()
    options.nodes = 4
    options.hasByzantine = false
    options.hasFaults = false
    var scenario = Scenario(seed: 3, options: options)
    (scenario.powers, scenario.observers, scenario.epochLength) = ([1, 1, 1, 1], 1, 5)
    (scenario.blockTimeMilliseconds, scenario.emptyBlockIntervalMilliseconds, scenario.eventsPerSecond) = (100, 100, 2)
    scenario.changes = [
      PlannedChange(at: World.begin.adding(milliseconds: 200), kind: .add(node: 4, power: 1), rival: nil),
      PlannedChange(at: World.begin.adding(milliseconds: 300), kind: .loseQuorum, rival: nil),
    ]
    var world = World(scenario)
    let outcome = world.run()
    #expect(outcome.failure == nil)
    #expect(outcome.statistics.setChanges == 1 && outcome.statistics.unsafeProposals == 1 && outcome.statistics.handoffs == 5)
    #expect(outcome.statistics.cosignatures > 0 && outcome.statistics.checkpoints > 0)
  }
}
