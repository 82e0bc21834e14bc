import Bytes

/// A linear combination of the generator and of points in slots, over the tables of one path.
struct Combination: ~Copyable {
  private enum Tables {
    case portable(PortableTerms)
    case vector(VectorTerms)
  }

  private let path: Path
  private let tables: Tables
  private let slotCount: Int
  /// Slots whose point was decoded, and those whose table is filled, since `removeAll`.
  private var decoded: [Bool]
  private var filled: [Bool]
  /// What waits for `finishDecoding`: encodings of four words, and their slots.
  private var encodings: [UInt64] = []
  private var waiting: [Int32] = []
  private var answers: [UInt8] = []
  private var terms: [Term] = []
  private var rows = DigitRows()
  private var entries: [Int32] = []
  private var digits: [Int16] = []

  init(slots: Int, path: Path) {
    slotCount = slots
    self.path = path
    tables = path == .portable ? .portable(PortableTerms(slots: slots)) : .vector(VectorTerms(slots: slots, path: path))
    decoded = [Bool](repeating: false, count: slots)
    filled = decoded
  }

  /// Forgets all points.
  mutating func removeAll() {
    for slot in 0..<slotCount { (decoded[slot], filled[slot]) = (false, false) }
  }

  /// Asks for the negative of a point in a slot; `isDecoded` answers after `finishDecoding`.
  mutating func decode(_ encoding: Bytes32, negatedInto slot: Int) {
    switch tables {
    case .portable(let tables): decoded[slot] = tables.decode(encoding, negatedInto: slot)
    case .vector:
      encodings.append(encoding.w0.byteSwapped)
      encodings.append(encoding.w1.byteSwapped)
      encodings.append(encoding.w2.byteSwapped)
      encodings.append(encoding.w3.byteSwapped)
      waiting.append(Int32(truncatingIfNeeded: slot))
      answers.append(0)
    }
  }

  mutating func finishDecoding() {
    guard case .vector(let tables) = tables, !waiting.isEmpty else { return }
    tables.decode(encodings, negatedInto: waiting, &answers)
    for index in waiting.indices { decoded[Int(waiting[index])] = answers[index] == 1 }
    encodings.removeAll(keepingCapacity: true)
    waiting.removeAll(keepingCapacity: true)
    answers.removeAll(keepingCapacity: true)
  }

  func isDecoded(_ slot: Int) -> Bool { decoded[slot] }

  /// Takes the tables of a key and of 2^128 times it from a cache; false when they are not there.
  /// - Parameter pointsOnly: their multiples will not be needed, or are made here.
  mutating func load(_ key: PublicKey, from cache: SignerCache, intoPairAt slot: Int, pointsOnly: Bool) -> Bool {
    // The cache copies exactly the bytes of two slots.
    let isThere =
      switch tables {
      case .portable(let tables): unsafe tables.withBytes(ofPairAt: slot) { unsafe cache.copy(key, to: $0, pointsOnly: pointsOnly) }
      case .vector(let tables): unsafe tables.withBytes(ofPairAt: slot) { unsafe cache.copy(key, to: $0, pointsOnly: pointsOnly) }
      }
    if isThere { (filled[slot], filled[slot + 1]) = (!pointsOnly, !pointsOnly) }
    return isThere
  }

  /// Makes the tables of 2^128 times a decoded point and gives both to a cache.
  mutating func store(_ key: PublicKey, in cache: SignerCache, fromPairAt slot: Int) {
    // As in `load`.
    switch tables {
    case .portable(let tables):
      if !filled[slot] { tables.fill(slot) }
      tables.raise(slot)
      unsafe tables.withBytes(ofPairAt: slot) { unsafe cache.insert(key, UnsafeRawBufferPointer($0)) }
    case .vector(let tables):
      if !filled[slot] { tables.fill([Int32(truncatingIfNeeded: slot)]) }
      tables.raise(slot)
      // Likewise.
      unsafe tables.withBytes(ofPairAt: slot) { unsafe cache.insert(key, UnsafeRawBufferPointer($0)) }
    }
    (filled[slot], filled[slot + 1]) = (true, true)
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

  /// True when so many terms, of known keys for the most part, will be summed by buckets, which need the points alone.
  func needsPointsOnly(terms: Int) -> Bool {
    switch tables {
    case .portable: terms >= Limits.bucketTermsMin
    case .vector: terms >= (path == .avx2 ? Limits.bucketTermsAVX2Min : Limits.bucketTermsIFMAMin)
    }
  }

  /// The sum of the terms. Tables of multiples for few, buckets for many.
  mutating func sum() -> Point {
    guard case .vector = tables else { return terms.count < Limits.bucketTermsMin ? strausSum() : bucketSum() }
    let cost = Cost(terms, CostRates(path)) { filled[$0] }
    if cost.tables <= min(cost.buckets, cost.mixed) { return strausSum() }
    if cost.buckets <= cost.mixed { return bucketSum() }
    // Few long terms would double the number of windows for all the buckets.
    let all = terms
    terms.removeAll { $0.isLong }
    let short = bucketSum()
    terms = all
    terms.removeAll { !$0.isLong }
    let long = strausSum()
    terms = all
    return short &+ CachedPoint(long)
  }

  /// Fills the tables of all slots whose multiples a term needs.
  private mutating func fill() {
    waiting.removeAll(keepingCapacity: true)
    for term in terms where term.entry >= Term.baseEntryCount && term.magnitude != Scalar(1) {
      let slot = (Int(term.entry) - Term.baseEntryCount) / Term.slotEntryCount
      if filled[slot] { continue }
      filled[slot] = true
      waiting.append(Int32(truncatingIfNeeded: slot))
    }
    switch tables {
    case .portable(let tables): for slot in waiting { tables.fill(Int(slot)) }
    case .vector(let tables): tables.fill(waiting)
    }
    waiting.removeAll(keepingCapacity: true)
  }

  mutating func strausSum() -> Point {
    fill()
    rows.set(terms)
    return switch tables {
    case .portable(let tables): tables.sum(rows)
    case .vector(let tables): tables.sum(rows)
    }
  }

  mutating func bucketSum() -> Point {
    entries.removeAll(keepingCapacity: true)
    digits.removeAll(keepingCapacity: true)
    digits.reserveCapacity(32 * terms.count)
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
    return switch tables {
    case .portable(let tables): tables.sum(entries, longCount: longCount, digits)
    case .vector(let tables): tables.sum(entries, longCount: longCount, digits)
    }
  }
}

/// What a vector path needs for parts of a sum, in units of 10 ns where it was measured; only the ratios matter.
private struct CostRates {
  /// The doublings and the rest of a sum by tables, and a table of multiples.
  let tables: Int, table: Int
  /// An addition by tables for each digit of a short term, and by buckets.
  let tableTerm: Int, bucketTerm: Int
  /// The sums of the buckets of 16 windows, and joining them.
  let buckets: Int

  init(_ path: Path) {
    switch path {
    case .ifma, .portable: (tables, table, tableTerm, bucketTerm, buckets) = (800, 36, 60, 40, 11_000)
    case .avx2: (tables, table, tableTerm, bucketTerm, buckets) = (850, 77, 121, 78, 30_000)
    }
  }
}

/// The costs of a sum of terms by each way.
private struct Cost {
  /// By tables of multiples, by buckets, and short terms by buckets with long ones by tables.
  private(set) var tables, buckets, mixed: Int

  init(_ terms: [Term], _ rates: CostRates, isFilled: (Int) -> Bool) {
    (tables, buckets, mixed) = (rates.tables, rates.buckets, rates.buckets + 2 * rates.tables)
    var hasLong = false
    for term in terms {
      let isFilled = term.entry < Term.baseEntryCount || isFilled((Int(term.entry) - Term.baseEntryCount) / Term.slotEntryCount)
      let table = isFilled ? 0 : rates.table
      hasLong = hasLong || term.isLong
      tables += table + (term.isLong ? 2 : 1) * rates.tableTerm
      buckets += (term.isLong ? 2 : 1) * rates.bucketTerm
      mixed += term.isLong ? table + 2 * rates.tableTerm : rates.bucketTerm
    }
    // Windows above those of a short term need doublings, and buckets of their own.
    if hasLong {
      tables += rates.tables
      buckets += rates.buckets
    }
  }
}
