import Ambient

/// Latencies of the last minute: counts in log-linear buckets (16 to an octave, so that a percentile is at most 6.25 % too high), in slices of ten seconds.
struct LatencyWindow {
  static let slices = 7
  static let sliceMilliseconds: UInt64 = 10_000
  /// Microseconds below 32 have buckets of their own; the last octave ends at 2^27 us, 134 s.
  static let buckets = 384

  /// Slice by slice.
  private var counts = [UInt32](repeating: 0, count: slices * buckets)
  private var current = 0
  private var began = Instant.zero

  /// Counts an answer.
  mutating func observe(nanoseconds: UInt64, now: Instant) {
    advance(to: now)
    counts[current * Self.buckets + Self.bucket(microseconds: (nanoseconds + 999) / 1000)] &+= 1
  }

  /// Latencies below which these shares of the answers of the last 60 to 70 seconds stayed, seconds; nil without any.
  /// - Parameter shares: rising, 0 to 1.
  mutating func percentiles(_ shares: [Double], now: Instant) -> [Double]? {
    advance(to: now)
    var sums = [UInt64](repeating: 0, count: Self.buckets)
    for slice in 0..<Self.slices { for bucket in 0..<Self.buckets { sums[bucket] += UInt64(counts[slice * Self.buckets + bucket]) } }
    let total = sums.reduce(0, +)
    guard total > 0 else { return nil }
    var bucket = 0, below = sums[0]
    return shares.map { share in
      let rank = max(1, UInt64((share * Double(total)).rounded(.up)))
      while below < rank, bucket + 1 < Self.buckets {
        bucket += 1
        below += sums[bucket]
      }
      return Double(Self.upperBound(of: bucket)) / 1_000_000
    }
  }

  /// Empties the slices whose time is over.
  private mutating func advance(to now: Instant) {
    guard now.milliseconds(since: began) >= Self.sliceMilliseconds else { return }
    let steps = now.milliseconds(since: began) / Self.sliceMilliseconds
    for _ in 0..<min(steps, UInt64(Self.slices)) {
      current = (current + 1) % Self.slices
      for bucket in 0..<Self.buckets { counts[current * Self.buckets + bucket] = 0 }
    }
    began = began.adding(milliseconds: steps * Self.sliceMilliseconds)
  }

  static func bucket(microseconds value: UInt64) -> Int {
    guard value >= 32 else { return Int(value) }
    let octave = 63 - value.leadingZeroBitCount
    return min(buckets - 1, (octave - 4) * 16 + Int(value >> UInt64(octave - 4)))
  }

  /// Largest value of a bucket, microseconds.
  static func upperBound(of bucket: Int) -> UInt64 {
    guard bucket >= 32 else { return UInt64(bucket) }
    let shift = UInt64(bucket / 16 - 1)
    return (UInt64(bucket % 16 + 16) + 1) << shift - 1
  }
}
