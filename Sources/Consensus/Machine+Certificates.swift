import Ambient
import Audit
import Bytes
import Digests
import Ed25519

/// A certificate that waits to be passed on to those who have not shown that they are past it.
struct Relay: Sendable {
  var due: Instant
  var certificate: Certificate
}

// Certificates (rule R5): made of votes or received, journaled, passed on.
extension Machine {
  /// Makes the certificates for which the votes are there.
  mutating func certify(_ now: Times, _ effects: inout [Effect]) -> Bool {
    for round in rounds where round.view > floor.view {
      for kind in [VoteKind.notarise, .nullify, .finalise] where round.certificate(kind) == nil {
        guard let certificate = round.ballots[kind.slot].certificate(power: quorum, in: set) else { continue }
        accept(certificate, isOwn: true, now, &effects)
        return true
      }
    }
    return false
  }

  /// Checks a certificate of this epoch from outside. Signatures that are held as votes were verified then.
  func isValid(_ certificate: Certificate) -> Bool {
    let vote = certificate.vote
    guard certificate.setSize == set.count, vote.view.rawValue >= 1 else { return false }
    if vote.kind != .nullify { guard vote.parentView < vote.view, parameters.epoch(of: vote.height) == epoch else { return false } }
    let signers = certificate.signers
    guard signers.reduce(UInt64(0), { $0 + set.validators[$1].power }) >= quorum else { return false }
    let message = vote.encoded, held = existingRound(vote.view)?.ballots[vote.kind.slot]
    for (position, signer) in signers.enumerated() {
      let signature = certificate.signatures[position]
      if let known = held?.vote(of: signer), known.vote == vote, known.signature == signature { continue }
      guard Verifier.isValid(signature, over: message.bytes, by: set.validators[signer].publicKey, memory: options.signatures) else { return false }
    }
    return true
  }

  /// Takes a valid certificate: journal first, then it acts and is passed on.
  mutating func accept(_ certificate: Certificate, isOwn: Bool, _ now: Times, _ effects: inout [Effect]) {
    let index = round(certificate.vote.view)
    guard rounds[index].certificate(certificate.vote.kind) == nil else { return }
    rounds[index].set(certificate)
    note(certificate, rounds[index])
    noteStep(of: certificate.vote.kind, index, now.monotonic)
    if certificate.vote.kind == .notarise, isLeftOut(.backOffFallsOnNotarisation) { backOff = max(0, backOff - 1) }
    if let finalisation = rounds[index].finalisation, let nullification = rounds[index].nullification {
      effects.append(.halt(.certificates(finalisation, nullification)))
    }
    // What was received has probably reached the others too; it is passed on for those who see only a part of the network.
    if isOwn, set.count * (96 + (set.count + 7) / 8 + 64 * certificate.signatures.count) <= ConsensusLimit.eagerCertificateBytes {
      hold(.certificate(certificate), .certificate(certificate), nil, &effects)
    } else {
      appended += 1
      effects.append(.append(.certificate(certificate), sequence: appended))
      if !isSole { relays.append(Relay(due: now.monotonic.adding(nanoseconds: delay / 4), certificate: certificate)) }
    }
  }

  /// Counts what a certificate tells about its view and its signers.
  private mutating func note(_ certificate: Certificate, _ round: Round) {
    let vote = certificate.vote
    for signer in certificate.signers { votedHeights[signer] = max(votedHeights[signer], vote.height) }
    switch vote.kind {
    case .notarise: break
    case .nullify:
      outcomes.nullified += 1
      if let ownIndex, schedule.leader(of: vote.view) == ownIndex { outcomes.missedProposals += 1 }
    case .finalise:
      certifiedHeight = max(certifiedHeight ?? vote.height, vote.height)
      if isMember, round.ownNotarise == nil, round.ownFinalise == nil { outcomes.missedVotes += 1 }
    }
  }

  /// Passes on what is due, unless a finalisation has made it old.
  mutating func relayDue(_ now: Times, _ effects: inout [Effect]) {
    relays.removeAll { relay in
      let vote = relay.certificate.vote
      guard vote.epoch == epoch, vote.view >= floor.view else { return true }
      guard relay.due <= now.monotonic else { return false }
      let behind = peers.filter { $0.shown <= vote.view && !$0.isFaulty }.map(\.link)
      if !behind.isEmpty { effects.append(.send(.certificate(relay.certificate), to: .peers(behind), after: 0)) }
      return true
    }
  }

  /// The certificate by which this node entered its view; nil in the first view of an epoch when there is none.
  var entryCertificate: Certificate? {
    if view.rawValue == 1 { return facts.boundaryCertificate }
    let before = View(view.rawValue - 1)
    if let round = existingRound(before), let certificate = round.finalisation ?? round.nullification ?? round.notarisation { return certificate }
    return floor.view >= before ? floor.certificate : nil
  }
}
