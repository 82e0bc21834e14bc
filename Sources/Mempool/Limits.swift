import Lanes

/// Bounds of a pool, fixed at start.
public struct PoolLimits: Sendable {
  /// Pending events.
  public var eventsMax = 100_000
  /// Bytes of pending records.
  public var bytesMax = 256_000_000
  /// Share of `eventsMax` that one signer may hold at first, percent.
  public var perSignerPercent = 50
  /// Largest record: entry, salt and a body of 1 MiB.
  public var recordBytesMax = 192 + 16 + (1 << 20)
  /// Threads that admit.
  public var reactors = 1
  public var timeToLiveMilliseconds: UInt64 = 86_400_000

  public init() {}

  /// Cells of the duplicate table: the next power of two of four times the events, so that probes stay short with half of it tombstones.
  var tableCells: Int {
    var cells = 1024
    while cells < 4 * eventsMax { cells *= 2 }
    return cells
  }

  /// Slots: pending events, as many that wait for the reactors to pass a tick, and what reactors hold in advance.
  var slots: Int { 2 * eventsMax + reactors * Magazine.capacity }

  /// Events of one signer at a share.
  func signerMax(percent: Int) -> Int { max(1, eventsMax * percent / 100) }
  var perSignerMax: Int { signerMax(percent: perSignerPercent) }

  /// Places of the lane from one reactor to the chain thread: a power of two above the events, so that it is never the limit.
  var laneCapacity: Int {
    var capacity = 1024
    while capacity < eventsMax { capacity *= 2 }
    return capacity
  }

  /// Counters that signers are hashed to; a collision only makes the quota tighter.
  static let signerCounters = 16_384
  /// Bytes that a signer's turn adds to its deficit.
  static let quantumBytes = 64 * 1024
  /// Dropped ids that are remembered with their fate.
  public static let fatesMax = 100_000
}
