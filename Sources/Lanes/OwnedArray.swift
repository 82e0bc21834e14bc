/// A fixed array of values that cannot be copied, such as lanes: elements are used in place, and no reference is counted. Indexes are checked in release builds
/// too.
@safe public struct OwnedArray<Element: ~Copyable>: ~Copyable {
  @usableFromInline let base: UnsafeMutablePointer<Element>
  public let count: Int

  public init(count: Int, _ make: (Int) -> Element) {
    precondition(count >= 0)
    self.count = count
    // Owned until deinit; every place is initialised here.
    unsafe base = .allocate(capacity: count)
    for index in 0..<count { unsafe (base + index).initialize(to: make(index)) }
  }

  deinit {
    // The owner is gone, so nobody uses an element.
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  @inlinable public subscript(index: Int) -> Element {
    _read {
      precondition(index >= 0 && index < count)
      yield unsafe base[index]  // checked above
    }
  }
}

// The elements never move, and are lent for reading only.
extension OwnedArray: @unchecked Sendable where Element: Sendable & ~Copyable {}
