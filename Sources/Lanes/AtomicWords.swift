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

/// An atomic array with many owners, for words that are handed around, such as counters. The orderings are those of `AtomicArray`.
public final class AtomicWords: Sendable {
  @usableFromInline let array: AtomicArray
  public var count: Int { array.count }

  public init(count: Int, value: UInt64 = 0) { array = AtomicArray(count: count, value: value) }

  @inlinable public func loadAcquiring(_ index: Int) -> UInt64 { array.loadAcquiring(index) }
  @inlinable public func loadRelaxed(_ index: Int) -> UInt64 { array.loadRelaxed(index) }
  @inlinable public func storeReleasing(_ value: UInt64, _ index: Int) { array.storeReleasing(value, index) }
  @inlinable public func exchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool { array.exchange(index, expected: expected, desired: desired) }
  @inlinable public func add(_ amount: UInt64, _ index: Int) -> UInt64 { array.add(amount, index) }
  @inlinable public func subtract(_ amount: UInt64, _ index: Int) { array.subtract(amount, index) }
}
