import Bytes
import Testing

@testable import Ed25519

/// Good, broken, non-canonical, small-order and cofactored-only items: single and batch must agree in every order and under every seed.
@Test func batchAgreesWithSingle() throws {
  let encoded = try #require(Bytes32(hex: "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
  let torsion = try #require(Point(decoding: encoded))
  let keys = (0..<5).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }
  var items: [(signature: Signature, message: [UInt8], key: PublicKey)] = []
  for index in 0..<40 {
    let key = keys[index % keys.count]
    let message = [UInt8](repeating: UInt8(index), count: index)
    var (signature, signer) = (key.sign(message.bytes), key.publicKey)
    switch index % 8 {
    case 1: signature.bytes.second.w1 ^= 1
    case 2: signature.bytes.second.w3 |= 0xff
    case 3: signature.bytes.first = Bytes32(repeating: 0xff)
    case 4: signer = PublicKey(torsion.bytes)
    case 5, 6:
      // Torsion in R (5) and in A and R (6): only the cofactored equation accepts.
      let (a, r) = (Scalar(UInt64(index), 5, 7), Scalar(UInt64(index), 13, 17))
      var point = Straus.doubleProduct(a, Scalar(), .base)
      if index % 8 == 6 { point = point &+ CachedPoint(torsion) }
      signer = PublicKey(point.bytes)
      let commitment = (Straus.doubleProduct(r, Scalar(), .base) &+ CachedPoint(torsion)).bytes
      let s = r &+ Verifier.challenge(commitment, signer, message.bytes) &* a
      signature = Signature(Bytes64(commitment, s.bytes))
    default: break
    }
    items.append((signature, message, signer))
  }
  let expected = items.map { Verifier.isValid($0.signature, over: $0.message.bytes, by: $0.key) }
  #expect(expected == (0..<40).map { [0, 5, 6, 7].contains($0 % 8) })
  var verdicts: [Bool] = []
  for seed in 0..<3 {
    var batch = SignatureBatch(capacity: 64, seed: Bytes32(repeating: UInt8(seed)))
    for item in items { batch.add(item.signature, over: item.message.bytes, by: item.key) }
    batch.verify(&verdicts)
    #expect(verdicts == expected, "seed \(seed)")
    let count = batch.count
    #expect(count == 0)
    // Alone, in the same reused batch.
    for (item, isValid) in zip(items, expected) {
      batch.add(item.signature, over: item.message.bytes, by: item.key)
      batch.verify(&verdicts)
      #expect(verdicts == [isValid], "seed \(seed)")
    }
  }
}

@Test func goodBatchTakesOneCheckAndOneOffenderFew() {
  let key = SigningKey(seed: Bytes32(repeating: 9))
  var batch = SignatureBatch(capacity: 32, seed: Bytes32(repeating: 1))
  var verdicts: [Bool] = []
  for offender in [-1, 0, 13] {
    for index in 0..<32 {
      let message = [UInt8(index)]
      batch.add(key.sign((index == offender ? [99] : message).bytes), over: message.bytes, by: key.publicKey)
    }
    let before = batch.checks
    batch.verify(&verdicts)
    #expect(verdicts == (0..<32).map { $0 != offender })
    let checks = batch.checks - before
    #expect(checks == (offender < 0 ? 1 : 6))
  }
  batch.verify(&verdicts)
  #expect(verdicts.isEmpty)
}
