import Lanes
import Synchronization

/// Two duplicate tables: one in use, and one to move into when tombstones have filled half of the first. A move takes three steps; between two of them every
/// reactor passes a tick, so that at no time reactors work by rules that are two steps apart:
///
///     step       a claim is made in            a look-up asks    begins when all reactors have passed a tick since the last step began, and
///     steady     the table in use              the table in use
///     copying    old (undecided), new, old     old               the table in use is crowded; the other is empty
///     settling   new                           new, then old     the chain thread has copied what was pending when the step before began
///     steady     new                           new
///
/// * No id is lost: whoever claims by the first rule is done before the copy, and whoever claims later claims in the new table.
/// * No id is accepted twice: claims by neighbouring rules meet in a table that both use, the old one for steady and copying, the new one afterwards.
/// * Answers are linearizable per id. The claim in the new table decides while copying; the one in the old table, which may still be withdrawn because a
///   settling reactor was first, is no answer for anybody until then. An entry leaves the table that is asked last, last (`remove`).
struct TwinTable: ~Copyable, Sendable {
  private enum Step: UInt64 { case steady, copying, settling }

  private let tables: OwnedArray<DuplicateTable>
  /// The step in the low two bits, above them the number of a table: the one in use, the old one while copying, the new one while settling.
  private let state = PaddedAtomic(0)
  /// Chain thread: the present step is known to all reactors that have passed a later epoch.
  private let knownAfter = PaddedAtomic(0)
  /// Chain thread: moves completed.
  private let moveCount = PaddedAtomic(0)
  var moves: Int { Int(moveCount.word.load(ordering: .relaxed)) }

  init(cells: Int) { tables = OwnedArray(count: 2) { _ in DuplicateTable(cells: cells) } }

  private static func unpack(_ word: UInt64) -> (step: Step, table: Int) { (Step(rawValue: word & 3) ?? .steady, Int(word >> 2)) }

  // MARK: Any reactor

  /// Finds the slot for which `matches` is true among those with this key.
  func find(_ key: UInt64, where matches: (Int) -> Bool) -> Int? {
    // Acquire: pairs with `enter`, so that a table is seen as it was prepared.
    let (step, table) = Self.unpack(state.word.load(ordering: .acquiring))
    if let slot = tables[table].find(key, where: matches) { return slot }
    return step == .settling ? tables[1 - table].find(key, where: matches) : nil
  }

  enum Claim {
    case claimed
    case known(slot: Int)
    /// No cell, or another thread is about to claim the same: try again later.
    case noRoom
    /// As `known`, or as `noRoom` when nil, but other threads may have seen the slot that was to be entered: the chain thread has to retire it.
    case withdrawn(known: Int?)
  }

  /// Claims a cell for a slot, unless an entry that matches stands there.
  func claim(_ key: UInt64, slot: Int, where matches: (Int) -> Bool) -> Claim {
    // Acquire: as in `find`.
    let (step, table) = Self.unpack(state.word.load(ordering: .acquiring))
    let cell: Int
    switch tables[table].claim(key, slot: slot, isDecided: step != .copying, where: matches) {
    case .known(let slot): return .known(slot: slot)
    case .noRoom, .busy: return .noRoom
    case .claimed(let taken): cell = taken
    }
    guard step == .copying else { return .claimed }
    let second = tables[1 - table].claim(key, slot: slot, where: matches)
    if case .claimed = second {
      tables[table].decide(key, slot: slot, cell: cell, true)
      return .claimed
    }
    tables[table].decide(key, slot: slot, cell: cell, false)
    if case .known(let other) = second { return .withdrawn(known: other) }
    return .withdrawn(known: nil)
  }

  // MARK: Chain thread

  /// Turns the entries of a slot into tombstones: while copying first in the new table, which is no answer yet, afterwards first in the table in use.
  func remove(_ key: UInt64, slot: Int) {
    // Relaxed, here and below: this thread alone writes it.
    let (step, table) = Self.unpack(state.word.load(ordering: .relaxed))
    let first = step == .copying ? 1 - table : table
    tables[first].remove(key, slot: slot)
    tables[1 - first].remove(key, slot: slot)
  }

  /// Whether the next step of a move may be taken.
  /// - Parameter passed: the epoch that every reactor has passed; what they claimed before is pending.
  func isDue(passed: UInt64) -> Bool {
    guard passed > knownAfter.word.load(ordering: .relaxed) else { return false }
    let (step, table) = Self.unpack(state.word.load(ordering: .relaxed))
    return step != .steady || tables[table].isCrowded
  }

  /// Takes the next step.
  /// - Parameters:
  ///   - epoch: the present one.
  ///   - copy: gives key and slot of every pending event to the closure that it is given.
  func advance(epoch: UInt64, copy: ((UInt64, Int) -> Void) -> Void) {
    let (step, table) = Self.unpack(state.word.load(ordering: .relaxed))
    switch step {
    case .steady:
      tables[1 - table].clear()
      enter(.copying, table, epoch)
    case .copying:
      // A slot that a reactor has claimed in both tables is there already. A quarter of the cells is in use at most: no room has negligible odds.
      copy { key, slot in _ = tables[1 - table].claim(key, slot: slot) { $0 == slot } }
      enter(.settling, 1 - table, epoch)
    case .settling:
      moveCount.word.store(moveCount.word.load(ordering: .relaxed) + 1, ordering: .relaxed)
      enter(.steady, table, epoch)
    }
  }

  private func enter(_ step: Step, _ table: Int, _ epoch: UInt64) {
    // Release: publishes the prepared table.
    state.word.store(UInt64(table) << 2 | step.rawValue, ordering: .releasing)
    knownAfter.word.store(epoch, ordering: .relaxed)
  }
}
