/// Interleaved multiplication of several points (Straus 1964) over signed windows: the doublings are shared, each point has a table of odd multiples.
enum Straus {
  /// Odd multiples of the generator, then of 2^128 times the generator.
  static let baseTables: [CachedPoint] = {
    var tables: [CachedPoint] = []
    tables.reserveCapacity(Term.baseEntryCount)
    var point = Point.base
    append(oddMultiplesOf: point, to: &tables)
    for _ in 0..<128 { point = point.doubled() }
    append(oddMultiplesOf: point, to: &tables)
    return tables
  }()

  private static func append(oddMultiplesOf point: Point, to tables: inout [CachedPoint]) {
    let twice = CachedPoint(point.doubled())
    var multiple = point
    tables.append(CachedPoint(multiple))
    for _ in 1..<Term.baseHalfCount {
      multiple = multiple &+ twice
      tables.append(CachedPoint(multiple))
    }
  }

  /// `[s]B + [k]P`.
  static func doubleProduct(_ s: Scalar, _ k: Scalar, _ point: Point) -> Point {
    var baseDigits = InlineArray<256, Int16>(repeating: 0)
    var digits = InlineArray<256, Int16>(repeating: 0)
    var top = 0
    s.forEachDigit(width: Term.baseWidth) { position, digit in
      baseDigits[position] = Int16(truncatingIfNeeded: digit)
      top = position
    }
    k.forEachDigit(width: Term.slotWidth) { position, digit in
      digits[position] = Int16(truncatingIfNeeded: digit)
      top = max(top, position)
    }
    var table = InlineArray<8, CachedPoint>(repeating: CachedPoint(point))
    let twice = CachedPoint(point.doubled())
    var multiple = point
    for index in 1..<Term.slotEntryCount {
      multiple = multiple &+ twice
      table[index] = CachedPoint(multiple)
    }
    let base = baseTables
    var sum = Point.identity
    var row = top
    while row >= 0 {
      let (a, b) = (Int(baseDigits[row]), Int(digits[row]))
      sum = sum.doubled(extended: a | b != 0 || row == 0)
      if a > 0 { sum.add(base[a &>> 1]) } else if a < 0 { sum.subtract(base[(0 &- a) &>> 1]) }
      if b > 0 { sum.add(table[b &>> 1]) } else if b < 0 { sum.subtract(table[(0 &- b) &>> 1]) }
      row &-= 1
    }
    return sum
  }
}

extension Scalar {
  /// Splits a scalar below 2^254 into odd digits below 2^(width - 1) in magnitude, lowest first, each at least `width` bits above the one before.
  @inline(__always) func forEachDigit(width: Int, _ body: (_ position: Int, _ digit: Int) -> Void) {
    var (position, carry) = (0, UInt64(0))
    while position < 256 {
      // Bits equal to the carry give zero digits.
      let bits = bits(from: position)
      let run = (carry == 0 ? bits : ~bits).trailingZeroBitCount
      if run > 0 {
        position &+= run
        continue
      }
      let window = bits & (1 &<< UInt64(truncatingIfNeeded: width) &- 1) &+ carry
      carry = window &>> UInt64(truncatingIfNeeded: width &- 1)
      body(position, Int(truncatingIfNeeded: window) &- Int(truncatingIfNeeded: carry) &<< width)
      position &+= width
    }
  }
}
