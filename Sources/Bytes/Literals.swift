extension RawSpan {
  /// True when the bytes are exactly those of an ASCII literal.
  @inlinable public func equals(_ literal: StaticString) -> Bool {
    byteCount == literal.utf8CodeUnitCount && hasPrefix(literal)
  }

  /// True when the bytes begin with those of an ASCII literal.
  @inlinable public func hasPrefix(_ literal: StaticString) -> Bool {
    let count = literal.utf8CodeUnitCount
    guard byteCount >= count else { return false }
    // A static string is constant memory of `count` bytes.
    let characters = unsafe UnsafeBufferPointer(start: literal.utf8Start, count: count)
    for offset in 0..<count where unsafe uint8(at: offset) != characters[offset] { return false }
    return true
  }

  /// The bytes as text, nil unless they are valid UTF-8.
  public var text: String? { String(validating: [UInt8](copying: self), as: UTF8.self) }
}

extension Array where Element == UInt8 {
  /// Appends the bytes of an ASCII literal without making a string of it.
  @inlinable public mutating func append(_ literal: StaticString) {
    // A static string is constant memory of that many bytes.
    unsafe append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }

  /// Appends a number in decimal digits, without a string.
  public mutating func append(decimal value: UInt64) {
    if value >= 10 { append(decimal: value / 10) }
    append(UInt8(truncatingIfNeeded: 0x30 + value % 10))
  }
}
