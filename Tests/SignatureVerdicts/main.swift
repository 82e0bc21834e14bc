import Bytes
import Ed25519

// Verifies the same honest and changed signatures by every path that this processor has, in batches of several sizes, and prints for each path its name, how many
// were accepted and a hash of all verdicts. Run on hardware and under a program that shows it another processor, the common lines must be equal.

struct Sample {
  var signature: Signature
  var key: PublicKey
  var message: [UInt8]
}

/// What is wrong with a signature depends on its position.
func sample(_ count: Int, signers: Int) -> [Sample] {
  let keys = (0..<signers).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }
  return (0..<count).map { index in
    let key = keys[index % signers]
    let message: [UInt8] = (0..<128).map { UInt8(truncatingIfNeeded: index &* 31 &+ $0) }
    var sample = Sample(signature: key.sign(message.bytes), key: key.publicKey, message: message)
    switch index % 23 {
    case 3: sample.signature.bytes.first.w2 ^= 1 << UInt64(index % 64)
    case 9: sample.signature.bytes.second.w1 ^= 1 << UInt64(index % 64)
    case 14: sample.key.bytes.w1 ^= 1 << UInt64(index % 64)
    case 20: sample.message[index % 128] ^= 4
    default: break
    }
    return sample
  }
}

let samples = sample(130, signers: 9)
for path in Path.available {
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  var accepted = 0
  for count in [1, 2, 17, 130] {
    var batch = SignatureBatch(capacity: count, seed: Bytes32(repeating: 9), path: path)
    var verdicts: [Bool] = []
    // Single signatures and pairs are the slowest: some of them are enough.
    let end = min(samples.count, 30 * count)
    for start in stride(from: 0, to: end, by: count) {
      for sample in samples[start..<min(start + count, end)] { batch.add(sample.signature, over: sample.message.bytes, by: sample.key) }
      batch.verify(&verdicts)
      for isValid in verdicts {
        hash = (hash ^ (isValid ? 1 : 2)) &* 0x100_0000_01b3
        if isValid { accepted += 1 }
      }
    }
  }
  print("\(path.rawValue) \(accepted) \(String(hash, radix: 16))")
}
