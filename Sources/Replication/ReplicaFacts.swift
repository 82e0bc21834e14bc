public import Ambient
public import Audit
public import Consensus
public import Ed25519
public import Digests
public import Ledger
import Verification

/// How far behind a node is, by what certificates have shown.
public struct SyncFacts: Hashable, Sendable {
  /// From the start until the head is known to be at most two blocks behind; again when it is more than ten behind.
  public var isSyncing: Bool
  /// The highest height that a verified finality certificate has named; nil before the first.
  public var certified: Height?
  /// Blocks between it and the durable head.
  public var lag: UInt64?
  /// Ranges of blocks that are asked for.
  public var requests: Int
}

/// A peer as the replica sees it.
public struct PeerHead: Hashable, Sendable {
  public var link: PeerLink
  public var validator: PublicKey?
  /// What it claims.
  public var head: Height
}

extension Replica {
  /// The only voter, and nothing is known of a later epoch in which it has others beside it.
  var isAlone: Bool { search == nil && machine.isSole && sync.certified ?? Height(0) <= chain.tip.header.height }

  public var syncFacts: SyncFacts {
    return SyncFacts(
      isSyncing: !isAlone && sync.isSyncing, certified: isAlone ? durable.header.height : sync.certified,
      lag: isAlone ? 0 : sync.lag(durable: durable.header.height), requests: sync.requests.count)
  }

  /// The height at which the sync stands still because every connected peer has pruned it.
  public var unobtainable: Height? { sync.unobtainable }

  /// What keeps a store that begins from an anchor from reaching it: peers have another block at its height.
  public var foreignAnchor: (anchor: Anchor, found: Digest)? {
    guard let anchor = sync.anchor, anchor.height > sync.applied, let found = sync.foreignAnchor else { return nil }
    return (anchor, found)
  }

  /// What keeps the sync from going on; nil when nothing does, or when nobody is there to ask.
  public var obstacle: SyncObstacle? {
    if let search {
      let size = search.sought.checkpoint.size
      if let refusal = search.refusal { return .checkpointRefused(size: size, refusal) }
      return peers.isEmpty || !search.isBehind ? nil : .checkpointAhead(size: size, largest: search.smaller)
    }
    if let (anchor, found) = foreignAnchor { return .foreignAnchor(anchor, found: found) }
    if let height = sync.withoutEntries { return .entriesPruned(height) }
    if let anchor = sync.anchor, anchor.height > sync.applied, !peers.isEmpty, sync.goal < anchor.height { return .anchorAhead(anchor, highest: sync.goal) }
    return unobtainable.map { .pruned($0) }
  }

  /// The connected peers, by age of the connection.
  public var peerHeads: [PeerHead] { peers.map { PeerHead(link: $0.link, validator: $0.validator, head: $0.head) } }

  /// Where the machine stands: view, leader, votes seen, timers.
  public var viewFacts: ViewFacts { machine.viewFacts }

  /// How long the steps of views took since the last call.
  public func takeSteps() -> StepDurations { machine.takeSteps() }

  /// The key of the leader of the current view.
  public var leader: PublicKey { viewFacts.validators.validators[machine.leader].publicKey }
}

/// What the signatures of peers' records have cost.
public struct SignatureFacts: Hashable, Sendable {
  /// Combinations computed for batches: one for a batch whose signatures are good.
  public var combinations: UInt64
  /// Signatures that were refused.
  public var refused: UInt64
  /// Peers whose records are checked alone for a while.
  public var quarantined: Int
}

extension Replica {
  public func signatureFacts(now: Instant) -> SignatureFacts {
    SignatureFacts(
      combinations: UInt64(verification.checks) + (helpers?.combinations ?? 0), refused: verification.refused, quarantined: verification.quarantined(at: now.nanoseconds))
  }

  /// What the replica remembers beside chain and pool, in entries and bytes: for checking bounds.
  public struct Footprint: Sendable, Hashable {
    public var machine: Machine.Footprint
    public var arrivals: Int
    public var candidates: Int
    public var gossipBytes: Int
    public var decided: Int
    public var evidence: Int
  }

  public var footprint: Footprint {
    Footprint(
      machine: machine.footprint, arrivals: arrivals.count, candidates: tree.nodes.count, gossipBytes: backlog.reduce(0) { $0 + $1.bytes.count }, decided: decided.count,
      evidence: evidence.count)
  }
}
