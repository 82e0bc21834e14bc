/// A value of a key.
public enum Value: Sendable, Equatable {
  case boolean(Bool)
  case integer(Int)
  case milliseconds(UInt64)
  case bytes(Int)
  case text(String)
  case list([String])

  /// As TOML writes it.
  public var toml: String {
    switch self {
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .milliseconds(let value): "\"\(Self.duration(value))\""
    case .bytes(let value): "\"\(Self.size(value))\""
    case .text(let text): Self.quoted(text)
    case .list(let items): "[" + items.map { Self.quoted($0) }.joined(separator: ", ") + "]"
    }
  }

  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7F {
          quoted += "\\u00" + String(scalar.value / 16, radix: 16) + String(scalar.value % 16, radix: 16)
        } else {
          quoted.unicodeScalars.append(scalar)
        }
      }
    }
    return quoted + "\""
  }

  // MARK: Spans of time and sizes

  private static let spans: [(String, UInt64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
  private static let sizes: [(String, Int)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1),
  ]

  /// Milliseconds of `500ms 30s 5m 24h 7d`; nil for anything else.
  public static func milliseconds(_ text: some StringProtocol) -> UInt64? {
    for (suffix, factor) in spans where text.hasSuffix(suffix) {
      guard let value = decimal(text.dropLast(suffix.count)) else { return nil }
      return UInt64(value) * factor
    }
    return nil
  }

  /// Bytes of `10MB 16MiB 512B`; nil for anything else.
  public static func bytes(_ text: some StringProtocol) -> Int? {
    for (suffix, factor) in sizes where text.hasSuffix(suffix) {
      guard let value = decimal(text.dropLast(suffix.count)) else { return nil }
      return value * factor
    }
    return nil
  }

  /// Digits only, below 2^32: with every factor above the product stays in 64 bits.
  private static func decimal(_ text: some StringProtocol) -> Int? {
    guard !text.isEmpty, text.utf8.count <= 10, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text), value < 1 << 32 else { return nil }
    return value
  }

  /// The shortest exact form: `90s`, `2m`, `24h`.
  public static func duration(_ milliseconds: UInt64) -> String {
    if milliseconds == 0 { return "0s" }
    for (suffix, factor) in spans.reversed() where milliseconds % factor == 0 {
      // A week reads as 7d, but a day as 24h.
      if suffix == "d" && milliseconds < 2 * factor { continue }
      return "\(milliseconds / factor)\(suffix)"
    }
    return "\(milliseconds)ms"
  }

  /// The shortest exact form: `10MB`, `16MiB`.
  public static func size(_ bytes: Int) -> String {
    if bytes == 0 { return "0B" }
    var best = "\(bytes)B"
    for (suffix, factor) in sizes where factor > 1 && bytes % factor == 0 {
      let text = "\(bytes / factor)\(suffix)"
      if text.utf8.count < best.utf8.count || best.hasSuffix("iB") && text.utf8.count == best.utf8.count { best = text }
    }
    return best
  }
}
