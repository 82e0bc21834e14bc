public import Ambient
public import Audit
public import Digests

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

/// How views ended, counted since the start of the process by the certificates that this node made or received.
public struct ViewOutcomes: Hashable, Sendable {
  public var finalised: UInt64 = 0
  public var nullified: UInt64 = 0
  /// Views of this validator that were nullified, and blocks that were finalised before it had voted for them.
  public var missedProposals: UInt64 = 0
  public var missedVotes: UInt64 = 0
}

extension Machine {
  public var viewFacts: ViewFacts {
    let round = rounds.first { $0.view == view }
    func votes(_ kind: VoteKind) -> ViewFacts.Votes {
      guard let ballot = round?.ballots[kind.slot] else { return ViewFacts.Votes(signers: [], power: 0) }
      return ViewFacts.Votes(signers: ballot.votes.indices.filter { ballot.votes[$0] != nil }, power: ballot.power)
    }
    return ViewFacts(
      epoch: epoch, view: view, leader: leader, proposal: round?.proposal?.proposal.block, notarise: votes(.notarise), nullify: votes(.nullify),
      finalise: votes(.finalise), quorumPower: set.quorumPower, leaderDeadline: leaderDeadline, advanceDeadline: advanceDeadline, backOff: backOff,
      heard: heard, certificates: rounds.filter { $0.view > floor.view }.flatMap { $0.certificates.compactMap { $0?.vote } })
  }

  /// Height of the newest block that a validator of the set in force is known to have voted for; 0 when none is known.
  public func votedHeight(_ index: Int) -> Height { votedHeights[index] }

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
