/// What waits for the storage thread. What the chain needs goes before what somebody wants to read, and reads have a bound of their own: however many there are, a
/// block waits for one of them at most.
final class StorageQueue: Sendable {
  /// Jobs of the chain and of the node itself. Of blocks `ReplicationLimit.blocksInFlight` and `candidatesMax` wait at most; the others come a few in a second.
  static let writesMax = 4096
  static let readsMax = 4096
  /// Reads before the storage thread turns to its other work.
  static let readsPerTurn = 64

  // Sendable: one producer and one consumer each.
  private let writes = Mailbox<StorageJob>(capacity: StorageQueue.writesMax)
  private let reads = Mailbox<StorageJob>(capacity: StorageQueue.readsMax)

  /// Reactor only. False when there is no room for a job of this kind.
  func post(_ kind: StorageJob.Kind) -> Bool { (kind.isRead ? reads : writes).post(StorageJob(kind)) }

  /// Storage thread only. The next job, or nil.
  func take() -> StorageJob? { writes.take() ?? reads.take() }
}
