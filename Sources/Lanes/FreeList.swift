import Synchronization

/// A lock-free stack of the indexes `0 ..< count`, all free at first. The top carries a 32-bit tag that every change advances, against ABA.
public struct FreeList: ~Copyable, Sendable {
  private let top: PaddedAtomic  // tag << 32 | index + 1, low half 0 when empty
  private let fresh = PaddedAtomic(0)  // indexes from here on were never handed out
  private let next: AtomicArray
  public let count: Int

  public init(count: Int) {
    precondition(count > 0 && count < Int(UInt32.max))
    self.count = count
    top = PaddedAtomic(0)
    next = AtomicArray(count: count)
  }

  /// Any thread. Nil when none is free.
  public func pop() -> Int? { pop {} }

  /// - Parameter betweenLooks: called when the stack was empty, before the fresh indexes are looked at: where another thread may do anything.
  func pop(betweenLooks: () -> Void) -> Int? {
    var taken: Int?
    take(1, betweenLooks: betweenLooks) { taken = $0 }
    return taken
  }

  /// Any thread: takes up to `countMax` free indexes at once, with one exchange where nobody interferes.
  fileprivate func take(_ countMax: Int, betweenLooks: () -> Void = {}, _ body: (Int) -> Void) {
    // Acquire: pairs with the release in push, so `next` and what the last owners wrote are seen.
    var word = top.word.load(ordering: .acquiring)
    while true {
      while word & 0xFFFF_FFFF != 0 {
        // The links are stale when somebody changes the stack during the walk: harmless, as the tag then fails the exchange.
        var rest = word & 0xFFFF_FFFF, length = 0
        while rest != 0 && length < countMax {
          rest = next.loadRelaxed(Int(rest) - 1)
          length += 1
        }
        let result = top.word.compareExchange(
          expected: word, desired: ((word >> 32) &+ 1) << 32 | rest, successOrdering: .acquiringAndReleasing, failureOrdering: .acquiring)
        if result.exchanged {
          // The walked indexes are this thread's: their links stay as they were.
          var taken = word & 0xFFFF_FFFF
          while taken != rest {
            let following = next.loadRelaxed(Int(taken) - 1)
            body(Int(taken) - 1)
            taken = following
          }
          return
        }
        word = result.original
      }
      betweenLooks()
      if takeFresh(countMax, body) { return }
      // Nothing is fresh any more. What was pushed between the two looks is free now; when nothing was, the list was empty at the second look.
      // Acquire: as above.
      let again = top.word.load(ordering: .acquiring)
      guard again & 0xFFFF_FFFF != 0 else { return }
      word = again
    }
  }

  /// Takes indexes that were never handed out; false when there are none.
  private func takeFresh(_ countMax: Int, _ body: (Int) -> Void) -> Bool {
    // Acquire, here and in the exchange: pairs with the exchange's release, so that who finds nothing fresh sees what was pushed before the last was taken.
    var position = fresh.word.load(ordering: .acquiring)
    while position < UInt64(count) {
      let end = min(position + UInt64(countMax), UInt64(count))
      let result = fresh.word.compareExchange(expected: position, desired: end, successOrdering: .acquiringAndReleasing, failureOrdering: .acquiring)
      if result.exchanged {
        for index in position..<end { body(Int(index)) }
        return true
      }
      position = result.original
    }
    return false
  }

  /// Any thread, the owner of `index`.
  public func push(_ index: Int) {
    precondition(index >= 0 && index < count)
    var word = top.word.load(ordering: .relaxed)
    while true {
      next.storeReleasing(word & 0xFFFF_FFFF, index)
      // Release: publishes `next` and the owner's last reads and writes. Acquire keeps the chain of earlier pushes.
      let result = top.word.compareExchange(
        expected: word, desired: ((word >> 32) &+ 1) << 32 | UInt64(index + 1), successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
      if result.exchanged { return }
      word = result.original
    }
  }
}

/// Free indexes that one thread has taken in advance, so that it seldom meets others at the list. Only that thread uses it. What lies here is lost to the
/// others: the list needs `capacity` more indexes for every magazine.
public struct Magazine: ~Copyable, Sendable {
  public static let capacity = 32
  // Cell 0 is the number of the indexes behind it. Relaxed throughout: one thread, and the list has ordered what the indexes stand for.
  private let cells = AtomicArray(count: 1 + Self.capacity)

  public init() {}

  /// Nil when neither this nor the list has one.
  public func pop(from list: borrowing FreeList) -> Int? {
    var held = Int(cells.loadRelaxed(0))
    if held == 0 {
      list.take(Self.capacity) { index in
        held += 1
        cells.storeRelaxed(UInt64(index), held)
      }
      guard held > 0 else { return nil }
    }
    cells.storeRelaxed(UInt64(held - 1), 0)
    return Int(cells.loadRelaxed(held))
  }

  /// Gives an index back, to the list when there is no place.
  public func push(_ index: Int, to list: borrowing FreeList) {
    let held = Int(cells.loadRelaxed(0))
    guard held < Self.capacity else { return list.push(index) }
    cells.storeRelaxed(UInt64(index), held + 1)
    cells.storeRelaxed(UInt64(held + 1), 0)
  }
}
