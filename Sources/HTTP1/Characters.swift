/// Character classes of RFC 9110 section 5.6.2 and RFC 9112 section 3, one bit set per class.
enum Characters {
  /// Letters, digits and `!#$%&'*+-.^_`|~`.
  @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
    byte < 128 && (byte < 64 ? tokenLow >> UInt64(byte) & 1 != 0 : tokenHigh >> UInt64(byte - 64) & 1 != 0)
  }

  // Bit n is character n, or 64 + n: constants, because a computed global is looked at through a lock of the run-time.
  private static var tokenLow: UInt64 { 0x03FF_6CFA_0000_0000 }
  private static var tokenHigh: UInt64 { 0x57FF_FFFF_C7FF_FFFE }

  /// Visible ASCII, blanks, tabs and bytes above 127: what a field value may hold.
  @inline(__always) static func isFieldValue(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }
  /// Visible ASCII: what a request target may hold.
  @inline(__always) static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }
  @inline(__always) static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
  @inline(__always) static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
