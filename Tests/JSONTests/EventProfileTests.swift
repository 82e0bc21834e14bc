import Ambient
import Bytes
import JSON
import Foundation
import Testing

@Suite struct EventProfileTests {
  static let good =
    #"{"event_type":"push","actor":{"id":"user:a","kind":"user"},"resource":{"id":"repo:b"},"outcome":"success","metadata":{"n":[1,-2.5e3,true,null,"\u00e9"]}}"#

  private func fault(_ text: String) -> ProfileFault? {
    var profile = EventProfile(bodyBytesMax: 1 << 20)
    return fault(Array(text.utf8), &profile)
  }

  private func fault(_ text: [UInt8], _ profile: inout EventProfile) -> ProfileFault? { profile.fault(in: text.bytes) }

  private func with(_ member: String) -> String { #"{"event_type":"t","actor":{"id":"a"},"resource":{"id":"r"},"outcome":"success","# + member + "}" }

  @Test func anEventOfTheProfilePasses() {
    #expect(fault(Self.good) == nil)
    #expect(fault(with(#""x":123456789012345678901234567890123456789"#)) == nil, "integers beyond 64 bits are numbers")
    #expect(fault(with(#""x":[1e308,-1.7976931348623157e308,1e-999,0e99999,-0,0.0001]"#)) == nil)
    #expect(fault(with(#""x":99999999999999999999,"y":"1e999","z":"\"99999999999999999999""#)) == nil)
    #expect(fault(with(#""😀":"\ud83d\ude00","\u00e9":1,"e\u0301":2"#)) == nil, "names that differ in normalisation alone are different names")
  }

  @Test func everyMemberOfTheProfileIsDemanded() {
    #expect(fault("") == .syntax)
    #expect(fault("[]") == .noObject)
    #expect(fault("{}") == .eventTypeMissing)
    #expect(fault(#"{"event_type":1}"#) == .eventTypeNoString)
    #expect(fault(#"{"event_type":"a"}"#) == .actorMissing)
    #expect(fault(#"{"event_type":"a","actor":"u"}"#) == .actorMissing)
    #expect(fault(#"{"event_type":"a","actor":{"id":null}}"#) == .actorNoString)
    #expect(fault(#"{"event_type":"a","actor":{"id":"u"},"resource":{}}"#) == .resourceMissing)
    #expect(fault(#"{"event_type":"a","actor":{"id":"u"},"resource":{"id":[]}}"#) == .resourceNoString)
    #expect(fault(#"{"event_type":"a","actor":{"id":"u"},"resource":{"id":"r"}}"#) == .outcomeMissing)
    #expect(fault(#"{"event_type":"a","actor":{"id":"u"},"resource":{"id":"r"},"outcome":false}"#) == .outcomeNoString)
    #expect(fault(Self.good.replacing("push", with: String(repeating: "p", count: 512))) == nil)
    #expect(fault(Self.good.replacing("push", with: String(repeating: "p", count: 513))) == .eventTypeTooLong)
    #expect(fault(Self.good.replacing("user:a", with: String(repeating: "p", count: 513))) == .actorTooLong)
    #expect(fault(Self.good.replacing("repo:b", with: String(repeating: "é", count: 257))) == .resourceTooLong)
  }

  @Test func whatJSONLeavesOpenIsRefused() {
    #expect(fault(with(#""event_type":"u""#)) == .duplicateMember)
    #expect(fault(with(#""x":{"a":1,"b":2,"\u0061":3}"#)) == .duplicateMember)
    #expect(fault(with("\"x\":{" + (0..<1000).map { "\"k\($0)\":0" }.joined(separator: ",") + ",\"k500\":1}")) == .duplicateMember)
    #expect(fault(with("\"x\":{" + (0..<1000).map { "\"k\($0)\":0" }.joined(separator: ",") + "}")) == nil)
    #expect(fault(with(#""x":"\ud800""#)) == .syntax)
    #expect(fault(with(#""x":"\udc00 low""#)) == .syntax)
    #expect(fault(with(#""\udc00":1"#)) == .syntax)
    #expect(fault(with(#""x":1e999"#)) == .number)
    #expect(fault(with(#""x":[99999999999999999999,-1.8e308]"#)) == .number)
    #expect(fault(with(#""x":NaN"#)) == .syntax)
    #expect(fault(with(#""x":012345678901234567890123"#)) == .syntax)
    #expect(fault(with(#""x":99999999999999999999x"#)) == .syntax)
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
      func nested(_ depth: Int) -> String { with("\"x\":" + String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)) }
      #expect(fault(nested(31)) == nil)
      #expect(fault(nested(32)) == .nesting)
      #expect(fault(nested(100)) == .nesting)
    }
    #expect(fault(with("\"x\":" + String(repeating: "[", count: 32) + String(repeating: "]", count: 32))) == .nesting, "an empty container counts")
    #expect(fault("\u{FEFF}" + Self.good) == .syntax)
    var profile = EventProfile(bodyBytesMax: 1000)
    #expect(fault(Array(with("\"x\":\"").utf8) + [0xC3, 0x28] + Array("\"}".utf8), &profile) == .syntax)
    #expect(fault([UInt8](repeating: 0x20, count: 2000), &profile) == .syntax, "larger than announced")
  }

  @Test func wordsAndCharactersOfTheProfileAreDemanded() {
    for type in ["push", "vendor.thing.verb", "mfa_configured", "a", "_", ".", "9.0_z"] {
      #expect(fault(Self.good.replacing("\"push\"", with: "\"\(type)\"")) == nil, "\(type)")
    }
    for type in ["", "Push", "pull-request", "pull request", "push\\n", "pùsh", "a/b", "a:b", "\\u0000"] {
      #expect(fault(Self.good.replacing("\"push\"", with: "\"\(type)\"")) == .eventTypeCharacters, "\(type)")
    }
    #expect(fault(Self.good.replacing("push", with: "p\\u0075sh")) == nil, "what counts is the text, not how it is written")
    for outcome in ["success", "failure", "denied", "pending", "unknown"] {
      #expect(fault(Self.good.replacing("success", with: outcome)) == nil, "\(outcome)")
    }
    for outcome in ["", "Success", "ok", "success ", "failed", "successfailure"] {
      #expect(fault(Self.good.replacing("success", with: outcome)) == .outcomeUnknown, "\(outcome)")
    }
    for kind in ["\"user\"", "\"system\"", "\"agent\"", "\"integration\"", "null"] {
      #expect(fault(Self.good.replacing("\"kind\":\"user\"", with: "\"kind\":\(kind)")) == nil, "\(kind)")
    }
    for kind in ["\"\"", "\"User\"", "\"person\"", "1", "{}", "[\"user\"]"] {
      #expect(fault(Self.good.replacing("\"kind\":\"user\"", with: "\"kind\":\(kind)")) == .actorKindUnknown, "\(kind)")
    }
  }

  @Test func optionalMembersHaveTheirTypes() {
    func event(_ members: String, actor: String = "", resource: String = "") -> String {
      #"{"event_type":"t","actor":{"id":"a"\#(actor)},"resource":{"id":"r"\#(resource)},"outcome":"success"\#(members)}"#
    }
    let good = #","time":"2026-01-15T12:00:00.123Z","reason":null,"context":{"ip":"203.0.113.7"},"attachments":[{"size":1}],"metadata":{"n":5}"#
    #expect(fault(event(good, actor: #","name":"Alice""#, resource: #","kind":"repository","parent":{"id":"o"}"#)) == nil)
    for name in ["time", "reason", "context", "attachments", "metadata"] { #expect(fault(event(",\"\(name)\":null")) == nil, "\(name)") }
    #expect(fault(event(#","time":1705123456789"#)) == .timeType)
    #expect(fault(event(#","reason":{}"#)) == .reasonType)
    #expect(fault(event(#","context":"github""#)) == .contextType)
    #expect(fault(event(#","attachments":{}"#)) == .attachmentsType)
    #expect(fault(event(#","metadata":[]"#)) == .metadataType)
    #expect(fault(event("", actor: #","name":7"#)) == .actorNameType)
    #expect(fault(event("", resource: #","kind":false"#)) == .resourceKindType)
    #expect(fault(event("", resource: #","parent":"org:o""#)) == .resourceParentType)
    #expect(fault(event(#","further":[],"actor_kind":"person""#)) == nil, "further members are kept")
  }

  // MARK: Against the strict parser

  /// The same rules, from the parser that keeps positions.
  private func isAccepted(_ text: [UInt8]) -> Bool {
    guard let json = try? StrictJSON(parsing: text, byteCountMax: text.count), json.members != nil, areNumbersFinite(json) else { return false }
    guard [json["event_type"], json["actor"]?["id"], json["resource"]?["id"], json["outcome"]].allSatisfy({ ($0?.string?.utf8.count ?? 513) <= 512 }) else {
      return false
    }
    let type = Array((json["event_type"]?.string ?? "").utf8)
    guard !type.isEmpty, type.allSatisfy(Set("abcdefghijklmnopqrstuvwxyz0123456789_.".utf8).contains) else { return false }
    guard ["success", "failure", "denied", "pending", "unknown"].contains(json["outcome"]?.string) else { return false }
    if let kind = json["actor"]?["kind"], !kind.isNull, !["user", "system", "agent", "integration"].contains(kind.string) { return false }
    func fits(_ value: StrictJSON?, _ isOfType: (StrictJSON) -> Bool) -> Bool { value.map { $0.isNull || isOfType($0) } ?? true }
    return fits(json["time"]) { $0.string != nil } && fits(json["reason"]) { $0.string != nil } && fits(json["context"]) { $0.members != nil }
      && fits(json["attachments"]) { $0.array != nil } && fits(json["metadata"]) { $0.members != nil } && fits(json["actor"]?["name"]) { $0.string != nil }
      && fits(json["resource"]?["kind"]) { $0.string != nil } && fits(json["resource"]?["parent"]) { $0.members != nil }
  }

  private func areNumbersFinite(_ json: StrictJSON) -> Bool {
    switch json.value {
    case .otherNumber(let text): Double(text)?.isFinite ?? false
    case .array(let items): items.allSatisfy(areNumbersFinite)
    case .object(let members): members.allSatisfy { areNumbersFinite($0.value) }
    default: true
    }
  }

  @Test func verdictsAreThoseOfTheStrictParser() {
    let seed = ProcessInfo.processInfo.environment["MOLOCH_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    print("event profile: seed \(seed)")
    var random = SeededGenerator(seed: seed)
    var profile = EventProfile(bodyBytesMax: 1 << 16)
    var accepted = 0, disagreements: [String] = []
    for round in 0..<20_000 {
      var document = Document(random: random)
      var text = document.event()
      random = SeededGenerator(seed: random.next())
      for _ in 0..<(round % 3) { text = mutated(text, &random) }
      let verdict = fault(text, &profile)
      let expected = isAccepted(text)
      if expected { accepted += 1 }
      if (verdict == nil) != expected { disagreements.append("\(verdict.map { "\($0)" } ?? "accepted"): \(String(decoding: text, as: UTF8.self))") }
    }
    #expect(disagreements.isEmpty, "seed \(seed): \(disagreements.prefix(5))")
    #expect(accepted > 2000 && accepted < 18_000, "seed \(seed): \(accepted) accepted")
  }

  /// One small change of the kind that breaks parsers: bytes changed, lost, doubled, or a piece that means something put in.
  private func mutated(_ text: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var text = text
    guard !text.isEmpty else { return text }
    let at = Int.random(in: 0..<text.count, using: &random)
    let pieces = [
      "\"", "\\", "{", "}", "[", "]", ",", ":", "1", "-", "e9", ".", "null", "\\ud800", "\\udfff", "\\u0061", "\u{0}", "\u{1F}", "é", " ", "1e400", "9999999999999999999999", "\"id\":1,",
      "\"actor\":{},",
    ]
    switch Int.random(in: 0..<6, using: &random) {
    case 0: text[at] = UInt8.random(in: 0...255, using: &random)
    case 1: text[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 2: text.removeSubrange(at..<min(text.count, at + Int.random(in: 1...4, using: &random)))
    case 3: text.insert(contentsOf: text[at..<min(text.count, at + 12)], at: at)
    case 4: text = Array(text[..<at])
    default: text.insert(contentsOf: pieces.randomElement(using: &random)!.utf8, at: at)
    }
    return text
  }
}

/// Random documents around the profile.
private struct Document {
  var random: SeededGenerator

  mutating func event() -> [UInt8] {
    var members = [
      "\"event_type\":\(type())", "\"actor\":{\"id\":\(text())\(kind())}", "\"resource\":{\"id\":\(text())\(extra())}", "\"outcome\":\(outcome())",
    ]
    for index in 0..<Int.random(in: 0...30, using: &random) where Bool.random(using: &random) { members.append("\"m\(index)\":\(value(2))") }
    members.shuffle(using: &random)
    if Int.random(in: 0..<40, using: &random) == 0 { members.removeLast() }
    return Array("{\(members.joined(separator: blank() + ","))\(blank())}".utf8)
  }

  private mutating func blank() -> String { ["", " ", "\n", "\t\r "].randomElement(using: &random)! }
  private mutating func type() -> String { Int.random(in: 0..<30, using: &random) == 0 ? text() : "\"t\(Int.random(in: 0...9, using: &random))._a\"" }

  private mutating func outcome() -> String {
    Int.random(in: 0..<30, using: &random) == 0 ? text() : "\"" + ["success", "failure", "denied", "pending", "unknown"].randomElement(using: &random)! + "\""
  }

  private mutating func kind() -> String {
    switch Int.random(in: 0..<20, using: &random) {
    case 0: ",\"kind\":\(value(3))"
    case 1..<10: ",\"kind\":\"" + ["user", "system", "agent", "integration"].randomElement(using: &random)! + "\""
    default: ""
    }
  }

  private mutating func extra() -> String {
    switch Int.random(in: 0..<20, using: &random) {
    case 0: ",\"kind\":\(value(3))"
    case 1..<10: ",\"kind\":\(text())"
    default: ""
    }
  }

  private mutating func text() -> String {
    let alphabet = ["a", "Z", "0", "é", "€", "😀", "\\n", "\\\"", "\\\\", "\\u0041", "\\ud83d\\ude00", " ", "/", "\\/", "\u{7F}", "id", "{", "1"]
    return "\"" + (0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random)! }.joined() + "\""
  }

  private mutating func number() -> String {
    switch Int.random(in: 0..<8, using: &random) {
    case 0: "\(random.next())"
    case 1: "-\(random.next())"
    case 2: "\(random.next())\(random.next())"
    case 3: "\(Int.random(in: -9...9, using: &random)).\(random.next())"
    case 4: "\(Int.random(in: 1...9, using: &random))e\(Int.random(in: -330...315, using: &random))"
    case 5: "17976931348623157\(Int.random(in: 0...9, using: &random))e29\(Int.random(in: 0...3, using: &random))"
    case 6: "0.000\(random.next())E+\(Int.random(in: 300...315, using: &random))"
    default: "\(Int.random(in: -100...100, using: &random))"
    }
  }

  private mutating func value(_ depth: Int) -> String {
    switch Int.random(in: 0..<(depth > 6 ? 4 : 7), using: &random) {
    case 0: return text()
    case 1: return number()
    case 2: return ["true", "false", "null"].randomElement(using: &random)!
    case 3: return ["[]", "{}", "0", "\"\""].randomElement(using: &random)!
    case 4: return "[" + (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth + 1) }.joined(separator: ",") + "]"
    case 5:
      let wraps = Int.random(in: 0...34, using: &random)
      return Int.random(in: 0..<12, using: &random) > 0 ? number() : String(repeating: "[", count: wraps) + String(repeating: "]", count: wraps)
    default:
      let names = ["a", "b", "\\u0061", "id", "é", "e\u{301}", "c", "d", "e", "f"].shuffled(using: &random).prefix(Int.random(in: 0...4, using: &random))
      return "{" + names.map { "\"\($0)\":\(value(depth + 1))" }.joined(separator: ",") + "}"
    }
  }
}
