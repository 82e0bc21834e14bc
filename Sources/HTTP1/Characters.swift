/// Character classes of RFC 9110 section 5.6.2 and RFC 9112 section 3, one bit set per class.
enum Characters {
  /// Letters, digits and `!#$%&'*+-.^_`|~`.
  @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
    byte < 128 && (byte < 64 ? tokenLow >> UInt64(byte) & 1 != 0 : tokenHigh >> UInt64(byte - 64) & 1 != 0)
  }

  private static let tokenLow = mask("!#$%&'*+-.0123456789", from: 0)
  private static let tokenHigh = mask("ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~", from: 64)

  private static func mask(_ text: String, from base: UInt8) -> UInt64 {
    text.utf8.reduce(0) { $0 | 1 << UInt64($1 - base) }
  }

  /// Visible ASCII, blanks, tabs and bytes above 127: what a field value may hold.
  @inline(__always) static func isFieldValue(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }
  /// Visible ASCII: what a request target may hold.
  @inline(__always) static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }
  @inline(__always) static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
  @inline(__always) static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
