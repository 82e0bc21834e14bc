extension RawSpan {
  /// Byte at `offset`. Traps outside the span, in release builds too.
  @inlinable public func uint8(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount)
    // The offset was checked on the line above.
    return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  /// Big-endian 16-bit integer at `offset`. Traps outside the span.
  @inlinable public func uint16(at offset: Int) -> UInt16 {
    precondition(offset >= 0 && offset <= byteCount - 2)
    // The range was checked on the line above; every bit pattern is an integer.
    return unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
  }

  /// Big-endian 32-bit integer at `offset`. Traps outside the span.
  @inlinable public func uint32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset <= byteCount - 4)
    // The range was checked on the line above; every bit pattern is an integer.
    return unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }

  /// Big-endian 64-bit integer at `offset`. Traps outside the span.
  @inlinable public func uint64(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= byteCount - 8)
    // The range was checked on the line above; every bit pattern is an integer.
    return unsafe UInt64(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  /// True when all bytes of `range` are zero. Traps outside the span.
  @inlinable public func isZero(_ range: Range<Int>) -> Bool {
    var offset = range.lowerBound
    // Eight words a step keep up with memory, which matters for files of zeros.
    while offset &+ 64 <= range.upperBound {
      var bits: UInt64 = 0
      for word in 0..<8 { bits |= uint64(at: offset &+ 8 &* word) }
      if bits != 0 { return false }
      offset &+= 64
    }
    while offset < range.upperBound {
      if uint8(at: offset) != 0 { return false }
      offset &+= 1
    }
    return true
  }

  /// True when both spans hold the same bytes.
  public func elementsEqual(_ other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    var offset = 0
    while offset &+ 8 <= byteCount {
      if uint64(at: offset) != other.uint64(at: offset) { return false }
      offset &+= 8
    }
    while offset < byteCount {
      if uint8(at: offset) != other.uint8(at: offset) { return false }
      offset &+= 1
    }
    return true
  }
}

extension Array where Element == UInt8 {
  /// The contents as untyped bytes, borrowed from this array.
  @inlinable public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      // Every bit pattern of a byte is initialised memory without padding, which is all that the untyped view asks for.
      unsafe span.bytes
    }
  }

  /// A copy of the bytes of `span`.
  public init(copying span: RawSpan) {
    self.init()
    append(span)
  }

  /// Appends all bytes of `span`.
  public mutating func append(_ span: RawSpan) {
    // The pointer is used only inside the closure that lends it.
    unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) }
  }

  /// Appends an integer, most significant byte first.
  @inlinable public mutating func append(bigEndian value: some FixedWidthInteger & BitwiseCopyable) {
    var shift = value.bitWidth - 8
    while shift >= 0 {
      append(UInt8(truncatingIfNeeded: value >> shift))
      shift -= 8
    }
  }

  public mutating func append(_ value: Bytes16) {
    append(bigEndian: value.w0)
    append(bigEndian: value.w1)
  }

  public mutating func append(_ value: Bytes32) {
    append(bigEndian: value.w0)
    append(bigEndian: value.w1)
    append(bigEndian: value.w2)
    append(bigEndian: value.w3)
  }

  public mutating func append(_ value: Bytes64) {
    append(value.first)
    append(value.second)
  }

  /// Appends `count` zero bytes.
  public mutating func append(zeros count: Int) { append(contentsOf: repeatElement(0, count: count)) }

  public func appending(_ value: Bytes16) -> Self { var copy = self; copy.append(value); return copy }
  public func appending(_ value: Bytes32) -> Self { var copy = self; copy.append(value); return copy }
}

extension MutableRawSpan {
  /// Writes a big-endian 64-bit integer at `offset`. Traps outside the span.
  @inlinable @_lifetime(self: copy self)
  public mutating func store(bigEndian value: UInt64, at offset: Int) {
    precondition(offset >= 0 && offset <= byteCount - 8)
    // The range was checked on the line above.
    unsafe storeBytes(of: value.bigEndian, toUncheckedByteOffset: offset, as: UInt64.self)
  }

  @inlinable @_lifetime(self: copy self)
  public mutating func store(_ value: Bytes32, at offset: Int) {
    store(bigEndian: value.w0, at: offset)
    store(bigEndian: value.w1, at: offset + 8)
    store(bigEndian: value.w2, at: offset + 16)
    store(bigEndian: value.w3, at: offset + 24)
  }
}
