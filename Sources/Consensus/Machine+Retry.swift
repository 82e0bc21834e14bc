import Ambient
import Audit
import Digests
import Ed25519

/// A repetition that goes on, at growing intervals, until something moves.
struct Retry: Sendable {
  var due: Instant
  var interval: UInt64
}

// Saying and asking again (rule R8): nothing that was said once is relied on to have arrived.
extension Machine {
  /// Where this node stands, as it tells its peers.
  public func status(_ now: Times) -> PeerStatus {
    PeerStatus(epoch: epoch, view: view, bound: bound, finalHeight: floor.block.height, finalHash: floor.block.hash, wall: now.wall, hasEvents: hasEvents)
  }

  /// The interval at which something has to be said again; nil when nothing does.
  private var retryInterval: UInt64? {
    if wantsWitnesses { return baseDelay }
    guard !isEpochOver else { return nil }
    if existingRound(view)?.ownNullify != nil { return baseDelay }
    return rounds.contains { $0.view > floor.view && $0.naming != nil } ? 2 * baseDelay : nil
  }

  mutating func retryIfDue(_ now: Times, _ effects: inout [Effect]) {
    guard !isSole, let first = retryInterval else {
      retry = nil
      return
    }
    guard var running = retry else {
      retry = Retry(due: now.monotonic.adding(nanoseconds: first), interval: first)
      return
    }
    guard now.monotonic >= running.due else {
      // A nullify vote asks for a quicker repetition than an unfinalised view.
      retry?.due = min(running.due, now.monotonic.adding(nanoseconds: max(first, running.interval)))
      return
    }
    running.interval = min(ConsensusLimit.retryNanosecondsMax, running.interval * 2)
    running.due = now.monotonic.adding(nanoseconds: running.interval)
    retry = running
    if wantsWitnesses { effects.append(.send(.witnessRequest(options.nonce), to: .all, after: 0)) }
    resend(to: .all, now, &effects)
  }

  /// Everything that somebody who knows nothing newer than the floor needs to get here, and what this node has promised since.
  mutating func resend(to destination: Destination, _ now: Times, _ effects: inout [Effect]) {
    effects.append(.send(.status(status(now)), to: destination, after: 0))
    if floor.view.rawValue > 0, let certificate = floor.certificate { effects.append(.send(.certificate(certificate), to: destination, after: 0)) }
    let newest = rounds.filter { $0.view > floor.view && $0.view <= view }.suffix(ConsensusLimit.resendViews)
    for round in newest {
      if !isLeftOut(.retryWithoutEntryCertificates) {
        for kind in [VoteKind.notarise, .nullify, .finalise] {
          if let certificate = round.certificate(kind) { effects.append(.send(.certificate(certificate), to: destination, after: 0)) }
        }
      }
      guard let ownIndex, standing == .voting else { continue }
      for kind in [VoteKind.notarise, .nullify, .finalise] {
        // What is in the tally is synced.
        guard let vote = round.ballots[kind.slot].vote(of: ownIndex) else { continue }
        if round.view == view, kind == .notarise, let proposal = round.proposal?.proposal, proposal.vote.publicKey == vote.publicKey {
          effects.append(.send(.proposal(proposal), to: destination, after: 0))
        } else {
          effects.append(.send(.vote(vote), to: destination, after: 0))
        }
      }
    }
  }

  /// Asks for certificates without which this node can neither propose nor judge a proposal: the leader, if it is another, and one more.
  mutating func askForMissing(_ now: Times, _ effects: inout [Effect]) {
    guard !isEpochOver, now.monotonic >= askAgain, let views = missingViews(now), !views.isEmpty else { return }
    askAgain = now.monotonic.adding(nanoseconds: baseDelay)
    let leaderKey = set.validators[leader].publicKey
    let leaderLink = peers.first { $0.validator == leaderKey && !$0.isFaulty }?.link
    let asked = (leaderLink.map { [$0] } ?? []) + someone(leaderLink == nil ? 2 : 1, besides: leaderLink)
    guard !asked.isEmpty else { return }
    for view in views { effects.append(.send(.getCertificate(epoch, view), to: .peers(asked), after: 0)) }
  }

  private mutating func missingViews(_ now: Times) -> [View]? {
    if let round = existingRound(view), round.proposal != nil, round.ownNotarise == nil, round.ownNullify == nil, !round.isRefused {
      if case .ask(let views) = judge(round, now) { return views }
      return nil
    }
    guard ownIndex == leader, existingRound(view)?.ownNullify == nil, case .missing(let view) = findParent(below: view) else { return nil }
    return [view]
  }
}
