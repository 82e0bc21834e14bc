/// A fixed number of rows in memory that never moves, with a bounds check on every access in release builds too.
///
/// Rows are changed in place through a constant table, so that a class that owns tables pays no exclusivity check per access. The owner
/// deallocates it.
@safe public struct Table<Row: BitwiseCopyable> {
  // Valid from `init` to `deallocate`; the owner is the only one to call the latter.
  public let base: UnsafeMutablePointer<Row>
  public let count: Int

  public init(count: Int, repeating row: Row) {
    // Owned until `deallocate`; every row is initialised before it can be read.
    unsafe base = UnsafeMutablePointer<Row>.allocate(capacity: max(1, count))
    unsafe base.initialize(repeating: row, count: count)
    self.count = count
  }

  // Called once, by the owner, when nobody reads any more.
  public func deallocate() { unsafe base.deallocate() }

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

/// A piece of memory to send or to read; laid out as `struct iovec`.
@safe @frozen public struct Slice: BitwiseCopyable {
  public var base: UnsafeMutableRawPointer
  public var count: Int

  @inlinable public init(base: UnsafeMutableRawPointer, count: Int) {
    // The caller owns the memory and keeps it for as long as the slice is used.
    unsafe self.base = unsafe base
    self.count = count
  }
}

/// One finished step of an operation; laid out as the head of an io_uring completion, which the other back ends imitate.
@frozen public struct Completion: BitwiseCopyable {
  public var id: UInt64
  /// Bytes, a descriptor or zero; or the negated error number.
  public var result: Int32
  /// Bit 0: a receive buffer came along, its number in bits 16 to 31. Bit 1: the operation goes on.
  public var flags: UInt32

  @inlinable public init(id: UInt64 = 0, result: Int32 = 0, flags: UInt32 = 0) { (self.id, self.result, self.flags) = (id, result, flags) }
  @inlinable public init(_ id: OperationID, _ result: Int32, more: Bool) { self.init(id: id.rawValue, result: result, flags: more ? 2 : 0) }
  @inlinable public init(_ id: OperationID, _ result: Int32, buffer: UInt16, more: Bool) {
    self.init(id: id.rawValue, result: result, flags: UInt32(buffer) << 16 | (more ? 3 : 1))
  }

  @inlinable public var more: Bool { flags & 2 != 0 }
  @inlinable public var buffer: UInt16? { flags & 1 != 0 ? UInt16(flags >> 16) : nil }
}
