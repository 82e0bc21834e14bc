internal import CToml

/// A node of a TOML document: a key or an element with its value and its place.
public struct TOMLNode: Sendable {
  public indirect enum Content: Sendable {
    case table([TOMLNode])
    case array([TOMLNode])
    case text(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// A date, a time of day or both, as TOML writes it.
    case time(String)
  }

  /// Empty for elements of arrays.
  public let key: String
  /// Where the key stands; lines and columns begin at 1, columns count characters.
  public let keyPlace: Place
  public let place: Place
  public internal(set) var value: Content

  /// What the type is called, for messages.
  var typeName: String {
    switch value {
    case .table: "a table"
    case .array: "a list"
    case .text: "a string"
    case .integer: "an integer"
    case .float: "a number with a fraction"
    case .boolean: "a boolean"
    case .time: "a date or time"
    }
  }

  /// The value as a message quotes it.
  var quoted: String {
    switch value {
    case .table: "{...}"
    case .array(let items): "[" + items.map { $0.quoted }.joined(separator: ", ") + "]"
    case .text(let text): Value.quoted(text)
    case .integer(let value): "\(value)"
    case .float(let value): "\(value)"
    case .boolean(let value): "\(value)"
    case .time(let text): text
    }
  }
}

/// A place in a file.
public struct Place: Sendable, Hashable, Comparable {
  public let line: Int
  public let column: Int
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
  public static func < (a: Self, b: Self) -> Bool { (a.line, a.column) < (b.line, b.column) }
}

/// Text that is no TOML.
public struct TOMLError: Error, Sendable {
  public let message: String
  public let place: Place
}

/// Reads TOML 1.0.
public enum TOMLDocument {
  /// The members of the root table, in the order of the text.
  public static func read(_ text: [UInt8]) throws(TOMLError) -> [TOMLNode] {
    guard text.count <= ConfigurationLimit.fileBytes else {
      throw TOMLError(message: "the file is larger than \(ConfigurationLimit.fileBytes) bytes", place: Place(line: 1, column: 1))
    }
    // The parser reads the bytes during the call and keeps copies; the document is freed below, after the last node was copied.
    let document = unsafe text.withUnsafeBytes { unsafe ctoml_parse($0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count) }
    guard let document = unsafe document else { throw TOMLError(message: "out of memory", place: Place(line: 1, column: 1)) }
    defer { unsafe ctoml_free(document) }
    var line: UInt32 = 0, column: UInt32 = 0
    if let message = unsafe ctoml_error(document, &line, &column) {
      throw TOMLError(message: unsafe String(cString: message), place: Place(line: max(1, Int(line)), column: max(1, Int(column))))
    }
    let count = unsafe ctoml_count(document)
    guard count <= ConfigurationLimit.documentNodes else {
      throw TOMLError(message: "the file has more than \(ConfigurationLimit.documentNodes) values", place: Place(line: 1, column: 1))
    }
    var nodes: [TOMLNode] = []
    var parents: [Int] = []
    for index in 0..<count {
      // The index is below the count; texts are copied while the document lives.
      let node = unsafe ctoml_at(document, index)
      nodes.append(unsafe TOMLNode(node))
      parents.append(unsafe Int(node.parent))
    }
    // Parents stand before their children, so from the end every node is whole when it moves into its parent.
    for index in stride(from: count - 1, to: 0, by: -1) {
      nodes[parents[index]].adopt(nodes[index])
    }
    guard case .table(let members) = nodes[0].value else { return [] }
    return members.reversed().sorted { $0.keyPlace < $1.keyPlace }
  }
}

extension TOMLNode {
  /// Copies what the parser holds.
  fileprivate init(_ node: ctoml_node) {
    // Texts are valid while the document lives, which outlives this call.
    key = unsafe Self.text(node.key, node.key_length)
    keyPlace = unsafe Place(line: Int(node.key_line), column: Int(node.key_column))
    place = unsafe Place(line: Int(node.line), column: Int(node.column))
    // The kind says which of these means something; the others are zero.
    let (text, integer, number) = unsafe (Self.text(node.text, node.text_length), node.integer, node.number)
    switch unsafe node.kind {
    case ctoml_table: value = .table([])
    case ctoml_array: value = .array([])
    case ctoml_string: value = .text(text)
    case ctoml_integer: value = .integer(integer)
    case ctoml_float: value = .float(number)
    case ctoml_boolean: value = .boolean(integer != 0)
    default: value = .time(text)
    }
  }

  private static func text(_ base: UnsafePointer<CChar>?, _ count: Int) -> String {
    // Base and count come from one string of the document.
    guard let base = unsafe base else { return "" }
    return unsafe String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
  }

  /// Takes a child that stands before those it has.
  fileprivate mutating func adopt(_ child: TOMLNode) {
    var child = child
    child.settle()
    switch value {
    case .table(var members):
      value = .table([])
      members.append(child)
      value = .table(members)
    case .array(var items):
      value = .array([])
      items.append(child)
      value = .array(items)
    default: break
    }
  }

  /// Puts members into the order of the text.
  private mutating func settle() {
    switch value {
    case .table(let members): value = .table(members.reversed().sorted { $0.keyPlace < $1.keyPlace })
    case .array(let items): value = .array(items.reversed())
    default: break
    }
  }
}
