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
  /// Of each digit twice the entry of the tables, plus 1 to subtract it; then the next digit of the same bit, or -1.
  private(set) var digits: [Int32] = []
  /// Words of a digit, and digits of a scalar at most.
  static let stride = 2, perTermMax = 256 / Term.slotWidth + 1

  /// The highest bit that has a digit, or -1; digits of all bits.
  private(set) var top = -1, digitCount = 0

  /// Takes the digits of all terms instead of those before.
  mutating func set(_ terms: [Term]) {
    for row in heads.indices { heads[row] = -1 }
    let capacity = Self.stride * Self.perTermMax * terms.count
    if digits.count < capacity { digits.append(contentsOf: repeatElement(0, count: capacity - digits.count)) }
    (top, digitCount) = Self.fill(&heads, &digits, terms)
  }

  private static func fill(_ headArray: inout [Int32], _ digitArray: inout [Int32], _ terms: [Term]) -> (top: Int, digitCount: Int) {
    var (count, top) = (0, -1)
    var heads = headArray.mutableSpan
    var digits = digitArray.mutableSpan
    for term in terms {
      let entry = 2 &* Int(term.entry)
      term.magnitude.forEachDigit(width: term.width) { position, digit in
        let sign = digit &>> 63
        // Twice half of an odd magnitude is the magnitude less one.
        let place = entry &+ ((digit ^ sign) &- sign) &- 1
        digits[count] = Int32(truncatingIfNeeded: place &+ ((sign & 1) ^ (term.isNegative ? 1 : 0)))
        digits[count &+ 1] = heads[position]
        heads[position] = Int32(truncatingIfNeeded: count)
        count &+= stride
        top = max(top, position)
      }
    }
    return (top, count / stride)
  }
}

/// The digits of a term to base 256, each from -128 to 128, least significant first.
enum ByteDigits {
  /// 128 in every byte: added before the bytes are taken and subtracted from each of them, it makes the digits signed without a chain of carries.
  private static var offset: UInt64 { 0x8080_8080_8080_8080 }

  /// Appends 16 digits of a magnitude of at most 2^127, or 32 of one below 2^254: the carry out of the top digit is 128 at most with it.
  static func append(_ term: Term, count: Int, to digits: inout [Int16]) {
    let m = term.magnitude
    let (y0, c0) = m.w0.addingReportingOverflow(offset)
    let (p1, d1) = m.w1.addingReportingOverflow(offset)
    let (y1, e1) = p1.addingReportingOverflow(c0 ? 1 : 0)
    var carry = d1 || e1
    append(y0, term.isNegative, to: &digits)
    append(y1, term.isNegative, to: &digits)
    if count > 16 {
      let (p2, d2) = m.w2.addingReportingOverflow(offset)
      let (y2, e2) = p2.addingReportingOverflow(carry ? 1 : 0)
      let y3 = m.w3 &+ offset &+ (d2 || e2 ? 1 : 0)
      append(y2, term.isNegative, to: &digits)
      append(y3, term.isNegative, to: &digits)
      carry = false
    }
    if carry { digits[digits.count - 1] &+= term.isNegative ? -256 : 256 }
  }

  @inline(__always) private static func append(_ word: UInt64, _ isNegative: Bool, to digits: inout [Int16]) {
    for index in 0..<8 {
      let digit = Int16(truncatingIfNeeded: word &>> UInt64(truncatingIfNeeded: 8 &* index) & 255) &- 128
      digits.append(isNegative ? 0 &- digit : digit)
    }
  }
}
