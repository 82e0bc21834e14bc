import Ambient
import Audit
import Digests
import Ed25519

// What peers say (rules R11, R12). Nothing here is believed before its signature is accepted, and a message is verified at most once.
extension Machine {
  private func peer(_ link: PeerLink) -> Int? { peers.firstIndex { $0.link == link } }

  mutating func connect(_ link: PeerLink, _ validator: PublicKey?, _ now: Times, _ effects: inout [Effect]) {
    guard peer(link) == nil else { return }
    var new = Peer(link: link, validator: validator)
    new.index = validator.flatMap { set.index(of: $0) }
    peers.insert(new, at: peers.firstIndex { $0.link > link } ?? peers.count)
    if isStarted { recovery?.resume(now.monotonic) }
    guard isStarted, !isLeftOut(.noResendOnReconnect) else { return }
    resend(to: .peer(link), now, &effects)
    if wantsWitnesses, validator != nil { effects.append(.send(.witnessRequest(options.nonce), to: .peer(link), after: 0)) }
  }

  mutating func receive(_ message: Message, from link: PeerLink, _ now: Times, _ effects: inout [Effect]) {
    guard isStarted, let peer = peer(link), !peers[peer].isFaulty else { return }
    if let index = peers[peer].index { heard[index] = now.monotonic }
    switch message {
    case .vote(let vote):
      guard place(vote.vote, message, peer, now, &effects) else { return }
      _ = receiveVote(vote, peer, now, &effects)
    case .proposal(let proposal):
      guard place(proposal.vote.vote, message, peer, now, &effects) else { return }
      receiveProposal(proposal, peer, now, &effects)
    case .certificate(let certificate):
      guard place(certificate.vote, message, peer, now, &effects) else { return }
      receiveCertificate(certificate, peer, now, &effects)
    case .getCertificate(let epoch, let view): answer(epoch, view, peer, now, &effects)
    case .status(let status): receiveStatus(status, peer, now, &effects)
    case .witnessRequest(let nonce): testify(nonce, peer, now, &effects)
    case .witness(let witness): receiveWitness(witness, peer, now, &effects)
    }
  }

  mutating func accuse(_ peer: Int, _ fault: Fault, _ effects: inout [Effect]) {
    peers[peer].isFaulty = true
    peers[peer].early.removeAll()
    effects.append(.penalise(peers[peer].link, fault))
  }

  /// Sorts a vote by chain and epoch. Returns whether it is of this epoch and to be looked at now.
  private mutating func place(_ vote: Vote, _ message: Message, _ peer: Int, _ now: Times, _ effects: inout [Effect]) -> Bool {
    guard vote.chainTag == options.chainTag else {
      accuse(peer, .wrongChain, &effects)
      return false
    }
    if vote.epoch == epoch { return true }
    if vote.epoch.rawValue == epoch.rawValue + 1 {
      peers[peer].keep(message)
      // Somebody is ahead by an epoch, so the end of this one is certified.
      ask(peer, View(floor.view.rawValue + 1), now, &effects)
    } else if vote.epoch < epoch {
      helpIntoEpoch(from: vote.epoch, peer, now, &effects)
    }
    return false
  }

  // MARK: Votes

  /// Takes a vote over the connection of its signer. Returns whether it is now the signer's recorded vote.
  private mutating func receiveVote(_ vote: SignedVote, _ peer: Int, _ now: Times, _ effects: inout [Effect]) -> Bool {
    if peers[peer].validator == vote.publicKey, let ownIndex, peers[peer].index == ownIndex, isForeign(vote.vote) {
      if vote.isAccepted(memory: options.signatures) { heed(vote.vote, now, &effects) } else { accuse(peer, .badSignature, &effects) }
      return false
    }
    guard peers[peer].validator == vote.publicKey, let signer = peers[peer].index, signer != ownIndex, isInWindow(vote.vote.view) else { return false }
    let kind = vote.vote.kind, slot = kind.slot
    peers[peer].shown = max(peers[peer].shown, vote.vote.view)
    let existing = existingRound(vote.vote.view)
    if let first = existing?.ballots[slot].vote(of: signer) {
      if first.vote == vote.vote { return true }
      guard let existing, !existing.accused.contains(signer), let evidence = Evidence(first, vote) else { return false }
      guard vote.isAccepted(memory: options.signatures) else {
        accuse(peer, .badSignature, &effects)
        return false
      }
      rounds[round(vote.vote.view)].accused.append(signer)
      effects.append(.evidence(evidence))
      return false
    }
    // The single votes of a view far behind, or of one that is decided, are no longer kept.
    let isOld = vote.vote.view.rawValue + ConsensusLimit.voteViews < view.rawValue
    guard !isOld || existing?.certificate(kind) == nil else { return false }
    guard vote.isAccepted(memory: options.signatures) else {
      accuse(peer, .badSignature, &effects)
      return false
    }
    let index = round(vote.vote.view)
    rounds[index].ballots[slot].record(vote, signer: signer, in: set)
    votedViews[signer] = max(votedViews[signer], vote.vote.view)
    votedHeights[signer] = max(votedHeights[signer], vote.vote.height)
    let opposite: VoteKind? = kind == .nullify ? .finalise : kind == .finalise ? .nullify : nil
    if let opposite, !rounds[index].accused.contains(signer), let other = rounds[index].ballots[opposite.slot].vote(of: signer),
      let evidence = Evidence(other, vote)
    {
      rounds[index].accused.append(signer)
      effects.append(.evidence(evidence))
    }
    return true
  }

  // MARK: Proposals

  /// Takes the first proposal of the leader of the current or the next view.
  private mutating func receiveProposal(_ proposal: Proposal, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    let vote = proposal.vote.vote
    guard peers[peer].validator == proposal.vote.publicKey, let signer = peers[peer].index else { return }
    guard vote.kind == .notarise, vote.view.rawValue >= 1, vote.blockHash == proposal.block.hash, vote.height == proposal.block.height,
      signer == schedule.leader(of: vote.view), proposal.justification.count <= ConsensusLimit.justificationCertificates
    else { return accuse(peer, .malformed, &effects) }
    guard signer != ownIndex else {
      _ = receiveVote(proposal.vote, peer, now, &effects)
      return
    }
    for certificate in proposal.justification where certificate.vote.epoch == epoch && certificate.vote.chainTag == options.chainTag {
      receiveCertificate(certificate, peer, now, &effects)
      guard !peers[peer].isFaulty else { return }
    }
    while enterNewest(now, &effects) { continue }
    guard receiveVote(proposal.vote, peer, now, &effects), vote.view >= view, vote.view <= view.next, vote.view > floor.view else { return }
    let index = round(vote.view)
    guard rounds[index].proposal == nil else { return }
    rounds[index].proposal = (proposal, now.wall)
    noteProposal(index, now.monotonic)
    add(BlockEntry(reference: proposal.block, heard: now.monotonic, verdict: .held))
  }

  // MARK: Certificates

  /// Verifies a certificate that is new here, once, and applies it. Any distance ahead is welcome: this is how those behind catch up.
  mutating func receiveCertificate(_ certificate: Certificate, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    let vote = certificate.vote
    // Others may have counted a vote of this key that is in no certificate made here.
    if let ownIndex, isForeign(vote), certificate.signers.contains(ownIndex) {
      guard isValid(certificate) else { return accuse(peer, .invalidCertificate, &effects) }
      heed(vote, now, &effects)
    }
    guard vote.view > floor.view else { return }
    let held = existingRound(vote.view)?.certificate(vote.kind)
    if let held, held.vote == vote {
      peers[peer].shown = max(peers[peer].shown, vote.view.next)
      return
    }
    guard isValid(certificate) else { return accuse(peer, .invalidCertificate, &effects) }
    peers[peer].shown = max(peers[peer].shown, vote.view.next)
    if let held {
      effects.append(.halt(.certificates(held, certificate)))
      return
    }
    accept(certificate, isOwn: false, now, &effects)
  }

  // MARK: Status and questions

  private mutating func receiveStatus(_ status: PeerStatus, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    guard status.epoch == epoch else {
      if status.epoch < epoch { return helpIntoEpoch(from: status.epoch, peer, now, &effects) }
      return ask(peer, View(floor.view.rawValue + 1), now, &effects)
    }
    peers[peer].shown = max(peers[peer].shown, status.view)
    peers[peer].claimsGenesis = status.epoch.rawValue == 0 && status.finalHeight.rawValue == 0
    if status.hasEvents { hear(pleaOf: peer, in: status.view) }
    guard !isLeftOut(.retryWithoutEntryCertificates) else { return }
    if status.finalHeight > floor.block.height { ask(peer, floor.view.next, now, &effects) }
    if status.view > view { ask(peer, View(status.view.rawValue - 1), now, &effects) }
    guard status.view < view || status.finalHeight < floor.block.height, now.monotonic >= peers[peer].helpAgain else { return }
    peers[peer].helpAgain = now.monotonic.adding(nanoseconds: baseDelay)
    if status.finalHeight < floor.block.height, floor.view.rawValue > 0, let certificate = floor.certificate {
      effects.append(.send(.certificate(certificate), to: .peer(peers[peer].link), after: 0))
    }
    if status.view < view, view.rawValue > 1, let entry = entryCertificate {
      effects.append(.send(.certificate(entry), to: .peer(peers[peer].link), after: 0))
    }
  }

  /// Asks one peer about a view, at most twice per base delay.
  private mutating func ask(_ peer: Int, _ view: View, _ now: Times, _ effects: inout [Effect]) {
    guard now.monotonic >= peers[peer].askAgain else { return }
    peers[peer].askAgain = now.monotonic.adding(nanoseconds: baseDelay / 2)
    effects.append(.send(.getCertificate(epoch, view), to: .peer(peers[peer].link), after: 0))
  }

  /// R11: a finalisation at or above the view, else its notarisation, if its block can be had here, and its nullification.
  private mutating func answer(_ epoch: Epoch, _ view: View, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    guard epoch == self.epoch else {
      if epoch < self.epoch { helpIntoEpoch(from: epoch, peer, now, &effects) }
      return
    }
    guard peers[peer].mayAnswer(now.monotonic) else { return }
    var answers: [Certificate] = []
    if let finalisation = rounds.last(where: { $0.view >= view && $0.view > floor.view && $0.finalisation != nil })?.finalisation {
      answers = [finalisation]
    } else if floor.view >= view, floor.view.rawValue > 0, let certificate = floor.certificate {
      answers = [certificate]
    } else if let round = existingRound(view) {
      if let notarisation = round.notarisation, isCertified(round) { answers.append(notarisation) }
      if let nullification = round.nullification { answers.append(nullification) }
    }
    for certificate in answers { effects.append(.send(.certificate(certificate), to: .peer(peers[peer].link), after: 0)) }
  }

  /// R10: a peer in the epoch before is given the certificate that ends it; one further behind has to synchronise.
  private mutating func helpIntoEpoch(from epoch: Epoch, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    guard epoch.rawValue + 1 == self.epoch.rawValue, let certificate = facts.boundaryCertificate, now.monotonic >= peers[peer].helpAgain else { return }
    peers[peer].helpAgain = now.monotonic.adding(nanoseconds: 2 * baseDelay)
    effects.append(.send(.certificate(certificate), to: .peer(peers[peer].link), after: 0))
  }
}
