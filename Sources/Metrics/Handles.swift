public import Lanes

/// Counts up. Any thread.
public struct Counter: Sendable {
  @usableFromInline let words: AtomicWords
  @usableFromInline let index: Int

  @inlinable public func add(_ amount: UInt64 = 1) { _ = words.add(amount, index) }
  /// Takes over a total that is counted elsewhere; it must not fall.
  @inlinable public func set(_ total: UInt64) { words.storeReleasing(total, index) }
  @inlinable public var value: UInt64 { words.loadRelaxed(index) }

  @usableFromInline init(_ words: AtomicWords, _ index: Int) {
    self.words = words
    self.index = index
  }
}

/// A value that goes up and down, or is not there.
public struct Gauge: Sendable {
  @usableFromInline let words: AtomicWords
  @usableFromInline let index: Int
  /// The bits of no value; as a number they are a NaN that no computation gives.
  @usableFromInline static var absent: UInt64 { .max }

  /// Sets the value, in the unit of the name. NaN stands for no value.
  @inlinable public func set(_ value: Double) { words.storeReleasing(value.isNaN ? Self.absent : value.bitPattern, index) }
  @inlinable public func set(_ value: some BinaryInteger) { set(Double(value)) }
  @inlinable public func set(_ flag: Bool) { set(flag ? 1.0 : 0.0) }
  /// From now on there is no sample.
  @inlinable public func clear() { words.storeReleasing(Self.absent, index) }
  @inlinable public var value: Double? {
    let bits = words.loadRelaxed(index)
    return bits == Self.absent ? nil : Double(bitPattern: bits)
  }

  @usableFromInline init(_ words: AtomicWords, _ index: Int) {
    self.words = words
    self.index = index
  }
}

/// Counts observations by size. Any thread.
public struct Histogram: Sendable {
  @usableFromInline let words: AtomicWords
  @usableFromInline let index: Int
  /// Upper bounds of the buckets in the raw unit, rising; one more bucket takes the rest.
  public let bounds: [UInt64]

  /// Counts a value in the raw unit.
  @inlinable public func observe(_ value: UInt64) {
    var bucket = 0
    while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
    _ = words.add(1, index + bucket)
    _ = words.add(value, index + bounds.count + 1)
  }

  /// Takes over what is counted elsewhere: one number per bucket, and the sum of the values.
  public func set(buckets: [UInt64], sum: UInt64) {
    precondition(buckets.count == bounds.count + 1, "one number per bucket")
    for (offset, count) in buckets.enumerated() { words.storeReleasing(count, index + offset) }
    words.storeReleasing(sum, index + bounds.count + 1)
  }

  /// Observations so far.
  public var count: UInt64 { (0...bounds.count).reduce(0) { $0 + words.loadRelaxed(index + $1) } }

  @usableFromInline init(_ words: AtomicWords, _ index: Int, _ bounds: [UInt64]) {
    self.words = words
    self.index = index
    self.bounds = bounds
  }
}

/// The series of a family with labels, in the order of the declaration (the last label runs fastest).
public struct Series<Handle: Sendable>: Sendable {
  let handles: [Handle]
  let values: [[String]]

  public subscript(_ position: Int) -> Handle { handles[position] }
  public var count: Int { handles.count }

  /// The handle for label values; look it up once, at the start.
  public subscript(_ labels: String...) -> Handle {
    guard let position = values.firstIndex(of: labels) else { preconditionFailure("\(labels) is not declared") }
    return handles[position]
  }
}
