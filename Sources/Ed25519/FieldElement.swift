import Bytes

/// An integer modulo p = 2^255 - 19 in five limbs of 51 bits, least significant first.
///
/// Bounds: a product has limbs below 2^51 + 2^13 ("weak"). Sums of two weak values and differences `a - b` of `a` below 3 and `b` below 2 weak values stay
/// below 2^54, which is what a product accepts. The point formulas are written so that no other case occurs, so no addition carries.
struct FieldElement: Sendable, BitwiseCopyable {
  var l0, l1, l2, l3, l4: UInt64

  @inline(__always) init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64, _ l4: UInt64) {
    (self.l0, self.l1, self.l2, self.l3, self.l4) = (l0, l1, l2, l3, l4)
  }

  static let mask: UInt64 = (1 << 51) - 1
  @inline(__always) static var zero: Self { Self(0, 0, 0, 0, 0) }
  @inline(__always) static var one: Self { Self(1, 0, 0, 0, 0) }
  /// The curve constant -121665/121666.
  @inline(__always) static var d: Self { Self(0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff) }
  @inline(__always) static var doubleD: Self { Self(0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff) }
  /// A square root of -1.
  @inline(__always) static var squareRootOfMinusOne: Self { Self(0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d) }

  /// The low 255 bits of 32 little-endian bytes; the caller looks at bit 255.
  init(_ bytes: Bytes32) {
    let (w0, w1, w2, w3) = (bytes.w0.byteSwapped, bytes.w1.byteSwapped, bytes.w2.byteSwapped, bytes.w3.byteSwapped)
    let mask = Self.mask
    self.init(
      w0 & mask, (w0 &>> 51 | w1 &<< 13) & mask, (w1 &>> 38 | w2 &<< 26) & mask, (w2 &>> 25 | w3 &<< 39) & mask, (w3 &>> 12) & mask)
  }

  /// The canonical little-endian encoding: the value is below p, bit 255 is zero.
  var bytes: Bytes32 {
    var t = carried
    // q is 1 exactly when the value is at least p: adding 19 then carries out of bit 255.
    var q = (t.l0 &+ 19) &>> 51
    q = (t.l1 &+ q) &>> 51
    q = (t.l2 &+ q) &>> 51
    q = (t.l3 &+ q) &>> 51
    q = (t.l4 &+ q) &>> 51
    let mask = Self.mask
    t.l0 &+= 19 &* q
    t.l1 &+= t.l0 &>> 51
    t.l2 &+= t.l1 &>> 51
    t.l3 &+= t.l2 &>> 51
    t.l4 &+= t.l3 &>> 51
    let (a, b, c, d, e) = (t.l0 & mask, t.l1 & mask, t.l2 & mask, t.l3 & mask, t.l4 & mask)
    return Bytes32(
      (a | b &<< 51).byteSwapped, (b &>> 13 | c &<< 38).byteSwapped, (c &>> 26 | d &<< 25).byteSwapped, (d &>> 39 | e &<< 12).byteSwapped)
  }

  /// The same value with limbs below 2^51 + 2^13.
  @inline(__always) var carried: Self {
    let mask = Self.mask
    let r1 = l1 &+ l0 &>> 51
    let r2 = l2 &+ r1 &>> 51
    let r3 = l3 &+ r2 &>> 51
    let r4 = l4 &+ r3 &>> 51
    let r0 = (l0 & mask) &+ 19 &* (r4 &>> 51)
    return Self(r0 & mask, (r1 & mask) &+ r0 &>> 51, r2 & mask, r3 & mask, r4 & mask)
  }

  var isZero: Bool { bytes == Bytes32() }
  /// The sign of RFC 8032: the lowest bit of the canonical encoding.
  var isNegative: Bool { bytes.w0 &>> 56 & 1 == 1 }
  static func isEqual(_ a: Self, _ b: Self) -> Bool { a.bytes == b.bytes }

  @inline(__always) static func &+ (a: Self, b: Self) -> Self {
    Self(a.l0 &+ b.l0, a.l1 &+ b.l1, a.l2 &+ b.l2, a.l3 &+ b.l3, a.l4 &+ b.l4)
  }

  /// The limbs of 4p are added first, so that none goes below zero for `b` below 2^53 - 76 in each limb.
  @inline(__always) static func &- (a: Self, b: Self) -> Self {
    let (low, high): (UInt64, UInt64) = ((1 << 53) - 76, (1 << 53) - 4)
    return Self(a.l0 &+ low &- b.l0, a.l1 &+ high &- b.l1, a.l2 &+ high &- b.l2, a.l3 &+ high &- b.l3, a.l4 &+ high &- b.l4)
  }

  @inline(__always) var negated: Self { (Self.zero &- self).carried }
}

/// A product of two words, in full.
@inline(__always) private func product(_ a: UInt64, _ b: UInt64) -> UInt128 { UInt128(truncatingIfNeeded: a) &* UInt128(truncatingIfNeeded: b) }
/// A sum of products divided by 2^51; below 2^64 for factors below 2^54.
@inline(__always) private func carry(_ sum: UInt128) -> UInt64 { UInt64(truncatingIfNeeded: sum &>> 51) }

extension FieldElement {
  @inline(__always) private init(carrying c0: UInt128, _ s1: UInt128, _ s2: UInt128, _ s3: UInt128, _ s4: UInt128) {
    let c1 = s1 &+ UInt128(truncatingIfNeeded: carry(c0))
    let c2 = s2 &+ UInt128(truncatingIfNeeded: carry(c1))
    let c3 = s3 &+ UInt128(truncatingIfNeeded: carry(c2))
    let c4 = s4 &+ UInt128(truncatingIfNeeded: carry(c3))
    let mask = Self.mask
    let r0 = (UInt64(truncatingIfNeeded: c0) & mask) &+ 19 &* carry(c4)
    self.init(
      r0 & mask, (UInt64(truncatingIfNeeded: c1) & mask) &+ r0 &>> 51, UInt64(truncatingIfNeeded: c2) & mask, UInt64(truncatingIfNeeded: c3) & mask,
      UInt64(truncatingIfNeeded: c4) & mask)
  }

  /// The product, weak; factors below 2^54 in each limb.
  @inline(__always) static func &* (a: Self, b: Self) -> Self {
    let (b1, b2, b3, b4) = (19 &* b.l1, 19 &* b.l2, 19 &* b.l3, 19 &* b.l4)
    let c0 = product(a.l0, b.l0) &+ product(a.l1, b4) &+ product(a.l2, b3) &+ product(a.l3, b2) &+ product(a.l4, b1)
    let c1 = product(a.l0, b.l1) &+ product(a.l1, b.l0) &+ product(a.l2, b4) &+ product(a.l3, b3) &+ product(a.l4, b2)
    let c2 = product(a.l0, b.l2) &+ product(a.l1, b.l1) &+ product(a.l2, b.l0) &+ product(a.l3, b4) &+ product(a.l4, b3)
    let c3 = product(a.l0, b.l3) &+ product(a.l1, b.l2) &+ product(a.l2, b.l1) &+ product(a.l3, b.l0) &+ product(a.l4, b4)
    let c4 = product(a.l0, b.l4) &+ product(a.l1, b.l3) &+ product(a.l2, b.l2) &+ product(a.l3, b.l1) &+ product(a.l4, b.l0)
    return Self(carrying: c0, c1, c2, c3, c4)
  }

  /// The square, weak; limbs below 2^54.
  @inline(__always) var squared: Self {
    let (d0, d1, d2) = (2 &* l0, 2 &* l1, 2 &* l2)
    let (n3, n4) = (19 &* l3, 19 &* l4)
    let c0 = product(l0, l0) &+ product(d1, n4) &+ product(d2, n3)
    let c1 = product(d0, l1) &+ product(d2, n4) &+ product(l3, n3)
    let c2 = product(d0, l2) &+ product(l1, l1) &+ product(2 &* l3, n4)
    let c3 = product(d0, l3) &+ product(d1, l2) &+ product(l4, n4)
    let c4 = product(d0, l4) &+ product(d1, l3) &+ product(l2, l2)
    return Self(carrying: c0, c1, c2, c3, c4)
  }

  func squared(times count: Int) -> Self {
    var value = self
    var index = 0
    while index < count {
      value = value.squared
      index &+= 1
    }
    return value
  }

  /// `self^(2^250 - 1)` and `self^11`, the shared part of both exponentiations.
  private var chain: (power250: Self, power11: Self) {
    let x2 = squared
    let x9 = x2.squared(times: 2) &* self
    let x11 = x9 &* x2
    let e5 = x11.squared &* x9
    let e10 = e5.squared(times: 5) &* e5
    let e20 = e10.squared(times: 10) &* e10
    let e40 = e20.squared(times: 20) &* e20
    let e50 = e40.squared(times: 10) &* e10
    let e100 = e50.squared(times: 50) &* e50
    let e200 = e100.squared(times: 100) &* e100
    return (e200.squared(times: 50) &* e50, x11)
  }

  /// `self^(p - 2)`: the inverse, or zero of zero.
  var inverted: Self {
    let (power250, power11) = chain
    return power250.squared(times: 5) &* power11
  }

  /// `self^((p - 5) / 8)`.
  var powerP58: Self { chain.power250.squared(times: 2) &* self }
}
