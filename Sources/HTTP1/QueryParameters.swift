import Bytes

/// The parameters of a query string, percent-decoded, in order. For routes off the hot path: names and values are strings.
public struct QueryParameters: Sendable {
  public let pairs: [(name: String, value: String)]

  /// - Returns: nil when an escape is malformed or the decoded text is not UTF-8. An empty query has no parameters.
  public init?(_ query: RawSpan) {
    var pairs: [(name: String, value: String)] = []
    var start = 0
    while start < query.byteCount {
      var end = start, equals = -1
      while end < query.byteCount, query.uint8(at: end) != 0x26 {
        if equals < 0, query.uint8(at: end) == 0x3D { equals = end }
        end += 1
      }
      let nameEnd = equals < 0 ? end : equals
      guard let name = PercentEncoding.decode(query.extracting(start..<nameEnd), plusIsBlank: true),
        let value = PercentEncoding.decode(query.extracting(min(nameEnd + 1, end)..<end), plusIsBlank: true)
      else { return nil }
      pairs.append((name, value))
      start = end + 1
    }
    self.pairs = pairs
  }
}

/// `%XX` escapes (RFC 3986 section 2.1).
public enum PercentEncoding {
  /// The decoded text, or nil for a malformed escape or bytes that are not UTF-8.
  public static func decode(_ bytes: RawSpan, plusIsBlank: Bool = false) -> String? {
    var decoded: [UInt8] = []
    var offset = 0
    while offset < bytes.byteCount {
      let byte = bytes.uint8(at: offset)
      if byte == 0x25 {
        guard offset + 2 < bytes.byteCount, let high = digit(bytes.uint8(at: offset + 1)), let low = digit(bytes.uint8(at: offset + 2)) else { return nil }
        decoded.append(high << 4 | low)
        offset += 3
      } else {
        decoded.append(byte == 0x2B && plusIsBlank ? 0x20 : byte)
        offset += 1
      }
    }
    return String(validating: decoded, as: UTF8.self)
  }

  /// Escapes everything but unreserved characters.
  public static func encode(_ text: String) -> String {
    var encoded: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: encoded.append(byte)
      default:
        encoded.append(0x25)
        for nibble in [byte >> 4, byte & 15] { encoded.append(nibble < 10 ? 0x30 + nibble : 0x37 + nibble) }
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
