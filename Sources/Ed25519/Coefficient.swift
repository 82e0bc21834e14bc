import Bytes
import Digests

/// A random multiplier of a signature in a batch: 127 bits and a sign, never zero. The sign lets its 16 digits to base 256 hold it without a carry.
struct Coefficient: Sendable, BitwiseCopyable {
  var magnitude: Scalar
  var isNegative: Bool

  static var one: Self { Self(magnitude: Scalar(1), isNegative: false) }

  init(magnitude: Scalar, isNegative: Bool) { (self.magnitude, self.isNegative) = (magnitude, isNegative) }

  /// From 128 random bits. Zero is replaced, so that a single check stays exact.
  init(_ low: UInt64, _ high: UInt64) {
    magnitude = Scalar(low, high & ~(1 << 63))
    isNegative = high >> 63 == 1
    if magnitude.isZero { magnitude = Scalar(1) }
  }

  @inline(__always) func times(_ scalar: Scalar) -> Scalar {
    let product = magnitude &* scalar
    return isNegative ? product.negated : product
  }
}

/// Coefficients of one batch: 128 bits each of SHA-512(root || index), where root = SHA-512(seed || counter || all S and k). The challenge k is itself a hash of
/// R, A and the message, so the root commits to every input.
struct CoefficientDrawing: ~Copyable {
  private var transcript = SHA512Stream()
  private var root = Bytes64()
  private var drawn = Bytes64()
  private var index: UInt64 = 0

  init() {}

  mutating func absorb(_ s: Bytes32, _ k: Scalar) {
    transcript.update(s)
    transcript.update(k.bytes)
  }

  mutating func seal(seed: Bytes32, counter: UInt64) {
    transcript.update(Bytes32(counter, 0, 0, 0))
    transcript.update(seed)
    var finished = SHA512Stream()
    swap(&finished, &transcript)
    root = finished.finish()
  }

  /// Four coefficients come from one hash of one block.
  mutating func next() -> Coefficient {
    if index & 3 == 0 {
      var hash = SHA512Stream()
      hash.update(root.first)
      hash.update(root.second)
      hash.update(Bytes32(index, 0, 0, 0))
      drawn = hash.finish()
    }
    let half = index & 2 == 0 ? drawn.first : drawn.second
    let coefficient = index & 1 == 0 ? Coefficient(half.w0, half.w1) : Coefficient(half.w2, half.w3)
    index &+= 1
    return coefficient
  }
}
