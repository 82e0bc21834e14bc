import Bytes

/// A point of the curve -x^2 + y^2 = 1 + d x^2 y^2 in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z (Hisil, Wong, Carter, Dawson 2008).
struct Point: Sendable, BitwiseCopyable {
  var x, y, z, t: FieldElement

  @inline(__always) init(x: FieldElement, y: FieldElement, z: FieldElement, t: FieldElement) {
    (self.x, self.y, self.z, self.t) = (x, y, z, t)
  }

  @inline(__always) static var identity: Self { Self(x: .zero, y: .one, z: .one, t: .zero) }

  /// The generator: y = 4/5, x even.
  static let base = Point(
    decoding: Bytes32(0x5866_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666)) ?? .identity

  /// Decodes canonically: y below p, x on the curve, and no sign bit on x = 0; else nil. Small and mixed order are accepted here.
  init?(decoding bytes: Bytes32) {
    let isNegative = bytes.w3 & 0x80 != 0
    var unsigned = bytes
    unsigned.w3 &= ~0x80
    let y = FieldElement(unsigned)
    guard y.bytes == unsigned else { return nil }
    let yy = y.squared
    let u = (yy &- .one).carried
    let v = (yy &* .d &+ .one).carried
    // The candidate root u v^3 (u v^7)^((p - 5) / 8) is right up to a factor of sqrt(-1) if u/v is a square (RFC 8032, 5.1.3).
    let v3 = v.squared &* v
    var x = u &* v3 &* (u &* v3.squared &* v).powerP58
    let check = v &* x.squared
    if !FieldElement.isEqual(check, u) {
      guard FieldElement.isEqual(check, u.negated) else { return nil }
      x = x &* .squareRootOfMinusOne
    }
    let root = x.bytes
    if root == Bytes32() {
      if isNegative { return nil }
    } else if (root.w0 &>> 56 & 1 == 1) != isNegative {
      x = x.negated
    }
    self.init(x: x, y: y, z: .one, t: x &* y)
  }

  /// The canonical encoding: y, with the sign of x in bit 255.
  var bytes: Bytes32 {
    let inverse = z.inverted
    var bytes = (y &* inverse).bytes
    if (x &* inverse).isNegative { bytes.w3 |= 0x80 }
    return bytes
  }

  var isIdentity: Bool { x.isZero && (y &- z).isZero }
  /// True when the order divides 8: the encodings of the points whose order does are compared, whatever the sign of x.
  static func isSmallOrder(encoding: Bytes32) -> Bool {
    var y = encoding
    y.w3 &= ~0x80
    for small in smallOrderOrdinates where y == small { return true }
    return false
  }

  /// y of the points of order 4; 1; 2; 8 and 8.
  private static let smallOrderOrdinates: [Bytes32] = [
    Bytes32(), Bytes32(0x0100_0000_0000_0000, 0, 0, 0), Bytes32(0xecff_ffff_ffff_ffff, ~0, ~0, 0xffff_ffff_ffff_ff7f),
    Bytes32(0x26e8_958f_c2b2_27b0, 0x45c3_f489_f2ef_98f0, 0xd5df_ac05_d3c6_3339, 0xb138_0288_6d53_fc05),
    Bytes32(0xc717_6a70_3d4d_d84f, 0xba3c_0b76_0d10_670f, 0x2a20_53fa_2c39_ccc6, 0x4ec7_fd77_92ac_037a),
  ]

  /// True when the order divides 8.
  var isSmallOrder: Bool { doubled().doubled().doubled().isIdentity }

  // Out of line, so that the loops over tables stay small; the eight products inside are inlined.
  @inline(never) mutating func add(_ cached: borrowing CachedPoint) { self = self &+ cached }
  @inline(never) mutating func subtract(_ cached: borrowing CachedPoint) { self = self &- cached }

  @inline(__always) var negated: Self { Self(x: x.negated, y: y, z: z, t: t.negated) }

  /// Twice the point. Without `extended`, T is not computed (one product less) and only another doubling may follow.
  @inline(__always) func doubled(extended: Bool = true) -> Self {
    let (xx, yy, zz) = (x.squared, y.squared, z.squared)
    let h = xx &+ yy
    let g = yy &- xx
    let e = (x &+ y).squared &- h
    let f = (zz &+ zz &+ xx) &- yy
    return Self(x: e &* f, y: g &* h, z: f &* g, t: extended ? e &* h : .zero)
  }

  @inline(__always) static func &+ (a: Self, b: CachedPoint) -> Self {
    let p = (a.y &+ a.x) &* b.sum
    let m = (a.y &- a.x) &* b.difference
    let c = a.t &* b.product
    let d = a.z &* b.doubleZ
    let (e, f, g, h) = (p &- m, d &- c, d &+ c, p &+ m)
    return Self(x: e &* f, y: g &* h, z: f &* g, t: e &* h)
  }

  @inline(__always) static func &- (a: Self, b: CachedPoint) -> Self {
    let p = (a.y &+ a.x) &* b.difference
    let m = (a.y &- a.x) &* b.sum
    let c = a.t &* b.product
    let d = a.z &* b.doubleZ
    let (e, f, g, h) = (p &- m, d &+ c, d &- c, p &+ m)
    return Self(x: e &* f, y: g &* h, z: f &* g, t: e &* h)
  }
}

/// A point prepared to be added: Y + X, Y - X, 2Z and 2dT, all weak.
struct CachedPoint: Sendable, BitwiseCopyable {
  var sum, difference, doubleZ, product: FieldElement

  @inline(__always) init(_ point: Point) {
    sum = (point.y &+ point.x).carried
    difference = (point.y &- point.x).carried
    doubleZ = (point.z &+ point.z).carried
    product = point.t &* .doubleD
  }
}
