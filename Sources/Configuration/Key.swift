/// One thing that can be set.
public struct Key: Sendable {
  /// What a value looks like.
  public enum Kind: Sendable, Equatable {
    case boolean
    /// A whole number, with its unit for readers.
    case integer(ClosedRange<Int>, unit: String = "")
    /// A span of time, milliseconds.
    case duration(ClosedRange<UInt64>)
    /// A size, bytes.
    case size(ClosedRange<Int>)
    case word([String])
    /// Free text, with its longest form in bytes.
    case text(bytesMax: Int)
    /// A file or directory; relative paths start at the node's home.
    case path(bytesMax: Int = ConfigurationLimit.pathBytes)
    /// `HOST:PORT` with a numeric host.
    case address
    /// The address of a peer in the network, `/dns/NAME/tcp/PORT/p2p/ID`.
    case multiaddress
    /// Several values of one form.
    case list(Element, countMax: Int)
  }

  /// What a list holds.
  public enum Element: Sendable, Equatable { case multiaddress, network, origin }

  /// `section.key`; sections may have dots.
  public let name: String
  public let kind: Kind
  /// Nil: no value unless set.
  public let standard: Value?
  /// A running node takes a new value at SIGHUP.
  public let isReloadable: Bool
  /// The value is never printed.
  public let isSecret: Bool
  /// One line that says what it does.
  public let text: String

  init(_ name: String, _ kind: Kind, _ standard: Value?, reloadable: Bool = false, secret: Bool = false, _ text: String) {
    self.name = name
    self.kind = kind
    self.standard = standard
    isReloadable = reloadable
    isSecret = secret
    self.text = text
  }

  /// Everything before the last dot.
  public var section: String { String(name[..<(name.lastIndex(of: ".") ?? name.startIndex)]) }
  /// What stands in the file.
  public var leaf: String { String(name[name.index(after: name.lastIndex(of: ".") ?? name.startIndex)...]) }
  /// The environment's name for it: `MOLOCH_SECTION_KEY`.
  public var variable: String { "MOLOCH_" + String(name.map { $0 == "." ? "_" : $0 }).uppercased() }

  /// All keys, in the order of the manual.
  public static let table: [Key] = node + runtime + network + consensus + storage + mempool + index + api + metrics + log + retention

  /// The position in the table of a name, or nil.
  public static func position(of name: String) -> Int? { table.firstIndex { $0.name == name } }

  /// Names that belong to the chain and stand in its genesis.
  public static let chainParameters = [
    "block_time_ms", "empty_block_interval_ms", "max_events_per_block", "max_block_bytes", "max_body_bytes", "epoch_length", "past_window_ms", "future_window_ms",
    "protocol_version", "signer_mode",
  ]

  /// What an acceptable value is, for messages: "an integer from 1 to 1000".
  public var expectation: String {
    switch kind {
    case .boolean: "true or false"
    case .integer(let range, _): "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .duration(let range): "a duration from \(Value.duration(range.lowerBound)) to \(Value.duration(range.upperBound)), such as \"500ms\" or \"30s\""
    case .size(let range): "a size from \(Value.size(range.lowerBound)) to \(Value.size(range.upperBound)), such as \"10MB\" or \"16MiB\""
    case .word(let words): "one of \(words.joined(separator: ", "))"
    case .text(let bytes): "a text of at most \(bytes) bytes"
    case .path(let bytes): "a path of at most \(bytes) bytes"
    case .address: "an address such as 127.0.0.1:8080"
    case .multiaddress: "a multiaddress such as /dns/NAME/tcp/9000/p2p/12D3KooW..."
    case .list(let element, let count): "a list of at most \(count) \(element.plural)"
    }
  }

  /// Type and range, for tables: "int 1-1000".
  public var shape: String {
    switch kind {
    case .boolean: "true, false"
    case .integer(let range, let unit): "\(range.lowerBound) to \(range.upperBound)\(unit.isEmpty ? "" : " \(unit)")"
    case .duration(let range): "\(Value.duration(range.lowerBound)) to \(Value.duration(range.upperBound))"
    case .size(let range): "\(Value.size(range.lowerBound)) to \(Value.size(range.upperBound))"
    case .word(let words): words.joined(separator: ", ")
    case .text(let bytes): "text, at most \(bytes) bytes"
    case .path(let bytes): bytes == ConfigurationLimit.pathBytes ? "path" : "path, at most \(bytes) bytes"
    case .address: "HOST:PORT"
    case .multiaddress: "multiaddress"
    case .list(let element, let count): "at most \(count) \(element.plural)"
    }
  }
}

extension Key.Element {
  var plural: String {
    switch self {
    case .multiaddress: "multiaddresses"
    case .network: "networks such as 10.0.0.0/8"
    case .origin: "origins such as https://example.org"
    }
  }
}
