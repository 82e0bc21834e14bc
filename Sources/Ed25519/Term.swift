/// One term of a linear combination of points: a multiplier, and the point that is entry `entry` of the tables.
///
/// The first `Term.baseEntryCount` entries are odd multiples of the generator and of 2^128 times the generator; behind them each slot has
/// `Term.slotEntryCount` entries, the odd multiples of one point, the point itself first.
struct Term: Sendable, BitwiseCopyable {
  var magnitude: Scalar
  var entry: Int32
  var isNegative: Bool

  init(_ magnitude: Scalar, entry: Int, isNegative: Bool = false) {
    (self.magnitude, self.entry, self.isNegative) = (magnitude, Int32(truncatingIfNeeded: entry), isNegative)
  }

  /// Bits of a window over a slot's table and over a generator's.
  static let slotWidth = 5, baseWidth = 8
  /// Odd multiples 1, 3, ... 2^(width - 1) - 1.
  static let slotEntryCount = 1 << (slotWidth - 2)
  static let baseHalfCount = 1 << (baseWidth - 2)
  static let baseEntryCount = 2 * baseHalfCount

  @inline(__always) static func entry(slot: Int) -> Int { baseEntryCount &+ slot &* slotEntryCount }
  @inline(__always) var width: Int { Int(entry) < Self.baseEntryCount ? Self.baseWidth : Self.slotWidth }
  /// True when the magnitude needs more than the 16 windows of 8 bits that a coefficient has.
  var isLong: Bool { magnitude.w2 | magnitude.w3 != 0 }
}

/// The signed digits of several terms as one list per bit, so that only digits that are not zero cost anything.
struct DigitRows {
  /// First digit of each bit, or -1.
  private(set) var heads = [Int32](repeating: -1, count: 256)
  /// Twice the entry of the tables, plus 1 to subtract it.
  private(set) var entries: [Int32] = []
  /// The next digit of the same bit, or -1.
  private(set) var nexts: [Int32] = []

  mutating func removeAll() {
    for row in heads.indices { heads[row] = -1 }
    entries.removeAll(keepingCapacity: true)
    nexts.removeAll(keepingCapacity: true)
  }

  /// The highest bit that has a digit, or -1.
  var top: Int {
    var row = 255
    while row >= 0, heads[row] < 0 { row &-= 1 }
    return row
  }

  mutating func add(_ term: Term) {
    term.magnitude.forEachDigit(width: term.width) { position, digit in
      let magnitude = digit < 0 ? 0 &- digit : digit
      let entry = 2 &* (Int(term.entry) &+ magnitude &>> 1) &+ ((digit < 0) != term.isNegative ? 1 : 0)
      nexts.append(heads[position])
      heads[position] = Int32(truncatingIfNeeded: entries.count)
      entries.append(Int32(truncatingIfNeeded: entry))
    }
  }
}

/// The digits of a term to base 256, each from -127 to 128, least significant first.
struct ByteDigits: Sendable, BitwiseCopyable {
  /// For a magnitude below 2^255; the coefficients and halves of this module have their top digit small enough that no carry leaves 16 digits.
  static func append(_ term: Term, count: Int, to digits: inout [Int16]) {
    var carry = 0
    for index in 0..<count {
      var digit = Int(truncatingIfNeeded: term.magnitude.bits(from: 8 &* index) & 255) &+ carry
      carry = digit > 128 ? 1 : 0
      digit &-= carry &<< 8
      digits.append(Int16(truncatingIfNeeded: term.isNegative ? 0 &- digit : digit))
    }
    precondition(carry == 0, "a magnitude fits its digits")
  }
}
