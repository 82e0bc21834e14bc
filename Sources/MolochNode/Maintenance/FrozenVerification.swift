import Audit
import RocksStore

/// A verification beside the running store: of the state of one moment, frozen by links, which the store goes on from.
struct FrozenVerification: Sendable {
  let home: NodeHome
  let level: StoreVerification.Level
  /// Where the frozen state lies while it is read, below the data directory.
  let staging: String

  /// Directories that a crash may have left: nothing in them is needed, and they keep deleted tables on the disk.
  static func removeLeftovers(data: String) { for name in ["verify-staging", "scrub-staging", "backup-staging"] { FileCopy.removeAll(data + "/" + name) } }

  /// The moment that is verified: on the storage thread, between two commits.
  func freeze(_ store: RocksLedgerStore) throws(NodeFailure) {
    FileCopy.removeAll(staging)
    do { try store.freeze(at: staging) } catch { throw StorageSession.failure(error, home) }
  }

  /// Reads everything, at the pace of the task. On a thread of its own.
  func run(_ task: MaintenanceTask) throws(NodeFailure) -> StoreVerification {
    defer { FileCopy.removeAll(staging) }
    return try StoreVerification(home, level: level, frozen: staging, progress: Self.progress(task))
  }

  /// What a verification reports to its task.
  fileprivate static func progress(_ task: MaintenanceTask) -> StoreVerification.Progress {
    var paid: UInt64 = 0
    return { done, total, bytesRead in
      task.setTotal(total)
      task.setDone(done)
      task.wait(after: bytesRead - paid)
      paid = bytesRead
      return !task.isCancelled
    }
  }
}

extension Maintenance {
  /// Begins to verify a stopped node, or a copy of its data.
  /// - Parameter data: the directory to check, absolute; nil for the node's own.
  public static func verify(_ options: NodeOptions, level: StoreVerification.Level, data: String?) throws(NodeFailure) -> MaintenanceTask {
    let task = MaintenanceTask("verify", unit: "blocks", budget: options.maintenanceBudget)
    task.start({ (task) throws(NodeFailure) in
      try StoreVerification(options, level: level, data: data, progress: FrozenVerification.progress(task)).json
    }) {}
    return task
  }
}
