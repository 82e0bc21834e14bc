import Ambient
import Audit
import JSON
import Ledger
import RocksStore

/// What may be pruned, from the section `retention`.
public struct RetentionPolicy: Sendable {
  /// Nil: nothing is pruned.
  public var daysMin: UInt64?
  /// Peers that must hold what is deleted here.
  public var archivePeersMin: Int
  public var isHeld: Bool
  /// Bodies below the checkpoint that the node began from are fetched later.
  public var backfills = false
  public var prunesByItself = false
}

/// One pruning of bodies as it was asked for.
struct Pruning: Sendable {
  var before: UInt64
  var isDryRun: Bool
  var isForced: Bool
  /// Connected peers that hold what this node holds; nil beside no network.
  var archivePeers: Int?
  var policy: RetentionPolicy

  /// Checks the policy, moves the watermark and deletes; what is returned gives the space back.
  /// - Throws: 77 under a legal hold, 78 without `retention.min_days`, 64 for blocks that are too young, 2 when too few peers hold them, 65 for a damaged store,
  ///   74 when the store has failed: nothing more may be written to it then.
  func begin(_ store: RocksLedgerStore, data: String, genesis: Genesis, wall: UInt64) throws(NodeFailure) -> Maintenance.Work {
    if policy.isHeld { throw NodeFailure(77, "retention.legal_hold is on: nothing is pruned") }
    guard let days = policy.daysMin else { throw NodeFailure(78, "retention.min_days is not set: nothing is pruned without it") }
    do {
      let highest = try Self.highest(store, genesis, days: days, wall: wall)
      guard before <= highest.rawValue else {
        throw NodeFailure(
          64, "--before-height \(before): the highest prunable height is \(highest.rawValue) (retention.min_days = \(days), the replay window, the head)")
      }
      let first = store.earliestBodyHeight, height = max(first, Height(before))
      let bytes = try store.bodyBytes(below: height)
      if isDryRun { return { (_) throws(NodeFailure) in Self.figures(first: first, height: height, bytes: bytes, chain: nil) } }
      if height > first, !isForced, archivePeers ?? 0 < policy.archivePeersMin {
        let known = archivePeers.map { "\($0) connected peers hold these bodies" } ?? "the node is stopped and knows of no peer that holds these bodies"
        throw NodeFailure(2, "\(known), retention.min_archive_peers = \(policy.archivePeersMin): repeat with --force to delete them all the same")
      }
      // Of what never was here, no more is fetched than the operator keeps.
      let compaction = try store.prune(below: Height(before))
      return { (task) throws(NodeFailure) in
        let before = DirectoryStatistics(data: data)
        try Maintenance.run(compaction, task)
        return Self.figures(first: first, height: height, bytes: bytes, chain: (before.chain, DirectoryStatistics(data: data).chain))
      }
    } catch let failure as NodeFailure {
      throw failure
    } catch let error as StoreError {
      if case .failed = error { throw NodeFailure(74, "\(error)") }
      throw NodeFailure(65, "\(error)")
    } catch {
      throw NodeFailure(70, "\(error)")
    }
  }

  /// What may be pruned now by itself; nil when there is nothing, or nothing may be.
  /// - Throws: 65 for a damaged store.
  init?(automatic store: RocksLedgerStore, _ genesis: Genesis, _ policy: RetentionPolicy, archivePeers: Int, wall: UInt64) throws(NodeFailure) {
    guard let days = policy.daysMin, !policy.isHeld else { return nil }
    let highest: Height
    do { highest = try Self.highest(store, genesis, days: days, wall: wall) } catch { throw NodeFailure(65, "\(error)") }
    guard highest > store.earliestBodyHeight else { return nil }
    self.init(before: highest.rawValue, isDryRun: false, isForced: false, archivePeers: archivePeers, policy: policy)
  }

  /// Bodies below it are not fetched later: they were pruned here, or would be at once.
  static func backfillFloor(_ store: RocksLedgerStore, _ genesis: Genesis, _ policy: RetentionPolicy, wall: UInt64) throws(StoreError) -> Height {
    guard policy.backfills else { return store.earliestBodyHeight }
    guard policy.prunesByItself, !policy.isHeld, let days = policy.daysMin else { return store.prunedHeight }
    return max(store.prunedHeight, try highest(store, genesis, days: days, wall: wall))
  }

  init(before: UInt64, isDryRun: Bool, isForced: Bool, archivePeers: Int?, policy: RetentionPolicy) {
    (self.before, self.isDryRun, self.isForced, self.archivePeers, self.policy) = (before, isDryRun, isForced, archivePeers, policy)
  }

  /// Blocks below it are older than the policy asks and behind the replay window of the head, which keeps its bodies, too.
  static func highest(_ store: RocksLedgerStore, _ genesis: Genesis, days: UInt64, wall: UInt64) throws(StoreError) -> Height {
    let windows = genesis.parameters.pastWindow + genesis.parameters.futureWindow, age = days * 86_400_000, head = store.head.timestamp.rawValue
    let limit = min(wall > age ? wall - age : 0, head > windows ? head - windows : 0)
    return try store.height(notBefore: Timestamp(milliseconds: limit))
  }

  private static func figures(first: Height, height: Height, bytes: UInt64, chain: (before: UInt64, after: UInt64)?) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    var members: [(StaticString, UInt64)] = [("earliest_body_height", height.rawValue), ("blocks", height.rawValue - first.rawValue), ("body_bytes", bytes)]
    if let chain { members += [("chain_bytes_before", chain.before), ("chain_bytes", chain.after)] }
    for (name, value) in members {
      json.key(name)
      json.number(value)
    }
    json.endObject()
    return json.bytes
  }
}

extension Maintenance {
  /// Begins to delete the bodies below `height` of a stopped node. Nobody is asked whether others hold them: without `isForced` that is refused, unless the
  /// policy asks for no archive.
  public static func prune(_ options: NodeOptions, before height: UInt64, isDryRun: Bool, isForced: Bool) throws(NodeFailure) -> MaintenanceTask {
    let home = try NodeHome(options, readsValidatorKeys: false)
    let pruning = Pruning(before: height, isDryRun: isDryRun, isForced: isForced, archivePeers: nil, policy: options.retention)
    return try offline(home, options, MaintenanceTask("prune", unit: "bytes", budget: options.maintenanceBudget)) { (store) throws(NodeFailure) in
      try pruning.begin(store, data: home.data, genesis: home.genesis, wall: WallClock.now().milliseconds)
    }
  }
}
