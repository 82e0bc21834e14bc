import Audit
import Benchmark
import Bytes
import CBaselines
import Ed25519

/// Verification: one by one, in batches, and by libcrypto.
func registerSignatures() {
  let single = Signed(count: 64, signers: 8)
  measure("Ed25519: verify one", operations: 64) {
    for index in 0..<64 {
      let message = single.messages[index]
      blackHole(Verifier.isValid(single.signatures[index], over: message.bytes, by: single.keys[index]))
    }
  }
  for (count, signers) in [(16, 8), (64, 8), (64, 64), (1024, 8), (1024, 64)] {
    let signed = Signed(count: count, signers: signers)
    let state = BatchState(capacity: count)
    measure("Ed25519: batch of \(count), \(signers) signers", operations: count) { state.verify(signed) }
  }
  let keys = single.keys.map { key in key.bytes.array.withUnsafeBufferPointer { EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, $0.baseAddress, 32) } }
  measure("Ed25519: loser, libcrypto one by one", operations: 64) {
    for index in 0..<64 {
      let context = EVP_MD_CTX_new()
      EVP_DigestVerifyInit(context, nil, nil, nil, keys[index])
      let signature = single.encoded[index], message = single.messages[index]
      precondition(EVP_DigestVerify(context, signature, 64, message, message.count) == 1)
      EVP_MD_CTX_free(context)
    }
  }
}

private struct Signed {
  var messages: [[UInt8]] = []
  var signatures: [Signature] = []
  var encoded: [[UInt8]] = []
  var keys: [PublicKey] = []

  init(count: Int, signers: Int) {
    for number in 0..<count {
      let key = Events.keys[number % signers]
      let message = Events.statement(UInt64(number), signer: key.publicKey).encoded
      let signature = key.sign(message.bytes)
      var bytes: [UInt8] = []
      bytes.append(signature.bytes)
      messages.append(message)
      signatures.append(signature)
      encoded.append(bytes)
      keys.append(key.publicKey)
    }
  }
}

/// A batch that keeps its storage between runs, as a node does.
private final class BatchState {
  private var batch: SignatureBatch
  private var verdicts: [Bool] = []

  init(capacity: Int) { batch = SignatureBatch(capacity: capacity, seed: Bytes32(repeating: 9)) }

  func verify(_ signed: Signed) {
    for index in signed.messages.indices {
      let message = signed.messages[index]
      batch.add(signed.signatures[index], over: message.bytes, by: signed.keys[index])
    }
    batch.verify(&verdicts)
    precondition(verdicts.allSatisfy { $0 })
  }
}
