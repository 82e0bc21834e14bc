import Configuration
import Foundation
import Testing

/// The reader agrees with Python's tomllib on what documents mean, and on which are none.
@Suite struct TOMLAgreementTests {
  /// A canonical text of a document: members in the order of their names, every value with its type.
  static func canonical(_ nodes: [TOMLNode]) -> String {
    "{" + nodes.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }.map { hex($0.key) + ":" + canonical($0) }.joined(separator: ",") + "}"
  }

  static func canonical(_ node: TOMLNode) -> String {
    switch node.value {
    case .table(let members): canonical(members)
    case .array(let items): "[" + items.map { canonical($0) }.joined(separator: ",") + "]"
    case .text(let text): "s" + hex(text)
    case .integer(let value): "i\(value)"
    case .float(let value): value.isNaN ? "fnan" : "f" + String(value.bitPattern, radix: 16)
    case .boolean(let value): value ? "true" : "false"
    case .time: "time"
    }
  }

  static func hex(_ text: String) -> String { text.utf8.map { String(UInt32($0) + 256, radix: 16).dropFirst() }.joined() }

  static let script = #"""
    import sys, json, tomllib, struct
    def h(s): return s.encode("utf-8").hex()
    def c(v):
        if isinstance(v, bool): return "true" if v else "false"
        if isinstance(v, dict): return "{" + ",".join(h(k) + ":" + c(v[k]) for k in sorted(v, key=lambda k: k.encode("utf-8"))) + "}"
        if isinstance(v, list): return "[" + ",".join(c(x) for x in v) + "]"
        if isinstance(v, str): return "s" + h(v)
        if isinstance(v, int): return "i%d" % v
        if isinstance(v, float): return "fnan" if v != v else "f%x" % struct.unpack("<Q", struct.pack("<d", v))[0]
        return "time"
    out = []
    for text in json.load(sys.stdin):
        try: out.append(c(tomllib.loads(text)))
        except Exception: out.append("error")
    json.dump(out, sys.stdout)
    """#

  /// What Python makes of each document.
  static func python(_ documents: [String]) throws -> [String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script]
    let input = Pipe(), output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let question = try JSONSerialization.data(withJSONObject: documents)
    let writer = Thread {
      try? input.fileHandleForWriting.write(contentsOf: question)
      try? input.fileHandleForWriting.close()
    }
    writer.start()
    let answer = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return try #require(JSONSerialization.jsonObject(with: answer) as? [String])
  }

  static func ours(_ document: String) -> String {
    do { return canonical(try TOMLDocument.read(Array(document.utf8))) } catch { return "error" }
  }

  static func compare(_ documents: [String], _ label: String) throws {
    let theirs = try python(documents)
    #expect(theirs.count == documents.count)
    var accepted = 0
    for (document, expected) in zip(documents, theirs) {
      #expect(ours(document) == expected, "\(label): \(document)")
      if expected != "error" { accepted += 1 }
    }
    #expect(accepted > documents.count / 10, "\(label): too few documents are TOML to say anything")
  }

  @Test func onChosenDocuments() throws {
    try Self.compare(
      [
        "", "# only a comment", "a = 1", "a = 1\na = 2", "a.b.c = 1\na.d = 2", "[a]\nb = 1\n[a]\nc = 2", "[a.b]\nx = 1\n[a]\ny = 2", "a = 0x_1", "a = 0xdead_beef",
        "a = 0o17\nb = 0b101", "a = 1_000\nb = -0\nc = +5", "a = 1__0", "a = 9223372036854775807", "a = -9223372036854775808", "a = 1.5e3\nb = -0.0\nc = inf\nd = -inf",
        "a = .5", "a = 5.", "a = \"\\u00e9\\U0001F600\\t\"", "a = \"\\x41\"", "a = 'C:\\x'", "a = \"\"\"\n  b\\\n   c\"\"\"", "a = '''\nx'y'''", "a = [1, 2,\n 3, # c\n]",
        "a = [1, \"x\", [true]]", "a = {b = 1, c.d = 2}", "a = {b = 1,}", "a = {b = 1\n}", "[[a]]\nb = 1\n[[a]]\nb = 2", "a = [1]\n[[a]]", "\"quoted key\" = 1\n'x.y' = 2",
        "a = 2026-01-15T12:00:00Z\nb = 2026-01-15\nc = 12:00:00.5", "a = 2026-13-01", "a = true\nb = false", "a = True", "a =", "= 1", "[a", "a = \"x", "é = 1", "a = \"é\"",
        "a\t=\t1\r\nb = 2\r\n", "[a]\n[a.b]\n[a.b.c]\nd = 1", "a = \"\u{7F}\"", "a = \"x\ny\"", "[ a . \"b\" ]\nc = 1", "3.14 = 1", "[[]]", "[]", "a = nan",
      ], "chosen")
  }

  /// TOML asks for 64 bits and an error beyond; Python's integers have no end.
  @Test func integersBeyond64BitsAreErrors() {
    #expect(Self.ours("a = 9223372036854775808") == "error")
    #expect(Self.ours("a = -9223372036854775809") == "error")
  }

  @Test func onDocumentsDrawnFromASeed() throws {
    let seed = ProcessInfo.processInfo.environment["MOLOCH_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    var random = SplitMix(state: seed)
    var documents: [String] = []
    for _ in 0..<400 { documents.append(Self.document(&random)) }
    try Self.compare(documents, "seed \(seed)")
  }

  /// Mostly right documents of the shapes that configurations have, some with a character changed.
  static func document(_ random: inout SplitMix) -> String {
    let keys = ["a", "b", "api", "max_peers", "\"x y\"", "'z'", "tls", "9"]
    let values = [
      "1", "-17", "1_000", "0x1F", "true", "false", "\"lz4\"", "'raw \\'", "\"\\n\\\"\\\\\"", "[1, 2]", "[]", "[\"a\", \"b\",]", "{a = 1}", "{}", "1.25", "1e5", "inf",
      "\"\"\"multi\nline\"\"\"", "2026-01-15", "12:30:00", "\"30s\"", "\"é\"",
    ]
    func pick(_ choices: [String]) -> String { choices[Int(random.next() % UInt64(choices.count))] }
    var text = ""
    for _ in 0..<(1 + random.next() % 12) {
      switch random.next() % 6 {
      case 0: text += "[" + pick(keys) + (random.next() % 2 == 0 ? "." + pick(keys) : "") + "]\n"
      case 1: text += "[[" + pick(keys) + "]]\n"
      case 2: text += "# comment " + pick(values).replacingOccurrences(of: "\n", with: " ") + "\n"
      case 3: text += pick(keys) + "." + pick(keys) + " = " + pick(values) + "\n"
      default: text += pick(keys) + " = " + pick(values) + (random.next() % 4 == 0 ? " # end" : "") + "\n"
      }
    }
    if random.next() % 4 == 0, !text.isEmpty {
      var characters = Array(text)
      characters[Int(random.next() % UInt64(characters.count))] = Character(pick(["=", "\"", "[", "]", ".", "x", "\n", ",", "{"]))
      text = String(characters)
    }
    return text
  }
}

/// A small seeded generator for choices in tests.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
