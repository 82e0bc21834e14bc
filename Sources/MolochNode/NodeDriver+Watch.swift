import API
import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Peering
import Reactor
import Replication

/// What a node complains about once a minute for as long as it lasts: nobody to talk to, a clock that is off, and work that does not become final.
struct Watch {
  struct Sight {
    var now: Instant
    var peers: Int
    /// The node has nobody to talk to and needs nobody: a sole validator without boot nodes.
    var isAlone: Bool
    /// Own clock less the median of the peers, milliseconds; nil without peers.
    var skew: Int64?
    /// Pending work is there and no block has become final for so long, milliseconds.
    var stalled: UInt64?
    /// What keeps the sync from going on.
    var obstacle: SyncObstacle?
    /// Least time between blocks with events, milliseconds.
    var blockTime: UInt64
    /// Since the last final block, milliseconds.
    var quiet: UInt64 = 0
    /// Power of the validators that are heard from, and what a quorum needs; nil for a node whose word is not asked: it is no validator, starts or syncs.
    var power: (heard: UInt64, quorum: UInt64)?
    var isSyncing = false
  }

  enum Complaint: Equatable {
    case noPeers
    /// `isGross`: votes are refused for it.
    case skew(milliseconds: Int64, isGross: Bool)
    case stalled(milliseconds: UInt64)
    case obstacle(SyncObstacle)
  }

  static let pauseMilliseconds: UInt64 = 60_000
  /// A node that starts, or whose last link breaks, has this long to find peers.
  static let graceMilliseconds: UInt64 = 10_000
  static let skewMilliseconds: UInt64 = 250
  static let grossSkewMilliseconds: UInt64 = 2000
  static let stalledBlockTimes: UInt64 = 10
  /// Health tells of a stall that lasts: one leader that is away takes less.
  static let unhealthyStallMilliseconds: UInt64 = 10_000
  /// An idle chain makes a block at least every four minutes.
  static let silenceMilliseconds: UInt64 = 300_000
  /// What may pass by itself has to keep a sync from going on for so long.
  static let hindranceMilliseconds: UInt64 = 3000

  private var nextDropped = Instant.zero

  /// Whether dropped evidence may be logged now: whoever makes it could fill the log.
  mutating func mayReportDroppedEvidence(_ now: Instant) -> Bool {
    guard now >= nextDropped else { return false }
    nextDropped = now.adding(milliseconds: Self.pauseMilliseconds)
    return true
  }

  private var lonelySince: Instant?
  private var nextLonely = Instant.zero
  private var nextSkew = Instant.zero
  private var nextStalled = Instant.zero
  /// What was in the way at the last look, since when, and when it was told last.
  private var obstacle: (text: String, since: Instant)?
  private var told: (text: String, at: Instant)?

  mutating func look(_ sight: Sight) -> [Complaint] {
    let now = sight.now
    var complaints: [Complaint] = []
    lonelySince = sight.peers > 0 || sight.isAlone ? nil : lonelySince ?? now
    if let lonelySince, now.milliseconds(since: lonelySince) >= Self.graceMilliseconds, now >= nextLonely {
      nextLonely = now.adding(milliseconds: Self.pauseMilliseconds)
      complaints.append(.noPeers)
    }
    if let skew = sight.skew, skew.magnitude > Self.skewMilliseconds, now >= nextSkew {
      nextSkew = now.adding(milliseconds: Self.pauseMilliseconds)
      complaints.append(.skew(milliseconds: skew, isGross: skew.magnitude > Self.grossSkewMilliseconds))
    }
    if let stalled = sight.stalled, stalled > Self.stalledBlockTimes * sight.blockTime, now >= nextStalled {
      nextStalled = now.adding(milliseconds: Self.pauseMilliseconds)
      complaints.append(.stalled(milliseconds: stalled))
    }
    if let found = hindrance(sight) { complaints.append(.obstacle(found)) }
    return complaints
  }

  /// Boot nodes without a connection, in one field.
  static func fields(unreachable nodes: [(address: String, reason: String?)]) -> Log.Fields {
    nodes.isEmpty ? [] : [("boot_nodes", nodes.map { "\($0.address): \($0.reason ?? "not dialled yet")" }.joined(separator: "; "))]
  }

  /// What `/v1/health` warns of now.
  static func warnings(_ sight: Sight) -> [HealthWarning] {
    var warnings: [HealthWarning] = []
    let stallMax = max(stalledBlockTimes * sight.blockTime, unhealthyStallMilliseconds)
    if let power = sight.power, power.heard < power.quorum {
      warnings.append(.noQuorum(heard: power.heard, quorum: power.quorum))
    } else if let stalled = sight.stalled, stalled > stallMax, !sight.isSyncing {
      warnings.append(.stalled(milliseconds: stalled))
    } else if sight.quiet > silenceMilliseconds, !sight.isSyncing {
      warnings.append(.silent(milliseconds: sight.quiet))
    }
    if let skew = sight.skew, skew.magnitude > skewMilliseconds { warnings.append(.skew(milliseconds: skew)) }
    return warnings
  }

  /// What has lasted for a moment is told, and again after the pause.
  private mutating func hindrance(_ sight: Sight) -> SyncObstacle? {
    guard let found = sight.obstacle else {
      obstacle = nil
      return nil
    }
    let text = found.text
    if obstacle?.text != text { obstacle = (text, sight.now) }
    guard let obstacle, found.isError || sight.now.milliseconds(since: obstacle.since) >= Self.hindranceMilliseconds else { return nil }
    if let told, told.text == text, sight.now.milliseconds(since: told.at) < Self.pauseMilliseconds { return nil }
    told = (text, sight.now)
    return found
  }
}

extension NodeDriver {
  /// About once a second.
  func watch(_ replica: Replica, _ loop: Loop) {
    let oldest = replica.pool.statistics.oldest.map { loop.now.milliseconds(since: $0) }
    let quiet = loop.now.milliseconds(since: figures.lastCommit ?? opened)
    let sight = Watch.Sight(
      now: loop.now, peers: network.count, isAlone: replica.machine.isSole && network.options.bootNodes.isEmpty, skew: network.medianSkewMilliseconds.map { -$0 },
      stalled: oldest.map { min($0, quiet) }, obstacle: replica.obstacle,
      blockTime: UInt64(replica.chain.parameters.blockTime), quiet: quiet, power: votingPower(replica, loop), isSyncing: replica.syncFacts.isSyncing)
    gate.surroundings.warnings = Watch.warnings(sight)
    for complaint in complaints.look(sight) {
      switch complaint {
      case .noPeers:
        let nodes = network.unreachableBootNodes().map { (address: "\($0.address)", reason: $0.reason?.rawValue) }
        log.warn("peering", "peer_count = 0: no peer is connected", Watch.fields(unreachable: nodes))
      case .skew(let milliseconds, let isGross):
        let fields = [("skew_ms", "\(milliseconds)"), ("fix", "chronyc tracking")]
        let text = "this clock is not that of the peers"
        if isGross { log.error("consensus", text, fields) } else { log.warn("consensus", text, fields) }
      case .obstacle(let found):
        if found.isError { log.error("sync", found.text, found.fields) } else { log.warn("sync", found.text, found.fields) }
      case .stalled(let milliseconds): logStall(milliseconds, replica, loop)
      }
    }
  }

  /// A validator that is up for a while and in sync can say whether a quorum is there; a node behind others hears of few validators itself.
  private func votingPower(_ replica: Replica, _ loop: Loop) -> (heard: UInt64, quorum: UInt64)? {
    guard replica.machine.isMember, !replica.syncFacts.isSyncing, loop.now.milliseconds(since: opened) >= Watch.graceMilliseconds else { return nil }
    return (Figures.powerHeard(replica, key: replica.key?.publicKey, now: loop.now), replica.viewFacts.quorumPower)
  }

  private func logStall(_ milliseconds: UInt64, _ replica: Replica, _ loop: Loop) {
    let facts = replica.viewFacts, set = facts.validators.validators
    let limit = Watch.stalledBlockTimes * UInt64(replica.chain.parameters.blockTime)
    let silent = facts.heard.indices.filter { index in
      set[index].publicKey != replica.key?.publicKey && loop.now.milliseconds(since: facts.heard[index]) > limit
    }
    log.warn(
      "consensus", "pending work does not become final",
      [
        ("ms", "\(milliseconds)"), ("height", "\(replica.durable.header.height.rawValue)"), ("view", "\(facts.view.rawValue)"),
        ("leader", set[facts.leader].name), ("silent", silent.isEmpty ? "-" : silent.map { set[$0].name }.joined(separator: ",")),
      ])
  }
}
