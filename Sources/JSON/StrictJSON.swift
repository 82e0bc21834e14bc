/// A place in a text, both from 1; columns count bytes.
public struct TextPosition: Hashable, Sendable, CustomStringConvertible {
  public var line: Int
  public var column: Int
  public init(line: Int, column: Int) { (self.line, self.column) = (line, column) }
  public var description: String { "\(line):\(column)" }
}

/// A JSON value with the place where it starts: the cold path (genesis files, proof bundles).
public struct StrictJSON: Hashable, Sendable {
  public indirect enum Value: Hashable, Sendable {
    case null
    case bool(Bool)
    /// An integer that fits 64 bits without a sign, written without fraction or exponent.
    case unsigned(UInt64)
    /// A negative integer that fits 64 bits.
    case negative(Int64)
    /// Every other number, as written.
    case otherNumber(String)
    case string(String)
    case array([StrictJSON])
    /// In the order of the text; names are unique.
    case object([Member])
  }

  public struct Member: Hashable, Sendable {
    public var name: String
    public var namePosition: TextPosition
    public var value: StrictJSON
  }

  public var value: Value
  public var position: TextPosition

  /// The member of an object by name; nil for other values too.
  public subscript(name: String) -> StrictJSON? { members?.first { $0.name == name }?.value }
  public var members: [Member]? { if case .object(let members) = value { members } else { nil } }
  public var array: [StrictJSON]? { if case .array(let values) = value { values } else { nil } }
  public var string: String? { if case .string(let text) = value { text } else { nil } }
  public var unsigned: UInt64? { if case .unsigned(let number) = value { number } else { nil } }
  public var isNull: Bool { value == .null }

  init(value: Value, position: TextPosition) { (self.value, self.position) = (value, position) }

  /// Parses one value and nothing behind it.
  ///
  /// Refused: more than `byteCountMax` bytes, a byte order mark, invalid UTF-8, lone surrogates, control characters in strings, duplicate
  /// members (after unescaping), nesting above `depthMax`, and everything that RFC 8259 does not allow.
  public init(parsing text: [UInt8], byteCountMax: Int) throws(StrictJSONError) {
    guard text.count <= byteCountMax else {
      throw StrictJSONError(position: TextPosition(line: 1, column: 1), message: "\(text.count) bytes, more than \(byteCountMax)")
    }
    guard String(validating: text, as: UTF8.self) != nil else {
      throw StrictJSONError(position: TextPosition(line: 1, column: 1), message: "the text is not valid UTF-8")
    }
    var parser = StrictJSONParser(text: text)
    self = try parser.document()
  }
}

/// Where and why a text is not the JSON that is read.
public struct StrictJSONError: Error, Hashable, Sendable, CustomStringConvertible {
  public var position: TextPosition
  public var message: String
  public init(position: TextPosition, message: String) { (self.position, self.message) = (position, message) }
  public var description: String { "\(position): \(message)" }
}
