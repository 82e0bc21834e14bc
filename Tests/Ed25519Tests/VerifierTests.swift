import Bytes
import Testing

@testable import Ed25519

/// The macros of the test library take no spans.
func verdict(_ signature: Signature, _ message: [UInt8], _ key: PublicKey) -> Bool { Verifier.isValid(signature, over: message.bytes, by: key) }

/// RFC 8032, section 7.1: seed, key, message, signature.
private let vectors: [(seed: String, key: String, message: String, signature: String)] = [
  ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
  ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
  ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
  ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
]

@Test func rfc8032VectorsSignAndVerify() throws {
  for vector in vectors {
    let seed = try #require(Bytes32(hex: vector.seed))
    let encoded = try #require(Bytes64(hex: vector.signature))
    let key = SigningKey(seed: seed)
    let message = try #require(Hex.decode(vector.message))
    let signature = Signature(encoded)
    #expect(key.publicKey.bytes.hex == vector.key)
    let signed = key.sign(message.bytes)
    #expect(signed == signature)
    #expect(verdict(signature, message, key.publicKey))
    #expect(!verdict(signature, (message + [0]), key.publicKey))
    var changed = signature
    changed.bytes.second.w0 ^= 1 << 56
    #expect(!verdict(changed, message, key.publicKey))
  }
}

@Test func sNotBelowTheOrderIsRefused() throws {
  let key = SigningKey(seed: Bytes32(repeating: 7))
  let message: [UInt8] = [1, 2, 3]
  let signature = key.sign(message.bytes)
  #expect(Scalar(canonical: Scalar.order.bytes) == nil)
  // S + L by schoolbook addition over little-endian bytes: the same scalar, a second encoding.
  var (sum, carry) = (signature.bytes.second.array, 0)
  for (index, byte) in Scalar.order.bytes.array.enumerated() {
    carry += Int(sum[index]) + Int(byte)
    sum[index] = UInt8(carry & 255)
    carry >>= 8
  }
  let second = try #require(Bytes32(sum))
  let malleated = Signature(Bytes64(signature.bytes.first, second))
  #expect(verdict(signature, message, key.publicKey))
  #expect(!verdict(malleated, message, key.publicKey))
}

/// A generator of the 8 torsion points: y from the known encodings of the points of order 8.
private func torsion() throws -> [Point] {
  let encoded = try #require(Bytes32(hex: "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
  let generator = try #require(Point(decoding: encoded))
  var points = [Point.identity]
  for _ in 1..<8 { points.append(points[points.count - 1] &+ CachedPoint(generator)) }
  return points
}

@Test func smallOrderKeysAreRefused() throws {
  let points = try torsion()
  #expect(Set(points.map(\.bytes)).count == 8)
  for point in points {
    #expect(point.isSmallOrder)
    #expect(!Verifier.isRegistrable(PublicKey(point.bytes)))
  }
  #expect(Verifier.isRegistrable(PublicKey(Point.base.bytes)))
}

@Test func nonCanonicalPointsAreRefused() throws {
  // y = 1 with the sign bit, y = p, y = p + 1, y = 2^255 - 1 - 2^255 (all ones)
  for hex in [
    "0100000000000000000000000000000000000000000000000000000000000080", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ] {
    let encoded = try #require(Bytes32(hex: hex))
    #expect(Point(decoding: encoded) == nil, "\(hex)")
  }
}

/// Signs with secret scalar a, adding the given torsion to A and R: only the cofactored equation accepts unless the torsion cancels.
private func mixedOrderItem(_ seed: UInt64, _ ta: Point, _ tr: Point, _ message: [UInt8]) -> (Signature, PublicKey) {
  let (a, r) = (Scalar(seed &+ 3, 5, 7), Scalar(seed &+ 11, 13, 17))
  let key = PublicKey((Straus.doubleProduct(a, Scalar(), .base) &+ CachedPoint(ta)).bytes)
  let commitment = (Straus.doubleProduct(r, Scalar(), .base) &+ CachedPoint(tr)).bytes
  let s = r &+ Verifier.challenge(commitment, key, message.bytes) &* a
  return (Signature(Bytes64(commitment, s.bytes)), key)
}

@Test func cofactoredSignaturesAreAccepted() throws {
  let points = try torsion()
  for (i, ta) in points.enumerated() {
    for (j, tr) in points.enumerated() {
      let message = [UInt8(i), UInt8(j)]
      let (signature, key) = mixedOrderItem(UInt64(8 * i + j), ta, tr, message)
      #expect(verdict(signature, message, key), "torsion \(i), \(j)")
      #expect(!verdict(signature, [9], key), "torsion \(i), \(j)")
    }
  }
}

@Test func pemRoundTripsAndForeignTextIsRefused() throws {
  let key = try SigningKey.generate()
  let copy = try SigningKey(pem: key.pem())
  #expect(copy.publicKey == key.publicKey)
  #expect(throws: KeyError.notPEM) { try SigningKey(pem: Array("no key".utf8)) }
  #expect(throws: KeyError.tooLong(5000)) { try SigningKey(pem: [UInt8](repeating: 0, count: 5000)) }
}

@Test func peerIDVectors() throws {
  for (vector, text) in zip(
    vectors, ["12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV", "12D3KooWDwTirQce1RRKnasT5fPVFgzXCy6SiRgSwrwPGLC7zE91"])
  {
    let encoded = try #require(Bytes32(hex: vector.key))
    let id = PeerID(PublicKey(encoded))
    #expect(id.text == text)
    #expect(PeerID(text: text) == id)
    #expect(PeerID(text: text.dropLast()) == nil)
  }
}
