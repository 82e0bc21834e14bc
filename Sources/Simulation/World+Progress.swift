import Ambient
import Audit
import Consensus
import Replication

// What has to come about once the faults are over, and within which time.
extension World {
  /// What the nodes have kept, once all is quiet.
  mutating func examineStores() throws(Failure) {
    for node in nodes where node.isHonest { statistics.handoffs += UInt64(try setLaws.verify(node.store, node: node.index, now: milliseconds)) }
  }

  // MARK: Progress

  /// Progress after the faults, each part within its own time: everybody has what was final, then new blocks, then the events that were accepted.
  mutating func isFinished() throws(Failure) -> Bool {
    guard let healed else { return false }
    let passed = now.milliseconds(since: healed.at)
    let honest = nodes.filter { $0.isHonest && !$0.isDead }
    let lowest = honest.map { chainLaws.reportedHeight(of: $0.index) }.min() ?? 0
    if statistics.catchUpMilliseconds == 0, lowest >= healed.height { statistics.catchUpMilliseconds = max(1, passed) }
    guard statistics.catchUpMilliseconds > 0 || passed <= catchUpMilliseconds(healed) else { throw stall("height \(healed.height)") }
    let goal = healed.goal
    if statistics.recoveryViews == 0 {
      let spent = views.total - healed.viewsBefore
      guard spent <= SimulationLimit.healingViews(nodes: scenario.nodes, blocks: goal - healed.height) else { throw stall("fewer views before height \(goal)") }
      if chainLaws.height >= goal { statistics.recoveryViews = max(1, spent) }
    }
    if statistics.recoveryMilliseconds == 0 {
      guard lowest >= goal else {
        guard passed <= healingMilliseconds(healed) else { throw stall("height \(goal)") }
        return false
      }
      statistics.recoveryMilliseconds = max(1, passed)
    }
    statistics.endMilliseconds = passed
    if honest.allSatisfy({ $0.admitted.allSatisfy { chainLaws.heights[$0] != nil } }) { return try isPublished(healed, honest, passed) }
    guard passed <= 2 * healingMilliseconds(healed) + SimulationLimit.eventsMilliseconds else {
      throw failureNow(.liveness, "events of a node that never crashed are not final")
    }
    return false
  }

  /// Who has the newest block with events has its checkpoint too, soon after: cosignatures are repeated on every connection.
  private mutating func isPublished(_ healed: Healing, _ honest: [SimulatedNode], _ passed: UInt64) throws(Failure) -> Bool {
    guard scenario.reconnectsAll, let size = chainLaws.newestSize else { return true }
    let lacking = honest.filter { cosignatureLaws.published(by: $0.index) < size }
    if lacking.isEmpty { return true }
    let since = settledMilliseconds ?? passed
    settledMilliseconds = since
    guard passed <= since + catchUpMilliseconds(healed) else {
      let sizes = honest.map { "\(cosignatureLaws.published(by: $0.index))" }.joined(separator: " ")
      throw failureNow(.liveness, "checkpoints of \(sizes) events are published, of \(size) wanted")
    }
    return false
  }

  private func stall(_ wanted: String) -> Failure {
    let heights = nodes.map { "\($0.isUp ? "" : "down ")\(chainLaws.reportedHeight(of: $0.index))\($0.isHonest ? "" : "*")" }.joined(separator: " ")
    return failureNow(.liveness, "heights \(heights), \(wanted) wanted")
  }

  /// The longest delay on which an honest node builds its timers now, milliseconds.
  var delayMilliseconds: UInt64 {
    var longest = scenario.baseDelayMilliseconds
    for node in nodes where node.isHonest {
      guard let steps = node.replica?.viewFacts.backOff else { continue }
      var delay = scenario.baseDelayMilliseconds
      for _ in 0..<steps / 2 { delay = delay / 2 * 3 }
      longest = max(longest, delay)
    }
    return longest
  }

  /// What was said on connections that went on, and never arrived, is said again at intervals of up to two seconds.
  private var retryMilliseconds: UInt64 { scenario.reconnectsAll ? 0 : ConsensusLimit.retryNanosecondsMax / 1_000_000 }

  private func catchUpMilliseconds(_ healed: Healing) -> UInt64 {
    // A range that was asked for in vain: of a liar, or on a connection that has lost the question.
    let vain = UInt64(scenario.roles.count) + (scenario.reconnectsAll ? 0 : 1)
    return SimulationLimit.catchUpDelays * max(scenario.delayMillisecondsMax, healed.delayMilliseconds) + retryMilliseconds
      + SimulationLimit.catchUpMilliseconds + vain * ReplicationLimit.rangeMilliseconds + searchMilliseconds(healed)
  }

  /// Who begins from a checkpoint asks one question after the other before it has its first block, and may ask a liar again.
  private func searchMilliseconds(_ healed: Healing) -> UInt64 {
    guard scenario.family == .checkpoints else { return 0 }
    return SimulationLimit.searchDelays * max(scenario.delayMillisecondsMax, healed.delayMilliseconds) + UInt64(scenario.roles.count) * ReplicationLimit.rangeMilliseconds
  }

  private func healingMilliseconds(_ healed: Healing) -> UInt64 {
    let blocks = healed.goal - healed.height
    return catchUpMilliseconds(healed)
      + SimulationLimit.healingDelays * blocks / SimulationLimit.blocksAfterHealing * max(scenario.delayMillisecondsMax, healed.delayMilliseconds)
      + (blocks + 1) * UInt64(scenario.emptyBlockIntervalMilliseconds)
  }
}
