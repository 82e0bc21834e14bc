import Bytes
import Testing

@testable import Ed25519

/// Field, scalar and point operations against a big-integer reference, at the extremes of every limb.
@Suite struct ArithmeticTests {
  /// Limbs around 0, 2^51, and the bounds that the operations name.
  private static func extremes(below bound: UInt64) -> [UInt64] {
    [
      0, 1, 18, 19, (1 << 51) - 20, (1 << 51) - 19, (1 << 51) - 1, 1 << 51, (1 << 51) + (1 << 13) - 1, (1 << 52) - 1, (1 << 53) - 77, (1 << 53) - 1,
      (1 << 54) - 1,
    ]
      .filter { $0 < bound }
  }

  private static func elements(below bound: UInt64, seed: UInt64) -> [FieldElement] {
    var random = Generator(state: seed)
    let limbs = extremes(below: bound)
    var elements = limbs.map { FieldElement($0, $0, $0, $0, $0) }
    for limb in limbs { for position in 0..<5 { elements.append(element { $0 == position ? limb : 0 }) } }
    for _ in 0..<20 { elements.append(element { _ in limbs[Int(random.next() % UInt64(limbs.count))] }) }
    for _ in 0..<20 { elements.append(element { _ in random.next() % bound }) }
    // p - 1, p, p + 1, 2p - 1, 2p
    for (low, high) in [(20, 1), (19, 1), (18, 1), (39, 2), (38, 2)] as [(UInt64, UInt64)] {
      elements.append(element { $0 == 0 ? high << 51 - low : high << 51 - high })
    }
    return elements
  }

  private static func element(_ limb: (Int) -> UInt64) -> FieldElement { FieldElement(limb(0), limb(1), limb(2), limb(3), limb(4)) }

  private static func isWeak(_ a: FieldElement) -> Bool { a.limbs.allSatisfy { $0 < 1 << 51 + 1 << 13 } }

  @Test func productsAndSquares() {
    let elements = Self.elements(below: 1 << 54, seed: 1)
    for (index, a) in elements.enumerated() {
      let b = elements[(index * 7 + 3) % elements.count]
      let (product, square) = (a &* b, a.squared)
      #expect(Self.isWeak(product) && Self.isWeak(square), "\(a) \(b)")
      #expect(product.integer % .p == a.integer * b.integer % .p, "\(a) \(b)")
      #expect(square.integer % .p == a.integer * a.integer % .p, "\(a)")
    }
  }

  @Test func sumsDifferencesAndEncodings() {
    let elements = Self.elements(below: (1 << 53) - 76, seed: 2)
    for (index, a) in elements.enumerated() {
      let b = elements[(index * 5 + 1) % elements.count]
      #expect((a &+ b).integer == a.integer + b.integer)
      #expect((a &- b).integer % .p == (a.integer + .p << 4 - b.integer) % .p, "\(a) \(b)")
      #expect(a.carried.integer % .p == a.integer % .p && Self.isWeak(a.carried))
      #expect(a.negated.integer % .p == (.p << 4 - a.integer) % .p)
      #expect(a.bytes == (a.integer % .p).bytes, "\(a)")
      #expect(a.isZero == (a.integer % .p == Integer(0)))
      #expect(a.isNegative == (a.integer % .p).bit(0))
      #expect(FieldElement(a.bytes).integer == a.integer % .p)
    }
  }

  @Test func inversesAndRoots() {
    for a in Self.elements(below: 1 << 51, seed: 3).prefix(6) {
      #expect(a.inverted.integer % .p == (a.integer % .p).inverse)
    }
    let eighth = Integer(words: (.p - Integer(5)).words.indices.map { index in
      let value = Integer.p - Integer(5)
      return value.word(index) >> 3 | value.word(index + 1) << 29
    })
    let a = FieldElement(12345, 6789, 1 << 50, 3, 77)
    #expect(a.powerP58.integer % .p == (a.integer % .p).power(eighth))
    #expect(FieldElement.d.integer == AffinePoint.d)
    #expect(FieldElement.squareRootOfMinusOne.squared.integer % .p == .p - Integer(1))
  }

  @Test func scalarsReduceMultiplyAndSplit() throws {
    var random = Generator(state: 4)
    let words: [UInt64] = [0, 1, .max, .max - 1, 1 << 63, 0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0x1000_0000_0000_0000]
    func word() -> UInt64 { random.next() % 3 == 0 ? random.next() : words[Int(random.next() % 8)] }
    let order = Scalar.order
    for round in 0..<400 {
      var wide = Bytes64(Bytes32(word(), word(), word(), word()), Bytes32(word(), word(), word(), word()))
      // Remainders between 2^252 and L on the way: 2^252, L - 1, and their like with more above.
      if round % 8 == 0 { wide.second = Scalar(order.w0 - 1 - UInt64(round / 8), order.w1, 0, order.w3).bytes }
      if round % 8 == 1 { wide = Bytes64(Bytes32(word(), word(), Scalar(order.w0 - 1).bytes.w0, Scalar(order.w1).bytes.w0), Bytes32(0, 0x10, 0, 0)) }
      let (a, b) = (Scalar(reducing: wide), Scalar(reducing: Bytes64(wide.second, wide.first)))
      #expect(Integer(littleEndian: a.bytes.array) == Integer(littleEndian: wide.array) % .order)
      let (x, y) = (Integer(littleEndian: a.bytes.array), Integer(littleEndian: b.bytes.array))
      #expect(Integer(littleEndian: (a &* b).bytes.array) == x * y % .order)
      #expect(Integer(littleEndian: a.times(b.w0, b.w1 >> 1).bytes.array) == x * Integer(littleEndian: Scalar(b.w0, b.w1 >> 1).bytes.array) % .order)
      #expect(Integer(littleEndian: (a &+ b).bytes.array) == (x + y) % .order)
      #expect(Integer(littleEndian: (a &- b).bytes.array) == (x + .order - y) % .order)
      let (low, isNegative, high) = a.halves
      let (l, h) = (Integer(littleEndian: low.bytes.array), Integer(littleEndian: high.bytes.array) << 128)
      #expect(isNegative ? h - l == x : h + l == x)
      // Digits of both kinds add up to the scalar, within their bounds.
      for width in [Term.slotWidth, Term.baseWidth] {
        var (positive, negative) = (Integer(0), Integer(0))
        a.forEachDigit(width: width) { position, digit in
          #expect(digit % 2 != 0 && abs(digit) < 1 << (width - 1))
          if digit > 0 { positive = positive + Integer(UInt64(digit)) << position } else { negative = negative + Integer(UInt64(-digit)) << position }
        }
        #expect(positive == x + negative)
      }
      var digits: [Int16] = []
      ByteDigits.append(Term(a, entry: 0), count: 32, to: &digits)
      ByteDigits.append(Term(low, entry: 0, isNegative: isNegative), count: 16, to: &digits)
      ByteDigits.append(Term(high, entry: 0), count: 16, to: &digits)
      let upper = Integer(littleEndian: high.bytes.array)
      for (part, expected, sign) in [(digits[..<32], x, false), (digits[32..<48], l, isNegative), (digits[48...], upper, false)] {
        var (positive, negative) = (Integer(0), Integer(0))
        for (index, digit) in part.enumerated() {
          #expect(digit >= -128 && digit <= 128)
          let magnitude = Integer(UInt64(digit.magnitude)) << (8 * index)
          if (digit > 0) != sign { positive = positive + magnitude } else { negative = negative + magnitude }
        }
        #expect(positive == expected + negative)
      }
    }
    // The largest coefficients of either sign fit 16 digits.
    for high in [UInt64.max, UInt64.max >> 1] {
      let z = Coefficient(.max, high)
      var digits: [Int16] = []
      ByteDigits.append(Term(z.magnitude, entry: 0, isNegative: z.isNegative), count: 16, to: &digits)
      #expect(digits.count == 16 && digits.allSatisfy { abs($0) <= 128 })
    }
  }

  @Test func pointsAddDoubleAndSubtract() throws {
    var random = Generator(state: 5)
    let points = try torsion() + (0..<6).map { _ in Straus.doubleProduct(Scalar(random.next(), random.next(), random.next()), Scalar(), .base) }
    let affine = points.map(\.affine)
    // Other Z than 1, and T as the formulas leave it.
    let doubled = points.map { $0.doubled() }
    let doubledAffine = doubled.map(\.affine)
    for (i, a) in points.enumerated() {
      #expect(AffinePoint.isSum(doubled[i], of: affine[i], affine[i]))
      #expect(a.negated.affine == affine[i].negated)
      let decoded = try #require(Point(decoding: a.bytes))
      #expect(decoded.affine == affine[i])
      #expect(Point.isSmallOrder(encoding: a.bytes) == a.isSmallOrder && a.isSmallOrder == (i < 8))
      for j in points.indices {
        let cached = CachedPoint(doubled[j])
        #expect(AffinePoint.isSum(doubled[i] &+ cached, of: doubledAffine[i], doubledAffine[j]), "\(i) \(j)")
        #expect(AffinePoint.isSum(doubled[i] &- cached, of: doubledAffine[i], doubledAffine[j].negated), "\(i) \(j)")
        #expect(AffinePoint.isSum(a &+ CachedPoint(points[j]), of: affine[i], affine[j]), "\(i) \(j)")
      }
    }
  }
}
