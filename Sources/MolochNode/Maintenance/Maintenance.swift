import Ambient
import Audit
import JSON
import Ledger
import RocksStore

/// Maintenance of a store: the same work beside a running node and, under the lock of the data directory, without one.
public enum Maintenance {
  typealias Work = @Sendable (MaintenanceTask) throws(NodeFailure) -> [UInt8]

  /// Freezes the chain; what is returned does the rest.
  static func backup(_ backup: Backup, _ store: RocksLedgerStore) throws(NodeFailure) -> Work {
    try backup.prepare()
    let began = MonotonicClock.now()
    let snapshot = try backup.freeze(store)
    let frozen = MonotonicClock.now().milliseconds - began.milliseconds
    return { (task) throws(NodeFailure) in try backup.run(snapshot, frozenMilliseconds: frozen, task) }
  }

  static func compaction(_ compaction: Compaction, data: String) -> Work {
    { (task) throws(NodeFailure) in
      let began = MonotonicClock.now(), before = DirectoryStatistics(data: data)
      try run(compaction, task)
      let after = DirectoryStatistics(data: data)
      var json = JSONWriter()
      json.beginObject()
      let members: [(StaticString, UInt64)] = [
        ("chain_bytes_before", before.chain), ("index_bytes_before", before.index), ("chain_bytes", after.chain), ("index_bytes", after.index),
        ("ms", MonotonicClock.now().milliseconds - began.milliseconds),
      ]
      for (name, value) in members {
        json.key(name)
        json.number(value)
      }
      json.endObject()
      return json.bytes
    }
  }

  /// Compacts at the pace of the task.
  static func run(_ compaction: Compaction, _ task: MaintenanceTask) throws(NodeFailure) {
    var paid: UInt64 = 0
    compaction.run { done, total in
      task.setTotal(total)
      task.setDone(done)
      task.wait(after: done - paid)
      paid = done
      return !task.isCancelled
    }
    try task.check()
  }

  /// Begins a backup of a stopped node; the task says how far it is.
  /// - Parameters: as `moloch backup create`; the paths are absolute.
  public static func backup(_ options: NodeOptions, to target: String, base: String?) throws(NodeFailure) -> MaintenanceTask {
    let home = try NodeHome(options, readsValidatorKeys: false)
    return try offline(home, options, MaintenanceTask("backup", unit: "bytes", budget: options.maintenanceBudget)) { (store) throws(NodeFailure) in
      try backup(Backup(home: home, target: target, base: base), store)
    }
  }

  /// Begins to compact the store of a stopped node.
  /// - Parameter megabytesPerSecond: nil for what the options say.
  public static func compact(_ options: NodeOptions, megabytesPerSecond: UInt64? = nil) throws(NodeFailure) -> MaintenanceTask {
    let home = try NodeHome(options, readsValidatorKeys: false)
    let budget = megabytesPerSecond.map { ByteBudget(megabytesPerSecond: $0) } ?? options.maintenanceBudget
    return try offline(home, options, MaintenanceTask("compact", unit: "bytes", budget: budget)) { (store) in compaction(store.compaction, data: home.data) }
  }

  /// The sizes of a stopped node's data, read under its lock: the JSON that a running node gives. Nothing is changed or repaired.
  /// - Throws: 65 for a damaged store, 66 when nothing is stored yet, 75 when the data is in use, 78 for another chain or format.
  public static func statistics(_ options: NodeOptions) throws(NodeFailure) -> [UInt8] {
    let home = try NodeHome(options, readsValidatorKeys: false)
    guard let line = RocksLedgerStore.formatLine(of: home.data) else { throw NodeFailure(66, "\(home.data) holds no chain: the node has not run yet") }
    do throws(StoreError) {
      let lock = try DirectoryLock(path: home.data + "/LOCK")
      defer { withExtendedLifetime(lock) {} }
      guard line == RocksLedgerStore.format else { throw .format(found: line) }
      let store = try RocksLedgerStore(frozen: home.data, data: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash)
      return DirectoryStatistics(data: home.data).json(store)
    } catch { throw StorageSession.failure(error, home) }
  }

  static func offline(
    _ home: NodeHome, _ options: NodeOptions, _ task: MaintenanceTask, _ begin: (RocksLedgerStore) throws(NodeFailure) -> Work
  ) throws(NodeFailure) -> MaintenanceTask {
    guard FileCopy.isDirectory(home.data) else { throw NodeFailure(66, "\(home.data) does not exist") }
    let store: RocksLedgerStore
    do { store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options.store) } catch {
      throw StorageSession.failure(error, home)
    }
    let hold = OpenStore(store, try begin(store))
    task.start({ (task) throws(NodeFailure) in try hold.run(task) }) {}
    return task
  }
}

/// A store that stays open, and its directory locked, until the work on it has ended.
private final class OpenStore: @unchecked Sendable {
  // Sendable: handed to the working thread, which alone touches it from then on.
  private var store: RocksLedgerStore?
  private var work: Maintenance.Work?

  init(_ store: RocksLedgerStore, _ work: @escaping Maintenance.Work) { (self.store, self.work) = (store, work) }

  /// The store is closed when this returns: the process may end then.
  func run(_ task: MaintenanceTask) throws(NodeFailure) -> [UInt8] {
    defer { (store, work) = (nil, nil) }
    guard let work else { preconditionFailure("the work is done once") }
    return try work(task)
  }
}
