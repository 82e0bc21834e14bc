import Synchronization

/// A ring from any number of producers to any number of consumers (D. Vyukov's bounded queue). FIFO per producer.
@safe public final class MPMCLane<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  // Sendable: the sequence number of a cell says who owns it.
  private let cells: UnsafeMutablePointer<Element>
  private let sequences: AtomicWords
  public let capacity: Int
  private let mask: UInt64
  private let head = PaddedAtomic(0)
  private let tail = PaddedAtomic(0)

  /// `capacity` is a power of two, at least 2 (with one cell, full and free would read alike).
  public init(capacity: Int) {
    precondition(capacity >= 2 && capacity & (capacity - 1) == 0, "a lane's capacity is a power of two")
    self.capacity = capacity
    mask = UInt64(capacity - 1)
    sequences = AtomicWords(count: capacity)
    for index in 0..<capacity { sequences.storeReleasing(UInt64(index), index) }
    // Owned until deinit; a cell is written before its sequence lets anybody read it.
    unsafe cells = .allocate(capacity: capacity)
  }

  deinit { unsafe cells.deallocate() /* elements are plain bits; the last reference is gone */ }

  /// False when full.
  public func push(_ element: Element) -> Bool {
    // Relaxed: a stale position only fails the exchange; the cell's sequence orders the data.
    var position = tail.word.load(ordering: .relaxed)
    while true {
      let index = Int(position & mask)
      // Acquire: pairs with the consumer's release, so its read is over.
      let sequence = sequences.loadAcquiring(index)
      if sequence == position {
        let result = tail.word.compareExchange(expected: position, desired: position &+ 1, ordering: .relaxed)
        if result.exchanged {
          // The exchange gave this cell to this thread alone.
          unsafe (cells + index).initialize(to: element)
          sequences.storeReleasing(position &+ 1, index)  // Release: publishes the cell.
          return true
        }
        position = result.original
      } else if sequence < position {
        return false
      } else {
        position = tail.word.load(ordering: .relaxed)
      }
    }
  }

  /// Nil when empty.
  public func pop() -> Element? {
    var position = head.word.load(ordering: .relaxed)  // as in push
    while true {
      let index = Int(position & mask)
      // Acquire: pairs with the producer's release, so the cell is seen as written.
      let sequence = sequences.loadAcquiring(index)
      if sequence == position &+ 1 {
        let result = head.word.compareExchange(expected: position, desired: position &+ 1, ordering: .relaxed)
        if result.exchanged {
          // The exchange gave this cell to this thread alone.
          let element = unsafe cells[index]
          sequences.storeReleasing(position &+ UInt64(capacity), index)  // Release: the read is over.
          return element
        }
        position = result.original
      } else if sequence < position &+ 1 {
        return nil
      } else {
        position = head.word.load(ordering: .relaxed)
      }
    }
  }
}

/// Many producers, one consumer: the same ring.
public typealias MPSCLane = MPMCLane
