import Bytes
import Lanes

/// A fixed open-addressed table from 64-bit keys to slots, insert-only until it is cleared. A cell is 0 (empty) or fingerprint (32), a mark that the claim is
/// not decided yet (1) and slot + 1 (31); a departed entry keeps its fingerprint with slot bits 0: a tombstone, which probes pass and never reuse.
struct DuplicateTable: ~Copyable, Sendable {
  private let cells: AtomicArray
  private let mask: Int
  /// Cells in use, tombstones included: the sum of counters on lines of their own, so that threads that claim at once seldom write to one line.
  private let used = AtomicArray(count: Self.usedCounters * Self.usedStride)
  private static let usedCounters = 8, usedStride = 16

  init(cells count: Int) {
    precondition(count & (count - 1) == 0)
    cells = AtomicArray(count: count)
    mask = count - 1
  }

  /// Cells a probe may pass. With at most half of the cells in use, a longer probe has negligible odds; it is answered as "no room".
  private static let probeMax = 128
  private static let undecided: UInt64 = 1 << 31

  var isCrowded: Bool {
    var sum: UInt64 = 0
    for counter in 0..<Self.usedCounters { sum += used.loadRelaxed(counter * Self.usedStride) }
    return Int(sum) > (mask + 1) / 2
  }

  enum Claim {
    case claimed(cell: Int)
    case known(slot: Int)
    /// A thread that has not decided yet stands before: nothing can be said about the key.
    case busy
    case noRoom
  }

  /// Finds the slot for which `matches` is true among the decided entries with this key.
  func find(_ key: UInt64, where matches: (Int) -> Bool) -> Int? {
    var index = Int(truncatingIfNeeded: key) & mask
    for _ in 0..<Self.probeMax {
      // Acquire: pairs with the claim, so that the slot's content is seen.
      let cell = cells.loadAcquiring(index)
      if cell == 0 { return nil }
      if cell >> 32 == fingerprint(key), cell & Self.undecided == 0, let slot = slot(cell), matches(slot) { return slot }
      index = (index + 1) & mask
    }
    return nil
  }

  /// Claims an empty cell for a slot, unless an entry that matches stands before it.
  /// - Parameter isDecided: false leaves the entry invisible to `find` until `decide`.
  func claim(_ key: UInt64, slot newSlot: Int, isDecided: Bool = true, where matches: (Int) -> Bool) -> Claim {
    var index = Int(truncatingIfNeeded: key) & mask
    for _ in 0..<Self.probeMax {
      let cell = cells.loadAcquiring(index)
      if cell == 0 {
        if cells.exchange(index, expected: 0, desired: entry(key, newSlot) | (isDecided ? 0 : Self.undecided)) {
          used.add(1, Int(key >> 61) * Self.usedStride)
          return .claimed(cell: index)
        }
        // Another thread took the cell: look at what it put there.
        continue
      }
      if cell >> 32 == fingerprint(key), let slot = slot(cell), matches(slot) { return cell & Self.undecided == 0 ? .known(slot: slot) : .busy }
      index = (index + 1) & mask
    }
    return .noRoom
  }

  /// Whoever made an undecided claim: the entry counts from here on, or it becomes a tombstone.
  func decide(_ key: UInt64, slot: Int, cell: Int, _ counts: Bool) {
    // Release: as the claim, for those who see only this value.
    cells.storeReleasing(counts ? entry(key, slot) : fingerprint(key) << 32, cell)
  }

  /// Chain thread only: turns the decided entry of a slot into a tombstone.
  func remove(_ key: UInt64, slot: Int) {
    var index = Int(truncatingIfNeeded: key) & mask
    for _ in 0..<Self.probeMax {
      let cell = cells.loadAcquiring(index)
      if cell == 0 { return }
      if cell == entry(key, slot) {
        cells.storeReleasing(fingerprint(key) << 32, index)
        return
      }
      index = (index + 1) & mask
    }
  }

  /// Chain thread only, while no reactor uses this table.
  func clear() {
    // Relaxed: entering the next step publishes the table.
    for index in 0...mask { cells.storeRelaxed(0, index) }
    for counter in 0..<Self.usedCounters { used.storeRelaxed(0, counter * Self.usedStride) }
  }

  /// The upper half of the key, never 0, so that a tombstone differs from an empty cell.
  private func fingerprint(_ key: UInt64) -> UInt64 { max(1, key >> 32) }
  private func entry(_ key: UInt64, _ slot: Int) -> UInt64 { fingerprint(key) << 32 | UInt64(slot + 1) }
  private func slot(_ cell: UInt64) -> Int? { cell & 0x7FFF_FFFF == 0 ? nil : Int(cell & 0x7FFF_FFFF) - 1 }
}
