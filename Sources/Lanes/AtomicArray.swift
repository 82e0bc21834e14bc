import Glibc
public import Synchronization

/// A fixed array of atomic words, owned where it stands: reading it counts no reference, so threads that share it write to no line but the words' own.
/// Indexes are checked in release builds too.
@safe public struct AtomicArray: ~Copyable, @unchecked Sendable {
  // Sendable: the pointer never changes, what it points to is atomic.
  @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>
  public let count: Int

  /// Large arrays of zeros take memory where they are used: their pages come from the kernel when they are first touched.
  public init(count: Int, value: UInt64 = 0) {
    precondition(count > 0)
    self.count = count
    // An atomic word of value 0 is 8 zero bytes. Owned until deinit; without memory for its tables there is no process.
    guard let zeroed = unsafe calloc(count, MemoryLayout<Atomic<UInt64>>.stride) else { fatalError("no memory for \(count) atomic words") }
    unsafe words = zeroed.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    guard value != 0 else { return }
    // Nobody else sees the object yet, and zero words need no deinitialisation.
    for index in 0..<count { unsafe (words + index).initialize(to: Atomic(value)) }
  }

  deinit {
    // The owner is gone: nobody else reads, and the words are plain bits.
    unsafe free(words)
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
  /// Value only; publishes nothing.
  @inlinable public func storeRelaxed(_ value: UInt64, _ index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].store(value, ordering: .relaxed)
  }
  /// True when the word was `expected` and is now `desired`. Acquires and releases: it links what it saw to what it publishes.
  @inlinable public func exchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool {
    precondition(index >= 0 && index < count)
    return unsafe words[index].compareExchange(expected: expected, desired: desired, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed).exchanged
  }
  /// Adds and returns the new value. Relaxed: counters order nothing.
  @discardableResult @inlinable public func add(_ amount: UInt64, _ index: Int) -> UInt64 {
    precondition(index >= 0 && index < count)
    return unsafe words[index].wrappingAdd(amount, ordering: .relaxed).newValue
  }
  @inlinable public func subtract(_ amount: UInt64, _ index: Int) {
    precondition(index >= 0 && index < count)
    unsafe words[index].wrappingSubtract(amount, ordering: .relaxed)
  }
}
