import Bytes

@testable import Ed25519

/// A natural number in 32-bit words, least significant first, by schoolbook methods: slow, and obviously right.
struct Integer: Equatable, CustomStringConvertible {
  var words: [UInt32]

  init(words: [UInt32]) {
    self.words = words
    while self.words.last == 0 { self.words.removeLast() }
  }
  init(_ value: UInt64) { self.init(words: [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)]) }
  /// 32 or more little-endian bytes.
  init(littleEndian bytes: [UInt8]) {
    var words = [UInt32](repeating: 0, count: (bytes.count + 3) / 4)
    for (index, byte) in bytes.enumerated() { words[index / 4] |= UInt32(byte) << UInt32(8 * (index % 4)) }
    self.init(words: words)
  }

  static let p = (Integer(1) << 255) - Integer(19)
  static let order = Integer(littleEndian: Scalar.order.bytes.array)

  var description: String { words.reversed().map { String($0, radix: 16) }.joined(separator: "_") }
  var bytes: Bytes32 {
    var bytes = [UInt8](repeating: 0, count: 32)
    for index in bytes.indices where index / 4 < words.count { bytes[index] = UInt8(truncatingIfNeeded: words[index / 4] >> UInt32(8 * (index % 4))) }
    return Bytes32(bytes.bytes, at: 0)
  }

  func word(_ index: Int) -> UInt32 { index < words.count ? words[index] : 0 }
  func bit(_ index: Int) -> Bool { word(index / 32) >> UInt32(index % 32) & 1 == 1 }
  var bitCount: Int { 32 * words.count }

  static func < (a: Self, b: Self) -> Bool {
    for index in stride(from: max(a.words.count, b.words.count) - 1, through: 0, by: -1) where a.word(index) != b.word(index) {
      return a.word(index) < b.word(index)
    }
    return false
  }

  static func + (a: Self, b: Self) -> Self {
    var (sum, carry): ([UInt32], UInt64) = ([], 0)
    for index in 0..<max(a.words.count, b.words.count) + 1 {
      let total = UInt64(a.word(index)) + UInt64(b.word(index)) + carry
      sum.append(UInt32(truncatingIfNeeded: total))
      carry = total >> 32
    }
    return Integer(words: sum)
  }

  /// `a` is at least `b`.
  static func - (a: Self, b: Self) -> Self {
    var (difference, borrow): ([UInt32], Int64) = ([], 0)
    for index in a.words.indices {
      let total = Int64(a.word(index)) - Int64(b.word(index)) - borrow
      difference.append(UInt32(truncatingIfNeeded: total))
      borrow = total < 0 ? 1 : 0
    }
    precondition(borrow == 0)
    return Integer(words: difference)
  }

  static func << (a: Self, count: Int) -> Self {
    var words = [UInt32](repeating: 0, count: count / 32)
    var carry: UInt64 = 0
    for word in a.words + [0] {
      carry |= UInt64(word) << UInt64(count % 32)
      words.append(UInt32(truncatingIfNeeded: carry))
      carry >>= 32
    }
    return Integer(words: words)
  }

  static func * (a: Self, b: Self) -> Self {
    var product = [UInt32](repeating: 0, count: a.words.count + b.words.count)
    for (i, x) in a.words.enumerated() {
      var carry: UInt64 = 0
      for (j, y) in b.words.enumerated() {
        carry += UInt64(x) * UInt64(y) + UInt64(product[i + j])
        product[i + j] = UInt32(truncatingIfNeeded: carry)
        carry >>= 32
      }
      product[i + b.words.count] = UInt32(carry)
    }
    return Integer(words: product)
  }

  static func % (a: Self, modulus: Self) -> Self {
    var remainder = a
    for shift in stride(from: max(0, a.bitCount - modulus.bitCount + 32), through: 0, by: -1) {
      let multiple = modulus << shift
      if !(remainder < multiple) { remainder = remainder - multiple }
    }
    return remainder
  }

  /// `self^exponent` modulo p.
  func power(_ exponent: Self) -> Self {
    var result = Integer(1)
    for index in stride(from: exponent.bitCount - 1, through: 0, by: -1) {
      result = result * result % .p
      if exponent.bit(index) { result = result * self % .p }
    }
    return result
  }
  var inverse: Self { power(.p - Integer(2)) }
}

/// A point in affine coordinates with the complete addition law of the curve, over `Integer`.
struct AffinePoint: Equatable {
  var x, y: Integer

  static let d = (Integer.p - Integer(121665)) * Integer(121666).inverse % .p
  static let identity = AffinePoint(x: Integer(0), y: Integer(1))

  /// True when `point` is the sum: x and y of the addition law, multiplied out instead of divided.
  static func isSum(_ point: Point, of a: Self, _ b: Self) -> Bool {
    let product = d * (a.x * b.x % .p) % .p * (a.y * b.y % .p) % .p
    let (x, y, z) = (point.x.integer % .p, point.y.integer % .p, point.z.integer % .p)
    return x * (Integer(1) + product) % .p == z * ((a.x * b.y + b.x * a.y) % .p) % .p
      && y * (Integer(1) + (.p - product)) % .p == z * ((a.y * b.y + a.x * b.x) % .p) % .p && z != Integer(0)
      && (point.t.integer * z) % .p == x * y % .p
  }
  var negated: Self { AffinePoint(x: (.p - x) % .p, y: y) }
}

extension FieldElement {
  /// The value of the limbs, not reduced.
  var integer: Integer { Integer(l0) + Integer(l1) << 51 + Integer(l2) << 102 + Integer(l3) << 153 + Integer(l4) << 204 }
  var limbs: [UInt64] { [l0, l1, l2, l3, l4] }
}

extension Point {
  var affine: AffinePoint {
    let inverse = (z.integer % .p).inverse
    return AffinePoint(x: x.integer * inverse % .p, y: y.integer * inverse % .p)
  }
}
