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

  /// Reads everything. On a thread of its own.
  /// - Parameter budget: bytes per second that are read at most; nil without a limit.
  func run(_ task: MaintenanceTask, budget: ReadBudget?) throws(NodeFailure) -> StoreVerification {
    defer { FileCopy.removeAll(staging) }
    var pace = budget.map { Pace($0) }
    return try StoreVerification(home, level: level, frozen: staging) { done, total, bytesRead in
      task.setTotal(total)
      task.setDone(done)
      pace?.wait(after: bytesRead, task)
      return !task.isCancelled
    }
  }
}

extension Maintenance {
  /// Begins to verify a stopped node, or a copy of its data.
  /// - Parameter data: the directory to check, absolute; nil for the node's own.
  public static func verify(_ options: NodeOptions, level: StoreVerification.Level, data: String?) throws(NodeFailure) -> MaintenanceTask {
    let task = MaintenanceTask("verify", unit: "blocks")
    task.start({ (task) throws(NodeFailure) in
      try StoreVerification(options, level: level, data: data) { done, total, _ in
        task.setTotal(total)
        task.setDone(done)
        return !task.isCancelled
      }.json
    }) {}
    return task
  }
}
