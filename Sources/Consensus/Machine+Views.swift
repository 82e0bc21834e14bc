import Ambient
import Audit
import Digests
import Ed25519

// Views: when one is left, which block is built on, and how long a leader is waited for (rules R1, R2).
extension Machine {
  /// The view's block is named by a certificate, present, valid and durable here.
  func isCertified(_ round: Round) -> Bool {
    guard let naming = round.naming, let entry = entry(naming.vote.blockHash) else { return false }
    return entry.isDurable
  }

  /// The block that a certified view holds; the floor's block for the floor's view.
  func certifiedBlock(_ view: View) -> BlockReference? {
    if view == floor.view { return floor.block }
    guard view > floor.view, let round = existingRound(view), isCertified(round), let naming = round.naming else { return nil }
    return entry(naming.vote.blockHash)?.reference
  }

  /// What a search for the parent of a view ends with.
  enum ParentSearch {
    case found(View, BlockReference)
    /// Nothing certifies or nullifies this view, as far as this node knows.
    case missing(View)
  }

  /// The newest certified view below `view` with only nullified ones between. A certified view is preferred to its nullification.
  func findParent(below view: View) -> ParentSearch {
    var candidate = View(view.rawValue - 1)
    while true {
      if let block = certifiedBlock(candidate) { return .found(candidate, block) }
      guard candidate > floor.view, existingRound(candidate)?.nullification != nil else { return .missing(candidate) }
      candidate = View(candidate.rawValue - 1)
    }
  }

  private func mayLeave(_ round: Round) -> Bool {
    round.nullification != nil || round.finalisation != nil || isCertified(round)
      || round.notarisation != nil && isLeftOut(.leaveWithoutBlock)
  }

  /// R1: enters the view behind the newest one that may be left.
  mutating func enterNewest(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard !isEpochOver else { return false }
    var target = floor.view.next
    for round in rounds.reversed() where round.view >= target && mayLeave(round) {
      target = round.view.next
      break
    }
    guard target > view else { return false }
    view = target
    entered = now.monotonic
    hasPleaded = false
    building = .idle
    retry = nil
    askAgain = now.monotonic
    for index in rounds.indices where rounds[index].view.rawValue + ConsensusLimit.voteViews < view.rawValue { rounds[index].forgetVotes() }
    dropUnreferencedBlocks()
    armTimers(now.monotonic)
    return true
  }

  // MARK: Timers

  /// Base delay, backed off, nanoseconds.
  var delay: UInt64 {
    var delay = options.baseDelayMilliseconds * 1_000_000
    for _ in 0..<(backOff / 2) { delay = delay / 2 * 3 }
    return delay
  }

  var baseDelay: UInt64 { options.baseDelayMilliseconds * 1_000_000 }

  /// Arms the timers of a view that was just entered. A leader that missed its last views and was silent for long while a quorum was not is
  /// skipped at once.
  mutating func armTimers(_ now: Instant) {
    isLeaderSkipped = isLeaderAbsent(now)
    guard !isLeaderSkipped else {
      (leaderDeadline, advanceDeadline) = (now, now)
      return
    }
    let due = max(now, spacingEnd)
    leaderDeadline = due.adding(nanoseconds: 2 * delay)
    advanceDeadline = due.adding(nanoseconds: 3 * delay)
  }

  /// The mempool has become non-empty: the leader is waited for as long as the shorter spacing allows.
  mutating func shortenTimers(_ now: Instant) {
    let due = max(now, spacingEnd)
    leaderDeadline = min(leaderDeadline, due.adding(nanoseconds: 2 * delay))
    advanceDeadline = min(advanceDeadline, due.adding(nanoseconds: 3 * delay))
  }

  private func isLeaderAbsent(_ now: Instant) -> Bool {
    let leader = leader
    guard let ownIndex, leader != ownIndex else { return false }
    let skip = options.skipTimeoutMilliseconds
    // On an idle chain everybody is silent between two blocks; who is gone has also missed the last views.
    guard now.milliseconds(since: heard[leader]) >= skip, votedViews[leader].rawValue + 2 < view.rawValue else { return false }
    var active = set.validators[ownIndex].power
    for (index, instant) in heard.enumerated() where index != ownIndex && now.milliseconds(since: instant) < skip { active += set.validators[index].power }
    return set.isQuorum(active)
  }

  /// R2: a nullify vote lengthens the timers by half; inactivity of a leader does not.
  mutating func backOffAfterNullify() {
    if !isLeaderSkipped { backOff = min(ConsensusLimit.backOffStepsMax, backOff + 2) }
  }

  func nextDeadline(_ now: Times) -> Instant {
    var deadline = wallDeadline
    func consider(_ candidate: Instant) { if candidate > now.monotonic { deadline = min(deadline, candidate) } }
    consider(leaderDeadline)
    consider(advanceDeadline)
    consider(proposalDeadline)
    consider(pleaDeadline)
    for fetch in fetches { consider(fetch.again) }
    for relay in relays { consider(relay.due) }
    consider(askAgain)
    if let retry { consider(retry.due) }
    if recovery?.boundSequence != nil, let window = options.listenMilliseconds, let end = recovery?.end(milliseconds: window) { consider(end) }
    return deadline
  }
}
