/// Base 64 of RFC 4648 section 4: padded, canonical (unused trailing bits are zero), no line breaks.
public enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  public static func encode(_ bytes: RawSpan) -> String {
    var text: [UInt8] = []
    append(bytes, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  public static func encode(_ bytes: [UInt8]) -> String { encode(bytes.bytes) }

  /// Appends `4 * ceil(count / 3)` ASCII characters.
  public static func append(_ bytes: RawSpan, to text: inout [UInt8]) {
    text.reserveCapacity(text.count + (bytes.byteCount + 2) / 3 * 4)
    var offset = 0
    while offset < bytes.byteCount {
      let left = bytes.byteCount - offset
      let b0 = UInt32(bytes.uint8(at: offset))
      let b1 = left > 1 ? UInt32(bytes.uint8(at: offset + 1)) : 0
      let b2 = left > 2 ? UInt32(bytes.uint8(at: offset + 2)) : 0
      let group = b0 << 16 | b1 << 8 | b2
      text.append(alphabet[Int(group >> 18)])
      text.append(alphabet[Int(group >> 12 & 63)])
      text.append(left > 1 ? alphabet[Int(group >> 6 & 63)] : 0x3D)
      text.append(left > 2 ? alphabet[Int(group & 63)] : 0x3D)
      offset += 3
    }
  }

  /// The bytes, or nil for a length that is no multiple of 4, a foreign character, wrong padding or non-zero trailing bits.
  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let characters = Array(text.utf8)
    guard characters.count % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(characters.count / 4 * 3)
    for offset in stride(from: 0, to: characters.count, by: 4) {
      let last = offset + 4 == characters.count
      let padding = !last || characters[offset + 3] != 0x3D ? 0 : characters[offset + 2] == 0x3D ? 2 : 1
      var group: UInt32 = 0
      for index in 0..<4 {
        let digit: UInt32
        if index >= 4 - padding {
          digit = 0
        } else {
          guard let value = value(characters[offset + index]) else { return nil }
          digit = value
        }
        group = group << 6 | digit
      }
      if padding == 1 && group & 0xFF != 0 || padding == 2 && group & 0xFFFF != 0 { return nil }
      bytes.append(UInt8(group >> 16))
      if padding < 2 { bytes.append(UInt8(group >> 8 & 255)) }
      if padding < 1 { bytes.append(UInt8(group & 255)) }
    }
    return bytes
  }

  private static func value(_ character: UInt8) -> UInt32? {
    switch character {
    case 0x41...0x5A: UInt32(character - 0x41)
    case 0x61...0x7A: UInt32(character - 0x47)
    case 0x30...0x39: UInt32(character + 4)
    case 0x2B: 62
    case 0x2F: 63
    default: nil
    }
  }
}
