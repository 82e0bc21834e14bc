public import Ambient

/// Token buckets per client address, in a fixed table.
///
/// A request passes while the balance is positive and may drive it below zero, so that a batch larger than the burst is slowed and not
/// refused for ever. The table is open-addressed with a short probe; when a probe finds no room, the bucket that was full the longest is
/// taken over: a client that rests has a full bucket anyway, so forgetting it costs nothing.
public struct RateLimiter {
  /// Buckets of the table; 56 bytes each.
  public static let bucketCount = 8192
  private static let probeLength = 8

  private struct Bucket {
    var key: UInt64 = 0
    var key2: UInt64 = 0
    /// Tokens in thousandths at `updated`; negative while a large batch is paid off.
    var millitokens: Int64 = 0
    var updated = Instant.zero
    var isUsed = false
    /// Refusals, each at most `memoryMilliseconds` after the one before, and when the last was.
    var refused: UInt32 = 0
    var lastRefused = Instant.zero
  }

  /// A client that goes on asking beyond its rate.
  public struct Offender: Sendable, Equatable {
    /// The two words of the client's address.
    public var key, key2: UInt64
    public var refused: UInt32
    public var millisecondsAgo: UInt64
  }

  /// A client that keeps to its rate for so long is no offender any more.
  public static let memoryMilliseconds: UInt64 = 600_000

  /// What a limited answer says about the balance.
  public struct Verdict: Sendable, Equatable {
    public var isAllowed: Bool
    /// Whole tokens left, never below 0.
    public var remaining: Int
    /// Seconds until the balance is positive (refused) or the bucket full (allowed), rounded up.
    public var secondsUntilReset: Int
  }

  public let requestsPerMinute: Int
  public let burst: Int
  private var buckets: [Bucket]

  /// - Parameters: requests per minute and burst, both at least 1.
  public init(requestsPerMinute: Int, burst: Int) {
    precondition(requestsPerMinute >= 1 && burst >= 1)
    self.requestsPerMinute = requestsPerMinute
    self.burst = burst
    buckets = Array(repeating: Bucket(), count: Self.bucketCount)
  }

  /// Takes `cost` tokens from the bucket of a client, named by the two words of its address, if the balance is positive.
  public mutating func charge(_ key: UInt64, _ key2: UInt64, cost: Int, now: Instant) -> Verdict {
    let slot = slot(key, key2)
    let capacity = Int64(burst) * 1000
    if !buckets[slot].isUsed || buckets[slot].key != key || buckets[slot].key2 != key2 {
      buckets[slot] = Bucket(key: key, key2: key2, millitokens: capacity, updated: now, isUsed: true)
    }
    var balance = min(capacity, buckets[slot].millitokens + earned(since: buckets[slot].updated, now: now))
    let isAllowed = balance > 0
    if isAllowed {
      balance -= Int64(cost) * 1000
    } else {
      let isForgotten = now.milliseconds(since: buckets[slot].lastRefused) > Self.memoryMilliseconds
      buckets[slot].refused = isForgotten ? 1 : buckets[slot].refused == .max ? .max : buckets[slot].refused + 1
      buckets[slot].lastRefused = now
    }
    buckets[slot].millitokens = balance
    buckets[slot].updated = now
    let missing = isAllowed ? capacity - balance : 1 - balance
    // Tokens arrive at requestsPerMinute per 60 s, that is requestsPerMinute/60 millitokens per millisecond.
    let seconds = (missing * 60 + Int64(requestsPerMinute) * 1000 - 1) / (Int64(requestsPerMinute) * 1000)
    return Verdict(isAllowed: isAllowed, remaining: Int(max(0, balance / 1000)), secondsUntilReset: Int(max(1, seconds)))
  }

  /// Who was refused most often of late, the worst first; reads the whole table.
  public func offenders(_ countMax: Int, now: Instant) -> [Offender] {
    let found = buckets.filter { $0.isUsed && $0.refused > 0 && now.milliseconds(since: $0.lastRefused) <= Self.memoryMilliseconds }
    return found.sorted { ($0.refused, $0.lastRefused, $0.key, $0.key2) > ($1.refused, $1.lastRefused, $1.key, $1.key2) }.prefix(countMax).map {
      Offender(key: $0.key, key2: $0.key2, refused: $0.refused, millisecondsAgo: now.milliseconds(since: $0.lastRefused))
    }
  }

  private func earned(since updated: Instant, now: Instant) -> Int64 {
    // An hour fills every bucket that the configuration allows to be useful; the cap keeps the product in 64 bits.
    let elapsed = min(now.milliseconds(since: updated), 3_600_000)
    return Int64(elapsed) * Int64(requestsPerMinute) / 60
  }

  private func slot(_ key: UInt64, _ key2: UInt64) -> Int {
    var hash = (key ^ key2 &* 0x9E37_79B9_7F4A_7C15) &* 0xFF51_AFD7_ED55_8CCD
    hash ^= hash >> 32
    var victim = Int(truncatingIfNeeded: hash) & (Self.bucketCount - 1)
    var victimTime = Instant.distantFuture
    for step in 0..<Self.probeLength {
      let index = Int(truncatingIfNeeded: hash &+ UInt64(step)) & (Self.bucketCount - 1)
      if !buckets[index].isUsed { return index }
      if buckets[index].key == key && buckets[index].key2 == key2 { return index }
      if buckets[index].updated < victimTime { (victim, victimTime) = (index, buckets[index].updated) }
    }
    return victim
  }
}
