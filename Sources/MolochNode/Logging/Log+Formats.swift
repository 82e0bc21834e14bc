extension Log {
  /// The text of one record, without a line break.
  static func line(_ format: LogFormat, _ time: WallClock, _ level: LogLevel, _ subsystem: String, _ message: String, _ fields: Fields) -> String {
    // A reader of JSON keeps one of two members of the same name. Looked at in debug builds only: no record is worth a node.
    assert(repeatedName(fields) == nil, "\(message): two fields are named \(repeatedName(fields) ?? "")")
    let line =
      switch format {
      case .text: "\(time.text) \(padded(level.word)) \(subsystem): \(escaped(message))\(pairs(fields))"
      case .journald: "<\(level.priority)>\(padded(level.word)) \(subsystem): \(escaped(message))\(pairs(fields))"
      case .logfmt: "ts=\(time.text) level=\(level.word) subsystem=\(subsystem) msg=\"\(escaped(message))\"\(pairs(fields))"
      case .json:
        "{\"ts\":\"\(time.text)\",\"level\":\"\(level.word)\",\"subsystem\":\"\(subsystem)\",\"msg\":\"\(escaped(message))\""
          + fields.map { ",\"\($0.0)\":" + (isNumber($0.1) ? $0.1 : "\"\(escaped($0.1))\"") }.joined() + "}"
      }
    return level < .warn ? calm(line) : line
  }

  /// The name of a field that the record has already.
  static func repeatedName(_ fields: Fields) -> String? {
    var names: Set = ["ts", "level", "subsystem", "msg"]
    return fields.first { !names.insert($0.0).inserted }?.0
  }

  private static func padded(_ word: String) -> String { word.count < 5 ? word + String(repeating: " ", count: 5 - word.count) : word }

  private static func pairs(_ fields: Fields) -> String {
    fields.map { " \($0.0)=" + (needsQuotes($0.1) ? "\"\(escaped($0.1))\"" : $0.1) }.joined()
  }

  private static func needsQuotes(_ text: String) -> Bool {
    text.isEmpty || text.utf8.contains { $0 <= 0x20 || $0 == 0x22 || $0 == 0x3D || $0 == 0x5C || $0 == 0x7F }
  }

  /// An integer as JSON allows it, of at most 18 digits. `-0` is none: readers differ in what it is.
  private static func isNumber(_ text: String) -> Bool {
    if text == "0" { return true }
    let digits = text.utf8.dropFirst(text.utf8.first == UInt8(ascii: "-") ? 1 : 0)
    return (1...18).contains(digits.count) && digits.first != 0x30 && digits.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// Breaks the words that a search for trouble looks for: a record below WARN may quote them, but must not be found.
  private static func calm(_ line: String) -> String {
    guard line.contains("ERROR") || line.contains("WARN") else { return line }
    var bytes = Array(line.utf8)
    for (word, calmed) in [(Array("ERROR".utf8), Array("Error".utf8)), (Array("WARN".utf8), Array("Warn".utf8))] {
      var index = 0
      while index + word.count <= bytes.count {
        if bytes[index..<index + word.count].elementsEqual(word) { bytes.replaceSubrange(index..<index + word.count, with: calmed) }
        index += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": escaped += "\\\""
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\r": escaped += "\\r"
      case "\t": escaped += "\\t"
      default:
        // C0, DEL and C1: terminals act on them.
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
          escaped += "\\u00" + String(scalar.value / 16, radix: 16) + String(scalar.value % 16, radix: 16)
        } else {
          escaped.unicodeScalars.append(scalar)
        }
      }
    }
    return escaped
  }
}
