import Bytes

/// A linear combination of the generator and of points in slots, over the tables of one path.
struct Combination: ~Copyable {
  private let tables: PortableTerms
  private let slotCount: Int
  /// Slots whose point was decoded, and those whose table is filled, since `removeAll`.
  private var decoded: [Bool]
  private var filled: [Bool]
  private var terms: [Term] = []
  private var rows = DigitRows()
  private var entries: [Int32] = []
  private var digits: [Int16] = []

  init(slots: Int, path: Path) {
    slotCount = slots
    tables = PortableTerms(slots: slots)
    decoded = [Bool](repeating: false, count: slots)
    filled = decoded
  }

  /// Forgets all points.
  mutating func removeAll() {
    for slot in 0..<slotCount { (decoded[slot], filled[slot]) = (false, false) }
  }

  /// Asks for the negative of a point in a slot; `isDecoded` answers after `finishDecoding`.
  mutating func decode(_ encoding: Bytes32, negatedInto slot: Int) { decoded[slot] = tables.decode(encoding, negatedInto: slot) }
  mutating func finishDecoding() {}
  func isDecoded(_ slot: Int) -> Bool { decoded[slot] }

  /// Takes the tables of a key and of 2^128 times it from a cache; false when they are not there.
  mutating func load(_ key: PublicKey, from cache: SignerCache, intoPairAt slot: Int) -> Bool {
    // The cache copies exactly the bytes of two slots.
    let isThere = unsafe tables.withBytes(ofPairAt: slot) { unsafe cache.copy(key, to: $0) }
    if isThere { (filled[slot], filled[slot + 1]) = (true, true) }
    return isThere
  }

  /// Makes the tables of 2^128 times a decoded point and gives both to a cache.
  mutating func store(_ key: PublicKey, in cache: SignerCache, fromPairAt slot: Int) {
    fill(slot)
    tables.raise(slot)
    filled[slot + 1] = true
    // As in `load`.
    unsafe tables.withBytes(ofPairAt: slot) { unsafe cache.insert(key, UnsafeRawBufferPointer($0)) }
  }

  private mutating func fill(_ slot: Int) {
    if filled[slot] { return }
    tables.fill(slot)
    filled[slot] = true
  }

  mutating func removeTerms() { terms.removeAll(keepingCapacity: true) }

  mutating func add(base scalar: Scalar) {
    let (low, isNegative, high) = scalar.halves
    terms.append(Term(low, entry: 0, isNegative: isNegative))
    terms.append(Term(high, entry: Term.baseHalfCount))
  }

  mutating func add(_ magnitude: Scalar, isNegative: Bool, slot: Int) { terms.append(Term(magnitude, entry: Term.entry(slot: slot), isNegative: isNegative)) }

  /// - Parameter isPair: the next slot holds 2^128 times the point.
  mutating func add(_ scalar: Scalar, slot: Int, isPair: Bool) {
    guard isPair else { return add(scalar, isNegative: false, slot: slot) }
    let (low, isNegative, high) = scalar.halves
    add(low, isNegative: isNegative, slot: slot)
    add(high, isNegative: false, slot: slot + 1)
  }

  /// The sum of the terms. Tables of multiples for few, buckets for many.
  mutating func sum() -> Point { terms.count < Limits.bucketTermsMin ? strausSum() : bucketSum() }

  mutating func strausSum() -> Point {
    rows.removeAll()
    for term in terms {
      if term.entry >= Term.baseEntryCount { fill((Int(term.entry) - Term.baseEntryCount) / Term.slotEntryCount) }
      rows.add(term)
    }
    return tables.sum(rows)
  }

  mutating func bucketSum() -> Point {
    entries.removeAll(keepingCapacity: true)
    digits.removeAll(keepingCapacity: true)
    var longCount = 0
    for term in terms where term.isLong {
      entries.append(term.entry)
      ByteDigits.append(term, count: 32, to: &digits)
      longCount += 1
    }
    for term in terms where !term.isLong {
      entries.append(term.entry)
      ByteDigits.append(term, count: 16, to: &digits)
    }
    return tables.sum(entries, longCount: longCount, digits)
  }
}
