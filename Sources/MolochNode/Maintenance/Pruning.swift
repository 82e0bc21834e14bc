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

/// One pruning as it was asked for.
struct Pruning: Sendable {
  var before: UInt64
  var isDryRun: Bool
  var isForced: Bool
  /// Entries and their rows of the index, too.
  var isDeep = false
  /// Connected peers that hold what this node holds; nil beside no network.
  var archivePeers: Int?
  var policy: RetentionPolicy

  /// Checks the policy, moves the watermarks and deletes the bodies; what is returned gives the space back. The entries that a deep prune takes are deleted by
  /// `RocksLedgerStore.sweepOn` before that.
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
      var figures = PruneFigures(first: first, height: height, bodyBytes: try store.bodyBytes(below: height))
      if isDeep, before > 0 { figures.entries = try EntryFigures(store, below: Height(before), data: data) }
      if isDryRun { return { [figures] (_) throws(NodeFailure) in figures.json(nil) } }
      if height > first || figures.entries?.isEmpty == false, !isForced, archivePeers ?? 0 < policy.archivePeersMin {
        let what = isDeep ? "these bodies and entries" : "these bodies"
        let known = archivePeers.map { "\($0) connected peers hold \(what)" } ?? "the node is stopped and knows of no peer that holds \(what)"
        throw NodeFailure(2, "\(known), retention.min_archive_peers = \(policy.archivePeersMin): repeat with --force to delete them all the same")
      }
      // Of what never was here, no more is fetched than the operator keeps.
      if isDeep { try store.pruneDeep(below: Height(before)) } else { _ = try store.prune(below: Height(before)) }
      let compaction = store.prunedCompaction
      return { [figures] (task) throws(NodeFailure) in
        let before = DirectoryStatistics(data: data)
        try Maintenance.run(compaction, task)
        return figures.json((before, DirectoryStatistics(data: data)))
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

  init(before: UInt64, isDryRun: Bool, isForced: Bool, isDeep: Bool = false, archivePeers: Int?, policy: RetentionPolicy) {
    (self.before, self.isDryRun, self.isForced, self.isDeep, self.archivePeers, self.policy) = (before, isDryRun, isForced, isDeep, archivePeers, policy)
  }

  /// Blocks below it are older than the policy asks and behind the replay window of the head, which keeps its bodies, too.
  static func highest(_ store: RocksLedgerStore, _ genesis: Genesis, days: UInt64, wall: UInt64) throws(StoreError) -> Height {
    let windows = genesis.parameters.pastWindow + genesis.parameters.futureWindow, age = days * 86_400_000, head = store.head.timestamp.rawValue
    let limit = min(wall > age ? wall - age : 0, head > windows ? head - windows : 0)
    return try store.height(notBefore: Timestamp(milliseconds: limit))
  }

}

/// What a prune takes.
private struct PruneFigures: Sendable {
  var first: Height
  var height: Height
  var bodyBytes: UInt64
  /// Nil for a plain prune.
  var entries: EntryFigures?

  func json(_ directories: (before: DirectoryStatistics, after: DirectoryStatistics)?) -> [UInt8] {
    var members: [(StaticString, UInt64)] = [("earliest_body_height", height.rawValue), ("blocks", height.rawValue - first.rawValue), ("body_bytes", bodyBytes)]
    if let entries {
      members += [
        ("earliest_entry_height", entries.height.rawValue), ("earliest_entry_index", entries.leaf.rawValue), ("entries", entries.count), ("entry_bytes", entries.bytes),
        ("index_row_bytes", entries.indexBytes), ("snapshot_bytes", entries.snapshotBytes),
      ]
    }
    if let (before, after) = directories {
      members += [("chain_bytes_before", before.chain), ("chain_bytes", after.chain)]
      if entries != nil { members += [("index_bytes_before", before.index), ("index_bytes", after.index)] }
    }
    var json = JSONWriter()
    json.beginObject()
    for (name, value) in members {
      json.key(name)
      json.number(value)
    }
    json.endObject()
    return json.bytes
  }
}

/// What a deep prune takes beside bodies.
private struct EntryFigures: Sendable {
  /// The first block and the first leaf whose entries stay.
  var height: Height
  var leaf: LeafIndex
  var count: UInt64
  /// Of the chain, about.
  var bytes: UInt64
  /// Of the index, about: rows of events take the same everywhere.
  var indexBytes: UInt64
  /// Of the parts of the snapshot that go with them.
  var snapshotBytes: UInt64

  var isEmpty: Bool { count == 0 }

  init(_ store: RocksLedgerStore, below prune: Height, data: String) throws(StoreError) {
    height = try store.entryWatermark(below: prune)
    leaf = try store.firstLeaf(of: height)
    let first = try store.firstLeaf(of: store.earliestEntryHeight).rawValue, held = store.head.treeSize - first
    count = leaf.rawValue - first
    snapshotBytes = count == 0 ? 0 : SnapshotFiles.bytes(data: data, below: height)
    bytes = count == 0 ? 0 : try store.entryBytes(below: height)
    indexBytes = held == 0 ? 0 : UInt64(Double(store.indexTableBytes) * Double(count) / Double(held))
  }
}

extension Maintenance {
  /// Begins to delete the bodies below `height` of a stopped node, with `isDeep` also entries and their rows of the index. Nobody is asked whether others hold them: without `isForced` that is refused, unless the
  /// policy asks for no archive.
  public static func prune(_ options: NodeOptions, before height: UInt64, isDryRun: Bool, isForced: Bool, isDeep: Bool) throws(NodeFailure) -> MaintenanceTask {
    let home = try NodeHome(options, readsValidatorKeys: false)
    let pruning = Pruning(before: height, isDryRun: isDryRun, isForced: isForced, isDeep: isDeep, archivePeers: nil, policy: options.retention)
    return try offline(home, options, MaintenanceTask("prune", unit: "bytes", budget: options.maintenanceBudget)) { (store) throws(NodeFailure) in
      let work = try pruning.begin(store, data: home.data, genesis: home.genesis, wall: WallClock.now().milliseconds)
      if isDryRun { return work }
      do throws(StoreError) { while try store.sweepOn() {} } catch { throw StorageSession.failure(error, home) }
      return work
    }
  }
}
