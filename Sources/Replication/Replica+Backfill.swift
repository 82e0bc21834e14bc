import Ambient
public import Audit
public import Consensus
public import Ledger

/// Bodies of old blocks, fetched while nothing else is to be done.
extension Replica {
  /// Whether bodies that this node lacks and is to have are looked for. Setting it looks at once.
  public var looksForBodies: Bool {
    get { backfill.isEnabled }
    set {
      backfill.isEnabled = newValue
      backfill.peerUp()
    }
  }

  /// What is being fetched; nil when nothing is known to be missing.
  public var backfillFacts: BackfillFacts? { backfill.facts(anchor: sync.anchor?.height) }

  /// From where on the store has bodies, and from where on it is to have them: said when it is opened and now and then later.
  public func knowBodies(earliest: Height, floor: Height) { backfill.know(earliest: earliest, floor: floor) }

  /// The store's answer to `fill`.
  public func filled(_ result: BackfillResult, _ gap: BodyGap, now: Times, _ effects: inout [ReplicaEffect]) {
    let peer = backfill.filled(result, gap, now: now.monotonic)
    switch result {
    case .written: if let peer { sync.succeeded(peer) }
    case .foreign:
      if let peer {
        sync.strike(peer, now.monotonic)
        effects.append(.penalise(peer, .malformed))
      }
    case .invalid(let reason): effects.append(.halt(reason))
    case .looked, .lacking, .full: break
    }
    finish(now, &effects)
  }

  /// Asks for the next range, or has the store look for one. Nothing is asked for while blocks are missing.
  func refill(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard backfill.isEnabled else { return }
    if let late = backfill.expire(now.monotonic) { sync.strike(late, now.monotonic) }
    let isLive = isAlone || !sync.isSyncing && sync.requests.isEmpty && !sync.isReady && verifying.isEmpty
    switch backfill.plan(sync.sources, isLive: isLive, now: now.monotonic) {
    case .ask(let request):
      let count = Int(request.to.rawValue - request.from.rawValue) + 1
      effects.append(.send(.syncRequest(from: request.from, blocksMax: count, bytesMax: ReplicationLimit.rangeBytesMax), to: .peer(request.peer)))
    case .work(let work): effects.append(.fill(work))
    case nil: break
    }
  }

  /// Takes blocks that were asked for their bodies. False when they were not.
  func receivedBodies(from height: Height, _ blocks: [Block], _ link: PeerLink, _ now: Times, _ effects: inout [ReplicaEffect]) -> Bool {
    switch backfill.received(from: height, blocks, link) {
    case .notAsked: return false
    case .taken: if let work = backfill.takeWork() { effects.append(.fill(work)) }
    // It has said that it has them.
    case .empty: sync.strike(link, now.monotonic)
    case .malformed:
      sync.strike(link, now.monotonic)
      effects.append(.penalise(link, .malformed))
    }
    return true
  }
}
