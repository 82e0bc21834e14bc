import Bytes
import Lanes

/// A fixed open-addressed table from 64-bit keys to slots, insert-only between rebuilds. A cell is 0 (empty) or fingerprint (32) and slot + 1 (32); a
/// departed entry keeps its fingerprint with slot bits 0: a tombstone, which probes pass and never reuse.
struct DuplicateTable: Sendable {
  private let cells: AtomicWords
  private let mask: Int
  /// Cells in use, tombstones included.
  private let used: AtomicWords

  init(cells count: Int) {
    precondition(count & (count - 1) == 0)
    cells = AtomicWords(count: count)
    used = AtomicWords(count: 1)
    mask = count - 1
  }

  /// Cells a probe may pass. With at most half of the cells in use, a longer probe has negligible odds; it is answered as "no room".
  private static let probeMax = 128

  var isCrowded: Bool { Int(used.loadRelaxed(0)) > (mask + 1) / 2 }

  enum Claim { case claimed, known(slot: Int), noRoom }

  /// Finds the slot for which `matches` is true among those with this key.
  func find(_ key: UInt64, where matches: (Int) -> Bool) -> Int? {
    var index = Int(truncatingIfNeeded: key) & mask
    for _ in 0..<Self.probeMax {
      // Acquire: pairs with the claim, so that the slot's content is seen.
      let cell = cells.loadAcquiring(index)
      if cell == 0 { return nil }
      if cell >> 32 == fingerprint(key), let slot = slot(cell), matches(slot) { return slot }
      index = (index + 1) & mask
    }
    return nil
  }

  /// Claims an empty cell for a slot, unless an entry that matches stands before it.
  func claim(_ key: UInt64, slot newSlot: Int, where matches: (Int) -> Bool) -> Claim {
    var index = Int(truncatingIfNeeded: key) & mask
    for _ in 0..<Self.probeMax {
      let cell = cells.loadAcquiring(index)
      if cell == 0 {
        if cells.exchange(index, expected: 0, desired: fingerprint(key) << 32 | UInt64(newSlot + 1)) {
          _ = used.add(1, 0)
          return .claimed
        }
        // Another thread took the cell: look at what it put there.
        continue
      }
      if cell >> 32 == fingerprint(key), let slot = slot(cell), matches(slot) { return .known(slot: slot) }
      index = (index + 1) & mask
    }
    return .noRoom
  }

  /// Chain thread only: turns the entry of a slot into a tombstone.
  func remove(_ key: UInt64, slot: Int) {
    var index = Int(truncatingIfNeeded: key) & mask
    for _ in 0..<Self.probeMax {
      let cell = cells.loadAcquiring(index)
      if cell == 0 { return }
      if cell == fingerprint(key) << 32 | UInt64(slot + 1) {
        cells.storeReleasing(max(1 << 32, fingerprint(key) << 32), index)
        return
      }
      index = (index + 1) & mask
    }
  }

  /// Chain thread only, while no reactor uses this table.
  func clear() {
    for index in 0...mask { cells.storeReleasing(0, index) }
    used.storeReleasing(0, 0)
  }

  /// The upper half of the key, never 0, so that a tombstone differs from an empty cell.
  private func fingerprint(_ key: UInt64) -> UInt64 { max(1, key >> 32) }
  private func slot(_ cell: UInt64) -> Int? { cell & 0xFFFF_FFFF == 0 ? nil : Int(cell & 0xFFFF_FFFF) - 1 }
}
