public import Ambient
public import Audit
public import Digests
public import Ed25519

/// Where a machine stands in its current view.
public struct ViewFacts: Hashable, Sendable {
  /// Votes of one kind: which validators sent one, and the power behind them.
  public struct Votes: Hashable, Sendable {
    /// Ascending validator indexes.
    public var signers: [Int]
    public var power: UInt64
  }

  public var epoch: Epoch
  public var view: View
  /// The set of the epoch, which every index here means. That of the chain is ahead of it from the last block of an epoch until the block is on disk.
  public var validators: ValidatorSet
  /// Validator index.
  public var leader: Int
  /// The leader's proposal, when it is here.
  public var proposal: BlockReference?
  public var notarise: Votes
  public var nullify: Votes
  public var finalise: Votes
  public var quorumPower: UInt64
  /// When a silent leader, and an uncertified view, are given up.
  public var leaderDeadline: Instant
  public var advanceDeadline: Instant
  /// Half steps of the back-off.
  public var backOff: Int
  /// When each validator was heard last, by index.
  public var heard: [Instant]
  /// What the certificates of views above the newest final block say, by view.
  public var certificates: [Vote]
}

/// How views ended, counted since the start of the process: by the blocks that votes made final here, and by the nullifications that this node made or
/// received. A view of which both are true counts twice.
public struct ViewOutcomes: Hashable, Sendable {
  /// Views whose block became final, by itself or with a later one.
  public var finalised: UInt64 = 0
  public var nullified: UInt64 = 0
  /// Views of this validator that were nullified, and blocks that were finalised before it had voted for them.
  public var missedProposals: UInt64 = 0
  public var missedVotes: UInt64 = 0
}

/// How long the steps of views took here, until somebody takes them.
public struct StepDurations: Sendable {
  public enum Step: Int, CaseIterable, Sendable {
    /// From when the proposal was due, pacing and events considered, until it was here.
    case propose
    /// From the proposal to the notarisation.
    case notarise
    /// From the notarisation to the finalisation.
    case finalise
  }

  /// Nanoseconds, in the order in which the steps ended; more than `ConsensusLimit.stepDurations` are not kept.
  public private(set) var list: [(step: Step, nanoseconds: UInt64)] = []

  mutating func add(_ step: Step, from begin: Instant, to end: Instant) {
    guard end >= begin, list.count < ConsensusLimit.stepDurations else { return }
    list.append((step, end.nanoseconds(since: begin)))
  }
}

extension Machine {
  /// The durations since the last call.
  public mutating func takeSteps() -> StepDurations {
    defer { steps = StepDurations() }
    return steps
  }

  mutating func noteProposal(_ index: Int, _ now: Instant) {
    rounds[index].proposed = now
    // A proposal that is here before its view is entered, or before it was expected, was not waited for.
    if rounds[index].view == view { steps.add(.propose, from: max(entered, spacingEnd, hasEvents ? pendingSince : .zero), to: now) }
  }

  mutating func noteStep(of kind: VoteKind, _ index: Int, _ now: Instant) {
    switch kind {
    case .nullify: break
    case .notarise:
      rounds[index].notarised = now
      if let proposed = rounds[index].proposed { steps.add(.notarise, from: proposed, to: now) }
    case .finalise: if let notarised = rounds[index].notarised { steps.add(.finalise, from: notarised, to: now) }
    }
  }

  public var viewFacts: ViewFacts {
    let round = rounds.first { $0.view == view }
    func votes(_ kind: VoteKind) -> ViewFacts.Votes {
      guard let ballot = round?.ballots[kind.slot] else { return ViewFacts.Votes(signers: [], power: 0) }
      return ViewFacts.Votes(signers: ballot.votes.indices.filter { ballot.votes[$0] != nil }, power: ballot.power)
    }
    return ViewFacts(
      epoch: epoch, view: view, validators: set, leader: leader, proposal: round?.proposal?.proposal.block, notarise: votes(.notarise), nullify: votes(.nullify),
      finalise: votes(.finalise), quorumPower: set.quorumPower, leaderDeadline: leaderDeadline, advanceDeadline: advanceDeadline, backOff: backOff,
      heard: heard, certificates: rounds.filter { $0.view > floor.view }.flatMap { $0.certificates.compactMap { $0?.vote } })
  }

  /// Height of the newest block that a validator of the epoch's set is known to have voted for; 0 when none is known.
  public func votedHeight(_ key: PublicKey) -> Height { set.index(of: key).map { votedHeights[$0] } ?? Height(0) }

  /// Whether votes for a block can still make it final by itself: it belongs to the current view or the one before, and this node has not given that up.
  public func isUnderWay(_ hash: Digest) -> Bool {
    rounds.contains { round in
      guard round.view.rawValue + 1 >= view.rawValue, round.nullification == nil, round.ownNullify == nil else { return false }
      return round.proposal?.proposal.block.hash == hash || round.naming?.vote.blockHash == hash
    }
  }

  /// Whether the machine still has a use for a block above the floor; the driver keeps the bytes of such blocks.
  public func knows(_ hash: Digest) -> Bool { block(hash) != nil || rounds.contains { $0.naming?.vote.blockHash == hash } }
}
