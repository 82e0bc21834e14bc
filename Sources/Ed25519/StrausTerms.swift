/// The tables of a batch, and the digits of its scalars as one list per bit, so that only digits that are not zero cost anything.
struct StrausTerms: ~Copyable {
  private struct Digit {
    /// Index into `tables`.
    var table: Int32
    var isNegative: Bool
    /// The next digit of the same bit, or -1.
    var next: Int32
  }

  private let capacity: Int
  /// The generator's tables, then 8 odd multiples for each signer, then 8 for each item.
  private var tables: [CachedPoint]
  private var digits: [Digit] = []
  private var heads = InlineArray<256, Int32>(repeating: -1)
  private static let tableCount = Straus.tableCount(width: Straus.width)

  init(capacity: Int) {
    self.capacity = capacity
    tables = Straus.baseTables
    tables.append(contentsOf: repeatElement(CachedPoint(.identity), count: 2 * capacity * Self.tableCount))
  }

  private func offset(signer: Int) -> Int { 2 * Straus.tableCount(width: Straus.baseWidth) + signer * Self.tableCount }
  private func offset(item: Int) -> Int { offset(signer: capacity + item) }

  mutating func removeAll() { digits.removeAll(keepingCapacity: true) }

  mutating func prepare(signer: Int, _ point: Point) { Straus.fill(&tables, at: offset(signer: signer), count: Self.tableCount, with: point) }
  mutating func prepare(item: Int, _ point: Point) { Straus.fill(&tables, at: offset(item: item), count: Self.tableCount, with: point) }

  mutating func add(base scalar: Scalar) {
    let (low, high) = scalar.halves
    add(low, at: 0, width: Straus.baseWidth)
    add(high, at: Straus.tableCount(width: Straus.baseWidth), width: Straus.baseWidth)
  }

  mutating func add(signer: Int, _ scalar: Scalar) { add(scalar, at: offset(signer: signer), width: Straus.width) }
  mutating func add(item: Int, _ scalar: Scalar) { add(scalar, at: offset(item: item), width: Straus.width) }

  private mutating func add(_ scalar: Scalar, at table: Int, width: Int) {
    var (position, carry) = (0, 0)
    while case let digit = Straus.nextDigit(of: scalar, width: width, position: &position, carry: &carry), digit != 0 {
      let magnitude = digit < 0 ? 0 &- digit : digit
      let entry = Digit(
        table: Int32(truncatingIfNeeded: table &+ magnitude &>> 1), isNegative: digit < 0, next: heads[position])
      heads[position] = Int32(truncatingIfNeeded: digits.count)
      digits.append(entry)
      position &+= width
    }
  }

  /// The sum of all added terms, which are forgotten; the tables stay.
  mutating func sum() -> Point {
    var sum = Point.identity
    var row = 255
    while row >= 0, heads[row] < 0 { row &-= 1 }
    while row >= 0 {
      var next = Int(heads[row])
      sum = sum.doubled(extended: next >= 0 || row == 0)
      while next >= 0 {
        let digit = digits[next]
        sum = digit.isNegative ? sum &- tables[Int(digit.table)] : sum &+ tables[Int(digit.table)]
        next = Int(digit.next)
      }
      heads[row] = -1
      row &-= 1
    }
    digits.removeAll(keepingCapacity: true)
    return sum
  }
}
