import Bytes
import CEd25519

/// The tables of a batch for the vector kernels of a path. What the kernels are given is checked here; they check nothing.
@safe final class VectorTerms {
  /// Entries as `Term` numbers them; owned until deinit.
  private let tables: UnsafeMutablePointer<UInt64>
  /// Scratch of the buckets, made when first needed; owned until deinit.
  private var buckets: UnsafeMutablePointer<UInt64>?
  private let slotCount: Int
  /// Constants of the C target: for many points, and for few.
  private let kernels, narrowKernels: UnsafePointer<ced25519_kernels>
  /// First entries of the slots that a kernel is given next.
  private var entries: [Int32] = []
  private static let entryWords = CED25519_ENTRY_WORDS

  /// The generator's tables in the kernels' order: limb by limb, Y - X first; limbs of radix 2^51.
  private static let baseWords: [UInt64] = Straus.baseTables.flatMap { point -> [UInt64] in
    let (d, s, z, t) = (point.difference, point.sum, point.doubleZ, point.product)
    return [d.l0, s.l0, z.l0, t.l0, d.l1, s.l1, z.l1, t.l1, d.l2, s.l2, z.l2, t.l2, d.l3, s.l3, z.l3, t.l3, d.l4, s.l4, z.l4, t.l4]
  }

  /// Traps on a processor that cannot run the kernels.
  init(slots: Int, path: Path) {
    guard let kernels = unsafe path.kernels, let narrowKernels = unsafe path.narrowKernels else { preconditionFailure("this processor has no kernels for \(path)") }
    unsafe (self.kernels, self.narrowKernels) = (kernels, narrowKernels)
    slotCount = slots
    entries.reserveCapacity(slots)
    let base = Self.baseWords
    let count = Term.entry(slot: slots) * Self.entryWords
    // Owned until deinit, all words initialised before a kernel reads them; on lines of 64 bytes, which no register then crosses.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 8 * count, alignment: 64)
    unsafe tables = memory.initializeMemory(as: UInt64.self, repeating: 0, count: count)
    unsafe base.withUnsafeBufferPointer { words in unsafe tables.update(from: words.baseAddress.unsafelyUnwrapped, count: words.count) }
    // As many words as were copied.
    unsafe kernels.pointee.pack(tables, base.count)
  }

  deinit {
    // Plain bits, owned by this object alone.
    unsafe UnsafeMutableRawPointer(tables).deallocate()
    if let buckets = unsafe buckets { unsafe UnsafeMutableRawPointer(buckets).deallocate() }
  }

  /// The buckets of as many windows as there are lanes, and a place for every term: one for each slot and two for the generator.
  private func scratch() -> UnsafeMutablePointer<UInt64> {
    if let buckets = unsafe buckets { return unsafe buckets }
    let count = unsafe (Int(kernels.pointee.lanes) * (CED25519_BUCKETS + 1) + slotCount + 2) * Self.entryWords
    // As for the tables.
    let made = unsafe UnsafeMutableRawPointer.allocate(byteCount: 8 * count, alignment: 64).initializeMemory(as: UInt64.self, repeating: 0, count: count)
    unsafe buckets = made
    return unsafe made
  }

  /// The narrow kernels for as many points as they have lanes.
  private func kernels(for count: Int) -> UnsafePointer<ced25519_kernels> { unsafe count <= Int(narrowKernels.pointee.lanes) ? narrowKernels : kernels }

  private func checkedEntry(_ slot: Int) -> Int32 {
    precondition(slot >= 0 && slot < slotCount, "a slot of this batch")
    return Int32(Term.entry(slot: slot))
  }

  private func setEntries(_ slots: [Int32]) {
    entries.removeAll(keepingCapacity: true)
    for slot in slots { entries.append(checkedEntry(Int(slot))) }
  }

  /// Decodes points and puts their negatives into slots.
  /// - Parameters:
  ///   - encodings: four little-endian words each.
  ///   - slots: one for each encoding.
  ///   - valid: 1 or 0 for each; it has as many places.
  func decode(_ encodings: [UInt64], negatedInto slots: [Int32], _ valid: inout [UInt8]) {
    precondition(encodings.count == 4 * slots.count && valid.count == slots.count, "four words and a place for each point")
    setEntries(slots)
    // The counts agree and every entry lies inside the tables.
    unsafe encodings.withUnsafeBufferPointer { words in
      unsafe entries.withUnsafeBufferPointer { places in
        unsafe valid.withUnsafeMutableBufferPointer { answers in
          unsafe kernels(for: places.count).pointee.decode(words.baseAddress, places.count, tables, places.baseAddress, answers.baseAddress)
        }
      }
    }
  }

  /// Fills the tables of slots from their first entries.
  func fill(_ slots: [Int32]) {
    setEntries(slots)
    // Every entry lies inside the tables, with the rest of its slot.
    unsafe entries.withUnsafeBufferPointer { places in unsafe kernels(for: places.count).pointee.fill(tables, places.baseAddress, places.count) }
  }

  /// Puts 2^128 times the point of a slot into the next slot, and fills that one's table.
  func raise(_ slot: Int) {
    _ = checkedEntry(slot + 1)
    // Both slots were checked.
    unsafe narrowKernels.pointee.raise(tables, checkedEntry(slot))
  }

  /// Lends the bytes of two slots that follow each other.
  func withBytes<Result>(ofPairAt slot: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    _ = checkedEntry(slot + 1)
    let start = Int(checkedEntry(slot)) * Self.entryWords
    // Both slots were checked; entries are plain bits.
    return unsafe body(UnsafeMutableRawBufferPointer(start: tables + start, count: SignerCache.entryByteCount))
  }

  /// Interleaved multiplication over filled tables.
  func sum(_ rows: borrowing DigitRows) -> Point {
    let (heads, digits, top) = (rows.heads, rows.digits, rows.top)
    let kernels = unsafe rows.digitCount <= Limits.narrowDigitsMax ? narrowKernels : kernels
    // Digits come from `DigitRows`, whose windows are those of the tables; the lists end with -1.
    return unsafe extended { out in
      unsafe heads.withUnsafeBufferPointer { h in
        unsafe digits.withUnsafeBufferPointer { d in unsafe kernels.pointee.straus(out, tables, h.baseAddress, d.baseAddress, Int32(top)) }
      }
    }
  }

  /// Multiplication by buckets; see `PortableTerms`.
  func sum(_ entries: [Int32], longCount: Int, _ digits: [Int16]) -> Point {
    precondition(digits.count == 16 * (entries.count + longCount), "16 digits for each term and 16 more for a long one")
    precondition(entries.count <= slotCount + 2, "a term for each slot and two for the generator")
    // The counts agree, digits are at most 128 in magnitude, and entries are slots'.
    let buckets = unsafe scratch()
    return unsafe extended { out in
      unsafe entries.withUnsafeBufferPointer { e in
        unsafe digits.withUnsafeBufferPointer { d in
          unsafe kernels.pointee.buckets(out, tables, e.baseAddress, longCount, e.count, d.baseAddress, buckets)
        }
      }
    }
  }

  /// The point that a kernel writes.
  private func extended(_ kernel: (UnsafeMutablePointer<UInt64>) -> Void) -> Point {
    var words = InlineArray<20, UInt64>(repeating: 0)
    var span = words.mutableSpan
    // 20 words of this frame, which outlive the call.
    unsafe span.withUnsafeMutableBufferPointer { buffer in unsafe kernel(buffer.baseAddress.unsafelyUnwrapped) }
    func element(_ value: Int) -> FieldElement { FieldElement(words[value], words[4 + value], words[8 + value], words[12 + value], words[16 + value]).carried }
    return Point(x: element(0), y: element(1), z: element(2), t: element(3))
  }
}
