import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Testing

@testable import Consensus
@testable import Replication
@testable import Simulation

/// Every checker flags what it is for: a check that cannot fail would make the simulation worthless.
@Suite struct CheckerTests {
  private static let key = SigningKey(seed: Bytes32(1, 2, 3, 4))
  private static let tag = ChainTag(Bytes16(1, 2))

  private func vote(_ kind: VoteKind, _ view: UInt64, _ block: UInt8 = 1) -> SignedVote {
    let vote =
      kind == .nullify
      ? Vote(nullify: View(view), epoch: Epoch(0), chainTag: Self.tag)
      : Vote(
        kind: kind, chainTag: Self.tag, epoch: Epoch(0), view: View(view), parentView: View(view - 1), height: Height(view), blockHash: SHA256.hash([block]))
    return SignedVote(signing: vote, with: Self.key)
  }

  private func classOfFailure(_ votes: [SignedVote], recorded: Bool = true, stored: Bool = true) -> Failure.Class? {
    var checker = VoteDiscipline()
    do throws(Failure) {
      for vote in votes {
        if recorded { checker.recorded(vote) }
        try checker.released(vote, hasBody: stored, now: 0)
      }
      return nil
    } catch { return error.kind }
  }

  @Test func conflictingVotesAreSeenAndOthersAreNot() {
    #expect(classOfFailure([vote(.notarise, 1), vote(.finalise, 1), vote(.notarise, 2), vote(.nullify, 2), vote(.notarise, 1)]) == nil)
    #expect(classOfFailure([vote(.notarise, 1), vote(.notarise, 1, 2)]) == .doubleVote)
    #expect(classOfFailure([vote(.finalise, 1), vote(.finalise, 1, 2)]) == .doubleVote)
    #expect(classOfFailure([vote(.finalise, 1), vote(.nullify, 1)]) == .doubleVote)
    #expect(classOfFailure([vote(.nullify, 1), vote(.finalise, 1)]) == .doubleVote)
    // Another block may be finalised than the one that was notarised: the certificate decides.
    #expect(classOfFailure([vote(.notarise, 1), vote(.finalise, 1, 2)]) == nil)
  }

  @Test func aVoteWithoutItsRecordIsSeen() { #expect(classOfFailure([vote(.notarise, 1)], recorded: false) == .earlyVote) }

  @Test func aFinaliseVoteWithoutItsBlockIsSeen() {
    #expect(classOfFailure([vote(.finalise, 1)], stored: false) == .earlyVote)
    #expect(classOfFailure([vote(.notarise, 1), vote(.nullify, 2)], stored: false) == nil)
  }

  /// The block was on disk when the vote was made. Before the vote was said the blocks were wiped, or another block of that height became final.
  @Test func aFinaliseVoteMayOutliveItsBlock() throws {
    var checker = VoteDiscipline()
    checker.made(vote(.finalise, 1), hasBody: true)
    checker.recorded(vote(.finalise, 1))
    try checker.released(vote(.finalise, 1), hasBody: false, now: 0)
    checker.made(vote(.finalise, 2), hasBody: false)
    checker.recorded(vote(.finalise, 2))
    #expect(throws: Failure.self) { try checker.released(vote(.finalise, 2), hasBody: false, now: 0) }
  }

  @Test func contradictingAndUnsoundCertificatesAreSeen() throws {
    let set = try ValidatorSet([Validator(publicKey: Self.key.publicKey, cosignerKey: Self.key.publicKey, power: 1, name: "a")])
    func certificate(_ vote: SignedVote) -> Certificate { Certificate(vote: vote.vote, signatures: [(0, vote.signature)], in: set) }
    func failure(_ certificates: [Certificate]) -> Failure.Class? {
      var checker = CertificateLaws(signatures: SignatureMemory())
      do throws(Failure) {
        for certificate in certificates { try checker.shown(certificate, set: set, now: 0) }
        return nil
      } catch { return error.kind }
    }
    let notarised = certificate(vote(.notarise, 3)), finalised = certificate(vote(.finalise, 3)), nullified = certificate(vote(.nullify, 3))
    #expect(failure([notarised, nullified]) == nil && failure([notarised, finalised]) == nil)
    #expect(failure([notarised, certificate(vote(.notarise, 3, 9))]) == .certificate)
    #expect(failure([finalised, nullified]) == .certificate)
    #expect(failure([notarised, certificate(vote(.finalise, 3, 9))]) == .certificate)
    #expect(failure([Certificate(vote: vote(.notarise, 3).vote, signatures: [], in: set)]) == .certificate)
    #expect(failure([Certificate(vote: vote(.notarise, 4).vote, signatures: [(0, vote(.notarise, 3).signature)], in: set)]) == .certificate)
  }

  @Test func memoryThatGrowsIsSeen() {
    func failure(_ change: (inout Replica.Footprint) -> Void) -> Failure.Class? {
      var footprint = Replica.Footprint(machine: Machine.Footprint(), arrivals: 0, candidates: 0, gossipBytes: 0, decided: 0, evidence: 0)
      change(&footprint)
      var checker = MemoryLaws(validators: 4)
      do throws(Failure) {
        try checker.seen(footprint, views: 3, links: 3, node: 0, now: 0)
        return nil
      } catch { return error.kind }
    }
    let votes = 3 * 4 * min(37, Int(ConsensusLimit.voteViews + 2 * ConsensusLimit.windowViews) + 2)
    let gossip = 3 * (ReplicationLimit.gossipWindowBytes + ReplicationLimit.gossipBytesMax)
    #expect(failure { $0.machine.rounds = 37; $0.machine.votes = votes; $0.arrivals = 32; $0.gossipBytes = gossip } == nil)
    #expect(failure { $0.machine.rounds = 38 } == .bounds)
    #expect(failure { $0.machine.votes = votes + 1 } == .bounds)
    #expect(failure { $0.machine.earlyMessages = 97 } == .bounds)
    #expect(failure { $0.arrivals = 33 } == .bounds)
    #expect(failure { $0.gossipBytes = gossip + 1 } == .bounds)
  }

  @Test func aHeadWithoutItsCertificateIsSeen() {
    var parameters = ChainParameters()
    parameters.blockTime = 100
    let genesis = BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(0), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: .zero, nextValidatorsHash: .zero, parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    var checker = ChainLaws(genesis: genesis, nodes: 1)
    func failure(_ head: UInt64, _ certificate: [UInt8]?) -> Failure.Class? {
      do throws(Failure) {
        try checker.reopened(head: head, hash: genesis.hash, certificate: certificate, node: 0, isWiped: false, now: 0)
        return nil
      } catch { return error.kind }
    }
    #expect(failure(0, nil) == nil)
    #expect(failure(1, nil) == .durability && failure(1, []) == .durability && failure(1, [1, 2, 3]) == .durability)
  }

  @Test func theAgendaKeepsTimeAndOrder() {
    var random = SeededGenerator(seed: 5)
    var agenda = Agenda<Int>()
    var expected: [(UInt64, Int)] = []
    for item in 0..<2000 {
      let time = random.below(50)
      agenda.add(item, at: Instant(nanoseconds: time))
      expected.append((time, item))
    }
    expected.sort { ($0.0, $0.1) < ($1.0, $1.1) }
    for (time, item) in expected {
      let next = agenda.next()
      #expect(next?.time.nanoseconds == time && next?.item == item)
    }
    #expect(agenda.next() == nil)
  }
}
