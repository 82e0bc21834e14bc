/// Reproducible chance for tests, simulation and jitter: xoshiro256** seeded by SplitMix64. Not for secrets.
///
/// Source: D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", 2018.
@frozen public struct SeededGenerator: RandomNumberGenerator, Sendable {
  @usableFromInline var s0, s1, s2, s3: UInt64

  /// The same seed gives the same sequence.
  public init(seed: UInt64) {
    var state = seed
    func word() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
      return z ^ z >> 31
    }
    // SplitMix64 never gives four zero words in a row, so the state is valid for every seed.
    (s0, s1, s2, s3) = (word(), word(), word(), word())
  }

  @inlinable public mutating func next() -> UInt64 {
    let product = s1 &* 5
    let result = (product << 7 | product >> 57) &* 9
    let shifted = s1 << 17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = s3 << 45 | s3 >> 19
    return result
  }
}
