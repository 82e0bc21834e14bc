import Ambient
import Audit
import Digests
import Ed25519

extension Machine {
  mutating func begin(_ now: Times, _ effects: inout [Effect]) {
    guard !isStarted else { return }
    isStarted = true
    lastProposal = now.monotonic
    armViewTimers(now.monotonic, hasEvents: hasEvents)
  }

  /// Applies the rules until nothing changes, then asks for the next timer.
  mutating func settle(_ now: Times, _ effects: inout [Effect]) {
    var changed = true
    while changed, !isEpochOver {
      changed = false
      for kind in [VoteKind.notarise, .nullify, .finalise] { changed = certify(kind, &effects) || changed }
      changed = finalise(&effects) || changed
      changed = commitFinal(now, &effects) || changed
      changed = enterNext(now, &effects) || changed
      changed = nullifyIfDue(now, &effects) || changed
      changed = notarise(&effects) || changed
    }
    guard !isEpochOver else { return }
    buildIfDue(now, &effects)
    effects.append(.setTimer(nextDeadline(now)))
  }

  // MARK: Messages

  mutating func receive(_ message: Message, _ now: Times, _ effects: inout [Effect]) {
    switch message {
    case .vote(let vote):
      guard vote.vote.chainTag == options.chainTag, vote.vote.epoch == epoch, vote.vote.view > floor.view, isInWindow(vote.vote.view),
        let signer = set.index(of: vote.publicKey), signer != ownIndex, vote.isAccepted
      else { return }
      _ = rounds[round(vote.vote.view)].record(vote, signer: signer)
    case .proposal(let proposal):
      let vote = proposal.vote.vote
      guard vote.kind == .notarise, vote.chainTag == options.chainTag, vote.epoch == epoch, vote.view > floor.view, isInWindow(vote.view),
        vote.blockHash == proposal.block.hash, vote.height == proposal.block.height, let signer = set.index(of: proposal.vote.publicKey),
        signer == schedule.leader(of: vote.view), signer != ownIndex, proposal.vote.isAccepted
      else { return }
      let index = round(vote.view)
      guard rounds[index].proposal == nil else { return }
      rounds[index].proposal = proposal
      rounds[index].blockState = .validating
      _ = rounds[index].record(proposal.vote, signer: signer)
      lastProposal = now.monotonic
      effects.append(.validate(proposal.block))
    case .certificate(let certificate):
      guard certificate.vote.chainTag == options.chainTag, certificate.vote.epoch == epoch, certificate.vote.view > floor.view,
        isInWindow(certificate.vote.view), existingRound(certificate.vote.view)?.certificate(for: certificate.vote.kind) == nil,
        (try? certificate.verify(in: set)) != nil
      else { return }
      accept(certificate, &effects)
    case .getCertificate, .status, .witnessRequest, .witness: break
    }
  }

  mutating func validated(_ hash: Digest, _ isValid: Bool, _ now: Times, _ effects: inout [Effect]) {
    for index in rounds.indices where rounds[index].proposal?.block.hash == hash && rounds[index].blockState == .validating {
      rounds[index].blockState = isValid ? .valid : .invalid
      if isValid, let block = rounds[index].proposal?.block { effects.append(.storeBody(block)) }
    }
  }

  // MARK: Own votes

  /// Appends an own vote to the journal; it counts and leaves when the record is synced.
  mutating func cast(_ vote: Vote, proposing block: BlockReference? = nil, _ effects: inout [Effect]) {
    guard let key else { return }
    let signed = SignedVote(signing: vote, with: key)
    appended += 1
    effects.append(.append(.vote(signed), sequence: appended))
    unsynced.append((appended, signed))
    remember(signed, round(vote.view))
    held.append((appended, block.map { .proposal(Proposal(vote: signed, block: $0)) } ?? .vote(signed)))
  }

  func ballot(_ kind: VoteKind, _ view: View, _ block: BlockReference, parentView: View) -> Vote {
    Vote(kind: kind, chainTag: options.chainTag, epoch: epoch, view: view, parentView: parentView, height: block.height, blockHash: block.hash)
  }

  /// Notarise: the leader's first proposal of the current view, on a certified parent, with every view between nullified.
  mutating func notarise(_ effects: inout [Effect]) -> Bool {
    guard isMember, !isBound(view), let round = existingRound(view), round.ownNotarise == nil, round.ownNullify == nil,
      round.blockState == .valid || round.blockState == .durable, let proposal = round.proposal
    else { return false }
    let parentView = proposal.vote.vote.parentView
    guard let parent = certifiedBlock(parentView), isNullified(between: parentView, and: view), proposal.block.parentHash == parent.hash,
      proposal.block.height == parent.height.next, proposal.block.proposer == proposal.vote.publicKey
    else { return false }
    cast(ballot(.notarise, view, proposal.block, parentView: parentView), &effects)
    return true
  }

  /// Finalise: the notarised block is valid and durable here, and this node has not nullified the view.
  mutating func finalise(_ effects: inout [Effect]) -> Bool {
    guard isMember else { return false }
    for round in rounds
    where round.view > floor.view && round.isCertified && round.ownNullify == nil && round.ownFinalise == nil && !isBound(round.view) {
      guard let proposal = round.proposal else { continue }
      cast(ballot(.finalise, round.view, proposal.block, parentView: proposal.vote.vote.parentView), &effects)
      return true
    }
    return false
  }

  mutating func nullifyIfDue(_ now: Times, _ effects: inout [Effect]) -> Bool {
    // A sole voter has nobody to wait for: its view ends with its own block, however long the building takes.
    guard isMember, !isSole, !isBound(view) else { return false }
    let index = round(view)
    let round = rounds[index]
    guard round.ownNullify == nil, round.ownFinalise == nil else { return false }
    let isLate =
      now.monotonic >= advanceDeadline && !round.isCertified || now.monotonic >= leaderDeadline && round.proposal == nil
    let tolerated = (set.totalPower - 1) / 3
    guard isLate || round.blockState == .invalid || round.power(.nullify, in: set) > tolerated else { return false }
    backOff = min(ConsensusLimit.backOffStepsMax, backOff + 2)
    cast(Vote(nullify: view, epoch: epoch, chainTag: options.chainTag), &effects)
    return true
  }

  // MARK: Certificates

  mutating func certify(_ kind: VoteKind, _ effects: inout [Effect]) -> Bool {
    for index in rounds.indices where rounds[index].view > floor.view && rounds[index].certificate(for: kind) == nil {
      guard let certificate = rounds[index].assembled(kind, in: set) else { continue }
      accept(certificate, &effects)
      return true
    }
    return false
  }

  mutating func accept(_ certificate: Certificate, _ effects: inout [Effect]) {
    rounds[round(certificate.vote.view)].set(certificate)
    appended += 1
    effects.append(.append(.certificate(certificate), sequence: appended))
    held.append((appended, .certificate(certificate)))
  }

  /// The block that a certified view holds; the floor's block for the floor's view.
  func certifiedBlock(_ view: View) -> BlockReference? {
    if view == floor.view { return floor.block }
    guard view > floor.view, let round = existingRound(view), round.isCertified else { return nil }
    return round.proposal?.block
  }

  func isNullified(between low: View, and high: View) -> Bool {
    var view = low.next
    while view < high {
      guard existingRound(view)?.nullification != nil else { return false }
      view = view.next
    }
    return true
  }

  /// The view to build on: the newest certified one with only nullified views above it.
  func findParent(below view: View) -> (view: View, block: BlockReference)? {
    var candidate = View(view.rawValue - 1)
    while true {
      if let block = certifiedBlock(candidate) { return (candidate, block) }
      guard candidate > floor.view, existingRound(candidate)?.nullification != nil else { return nil }
      candidate = View(candidate.rawValue - 1)
    }
  }

  // MARK: Progress

  mutating func enterNext(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard let round = existingRound(view), round.nullification != nil || round.isCertified else { return false }
    // No block above the last height of an epoch exists in it: wait for its finalisation, or propose it again.
    if let block = certifiedBlock(view), parameters.isLastOfEpoch(block.height), block.height > floor.block.height, round.nullification == nil {
      return false
    }
    view = view.next
    isBuilding = false
    armViewTimers(now.monotonic, hasEvents: hasEvents)
    return true
  }

  mutating func commitFinal(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard let round = rounds.last(where: { $0.view > floor.view && $0.finalisation != nil && $0.isCertified }), let certificate = round.finalisation,
      let tip = round.proposal?.block
    else { return false }
    var blocks = [tip]
    while blocks[blocks.count - 1].height > floor.block.height.next {
      let parentHash = blocks[blocks.count - 1].parentHash
      guard let parent = rounds.first(where: { $0.proposal?.block.hash == parentHash })?.proposal?.block else { return false }
      blocks.append(parent)
    }
    if round.ownNullify == nil { backOff = max(0, backOff - 1) }
    effects.append(.commit(blocks.reversed(), certificate))
    raiseFloor(to: tip, view: round.view, now)
    return true
  }

  private mutating func raiseFloor(to block: BlockReference, view finalView: View, _ now: Times) {
    if parameters.isLastOfEpoch(block.height) {
      floor = Floor(block: block, view: finalView)
      isEpochOver = true
      return
    }
    floor = Floor(block: block, view: finalView)
    rounds.removeAll { $0.view.rawValue + ConsensusLimit.windowViews < finalView.rawValue }
    if view <= finalView {
      view = finalView.next
      isBuilding = false
      armViewTimers(now.monotonic, hasEvents: hasEvents)
    }
  }

  // MARK: Pacing

  /// Milliseconds that a leader may let pass before it proposes.
  private func allowance(hasEvents: Bool) -> UInt64 {
    UInt64(hasEvents ? parameters.blockTime : parameters.emptyBlockInterval)
  }

  mutating func armViewTimers(_ now: Instant, hasEvents: Bool) {
    let due = max(now, lastProposal.adding(milliseconds: allowance(hasEvents: hasEvents)))
    var delay = options.baseDelayMilliseconds * 1_000_000
    for _ in 0..<(backOff / 2) { delay = delay / 2 * 3 }
    leaderDeadline = due.adding(nanoseconds: 2 * delay)
    advanceDeadline = due.adding(nanoseconds: 3 * delay)
  }

  /// When this leader may propose: at the block time with events, at once when they fill a block, at the heartbeat without.
  private func proposalTime(_ now: Instant) -> Instant {
    fillsBlock ? now : lastProposal.adding(milliseconds: allowance(hasEvents: hasEvents))
  }

  mutating func buildIfDue(_ now: Times, _ effects: inout [Effect]) {
    guard let ownIndex, schedule.leader(of: view) == ownIndex, !isBuilding, !isBound(view) else { return }
    let round = rounds[round(view)]
    guard round.ownNotarise == nil, round.ownNullify == nil, now.monotonic >= proposalTime(now.monotonic),
      let parent = findParent(below: view)
    else { return }
    isBuilding = true
    // What fills this block is spoken for; the driver reports anew what is pending behind it.
    fillsBlock = false
    let timestamp = max(now.wall, Timestamp(milliseconds: parent.block.timestamp.rawValue + 1))
    if parameters.isLastOfEpoch(parent.block.height), parent.view.rawValue > 0 {
      // The last block of an epoch is proposed again until it is finalised itself.
      propose(view, parent.block, now, &effects)
      return
    }
    effects.append(.build(view, parent: parent.block, timestamp: timestamp))
  }

  mutating func propose(_ view: View, _ block: BlockReference, _ now: Times, _ effects: inout [Effect]) {
    guard view == self.view, isBuilding, let parent = findParent(below: view), let key else { return }
    isBuilding = false
    let index = round(view)
    guard rounds[index].ownNotarise == nil, rounds[index].ownNullify == nil else { return }
    let isRepetition = block.hash == parent.block.hash
    guard isRepetition || block.parentHash == parent.block.hash && block.height == parent.block.height.next else { return }
    lastProposal = now.monotonic
    let vote = ballot(.notarise, view, block, parentView: parent.view)
    rounds[index].proposal = Proposal(vote: SignedVote(signing: vote, with: key), block: block)
    rounds[index].blockState = isRepetition ? .durable : .valid
    if !isRepetition { effects.append(.storeBody(block)) }
    cast(vote, proposing: block, &effects)
  }

  private func nextDeadline(_ now: Times) -> Instant {
    var deadline = Instant.distantFuture
    if let ownIndex, schedule.leader(of: view) == ownIndex, !isBuilding, existingRound(view)?.ownNotarise == nil {
      deadline = proposalTime(now.monotonic)
    }
    for candidate in [leaderDeadline, advanceDeadline] where candidate > now.monotonic && candidate < deadline { deadline = candidate }
    return deadline
  }
}
