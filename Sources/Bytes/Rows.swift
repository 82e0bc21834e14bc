/// A fixed number of rows that never move. A row is changed in place through a constant `Rows`: access copies nothing, retains nothing, and costs the
/// class that owns the rows no exclusivity check. Indexes are checked in release builds too.
///
/// For one thread. Whoever hands out a row in one expression twice, once to be written, breaks the law of exclusivity unseen: do not.
@safe public struct Rows<Row: ~Copyable>: ~Copyable {
  // Owned: valid from `init` to `deinit`.
  @usableFromInline let base: UnsafeMutablePointer<Row>
  public let count: Int

  /// - Parameter row: makes the row at an index.
  public init(count: Int, _ row: (Int) -> Row) {
    precondition(count > 0)
    // Every row is initialised here and freed in `deinit`.
    unsafe base = .allocate(capacity: count)
    for index in 0..<count { unsafe (base + index).initialize(to: row(index)) }
    self.count = count
  }

  deinit {
    // All rows are initialised, and the only owner is gone.
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  @inlinable public subscript(index: Int) -> Row {
    unsafeAddress {
      precondition(index >= 0 && index < count)
      // The index was checked on the line above.
      return unsafe UnsafePointer(base + index)
    }
    nonmutating unsafeMutableAddress {
      precondition(index >= 0 && index < count)
      // The index was checked on the line above.
      return unsafe base + index
    }
  }
}

extension Rows where Row: ~Copyable {
  /// One row, for state that its owner changes often.
  public init(one row: consuming Row) {
    var row: Row? = row
    self.init(count: 1) { _ in row.take()! }
  }
}
