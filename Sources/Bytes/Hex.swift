/// Base 16 as the formats use it: two lowercase digits per byte.
public enum Hex {
  /// Two lowercase digits per byte.
  public static func encode(_ bytes: RawSpan) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(2 * bytes.byteCount)
    append(bytes, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  public static func encode(_ bytes: [UInt8]) -> String { encode(bytes.bytes) }

  /// Appends two lowercase ASCII digits per byte of `bytes`.
  public static func append(_ bytes: RawSpan, to text: inout [UInt8]) {
    for offset in 0..<bytes.byteCount {
      let byte = bytes.uint8(at: offset)
      text.append(digit(byte >> 4))
      text.append(digit(byte & 15))
    }
  }

  /// The bytes, or nil when the text has an odd length or anything but `0-9a-f`. Uppercase is refused.
  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for offset in stride(from: 0, to: digits.count, by: 2) {
      guard let high = value(digits[offset]), let low = value(digits[offset + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  @inlinable public static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

  /// The value of one lowercase digit, or nil.
  @inlinable public static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x57
    default: nil
    }
  }
}
