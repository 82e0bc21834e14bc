import Bytes

/// The tables of a batch in portable Swift, and the two ways to add up terms over them: the fallback of every vector kernel and the oracle of its tests.
@safe final class PortableTerms {
  /// Entries as `Term` numbers them; owned until deinit. An index is checked where it is made: slots at their calls, digits by `Straus` windows.
  private let tables: UnsafeMutablePointer<CachedPoint>
  private let slotCount: Int
  /// Buckets 1 to 128 of one window; owned.
  private let buckets: UnsafeMutablePointer<Point>
  private static let bucketCount = 128

  init(slots: Int) {
    slotCount = slots
    let count = Term.entry(slot: slots)
    // Every entry is initialised before anything reads it.
    unsafe tables = .allocate(capacity: count)
    let base = Straus.baseTables
    for index in 0..<Term.baseEntryCount { unsafe (tables + index).initialize(to: base[index]) }
    unsafe (tables + Term.baseEntryCount).initialize(repeating: CachedPoint(.identity), count: count - Term.baseEntryCount)
    unsafe buckets = .allocate(capacity: Self.bucketCount)
    unsafe buckets.initialize(repeating: .identity, count: Self.bucketCount)
  }

  deinit {
    // Plain bits, owned by this object alone.
    unsafe tables.deallocate()
    unsafe buckets.deallocate()
  }

  private func checkedEntry(_ slot: Int) -> Int {
    precondition(slot >= 0 && slot < slotCount, "a slot of this batch")
    return Term.entry(slot: slot)
  }

  /// Decodes a point and puts its negative into the slot; false when the encoding is refused.
  func decode(_ encoding: Bytes32, negatedInto slot: Int) -> Bool {
    let entry = checkedEntry(slot)
    guard let point = Point(decoding: encoding) else { return false }
    // The slot was checked.
    unsafe tables[entry] = CachedPoint(point.negated)
    return true
  }

  /// Fills the table of a slot from its first entry.
  func fill(_ slot: Int) {
    let entry = checkedEntry(slot)
    // A slot has `slotEntryCount` entries.
    var multiple = unsafe Point.identity &+ tables[entry]
    let twice = CachedPoint(multiple.doubled())
    for index in 1..<Term.slotEntryCount {
      multiple = multiple &+ twice
      unsafe tables[entry + index] = CachedPoint(multiple)
    }
  }

  /// Puts 2^128 times the point of a slot into the next slot, and fills that one's table.
  func raise(_ slot: Int) {
    let entry = checkedEntry(slot)
    let next = checkedEntry(slot + 1)
    // Both slots were checked.
    var point = unsafe Point.identity &+ tables[entry]
    for _ in 0..<128 { point = point.doubled() }
    unsafe tables[next] = CachedPoint(point)
    fill(slot + 1)
  }

  /// Lends the bytes of two slots that follow each other.
  func withBytes<Result>(ofPairAt slot: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    _ = checkedEntry(slot + 1)
    let entry = checkedEntry(slot)
    // Both slots were checked; entries are plain bits.
    return unsafe body(UnsafeMutableRawBufferPointer(start: tables + entry, count: SignerCache.entryByteCount))
  }

  /// Interleaved multiplication (Straus 1964): the doublings are shared, each digit costs one addition from a filled table.
  func sum(_ rows: borrowing DigitRows) -> Point {
    var sum = Point.identity
    var row = rows.top
    while row >= 0 {
      var next = Int(rows.heads[row])
      sum = sum.doubled(extended: next >= 0 || row == 0)
      while next >= 0 {
        let entry = rows.digits[next]
        // Digits come from `DigitRows`, whose windows are those of the tables.
        let cached = unsafe tables + Int(entry &>> 1)
        if entry & 1 == 0 { unsafe sum.add(cached.pointee) } else { unsafe sum.subtract(cached.pointee) }
        next = Int(rows.digits[next &+ 1])
      }
      row &-= 1
    }
    return sum
  }

  /// Multiplication by buckets (Pippenger 1976): each window of 8 bits costs one addition for a term, whatever its digit, and 256 for the buckets.
  /// - Parameters:
  ///   - entries: the first entry of each term, those with 32 digits first.
  ///   - digits: 16 digits, or 32, of each.
  func sum(_ entries: [Int32], longCount: Int, _ digits: [Int16]) -> Point {
    var sum = Point.identity
    var window = longCount > 0 ? 31 : 15
    while window >= 0 {
      if window != (longCount > 0 ? 31 : 15) { for _ in 0..<8 { sum = sum.doubled() } }
      unsafe buckets.update(repeating: .identity, count: Self.bucketCount)
      for index in 0..<(window > 15 ? longCount : entries.count) {
        let digit = Int(digits[index < longCount ? 32 &* index &+ window : 16 &* (index &+ longCount) &+ window])
        if digit == 0 { continue }
        // A digit is at most 128 in magnitude; the entry is a slot's.
        let cached = unsafe tables + Int(entries[index])
        if digit > 0 { unsafe buckets[digit &- 1].add(cached.pointee) } else { unsafe buckets[-1 &- digit].subtract(cached.pointee) }
      }
      // sum of j bucket[j]: the running sum from the top is added once for each bucket below it.
      var (running, total) = (Point.identity, Point.identity)
      for index in stride(from: Self.bucketCount &- 1, through: 0, by: -1) {
        unsafe running.add(CachedPoint(buckets[index]))
        total.add(CachedPoint(running))
      }
      sum.add(CachedPoint(total))
      window &-= 1
    }
    return sum
  }
}
