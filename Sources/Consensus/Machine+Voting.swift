import Ambient
import Audit
import Digests
import Ed25519

/// A message that waits for its journal record, with the own vote in it.
struct Held: Sendable {
  var sequence: UInt64
  var message: Message
  var vote: SignedVote?
}

/// Promises from before the last restart that are not single votes of this epoch.
struct Pledges: Sendable {
  /// Finality reached: nothing at or below is voted on.
  var floor: Bound?
  /// Up to where votes of a kind may have been made that the journal does not hold any more, by kind.
  var voted: [Bound?] = [nil, nil, nil]
  /// Where the floor was at the start: votes up to there were not restored.
  var opened = Bound(epoch: Epoch(0), view: View(0))
  /// Own votes of later epochs than the one restored to.
  var later: [SignedVote] = []
}

// Own votes (rules R4, R6, R7): which may be made, and how they leave.
extension Machine {
  /// Whether this node may make a vote of this kind in a view at all, whatever it knows about the view.
  func mayVote(_ kind: VoteKind, in view: View) -> Bool {
    guard isMember, recovery == nil, !isHalted, !isUntried || isSole, !isEpochOver, view > floor.view else { return false }
    let place = Bound(epoch: epoch, view: view)
    if let bound, place <= bound || epoch.rawValue == bound.epoch.rawValue + 1 && view.rawValue == 1 { return false }
    if let floor = pledges.floor, place <= floor { return false }
    if let voted = pledges.voted[kind.slot], place <= voted { return false }
    return true
  }

  func ballot(_ kind: VoteKind, _ view: View, _ block: BlockReference, parentView: View) -> Vote {
    Vote(kind: kind, chainTag: options.chainTag, epoch: epoch, view: view, parentView: parentView, height: block.height, blockHash: block.hash)
  }

  /// Appends an own vote to the journal. It binds from here on; it counts and leaves when the record is synced.
  mutating func cast(_ vote: SignedVote, as message: Message, _ effects: inout [Effect]) {
    let index = round(vote.vote.view)
    precondition(rounds[index].own[vote.vote.kind.slot] == nil, "one vote per kind and view")
    rounds[index].own[vote.vote.kind.slot] = vote
    hold(.vote(vote), message, vote, &effects)
    if isLeftOut(.voteBeforeSync) { release(through: appended, &effects) }
  }

  private mutating func cast(_ vote: Vote, _ effects: inout [Effect]) {
    guard let key else { return }
    let signed = SignedVote(signing: vote, with: key)
    cast(signed, as: .vote(signed), &effects)
  }

  /// Appends a record, and holds a message back until it is synced.
  mutating func hold(_ record: JournalRecord, _ message: Message, _ vote: SignedVote?, _ effects: inout [Effect]) {
    appended += 1
    effects.append(.append(record, sequence: appended))
    outbox.append(Held(sequence: appended, message: message, vote: vote))
  }

  /// Everything up to this record is on disk: own votes count, messages leave in the order of their records.
  mutating func release(through sequence: UInt64, _ effects: inout [Effect]) {
    synced = max(synced, sequence)
    var released = 0
    while released < outbox.count, outbox[released].sequence <= synced {
      let held = outbox[released]
      released += 1
      effects.append(.send(held.message, to: .all, after: held.sequence))
      guard let vote = held.vote, let ownIndex, vote.vote.epoch == epoch, vote.vote.view > floor.view else { continue }
      rounds[round(vote.vote.view)].ballots[vote.vote.kind.slot].record(vote, signer: ownIndex, in: set)
      votedHeights[ownIndex] = max(votedHeights[ownIndex], vote.vote.height)
    }
    outbox.removeFirst(released)
  }

  // MARK: Notarise

  /// What a look at a proposal ends with.
  enum Judgement: Equatable {
    case ready
    /// A block, a verdict or the clock is waited for.
    case wait
    /// Certificates of these views are missing here.
    case ask([View])
    /// It can never be voted for.
    case refused
  }

  /// R4: the leader's first proposal of the current view.
  mutating func considerProposal(_ now: Times, _ effects: inout [Effect]) -> Bool {
    wallDeadline = .distantFuture
    guard let round = existingRound(view), !round.isRefused, let proposal = round.proposal?.proposal, round.ownNotarise == nil,
      round.ownNullify == nil, mayVote(.notarise, in: view)
    else { return false }
    switch judge(round, now) {
    case .ready:
      cast(ballot(.notarise, view, proposal.block, parentView: proposal.vote.vote.parentView), &effects)
      return true
    case .refused:
      rounds[self.round(view)].isRefused = true
      return true
    case .wait, .ask: return false
    }
  }

  mutating func judge(_ round: Round, _ now: Times) -> Judgement {
    guard let (proposal, heard) = round.proposal else { return .wait }
    let vote = proposal.vote.vote, block = proposal.block
    guard vote.parentView < round.view, vote.parentView >= floor.view else { return .refused }
    if let entry = entry(block.hash), entry.verdict == .invalid { return .refused }
    var missing: [View] = []
    if !isLeftOut(.skipWithoutNullification) {
      var candidate = View(round.view.rawValue - 1)
      while candidate > vote.parentView, missing.count < ConsensusLimit.asks {
        if existingRound(candidate)?.nullification == nil { missing.append(candidate) }
        candidate = View(candidate.rawValue - 1)
      }
    }
    guard let parent = certifiedBlock(vote.parentView) else {
      if existingRound(vote.parentView)?.naming == nil { missing.append(vote.parentView) }
      return missing.isEmpty ? .wait : .ask(missing)
    }
    guard missing.isEmpty else { return .ask(missing) }
    let mustRepeat = isBoundaryAgain(parent, vote.parentView) && !isLeftOut(.noBoundaryReproposal)
    if mustRepeat { return block.hash == parent.hash ? .ready : .refused }
    guard block.parentHash == parent.hash, block.height == parent.height.next, block.proposer == proposal.vote.publicKey,
      parameters.epoch(of: block.height) == epoch || isLeftOut(.noBoundaryReproposal), block.timestamp > parent.timestamp
    else { return .refused }
    let doublings = min(ConsensusLimit.staleDoublingsMax, round.view.rawValue - 1 - vote.parentView.rawValue)
    guard block.timestamp.rawValue + options.clockStaleMilliseconds << doublings >= heard.rawValue else { return .refused }
    guard block.timestamp.rawValue <= now.wall.rawValue + options.clockAheadMilliseconds else {
      let ahead = block.timestamp.rawValue - options.clockAheadMilliseconds - now.wall.rawValue
      wallDeadline = min(wallDeadline, now.monotonic.adding(milliseconds: max(1, ahead)))
      return .wait
    }
    return entry(block.hash)?.verdict == .valid ? .ready : .wait
  }

  // MARK: Finalise

  /// R6: any view above the floor, also one already left, whose block is certified here and that this node has not nullified.
  mutating func finalise(_ effects: inout [Effect]) -> Bool {
    for round in rounds where round.view > floor.view && round.view <= view && round.ownFinalise == nil {
      guard let vote = round.notarisation?.vote, mayVote(.finalise, in: round.view) else { continue }
      guard round.ownNullify == nil || isLeftOut(.finaliseAfterNullify) else { continue }
      guard isCertified(round) || isLeftOut(.finaliseBeforeDurable) && entry(vote.blockHash)?.verdict == .valid else { continue }
      cast(
        Vote(
          kind: .finalise, chainTag: options.chainTag, epoch: epoch, view: vote.view, parentView: vote.parentView, height: vote.height,
          blockHash: vote.blockHash), &effects)
      return true
    }
    return false
  }

  // MARK: Nullify

  /// R7: the current view cannot end with its block, as far as this node can tell.
  mutating func nullifyIfDue(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard mayVote(.nullify, in: view) else { return false }
    let index = round(view), round = rounds[index]
    guard round.ownNullify == nil, round.ownFinalise == nil else { return false }
    // A sole voter has nobody to wait for: its view ends with its own block, however long the building takes. Only a block that it has voted for and
    // lost must be given up.
    if isSole { guard let own = round.ownNotarise, entry(own.vote.blockHash) == nil else { return false } }
    let nullify = round.ballots[VoteKind.nullify.slot]
    let isLate = now.monotonic >= advanceDeadline || now.monotonic >= leaderDeadline && round.proposal == nil && round.naming == nil
    guard isLate || round.isRefused || nullify.vote(of: leader) != nil || nullify.power > tolerated else { return false }
    backOffAfterNullify()
    cast(Vote(nullify: view, epoch: epoch, chainTag: options.chainTag), &effects)
    return true
  }
}
