import Bytes
import Digests
import Testing

@Suite struct DigestTests {
  /// Short messages are padded in one piece: every length around the ends of blocks, against the stream.
  @Test func aPrefixedMessageOfAnyLengthIsTheHashOfItsBytes() {
    for length in 0...600 {
      let message = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ length) }
      #expect(SHA256.hash(prefix: 0x5A, message.bytes) == SHA256.hash([0x5A] + message), "\(length) bytes")
    }
  }

  @Test func sha256MatchesFIPSVectors() {
    #expect(Digest.empty.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      SHA256.hash(Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func piecesAndPrefixesHashAsTheConcatenation() {
    let a = Array("moloch".utf8), b = Array("audit".utf8)
    #expect(SHA256.hash(a.bytes, b.bytes) == SHA256.hash(a + b))
    #expect(SHA256.hash(prefix: 0, a.bytes) == SHA256.hash([0] + a))
    let left = SHA256.hash(a), right = SHA256.hash(b)
    #expect(SHA256.hash(prefix: 1, left, right) == SHA256.hash([1] + left.bytes.array + right.bytes.array))
  }

  @Test func sha512MatchesFIPSVector() {
    var stream = SHA512Stream()
    stream.update(Array("abc".utf8).bytes)
    #expect(
      stream.finish().hex
        == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )
  }
}
