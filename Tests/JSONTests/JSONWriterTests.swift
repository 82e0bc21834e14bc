import Bytes
import JSON
import Testing

@Suite struct JSONWriterTests {
  @Test func valuesNestAndCommasComeByThemselves() {
    var json = JSONWriter()
    json.beginObject()
    json.key("a")
    json.number(1)
    json.key("b")
    json.beginArray()
    json.string("x\"\\\n\u{01}é")
    json.null()
    json.bool(true)
    json.beginObject()
    json.endObject()
    json.endArray()
    json.key("c")
    json.number(-2.345, decimals: 2)
    json.key("d")
    json.number(Double.infinity, decimals: 2)
    json.key("e")
    json.number(1e300, decimals: 9)
    json.endObject()
    #expect(String(decoding: json.bytes, as: UTF8.self) == #"{"a":1,"b":["x\"\\\n\u0001é",null,true,{}],"c":-2.35,"d":null,"e":null}"#)
    json.restart()
    json.hex(Bytes32(repeating: 0xAB), prefix: "evt_")
    #expect(String(decoding: json.bytes, as: UTF8.self) == "\"evt_" + String(repeating: "ab", count: 32) + "\"")
  }

  @Test func whatIsWrittenIsReadBack() throws {
    var json = JSONWriter()
    json.beginArray()
    for scalar in 0..<0x180 { json.string(String(UnicodeScalar(scalar)!)) }
    json.endArray()
    let read = try StrictJSON(parsing: json.bytes, byteCountMax: json.bytes.count)
    #expect(read.array?.map { $0.string } == (0..<0x180).map { String(UnicodeScalar($0)!) })
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "[01]", "[1.]", "[+1]", "['a']", "[\"\u{01}\"]", "[\"\\x\"]", "[\"\\ud800\"]", "[\"\\udc00\"]", "nul", "[1] x",
    "\u{FEFF}[]",
  ])
  func malformedTextIsRefused(text: String) {
    let bytes = Array(text.utf8)
    #expect(throws: StrictJSONError.self) { try StrictJSON(parsing: bytes, byteCountMax: 1 << 20) }
  }
}
