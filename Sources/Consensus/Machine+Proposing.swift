public import Ambient
import Audit
import Digests
import Ed25519

// Proposing and pacing (rule R3).
extension Machine {
  /// Blocks do not wait for events.
  private var isPressing: Bool {
    guard !isSole else { return isUrgent }
    let next = floor.block.height.rawValue + 1, length = UInt64(parameters.epochLength)
    return isUrgent || (length - 1) - (next - 1) % length < ConsensusLimit.boundaryBlocks
  }

  /// Least time between the parent and the next proposal, milliseconds.
  private var spacing: UInt64 { UInt64(hasEvents || isPressing || pleadedView == view ? parameters.blockTime : parameters.emptyBlockInterval) }

  /// When pacing allows the block of the current view, counted from when its parent was proposed or received.
  var spacingEnd: Instant {
    guard case .found(_, let parent) = findParent(below: view) else { return .zero }
    return heardTime(parent.hash).adding(milliseconds: spacing)
  }

  /// When this node is to look whether it can propose; the distant future when the view is not its own to propose in.
  var proposalDeadline: Instant {
    guard leads, existingRound(view)?.ownNotarise == nil, existingRound(view)?.ownNullify == nil else { return .distantFuture }
    switch building {
    case .asked: return .distantFuture
    case .declined(let until): return until
    case .idle: return spacingEnd
    }
  }

  /// Milliseconds until the next block of this validator may be due, 0 when it is due now.
  public func millisecondsToProposal(_ now: Instant) -> UInt64 {
    let due = spacingEnd
    return due > now ? due.milliseconds(since: now) : 0
  }

  private var leads: Bool { ownIndex.map { schedule.leader(of: view) == $0 } ?? false }

  mutating func pendingChanged(_ hasEvents: Bool, _ fillsBlock: Bool, _ isUrgent: Bool, _ now: Times) {
    let isNew = hasEvents && !self.hasEvents || isUrgent && !self.isUrgent
    if isNew { pendingSince = now.monotonic }
    self.hasEvents = hasEvents
    self.fillsBlock = fillsBlock
    self.isUrgent = isUrgent
    if isNew, isStarted { shortenTimers(now.monotonic) }
  }

  /// When a leader that has not proposed is told that events wait here: it may not have them, and would let the view rest. Early enough for its proposal
  /// to come before this node gives the view up.
  var pleaDeadline: Instant {
    guard hasEvents, !hasPleaded, isMember, !leads, existingRound(view)?.proposal == nil, existingRound(view)?.naming == nil else { return .distantFuture }
    return spacingEnd.adding(nanoseconds: baseDelay / 2)
  }

  mutating func pleadIfDue(_ now: Times, _ effects: inout [Effect]) {
    guard !isEpochOver, now.monotonic >= pleaDeadline else { return }
    hasPleaded = true
    let key = set.validators[leader].publicKey
    guard let peer = peers.first(where: { $0.validator == key && !$0.isFaulty }) else { return }
    effects.append(.send(.status(status(now)), to: .peer(peer.link), after: 0))
  }

  /// A validator of the set says that events wait at it in the view that this node leads. What it says costs one block sooner.
  mutating func hear(pleaOf peer: Int, in view: View) { if leads, view == self.view, peers[peer].index != nil { pleadedView = view } }

  mutating func buildIfDue(_ now: Times, _ effects: inout [Effect]) {
    guard leads, mayVote(.notarise, in: view) else { return }
    switch building {
    case .asked: return
    case .declined(let until): guard now.monotonic >= until else { return }
    case .idle: break
    }
    if let round = existingRound(view) { guard round.ownNotarise == nil, round.ownNullify == nil else { return } }
    guard case .found(let parentView, let parent) = findParent(below: view), fillsBlock || now.monotonic >= spacingEnd else { return }
    building = .asked
    if isBoundaryAgain(parent, parentView), !isLeftOut(.noBoundaryReproposal) {
      // The last block of an epoch is proposed again until it is finalised itself.
      built(view, parent, now, &effects)
      return
    }
    // What fills this block is spoken for; the driver reports anew what is pending behind it.
    fillsBlock = false
    effects.append(.build(view, parent: parent, timestamp: max(now.wall, Timestamp(milliseconds: parent.timestamp.rawValue + 1))))
  }

  /// The block on which nothing of this epoch is built: the last one of the epoch, in a view of the epoch.
  func isBoundaryAgain(_ parent: BlockReference, _ parentView: View) -> Bool { parentView.rawValue > 0 && parameters.isLastOfEpoch(parent.height) }

  mutating func built(_ view: View, _ block: BlockReference?, _ now: Times, _ effects: inout [Effect]) {
    guard view == self.view, building == .asked else { return }
    guard let block else {
      building = .declined(until: now.monotonic.adding(nanoseconds: max(1, baseDelay / 4)))
      return
    }
    building = .idle
    guard case .found(let parentView, let parent) = findParent(below: view), let key, mayVote(.notarise, in: view) else { return }
    let index = round(view)
    guard rounds[index].ownNotarise == nil, rounds[index].ownNullify == nil else { return }
    let isRepetition = block.hash == parent.hash
    guard isRepetition || block.parentHash == parent.hash && block.height == parent.height.next else { return }
    if !isRepetition {
      add(BlockEntry(reference: block, heard: now.monotonic, verdict: .valid))
      storeValid(block.hash, &effects)
    }
    let vote = SignedVote(signing: ballot(.notarise, view, block, parentView: parentView), with: key)
    let proposal = Proposal(vote: vote, block: block, justification: justification(view, parentView))
    let index2 = round(view)
    rounds[index2].proposal = (proposal, now.wall)
    noteProposal(index2, now.monotonic)
    cast(vote, as: .proposal(proposal), &effects)
  }

  /// Why others may build where this proposal does: certificate of the parent's view and nullifications between, the newest ones.
  private func justification(_ view: View, _ parentView: View) -> [Certificate] {
    var certificates: [Certificate] = []
    var candidate = View(view.rawValue - 1)
    while candidate > parentView, certificates.count < ConsensusLimit.justificationCertificates - 1 {
      if let nullification = existingRound(candidate)?.nullification { certificates.append(nullification) }
      candidate = View(candidate.rawValue - 1)
    }
    if parentView.rawValue > 0, let parent = existingRound(parentView)?.naming ?? (parentView == floor.view ? floor.certificate : nil) {
      certificates.append(parent)
    }
    return certificates
  }

  /// R13: a leader that had voted before a restart can send that very block again as soon as it is back.
  mutating func restoreOwnProposal(_ now: Times, _ effects: inout [Effect]) {
    guard leads, let round = existingRound(view), round.proposal == nil, let vote = round.ownNotarise, let entry = entry(vote.vote.blockHash),
      entry.isDurable
    else { return }
    let proposal = Proposal(vote: vote, block: entry.reference, justification: justification(view, vote.vote.parentView))
    rounds[self.round(view)].proposal = (proposal, now.wall)
    effects.append(.send(.proposal(proposal), to: .all, after: 0))
  }
}
