/// Bytes written one after another into memory that is kept from use to use: a message on its way out. Grows by doubling and never shrinks.
@safe public struct ByteWriter: ~Copyable {
  // Owned: `capacity` bytes from `init` or `grow` to `deinit`, of which the first `count` are written.
  @usableFromInline var base: UnsafeMutableRawPointer
  @usableFromInline var capacity: Int
  public private(set) var count = 0

  /// - Parameter capacity: bytes to begin with.
  public init(capacity: Int = 4096) {
    self.capacity = max(64, capacity)
    // Freed in `deinit` or `grow`.
    unsafe base = .allocate(byteCount: self.capacity, alignment: 16)
  }

  // The only owner is gone.
  deinit { unsafe base.deallocate() }

  /// Forgets what was written.
  public mutating func removeAll() { count = 0 }

  /// What was written.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      // The first `count` bytes are initialised; the span borrows their owner.
      let span = unsafe RawSpan(_unsafeStart: base, byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Makes room for `more` bytes and returns where they begin; the caller fills them.
  @inline(__always) private mutating func claim(_ more: Int) -> UnsafeMutableRawPointer {
    if more > capacity - count { grow(more) }
    defer { count += more }
    return unsafe base + count
  }

  @inline(never) private mutating func grow(_ more: Int) {
    while capacity - count < more { capacity *= 2 }
    // The wider memory takes over what was written; nobody holds a pointer into the old one.
    let wider = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    unsafe wider.copyMemory(from: base, byteCount: count)
    unsafe base.deallocate()
    unsafe base = wider
  }

  public mutating func append(_ byte: UInt8) {
    // One byte was claimed.
    unsafe claim(1).storeBytes(of: byte, as: UInt8.self)
  }

  /// The bytes of an ASCII literal.
  public mutating func append(_ literal: StaticString) {
    let length = literal.utf8CodeUnitCount
    // A static string is constant memory of that many bytes, and as many were claimed.
    unsafe claim(length).copyMemory(from: literal.utf8Start, byteCount: length)
  }

  public mutating func append(_ span: RawSpan) {
    guard span.byteCount > 0 else { return }
    // As many bytes were claimed as the span has.
    unsafe span.withUnsafeBytes { source in unsafe claim(source.count).copyMemory(from: source.baseAddress!, byteCount: source.count) }
  }

  public mutating func append(_ array: [UInt8]) { append(array.bytes) }

  /// The first `length` of 64 bytes.
  public mutating func append(_ array: InlineArray<64, UInt8>, count length: Int) {
    precondition(length >= 0 && length <= 64)
    // 64 bytes are claimed and written, and those beyond the length given back.
    unsafe claim(64).storeBytes(of: array, as: InlineArray<64, UInt8>.self)
    count -= 64 - length
  }

  /// Appends what was written to an array.
  public func copy(to array: inout [UInt8]) { array.append(bytes) }

  /// A number in decimal digits.
  public mutating func append(decimal value: UInt64) {
    var digits = 1, rest = value
    while rest >= 10 {
      rest /= 10
      digits += 1
    }
    let start = unsafe claim(digits)
    rest = value
    var position = digits
    while position > 0 {
      position -= 1
      // `digits` bytes were claimed.
      unsafe start.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 + rest % 10), toByteOffset: position, as: UInt8.self)
      rest /= 10
    }
  }

  /// 64 lowercase hexadecimal digits.
  public mutating func append(hex value: Bytes32) {
    let start = unsafe claim(64)
    for index in 0..<32 {
      let byte = value[index]
      // 64 bytes were claimed.
      unsafe start.storeBytes(of: Hex.digit(byte >> 4), toByteOffset: 2 * index, as: UInt8.self)
      unsafe start.storeBytes(of: Hex.digit(byte & 15), toByteOffset: 2 * index + 1, as: UInt8.self)
    }
  }
}
