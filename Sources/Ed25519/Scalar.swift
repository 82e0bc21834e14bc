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
  @inline(__always) static func difference(_ a: Self, _ b: Self) -> Self {
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
  @inline(__always) static func multiplyAdd(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ carry: inout UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    let (r, o) = product.low.addingReportingOverflow(c)
    let (s, e) = r.addingReportingOverflow(carry)
    carry = product.high &+ (o ? 1 : 0) &+ (e ? 1 : 0)
    return s
  }

  /// Bits 192 to 251 of a number in four words. L = 2^252 + delta, delta of two words.
  private static var top: UInt64 { 1 << 60 - 1 }
  private static var delta: (UInt64, UInt64) { (0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6) }

  /// The product with `low + 2^64 high`, below 2^127, modulo L.
  func times(_ low: UInt64, _ high: UInt64) -> Self {
    var carry: UInt64 = 0
    let p0 = Self.multiplyAdd(w0, low, 0, &carry), q1 = Self.multiplyAdd(w1, low, 0, &carry)
    let q2 = Self.multiplyAdd(w2, low, 0, &carry), q3 = Self.multiplyAdd(w3, low, 0, &carry)
    let q4 = carry
    carry = 0
    let p1 = Self.multiplyAdd(w0, high, q1, &carry), p2 = Self.multiplyAdd(w1, high, q2, &carry)
    let p3 = Self.multiplyAdd(w2, high, q3, &carry), p4 = Self.multiplyAdd(w3, high, q4, &carry)
    // Below 2^127 L < 2^380: what lies above bit 252 fits two words.
    return Self.folded(Scalar(p0, p1, p2, p3 & Self.top), p3 &>> 60 | p4 &<< 4, p4 &>> 60 | carry &<< 4)
  }

  /// `rest + 2^252 (low + 2^64 high)` modulo L, for `rest` below 2^252: 2^252 is -delta, and the product with delta is below 2^253 < 2 L.
  @inline(__always) private static func folded(_ rest: Self, _ low: UInt64, _ high: UInt64) -> Self {
    var carry: UInt64 = 0
    let p0 = multiplyAdd(low, delta.0, 0, &carry), q1 = multiplyAdd(low, delta.1, 0, &carry)
    let q2 = carry
    carry = 0
    let p1 = multiplyAdd(high, delta.0, q1, &carry), p2 = multiplyAdd(high, delta.1, q2, &carry)
    // rest + 2 L - product is above 0 and below 4 L < 2^255.
    let (s0, c0) = rest.w0.addingReportingOverflow(0xb024_c634_b9eb_a7da)
    let (s1, c1) = sum(rest.w1, 0x29bd_f3bd_45ef_39ac, c0)
    let (s2, c2) = sum(rest.w2, 0, c1)
    var result = difference(Scalar(s0, s1, s2, rest.w3 &+ 0x2000_0000_0000_0000 &+ (c2 ? 1 : 0)), Scalar(p0, p1, p2, carry))
    while !result.isBelowOrder { result = difference(result, order) }
    return result
  }

  /// 512 bits: the top first, then 128 bits more at a time; a reduced number times 2^128 leaves 129 bits above bit 252 at most, and 128 when it is below L.
  private init(reducing x: InlineArray<8, UInt64>) {
    let upper = Self.folded(Scalar(x[4], x[5], x[6], x[7] & Self.top), x[7] &>> 60, 0)
    let middle = Self.raised(upper, x[2], x[3])
    self = Self.raised(middle, x[0], x[1])
  }

  /// `2^128 a + low + 2^64 high` modulo L, for `a` below L.
  @inline(__always) private static func raised(_ a: Self, _ low: UInt64, _ high: UInt64) -> Self {
    // Bits 252 and up of 2^128 a are bits 124 and up of a, two words unless a is 2^252 or more.
    let (l, h) = (a.w1 &>> 60 | a.w2 &<< 4, a.w2 &>> 60 | a.w3 &<< 4)
    let rest = Scalar(low, high, a.w0, a.w1 & top)
    guard a.w3 &>> 60 == 0 else {
      // a is 2^252 and less than delta more: h has lost that bit, and 2^128 2^252 is -2^128 delta.
      return folded(rest, l, h) &- Scalar(0, 0, delta.0, delta.1).reducedOnce
    }
    return folded(rest, l, h)
  }

  /// A number below 2^255 modulo L.
  private var reducedOnce: Self { Self.folded(Scalar(w0, w1, w2, w3 & Self.top), w3 &>> 60, 0) }

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
