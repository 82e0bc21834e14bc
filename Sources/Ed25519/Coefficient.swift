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
    let product = scalar.times(magnitude.w0, magnitude.w1)
    return isNegative ? product.negated : product
  }
}

/// Coefficients of one batch: four of 128 bits from each SHA-512(root || index || 0...), where root = SHA-512(leaves || seed || counter || count) and a leaf is
/// the SHA-512 of S and k of three signatures. The challenge k is itself a hash of R, A and the message, so the root commits to every input.
struct CoefficientDrawing: ~Copyable {
  private var hash: Hash192
  private static let perLeaf = 3, perHash = 4

  init(path: Path) { hash = Hash192(path: path) }

  /// Gives every item of a batch its coefficient.
  /// - Parameter counter: differs in each batch of one seed.
  mutating func draw(for items: inout [SignatureBatch.Item], seed: Bytes32, counter: UInt64) {
    hash.removeAll()
    for index in items.indices {
      if index % Self.perLeaf == 0 { hash.begin() }
      hash.append(items[index].signature.bytes.second)
      hash.append(items[index].k.bytes)
    }
    hash.finish()
    var stream = SHA512Stream()
    for leaf in 0..<hash.count {
      let digest = hash.digest(leaf)
      stream.update(digest.first)
      stream.update(digest.second)
    }
    stream.update(seed)
    stream.update(Bytes32(counter, UInt64(items.count), 0, 0))
    let root = stream.finish()
    hash.removeAll()
    for index in stride(from: 0, to: items.count, by: Self.perHash) {
      hash.begin()
      hash.append(root.first)
      hash.append(root.second)
      hash.append(Bytes32(UInt64(index), 0, 0, 0))
      for _ in 0..<3 { hash.append(Bytes32()) }
    }
    hash.finish()
    for index in items.indices {
      let drawn = hash.digest(index / Self.perHash)
      let half = index & 2 == 0 ? drawn.first : drawn.second
      items[index].z = index & 1 == 0 ? Coefficient(half.w0, half.w1) : Coefficient(half.w2, half.w3)
    }
  }
}
