/// How far a sync is, as `/v1/status` tells it.
struct SyncProgress: Equatable {
  /// Of the highest certified height that is here.
  let percent: Double
  let blocksPerSecond: Double?
  /// Nil without a rate, and for a rate so low that no number of seconds says anything.
  let etaSeconds: UInt64?

  /// Nil for a node that does not sync, or does not know yet how far it has to go.
  /// - Parameters:
  ///   - target: the highest height that a verified certificate has named.
  ///   - rate: blocks per second of late.
  init?(isSyncing: Bool, target: UInt64?, height: UInt64, rate: Double?) {
    guard isSyncing, let target = target.map({ max($0, height) }), target > 0 else { return nil }
    percent = 100 * Double(height) / Double(target)
    blocksPerSecond = rate
    etaSeconds = rate.flatMap { $0 > 0 ? UInt64(exactly: (Double(target - height) / $0).rounded(.up)) : nil }
  }
}
