/// A head's fields as ranges into the bytes it was parsed from. Fixed storage: 64 fields of 6 bytes.
public struct FieldTable: Sendable {
  @frozen public struct Field: Sendable, BitwiseCopyable {
    public var name: FieldName
    var valueStart: UInt16
    var valueLength: UInt16

    /// Where the value lies, without surrounding blanks, relative to the start of the head.
    public var value: Range<Int> { Int(valueStart)..<Int(valueStart) + Int(valueLength) }
  }

  private var fields = InlineArray<64, Field>(repeating: Field(name: .other, valueStart: 0, valueLength: 0))
  public private(set) var count = 0

  init() {}

  mutating func removeAll() { count = 0 }

  mutating func append(_ name: FieldName, _ value: Range<Int>) {
    fields[count] = Field(name: name, valueStart: UInt16(value.lowerBound), valueLength: UInt16(value.count))
    count += 1
  }

  public subscript(index: Int) -> Field { fields[index] }

  /// Range of the first value with this name, relative to the start of the head.
  public func first(_ name: FieldName) -> Range<Int>? {
    for index in 0..<count where fields[index].name == name { return fields[index].value }
    return nil
  }

  /// Whether any field of this name lists a token, ignoring case.
  func list(_ name: FieldName, contains token: StaticString, in span: RawSpan) -> Bool {
    for index in 0..<count where fields[index].name == name && FieldLines.list(span, fields[index].value, contains: token) { return true }
    return false
  }

  func count(of name: FieldName) -> Int {
    var found = 0
    for index in 0..<count where fields[index].name == name { found += 1 }
    return found
  }
}

@frozen public enum Method: UInt8, Sendable { case get, head, post, put, delete, options, patch, other }

/// How the end of a body is known.
@frozen public enum Framing: Sendable, Equatable {
  case none
  case length(UInt64)
  case chunked
  /// Answers only: the body ends with the connection.
  case untilClose
}

/// The head of a request. Ranges are relative to the start of the head. About 500 bytes: a server keeps one and has it filled.
public struct RequestHead: Sendable {
  public var method = Method.other
  /// The path of the target, before any `?`.
  public var path = 0..<0
  /// The query behind the `?`, empty when there is none.
  public var query = 0..<0
  public var fields = FieldTable()
  public var framing = Framing.none
  /// Whether the connection may carry another request after this one.
  public var keepsAlive = false
  /// The client waits for `100 Continue` before it sends the body.
  public var expectsContinue = false
  /// Length of the head in bytes, the empty line included.
  public var byteCount = 0

  public init() {}
}

/// The head of an answer. Ranges are relative to the start of the head.
public struct ResponseHead: Sendable {
  public var status: Int
  public var fields: FieldTable
  public var framing: Framing
  public var keepsAlive: Bool
  public var byteCount: Int
}

/// Why bytes are not a message, with the status that a server answers.
public struct Violation: Error, Sendable, Equatable {
  public var status: Int
  public var reason: StaticString

  init(_ status: Int, _ reason: StaticString) {
    self.status = status
    self.reason = reason
  }

  public static func == (a: Violation, b: Violation) -> Bool { a.status == b.status && "\(a.reason)" == "\(b.reason)" }
}
