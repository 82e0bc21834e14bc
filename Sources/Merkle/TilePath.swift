/// Path of a tile or entry bundle below the log's prefix (C2SP tlog-tiles): `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`.
public enum TilePath: Hashable, Sendable {
  /// Nodes `256 * index ..< 256 * index + width` of level `8 * level`; `level` 0 to 63, `width` 1 to 256.
  case tile(level: Int, index: UInt64, width: Int)
  /// Entries of leaves `256 * index ..< 256 * index + width`.
  case entries(index: UInt64, width: Int)

  /// Nodes of a full tile, leaves of a full bundle.
  public static let fullWidth = 256
  /// Bytes of one entry in a bundle: a 16-bit length and 192 bytes.
  public static let bundleEntryByteCount = 194

  public var index: UInt64 {
    switch self {
    case .tile(_, let index, _), .entries(let index, _): index
    }
  }

  public var width: Int {
    switch self {
    case .tile(_, _, let width), .entries(_, let width): width
    }
  }

  /// Level of the nodes of a tile or of the leaves of a bundle, in tile levels.
  public var level: Int {
    if case .tile(let level, _, _) = self { level } else { 0 }
  }

  /// Level file that holds the nodes of a tile, `8 * level`; nil above the last level a tree can have.
  public var nodeLevel: Int? { 8 * level < TreeLimit.levels ? 8 * level : nil }

  /// Bytes of the level file that a tile consists of: `8192 * index ..< 8192 * index + 32 * width`.
  public var byteRange: Range<UInt64> { 8192 * index..<8192 * index + 32 * UInt64(width) }

  /// Leaves of a bundle, or nodes of a tile, as indexes within their level.
  public var nodeRange: Range<UInt64> { 256 * index..<256 * index + UInt64(width) }

  /// Nodes of tile level `level` in a tree of `size` leaves: `floor(size / 256^level)`.
  public static func nodeCount(level: Int, size: UInt64) -> UInt64 { level < 8 ? size >> UInt64(8 * level) : 0 }

  /// Width of the tile or bundle at `index` in a tree of `size` leaves, 0 when there is none.
  public static func width(level: Int, index: UInt64, size: UInt64) -> Int {
    let count = nodeCount(level: level, size: size)
    guard index < (count + 255) / 256 else { return 0 }
    return Int(min(256, count - 256 * index))
  }

  /// Whether a log of `size` leaves holds every byte of this resource. A partial tile of an older size stays available.
  public func isAvailable(size: UInt64) -> Bool { nodeRange.upperBound <= Self.nodeCount(level: level, size: size) }

  /// The canonical text, without a leading slash.
  public var text: String {
    let prefix: String
    switch self {
    case .tile(let level, _, _): prefix = "tile/\(level)/"
    case .entries: prefix = "tile/entries/"
    }
    return prefix + Self.groups(index) + (width == Self.fullWidth ? "" : ".p/\(width)")
  }

  /// Parses the canonical text, nothing else: no leading slash, no leading zero or missing digit, no width of 0 or 256.
  public init?(text: some StringProtocol) {
    guard text.utf8.count <= 64 else { return nil }
    var parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts.removeFirst() == "tile" else { return nil }
    let kind = parts.removeFirst()
    var width = Self.fullWidth
    if parts.count >= 2, parts[parts.count - 2].hasSuffix(".p") {
      guard let value = Self.decimal(parts.removeLast()), value >= 1, value <= 255 else { return nil }
      width = Int(value)
      parts.append(parts.removeLast().dropLast(2))
    }
    var index: UInt64 = 0
    for (position, part) in parts.enumerated() {
      let isLast = position == parts.count - 1
      guard isLast || part.hasPrefix("x") else { return nil }
      let digits = isLast ? part : part.dropFirst()
      guard digits.utf8.count == 3, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let value = UInt64(digits) else { return nil }
      index = index * 1000 + value
      guard index < TreeLimit.size / 256 else { return nil }
    }
    if kind == "entries" {
      self = .entries(index: index, width: width)
    } else {
      guard let level = Self.decimal(kind), level <= 63 else { return nil }
      self = .tile(level: Int(level), index: index, width: width)
    }
    // Redundant leading groups such as `x000/001` are the one freedom left.
    guard self.text == String(text) else { return nil }
  }

  /// `1234067` is `x001/x234/067`.
  private static func groups(_ index: UInt64) -> String {
    func padded(_ value: UInt64) -> String { String(repeating: "0", count: 3 - String(value).utf8.count) + String(value) }
    var text = padded(index % 1000)
    var rest = index / 1000
    while rest > 0 {
      text = "x" + padded(rest % 1000) + "/" + text
      rest /= 1000
    }
    return text
  }

  private static func decimal(_ text: some StringProtocol) -> UInt64? {
    guard let value = UInt64(text), String(value) == String(text) else { return nil }
    return value
  }
}
