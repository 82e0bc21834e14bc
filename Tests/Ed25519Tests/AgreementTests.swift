import Bytes
import Foundation
import Testing

@testable import Ed25519

/// A small seeded generator (SplitMix64).
private struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Batches of 10 with about two flipped bits each, anywhere in R, S or A; 500 cases times `MOLOCH_TEST_SCALE`.
@Test func flippedBitsGetTheSameVerdictInABatch() {
  let scale = ProcessInfo.processInfo.environment["MOLOCH_TEST_SCALE"].flatMap { Int($0) } ?? 1
  let keys = (0..<4).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 40))) }
  var verdicts: [Bool] = []
  for seed in 0..<(50 * scale) {
    var random = Generator(state: UInt64(seed))
    var batch = SignatureBatch(capacity: 10, seed: Bytes32(random.next(), random.next(), 0, 0))
    var expected: [Bool] = []
    for _ in 0..<10 {
      let key = keys[Int.random(in: 0..<4, using: &random)]
      let message = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 0..<200, using: &random))
      var signature = key.sign(message.bytes)
      var signer = key.publicKey
      let bit = UInt64(1) << UInt64.random(in: 0..<64, using: &random)
      switch Int.random(in: 0..<15, using: &random) {
      case 0: signature.bytes.first.w1 ^= bit
      case 1: signature.bytes.second.w2 ^= bit
      case 2: signer.bytes.w0 ^= bit
      default: break
      }
      expected.append(verdict(signature, message, signer))
      batch.add(signature, over: message.bytes, by: signer)
    }
    batch.verify(&verdicts)
    #expect(verdicts == expected, "seed \(seed)")
  }
}
