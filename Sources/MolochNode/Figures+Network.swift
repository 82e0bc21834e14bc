import API
import Ambient
import Audit
import Consensus
import Ed25519
import Ledger
import Mempool
import Metrics
import PeerWire
import Peering
import Replication

/// What the figures of a second need of the last one.
struct SecondBefore {
  var now: Instant
  var height: UInt64
  /// Blocks per second while syncing, smoothed.
  var rate: Double?
}

// About once a second: what the network, the machine and the synchronisation count themselves.
extension Figures {
  func take(_ network: Network) {
    let metrics = metrics.network, statistics = network.statistics
    for (position, direction) in [Direction.inbound, .outbound].enumerated() {
      metrics.peers[2 * position].set(network.count(direction, isValidator: true))
      metrics.peers[2 * position + 1].set(network.count(direction, isValidator: false))
    }
    metrics.connects[0].set(statistics.connectsInbound)
    metrics.connects[1].set(statistics.connectsOutbound)
    for reason in Goodbye.Reason.allCases where !Self.isFolded(reason) {
      let folded = Goodbye.Reason.allCases.filter { $0 == reason || Self.isFolded($0) && Self.label($0) == reason.name }
      metrics.disconnects[reason.name].set(folded.reduce(0) { $0 + statistics.disconnects[Int($1.rawValue)] })
    }
    metrics.bans.set(statistics.bans)
    // The network counts in the first buckets of the family; what is slower than the last of them lies in the bucket of the rest.
    let counted = statistics.roundTrips.dropLast(), rest = statistics.roundTrips.last ?? 0
    metrics.roundTrip.set(
      buckets: counted + Array(repeating: 0, count: metrics.roundTrip.bounds.count - counted.count) + [rest], sum: UInt64(statistics.roundTripMillisecondsSum * 1e6))
    for (position, traffic) in [statistics.received, statistics.sent].enumerated() {
      for channel in 0..<4 { metrics.bytes[4 * position + channel].set(Self.lanes(channel).reduce(0) { $0 + traffic.bytes[$1.index] }) }
      for (type, count) in traffic.messages.enumerated() { metrics.messages[MessageType.all.count * position + type].set(count) }
    }
    metrics.dropped[0].set(statistics.droppedFull)
    metrics.dropped[1].set(statistics.droppedRate)
    metrics.dropped[2].set(statistics.droppedInvalid)
    for channel in 0..<4 { metrics.queueBytes[channel].set(Self.lanes(channel).reduce(0) { $0 + network.queuedBytes($1) }) }
    if let skew = network.medianSkewMilliseconds { self.metrics.consensus.clockSkew.set(-Double(skew) / 1000) } else { self.metrics.consensus.clockSkew.clear() }
  }

  /// Reasons without a label of their own.
  private static func isFolded(_ reason: Goodbye.Reason) -> Bool { reason == .identity || reason == .banned }
  private static func label(_ reason: Goodbye.Reason) -> String { reason == .banned ? Goodbye.Reason.misbehaviour.name : Goodbye.Reason.other.name }

  /// The lanes of a channel, in the order of the label's values: consensus, sync, events, exchange.
  private static func lanes(_ channel: Int) -> [Lane] { [[.votes, .blocks], [.sync], [.events], [.exchange]][channel] }

  func take(_ replica: Replica, key: PublicKey?, now: Instant) {
    let metrics = metrics.consensus, facts = replica.viewFacts, set = facts.validators, outcomes = replica.machine.outcomes
    metrics.view.set(facts.view.rawValue)
    metrics.views[0].set(outcomes.finalised)
    metrics.views[1].set(outcomes.nullified)
    for (step, nanoseconds) in replica.takeSteps().list { metrics.steps[step.rawValue].observe(nanoseconds) }
    metrics.missed[0].set(outcomes.missedProposals)
    metrics.missed[1].set(outcomes.missedVotes)
    let own = key.flatMap { set.index(of: $0) }
    metrics.isListening.set(own != nil && replica.machine.standing == .listening)
    metrics.power.set(own.map { set.validators[$0].power } ?? 0)
    metrics.quorumMargin.set(Double(Self.powerHeard(replica, key: key, now: now)) - Double(facts.quorumPower))
    takeSync(replica, now)
  }

  /// Power of the validators heard from within 10 s, this one among them.
  static func powerHeard(_ replica: Replica, key: PublicKey?, now: Instant) -> UInt64 {
    let facts = replica.viewFacts, set = facts.validators, own = key.flatMap { set.index(of: $0) }
    // With nothing to agree on validators are silent, and a link that is up is all one can ask for.
    let connected = replica.pool.load.events == 0 ? replica.peerHeads.compactMap { $0.validator.flatMap { set.index(of: $0) } } : []
    let heard = facts.heard.indices.filter { index in
      index == own || connected.contains(index) || now.milliseconds(since: facts.heard[index]) <= 10_000
    }
    return heard.reduce(0) { $0 + set.validators[$1].power }
  }

  /// Blocks synced per second of late; nil unless the node syncs.
  var syncRate: Double? { before?.rate }

  private func takeSync(_ replica: Replica, _ now: Instant) {
    let sync = replica.syncFacts, height = replica.durable.header.height.rawValue
    if let target = sync.certified { metrics.sync.targetHeight.set(max(target.rawValue, height)) }
    guard sync.isSyncing else {
      before = nil
      metrics.sync.blocksPerSecond.clear()
      return metrics.sync.eta.clear()
    }
    guard let last = before, now > last.now else {
      before = SecondBefore(now: now, height: height, rate: before?.rate)
      return
    }
    let current = Double(height - min(height, last.height)) * 1e9 / Double(now.nanoseconds(since: last.now))
    let mean = last.rate.map { 0.8 * $0 + 0.2 * current } ?? current
    // A stalled sync has no rate, rather than one that fades for ever.
    let rate = mean < 0.001 ? 0 : mean
    before = SecondBefore(now: now, height: height, rate: rate)
    metrics.sync.blocksPerSecond.set(rate)
    if let lag = sync.lag, rate > 0 { metrics.sync.eta.set(Double(lag) / rate) } else { metrics.sync.eta.clear() }
  }
}
