/// Recursive descent over a text that is known to be UTF-8; the depth limit bounds the recursion.
struct StrictJSONParser {
  private let text: [UInt8]
  private var offset = 0
  private var line = 1
  private var lineStart = 0

  init(text: [UInt8]) { self.text = text }

  private var position: TextPosition { TextPosition(line: line, column: offset - lineStart + 1) }
  private var byte: UInt8? { offset < text.count ? text[offset] : nil }
  private func failure(_ message: String) -> StrictJSONError { StrictJSONError(position: position, message: message) }

  mutating func document() throws(StrictJSONError) -> StrictJSON {
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { throw failure("a byte order mark") }
    let value = try value(depth: 0)
    skipSpace()
    guard offset == text.count else { throw failure("text after the value") }
    return value
  }

  private mutating func skipSpace() {
    while let byte, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      offset += 1
      if byte == 0x0A { (line, lineStart) = (line + 1, offset) }
    }
  }

  private mutating func value(depth: Int) throws(StrictJSONError) -> StrictJSON {
    skipSpace()
    let opensContainer = byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[")
    guard depth < StrictJSON.depthMax || !opensContainer else { throw failure("nested deeper than \(StrictJSON.depthMax)") }
    let start = position
    let value: StrictJSON.Value
    switch byte {
    case UInt8(ascii: "{"): value = try object(depth: depth)
    case UInt8(ascii: "["): value = try array(depth: depth)
    case UInt8(ascii: "\""): value = .string(try string())
    case UInt8(ascii: "t"): value = try literal("true", .bool(true))
    case UInt8(ascii: "f"): value = try literal("false", .bool(false))
    case UInt8(ascii: "n"): value = try literal("null", .null)
    case .some(0x2D), .some(0x30...0x39): value = try number()
    case nil: throw failure("the text ends where a value is expected")
    default: throw failure("no JSON value starts here")
    }
    return StrictJSON(value: value, position: start)
  }

  private mutating func literal(_ word: String, _ value: StrictJSON.Value) throws(StrictJSONError) -> StrictJSON.Value {
    guard text[offset...].starts(with: word.utf8) else { throw failure("no JSON value starts here") }
    offset += word.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(StrictJSONError) -> StrictJSON.Value {
    var members: [StrictJSON.Member] = []
    // By their bytes: strings compare equal when only their normalisation differs.
    var names: Set<[UInt8]> = []
    offset += 1
    skipSpace()
    if byte == UInt8(ascii: "}") {
      offset += 1
      return .object([])
    }
    while true {
      skipSpace()
      guard byte == UInt8(ascii: "\"") else { throw failure("a member name is expected") }
      let start = position
      let name = try string()
      guard names.insert(Array(name.utf8)).inserted else { throw StrictJSONError(position: start, message: "duplicate member \"\(name)\"") }
      skipSpace()
      guard byte == UInt8(ascii: ":") else { throw failure("':' is expected") }
      offset += 1
      members.append(StrictJSON.Member(name: name, namePosition: start, value: try value(depth: depth + 1)))
      if try !continues(closing: UInt8(ascii: "}")) { return .object(members) }
    }
  }

  private mutating func array(depth: Int) throws(StrictJSONError) -> StrictJSON.Value {
    var values: [StrictJSON] = []
    offset += 1
    skipSpace()
    if byte == UInt8(ascii: "]") {
      offset += 1
      return .array([])
    }
    while true {
      values.append(try value(depth: depth + 1))
      if try !continues(closing: UInt8(ascii: "]")) { return .array(values) }
    }
  }

  /// Reads `,` (true) or the closing bracket (false).
  private mutating func continues(closing: UInt8) throws(StrictJSONError) -> Bool {
    skipSpace()
    guard let byte, byte == UInt8(ascii: ",") || byte == closing else {
      throw failure("',' or '\(Character(UnicodeScalar(closing)))' is expected")
    }
    offset += 1
    return byte != closing
  }

  private mutating func number() throws(StrictJSONError) -> StrictJSON.Value {
    let start = offset
    var isInteger = true
    if byte == UInt8(ascii: "-") { offset += 1 }
    let first = byte
    guard digits() > 0 else { throw failure("a digit is expected") }
    if first == UInt8(ascii: "0"), text[start..<offset].drop(while: { $0 == 0x2D }).count > 1 { throw failure("a number starts with 0") }
    if byte == UInt8(ascii: ".") {
      isInteger = false
      offset += 1
      guard digits() > 0 else { throw failure("a digit is expected") }
    }
    if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
      isInteger = false
      offset += 1
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { offset += 1 }
      guard digits() > 0 else { throw failure("a digit is expected") }
    }
    let written = String(decoding: text[start..<offset], as: UTF8.self)
    if isInteger, text[start] != 0x2D, let number = UInt64(written) { return .unsigned(number) }
    if isInteger, text[start] == 0x2D, written != "-0", let number = Int64(written) { return .negative(number) }
    return .otherNumber(written)
  }

  private mutating func digits() -> Int {
    let start = offset
    while let byte, byte >= 0x30 && byte <= 0x39 { offset += 1 }
    return offset - start
  }

  private mutating func string() throws(StrictJSONError) -> String {
    offset += 1
    var bytes: [UInt8] = []
    while true {
      guard let byte else { throw failure("the text ends inside a string") }
      switch byte {
      case UInt8(ascii: "\""):
        offset += 1
        return String(decoding: bytes, as: UTF8.self)
      case UInt8(ascii: "\\"):
        bytes.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20:
        throw failure("a control character inside a string")
      default:
        bytes.append(byte)
        offset += 1
      }
    }
  }

  private mutating func escape() throws(StrictJSONError) -> Unicode.Scalar {
    offset += 1
    guard let byte else { throw failure("the text ends inside a string") }
    if byte == UInt8(ascii: "u") {
      offset += 1
      let unit = try codeUnit()
      if unit & 0xFC00 == 0xD800, offset + 1 < text.count, text[offset] == UInt8(ascii: "\\"), text[offset + 1] == UInt8(ascii: "u") {
        offset += 2
        let low = try codeUnit()
        guard low & 0xFC00 == 0xDC00, let scalar = Unicode.Scalar(0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF)) else { throw failure("a lone surrogate") }
        return scalar
      }
      guard let scalar = Unicode.Scalar(unit) else { throw failure("a lone surrogate") }
      return scalar
    }
    let plain: Unicode.Scalar
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = Unicode.Scalar(byte)
    case UInt8(ascii: "b"): plain = "\u{8}"
    case UInt8(ascii: "f"): plain = "\u{C}"
    case UInt8(ascii: "n"): plain = "\n"
    case UInt8(ascii: "r"): plain = "\r"
    case UInt8(ascii: "t"): plain = "\t"
    default: throw failure("an unknown escape")
    }
    offset += 1
    return plain
  }

  private mutating func codeUnit() throws(StrictJSONError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte, let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else { throw failure("four hexadecimal digits are expected") }
      unit = unit << 4 | UInt32(digit)
      offset += 1
    }
    return unit
  }
}
