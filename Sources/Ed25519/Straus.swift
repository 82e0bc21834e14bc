/// Interleaved multiplication of several points (Straus 1964) over signed windows: the doublings are shared, each point has a table of odd multiples.
enum Straus {
  /// Entries of a table for windows of `width` bits: the odd multiples 1, 3, ... 2^(width - 1) - 1.
  @inline(__always) static func tableCount(width: Int) -> Int { 1 &<< (width &- 2) }

  /// Writes the odd multiples of `point` at `offset` of `tables`.
  static func fill(_ tables: inout [CachedPoint], at offset: Int, count: Int, with point: Point) {
    let twice = CachedPoint(point.doubled())
    var multiple = point
    tables[offset] = CachedPoint(multiple)
    for index in 1..<count {
      multiple = multiple &+ twice
      tables[offset &+ index] = CachedPoint(multiple)
    }
  }

  /// The next signed digit of a scalar that is read from the bottom. `position` moves to the digit; 0 means that there is none left.
  ///
  /// A digit is odd, below 2^(width - 1) in magnitude, and the next one lies at least `width` bits above it. Scalars are below 2^254.
  @inline(__always) static func nextDigit(of scalar: Scalar, width: Int, position: inout Int, carry: inout Int) -> Int {
    while position < 256 {
      // Bits equal to the carry give a zero digit.
      if scalar.bits(at: position, count: 1) == carry {
        position &+= 1
        continue
      }
      let window = scalar.bits(at: position, count: width) &+ carry
      carry = window &>> (width &- 1)
      return window &- carry &<< width
    }
    return 0
  }

  /// Window of the generator's table, bits; of a table built for one use.
  static let baseWidth = 8
  static let width = 5
  /// Odd multiples of the generator, then of 2^128 times the generator.
  static let baseTables: [CachedPoint] = {
    let count = tableCount(width: baseWidth)
    var tables = [CachedPoint](repeating: CachedPoint(.identity), count: 2 * count)
    fill(&tables, at: 0, count: count, with: .base)
    var high = Point.base
    for _ in 0..<128 { high = high.doubled() }
    fill(&tables, at: count, count: count, with: high)
    return tables
  }()

  /// `[s]B + [k]P`.
  static func doubleProduct(_ s: Scalar, _ k: Scalar, _ point: Point) -> Point {
    var baseDigits = InlineArray<256, Int16>(repeating: 0)
    var digits = InlineArray<256, Int16>(repeating: 0)
    var (position, carry, top) = (0, 0, 0)
    while case let digit = nextDigit(of: s, width: baseWidth, position: &position, carry: &carry), digit != 0 {
      baseDigits[position] = Int16(truncatingIfNeeded: digit)
      top = position
      position &+= baseWidth
    }
    (position, carry) = (0, 0)
    while case let digit = nextDigit(of: k, width: width, position: &position, carry: &carry), digit != 0 {
      digits[position] = Int16(truncatingIfNeeded: digit)
      top = max(top, position)
      position &+= width
    }
    var table = InlineArray<8, CachedPoint>(repeating: CachedPoint(point))
    let twice = CachedPoint(point.doubled())
    var multiple = point
    for index in 1..<8 {
      multiple = multiple &+ twice
      table[index] = CachedPoint(multiple)
    }
    let baseTable = baseTables
    var sum = Point.identity
    var row = top
    while row >= 0 {
      let (a, b) = (Int(baseDigits[row]), Int(digits[row]))
      sum = sum.doubled(extended: a | b != 0 || row == 0)
      if a > 0 { sum = sum &+ baseTable[a &>> 1] } else if a < 0 { sum = sum &- baseTable[(0 &- a) &>> 1] }
      if b > 0 { sum = sum &+ table[b &>> 1] } else if b < 0 { sum = sum &- table[(0 &- b) &>> 1] }
      row &-= 1
    }
    return sum
  }
}
