public import Synchronization

/// A ring from one producer thread to one consumer thread. Owned where it stands.
@safe public struct SPSCLane<Element: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
  // Sendable: a cell belongs to the producer before `tail` passes it and to the consumer after; the indexes hand it over.
  @usableFromInline let cells: UnsafeMutablePointer<Element>
  public let capacity: Int
  @usableFromInline let mask: UInt64
  @usableFromInline let head = PaddedAtomic(0)  // next to pop, written by the consumer
  @usableFromInline let tail = PaddedAtomic(0)  // next to push, written by the producer

  /// `capacity` is a power of two.
  public init(capacity: Int) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a lane's capacity is a power of two")
    self.capacity = capacity
    mask = UInt64(capacity - 1)
    // Owned until deinit; a cell is written before `tail` lets anybody read it.
    unsafe cells = .allocate(capacity: capacity)
  }

  deinit { unsafe cells.deallocate() /* elements are plain bits; the owner is gone */ }

  /// Producer only. False when full.
  @inlinable public func push(_ element: Element) -> Bool {
    // Relaxed: this thread alone writes it.
    let position = tail.word.load(ordering: .relaxed)
    // Acquire: pairs with the consumer's release, so its read of the cell is over before the cell is written again.
    if position &- head.word.load(ordering: .acquiring) == UInt64(capacity) { return false }
    // The mask keeps the index inside.
    unsafe (cells + Int(position & mask)).initialize(to: element)
    // Release: publishes the cell.
    tail.word.store(position &+ 1, ordering: .releasing)
    return true
  }

  /// Consumer only. Nil when empty.
  @inlinable public func pop() -> Element? {
    // Relaxed: this thread alone writes it.
    let position = head.word.load(ordering: .relaxed)
    // Acquire: pairs with the producer's release, so the cell is seen as written.
    if position == tail.word.load(ordering: .acquiring) { return nil }
    // The mask keeps the index inside.
    let element = unsafe cells[Int(position & mask)]
    // Release: the read above is over before the producer may reuse the cell.
    head.word.store(position &+ 1, ordering: .releasing)
    return element
  }
}
