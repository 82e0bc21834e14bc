import Bytes

/// An integer modulo the group order L = 2^252 + 27742317777372353535851937790883648493, four 64-bit words, least significant first.
struct Scalar: Sendable, BitwiseCopyable, Equatable {
  var w0, w1, w2, w3: UInt64

  @inline(__always) init(_ w0: UInt64 = 0, _ w1: UInt64 = 0, _ w2: UInt64 = 0, _ w3: UInt64 = 0) {
    (self.w0, self.w1, self.w2, self.w3) = (w0, w1, w2, w3)
  }

  static let order = Scalar(0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000)

  /// Reads 32 little-endian bytes; nil when the value is L or more (rule 2: one signature, one encoding).
  init?(canonical bytes: Bytes32) {
    self.init(bytes.w0.byteSwapped, bytes.w1.byteSwapped, bytes.w2.byteSwapped, bytes.w3.byteSwapped)
    if !isBelowOrder { return nil }
  }

  /// Reduces 64 little-endian bytes modulo L.
  init(reducing bytes: Bytes64) {
    let (a, b) = (bytes.first, bytes.second)
    self.init(reducing: [
      a.w0.byteSwapped, a.w1.byteSwapped, a.w2.byteSwapped, a.w3.byteSwapped, b.w0.byteSwapped, b.w1.byteSwapped, b.w2.byteSwapped, b.w3.byteSwapped,
    ])
  }

  var bytes: Bytes32 { Bytes32(w0.byteSwapped, w1.byteSwapped, w2.byteSwapped, w3.byteSwapped) }
  var isZero: Bool { w0 | w1 | w2 | w3 == 0 }

  var isBelowOrder: Bool {
    let order = Self.order
    if w3 != order.w3 { return w3 < order.w3 }
    if w2 != order.w2 { return w2 < order.w2 }
    if w1 != order.w1 { return w1 < order.w1 }
    return w0 < order.w0
  }

  @inline(__always) subscript(word: Int) -> UInt64 {
    switch word {
    case 0: w0
    case 1: w1
    case 2: w2
    case 3: w3
    default: 0
    }
  }

  /// `a - b` modulo 2^256.
  @inline(__always) private static func difference(_ a: Self, _ b: Self) -> Self {
    let (r0, c0) = a.w0.subtractingReportingOverflow(b.w0)
    let (r1, c1) = Self.subtract(a.w1, b.w1, c0)
    let (r2, c2) = Self.subtract(a.w2, b.w2, c1)
    return Scalar(r0, r1, r2, a.w3 &- b.w3 &- (c2 ? 1 : 0))
  }

  @inline(__always) private static func subtract(_ a: UInt64, _ b: UInt64, _ borrow: Bool) -> (UInt64, Bool) {
    let (r, c) = a.subtractingReportingOverflow(b)
    let (s, e) = r.subtractingReportingOverflow(borrow ? 1 : 0)
    return (s, c || e)
  }

  @inline(__always) private static func sum(_ a: UInt64, _ b: UInt64, _ carry: Bool) -> (UInt64, Bool) {
    let (r, c) = a.addingReportingOverflow(b)
    let (s, e) = r.addingReportingOverflow(carry ? 1 : 0)
    return (s, c || e)
  }

  /// The sum modulo L of two reduced scalars; it is below 2^254, so no carry leaves the top word.
  static func &+ (a: Self, b: Self) -> Self {
    let (r0, c0) = a.w0.addingReportingOverflow(b.w0)
    let (r1, c1) = sum(a.w1, b.w1, c0)
    let (r2, c2) = sum(a.w2, b.w2, c1)
    let total = Scalar(r0, r1, r2, a.w3 &+ b.w3 &+ (c2 ? 1 : 0))
    return total.isBelowOrder ? total : difference(total, order)
  }

  static func &- (a: Self, b: Self) -> Self { a &+ b.negated }

  var negated: Self { isZero ? self : Self.difference(Self.order, self) }

  /// The product modulo L.
  static func &* (a: Self, b: Self) -> Self {
    var product: InlineArray<8, UInt64> = .init(repeating: 0)
    for i in 0..<4 {
      var carry: UInt64 = 0
      for j in 0..<4 { product[i &+ j] = Self.multiplyAdd(a[i], b[j], product[i &+ j], &carry) }
      product[i &+ 4] = carry
    }
    return Scalar(reducing: product)
  }

  /// The low word of `a * b + c + carry`; the high word becomes the carry. The sum cannot exceed 2^128 - 1.
  @inline(__always) private static func multiplyAdd(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ carry: inout UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    let (r, o) = product.low.addingReportingOverflow(c)
    let (s, e) = r.addingReportingOverflow(carry)
    carry = product.high &+ (o ? 1 : 0) &+ (e ? 1 : 0)
    return s
  }

  /// Barrett reduction of 512 bits: q = floor(floor(x / 2^192) * mu / 2^320) is at most 2 below x / L, so two subtractions end it.
  private init(reducing x: InlineArray<8, UInt64>) {
    // mu = floor(2^512 / L)
    let mu: InlineArray<5, UInt64> = [0xed9ce5a30a2c131b, 0x2106215d086329a7, 0xffffffffffffffeb, 0xffffffffffffffff, 0xf]
    var wide: InlineArray<10, UInt64> = .init(repeating: 0)
    for i in 0..<5 {
      var carry: UInt64 = 0
      for j in 0..<5 { wide[i &+ j] = Self.multiplyAdd(x[i &+ 3], mu[j], wide[i &+ j], &carry) }
      wide[i &+ 5] = carry
    }
    // The remainder is below 3L < 2^254, so 256 bits of the difference suffice.
    var low: InlineArray<4, UInt64> = .init(repeating: 0)
    for i in 0..<4 {
      var carry: UInt64 = 0
      for j in 0..<(4 &- i) { low[i &+ j] = Self.multiplyAdd(wide[i &+ 5], Self.order[j], low[i &+ j], &carry) }
    }
    self = Self.difference(Scalar(x[0], x[1], x[2], x[3]), Scalar(low[0], low[1], low[2], low[3]))
    while !isBelowOrder { self = Self.difference(self, Self.order) }
  }

  /// The scalar as `low + 2^128 high` with a signed low half of at most 2^127 in magnitude, for scalars below L.
  @inline(__always) var halves: (low: Self, isLowNegative: Bool, high: Self) {
    if w1 &>> 63 == 0 { return (Scalar(w0, w1), false, Scalar(w2, w3)) }
    // 2^128 less the low half is subtracted, 2^128 more is added above it; the high half is below 2^125, so the carry stays inside.
    let (low, borrow) = UInt64(0).subtractingReportingOverflow(w0)
    let (above, carry) = w2.addingReportingOverflow(1)
    return (Scalar(low, 0 &- w1 &- (borrow ? 1 : 0)), true, Scalar(above, w3 &+ (carry ? 1 : 0)))
  }

  /// The 64 bits from `position` on, 0 to 255; zero beyond bit 255.
  @inline(__always) func bits(from position: Int) -> UInt64 {
    let (word, shift) = (position &>> 6, UInt64(truncatingIfNeeded: position & 63))
    let low = self[word] &>> shift
    return shift == 0 ? low : low | self[word &+ 1] &<< (64 &- shift)
  }
}
