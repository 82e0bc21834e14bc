public import Synchronization

/// One atomic word, padded so that its neighbours seldom share its cache lines.
public struct PaddedAtomic: ~Copyable, Sendable {
  public let word: Atomic<UInt64>
  private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
  public init(_ value: UInt64) {
    word = Atomic(value)
    padding = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  }
}

/// A fixed array of atomic words. Indexes are checked in release builds too.
@safe public final class AtomicWords: @unchecked Sendable {
  // Sendable: the pointer never changes, what it points to is atomic.
  @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>
  public let count: Int

  public init(count: Int, value: UInt64 = 0) {
    precondition(count > 0)
    self.count = count
    // Owned until deinit; every word is initialised before the object can be shared.
    unsafe words = .allocate(capacity: count)
    for index in 0..<count { unsafe (words + index).initialize(to: Atomic(value)) }
  }

  deinit {
    // The last reference is gone: nobody else reads.
    unsafe words.deinitialize(count: count)
    unsafe words.deallocate()
  }

  /// Sees all that was written before the release that wrote the loaded value.
  @inlinable public func loadAcquiring(_ index: Int) -> UInt64 {
    precondition(index >= 0 && index < count)
    return unsafe words[index].load(ordering: .acquiring)
  }
  /// Value only; nothing may be read through it.
  @inlinable public func loadRelaxed(_ index: Int) -> UInt64 {
    precondition(index >= 0 && index < count)
    return unsafe words[index].load(ordering: .relaxed)
  }
  /// Publishes all that this thread wrote before.
  @inlinable public func storeReleasing(_ value: UInt64, _ index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].store(value, ordering: .releasing)
  }
  /// True when the word was `expected` and is now `desired`. Acquires and releases: it links what it saw to what it publishes.
  @inlinable public func exchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool {
    precondition(index >= 0 && index < count)
    return unsafe words[index].compareExchange(expected: expected, desired: desired, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed).exchanged
  }
  /// Adds and returns the new value. Relaxed: counters order nothing.
  @inlinable public func add(_ amount: UInt64, _ index: Int) -> UInt64 {
    precondition(index >= 0 && index < count)
    return unsafe words[index].wrappingAdd(amount, ordering: .relaxed).newValue
  }
  @inlinable public func subtract(_ amount: UInt64, _ index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].wrappingSubtract(amount, ordering: .relaxed)
  }
}
