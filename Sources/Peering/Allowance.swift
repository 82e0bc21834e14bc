import Ambient
import PeerWire

/// A token bucket: so many messages per second, and a burst of so many.
struct Allowance {
  private let perSecond: Int64
  private let burst: Int64
  /// Thousandths of a token at `updated`.
  private var millitokens: Int64
  private var updated: Instant

  init(perSecond: Int, burst: Int, now: Instant) {
    (self.perSecond, self.burst) = (Int64(perSecond), Int64(burst) * 1000)
    millitokens = self.burst
    updated = now
  }

  /// Takes a token; false when there is none.
  mutating func take(now: Instant) -> Bool {
    // Whole milliseconds are credited; the rest of the time is left for the next call. An hour fills every bucket.
    let elapsed = min(now.milliseconds(since: updated), 3_600_000)
    if elapsed > 0 {
      millitokens = min(burst, millitokens + Int64(elapsed) * perSecond)
      updated = now
    }
    guard millitokens >= 1000 else { return false }
    millitokens -= 1000
    return true
  }

  /// The bucket of a lane. Votes and certificates may come four times as fast as the rate says, because a view needs several of them from each
  /// peer; the requests of the sync lane are answered with megabytes each.
  static func of(_ lane: Lane, rate: Int, now: Instant) -> Allowance {
    switch lane {
    case .votes: Allowance(perSecond: 4 * rate, burst: 8 * rate, now: now)
    case .blocks: Allowance(perSecond: rate, burst: 2 * rate, now: now)
    case .sync: Allowance(perSecond: max(1, rate / 10), burst: max(16, rate / 5), now: now)
    case .events: Allowance(perSecond: rate, burst: 2 * rate, now: now)
    case .exchange: Allowance(perSecond: 1, burst: 10, now: now)
    }
  }
}
