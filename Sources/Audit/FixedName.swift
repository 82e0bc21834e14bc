import Bytes

/// Names in fixed fields of 64 bytes, NUL-padded: `[a-z0-9.-]{1,64}`.
enum FixedName {
  static func isValid(_ name: some StringProtocol) -> Bool {
    let count = name.utf8.count
    return count >= 1 && count <= LedgerLimit.nameByteCount && name.utf8.allSatisfy(isAllowed)
  }

  static func isAllowed(_ byte: UInt8) -> Bool {
    (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x2E
  }

  /// Appends 64 bytes. The name was checked when its owner was made.
  static func encode(_ name: String, into bytes: inout [UInt8]) {
    let text = Array(name.utf8.prefix(LedgerLimit.nameByteCount))
    bytes.append(contentsOf: text)
    bytes.append(zeros: LedgerLimit.nameByteCount - text.count)
  }

  /// Reads 64 bytes at `offset`, which exist: at least one allowed character, then zeros to the end.
  static func decode(_ span: RawSpan, at offset: Int) throws(FormatError) -> String {
    var text: [UInt8] = []
    while text.count < LedgerLimit.nameByteCount, span.uint8(at: offset + text.count) != 0 {
      let byte = span.uint8(at: offset + text.count)
      guard isAllowed(byte) else { throw .malformed("name") }
      text.append(byte)
    }
    guard !text.isEmpty, span.isZero(offset + text.count..<offset + LedgerLimit.nameByteCount) else { throw .malformed("name") }
    return String(decoding: text, as: UTF8.self)
  }
}
