import Synchronization

/// A lock-free stack of the indexes `0 ..< count`, all free at first. The top carries a 32-bit tag that every change advances, against ABA.
public final class FreeList: Sendable {
  private let top: PaddedAtomic  // tag << 32 | index + 1, low half 0 when empty
  private let fresh = PaddedAtomic(0)  // indexes from here on were never handed out
  private let next: AtomicWords
  public let count: Int

  public init(count: Int) {
    precondition(count > 0 && count < Int(UInt32.max))
    self.count = count
    top = PaddedAtomic(0)
    next = AtomicWords(count: count)
  }

  /// Any thread. Nil when none is free.
  public func pop() -> Int? {
    // Acquire: pairs with the release in push, so `next` and what the last owner wrote are seen.
    var word = top.word.load(ordering: .acquiring)
    while word & 0xFFFF_FFFF != 0 {
      let index = Int(word & 0xFFFF_FFFF) - 1
      // A stale `next` is harmless: the tag then fails the exchange.
      let desired = ((word >> 32) &+ 1) << 32 | next.loadRelaxed(index)
      let result = top.word.compareExchange(
        expected: word, desired: desired, successOrdering: .acquiringAndReleasing, failureOrdering: .acquiring)
      if result.exchanged { return index }
      word = result.original
    }
    // Relaxed: a fresh index has no earlier owner to see.
    var position = fresh.word.load(ordering: .relaxed)
    while position < UInt64(count) {
      let result = fresh.word.compareExchange(expected: position, desired: position + 1, ordering: .relaxed)
      if result.exchanged { return Int(position) }
      position = result.original
    }
    return nil
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
