import Bytes
import Testing

@Suite struct TextEncodingTests {
  @Test func hexRoundTripsAndRefusesUppercaseAndOddLengths() {
    let bytes = (0..<256).map { UInt8($0) }
    #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    #expect(Hex.encode([0x00, 0xAB, 0xFF]) == "00abff")
    #expect(Hex.decode("AB") == nil)
    #expect(Hex.decode("abc") == nil)
    #expect(Hex.decode("0g") == nil)
  }

  @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")])
  func base64MatchesRFC4648(plain: String, encoded: String) {
    #expect(Base64.encode(Array(plain.utf8)) == encoded)
    #expect(Base64.decode(encoded) == Array(plain.utf8))
  }

  @Test(arguments: ["Zg", "Zg=", "Zh==", "Zm9=", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "Z===", "-_-_"])
  func base64RefusesNonCanonicalText(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test func base58SpellsLibp2pPeerIDs() throws {
    let key = try #require(Hex.decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    let id = Base58.encode([0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + key)
    #expect(id == "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV")
    #expect(Base58.decode(id) == [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + key)
    #expect(Base58.decode("0OIl") == nil)
    #expect(Base58.decode(String(repeating: "2", count: Base58.decodeLengthMax + 1)) == nil)
  }
}
