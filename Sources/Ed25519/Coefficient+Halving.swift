extension Coefficient {
  /// The coefficient z of a signature that is checked alone: not zero modulo L, below 2^126 in magnitude, and z k modulo L is below 2^127. With it both R and A have
  /// short multipliers, and a sum takes half of the doublings that k itself would (Antipa, Brown, Gallant, Lambert, Struik, Vanstone 2005).
  ///
  /// Why it decides as rule 5 does: let P = [S]B - R - [k]A. The group is the product of one of order L and one of order 8, so 8 P lies in the first, where z has an
  /// inverse: 8 z P is the identity exactly when 8 P is. And the sum that is computed, [z S mod L]B - [z]R - [z k mod L]A, differs from z P by multiples of L of B and
  /// of A: of B they are the identity, of A they have small order, which the multiplication by 8 removes.
  ///
  /// Euclid's algorithm on L and k, stopped half way. Its invariants, for a > b and t of each:
  /// * a = ta k and b = tb k modulo L, ta and tb of opposite signs;
  /// * a |tb| + b |ta| = L, whatever multiples of b were taken off a: so quotients need not be exact, only not too large.
  ///
  /// As long as b is 2^127 or more, |ta| and |tb| are at most L / 2^127 < 2^126. In the step that makes it smaller a is still 2^127 or more, so this holds for the result.
  init(halving k: Scalar) {
    var (a, b) = (Scalar.order, k)
    var (ta, tb): (UInt128, UInt128) = (0, 1)
    var isNegative = false
    while b.isHalfOrMore {
      if let quotient = a.quotientEstimate(by: b) {
        a.subtract(quotient, times: b)
        ta &+= UInt128(truncatingIfNeeded: quotient) &* tb
      } else {
        // Seldom: the largest power of two that is surely not too large, so that a loses a quarter at least.
        let power = a.bitCount &- b.bitCount &- 1
        a = Scalar.difference(a, b.shiftedUp(by: power))
        ta &+= tb &<< UInt128(truncatingIfNeeded: power)
      }
      if a.isLess(than: b) {
        (a, b, ta, tb) = (b, a, tb, ta)
        isNegative.toggle()
      }
    }
    self.init(magnitude: Scalar(UInt64(truncatingIfNeeded: tb), UInt64(truncatingIfNeeded: tb &>> 64)), isNegative: isNegative)
  }
}

/// Steps of Euclid's algorithm on numbers of 256 bits; nothing here is modulo L.
extension Scalar {
  /// 2^127 or more.
  @inline(__always) fileprivate var isHalfOrMore: Bool { w2 | w3 | w1 &>> 63 != 0 }

  @inline(__always) fileprivate func isLess(than other: Self) -> Bool {
    if w3 != other.w3 { return w3 < other.w3 }
    if w2 != other.w2 { return w2 < other.w2 }
    if w1 != other.w1 { return w1 < other.w1 }
    return w0 < other.w0
  }

  /// At least 1, at most the quotient and hardly below it, for a divisor of 2^127 or more that is not larger: from 63 bits of each, of which the divisor's are rounded
  /// up. Nil when the divisor has fewer than half of those bits, so that little would be taken off.
  @inline(__always) fileprivate func quotientEstimate(by divisor: Self) -> UInt64? {
    let (top, low, other, otherLow) = w3 != 0 ? (w3, w2, divisor.w3, divisor.w2) : (w2, w1, divisor.w2, divisor.w1)
    // 128 bits from the highest that this number has; below 2^128 it has bit 127.
    let zeros = UInt64(truncatingIfNeeded: top.leadingZeroBitCount)
    let (a, b) = zeros == 0 ? (top, other) : (top &<< zeros | low &>> (64 &- zeros), other &<< zeros | otherLow &>> (64 &- zeros))
    return b &>> 33 == 0 ? nil : max(1, (a &>> 1) / (b &>> 1 &+ 1))
  }

  /// Bits up to the highest that is 1.
  fileprivate var bitCount: Int {
    for word in stride(from: 3, through: 0, by: -1) where self[word] != 0 { return 64 &* (word &+ 1) &- self[word].leadingZeroBitCount }
    return 0
  }

  fileprivate func shiftedUp(by count: Int) -> Self {
    let (words, bits) = (count &>> 6, UInt64(truncatingIfNeeded: count & 63))
    // Words below the lowest are zero.
    func word(_ place: Int) -> UInt64 { self[place &- words] &<< bits | (bits == 0 ? 0 : self[place &- words &- 1] &>> (64 &- bits)) }
    return Scalar(word(0), word(1), word(2), word(3))
  }

  /// Takes off a multiple that is not larger.
  @inline(__always) fileprivate mutating func subtract(_ multiplier: UInt64, times other: Self) {
    var carry: UInt64 = 0
    let p0 = Self.multiplyAdd(other.w0, multiplier, 0, &carry), p1 = Self.multiplyAdd(other.w1, multiplier, 0, &carry)
    let p2 = Self.multiplyAdd(other.w2, multiplier, 0, &carry), p3 = Self.multiplyAdd(other.w3, multiplier, 0, &carry)
    self = Self.difference(self, Scalar(p0, p1, p2, p3))
  }
}
