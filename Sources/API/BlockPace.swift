import Audit

/// How fast blocks come: the times of the newest 101 blocks, for the mean of the last 100 intervals.
struct BlockPace {
  /// Unix milliseconds, ascending.
  private var times: [UInt64] = []

  mutating func note(_ timestamp: Timestamp) {
    guard timestamp.rawValue > times.last ?? 0 else { return }
    if times.count == APILimit.paceBlocks { times.removeFirst() }
    times.append(timestamp.rawValue)
  }

  /// Mean interval, milliseconds; nil before the second block.
  var interval: Double? {
    guard let first = times.first, let last = times.last, times.count > 1 else { return nil }
    return Double(last - first) / Double(times.count - 1)
  }

  /// Milliseconds until a block so many heights above the newest one may be expected, by the mean interval less the time since the newest block.
  /// - Parameters:
  ///   - fallback: the interval while less than two blocks are known, milliseconds.
  ///   - wall: Unix milliseconds.
  func milliseconds(blocks: UInt64, after newest: Timestamp, wall: UInt64, fallback: UInt32) -> UInt64 {
    let expected = (interval ?? Double(fallback)) * Double(blocks)
    let elapsed = Double(wall > newest.rawValue ? wall - newest.rawValue : 0)
    return expected > elapsed ? UInt64(expected - elapsed) : 0
  }
}
