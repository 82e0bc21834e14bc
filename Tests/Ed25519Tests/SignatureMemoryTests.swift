import Bytes
import Ed25519
import Testing

/// A memory answers as verification does, the first time and every time.
@Suite struct SignatureMemoryTests {
  @Test func verdictsAreThoseOfTheVerifier() {
    let memory = SignatureMemory()
    let keys = (1...3 as ClosedRange<UInt64>).map { SigningKey(seed: Bytes32($0, 2, 3, 4)) }
    for number in 0..<200 {
      let key = keys[number % 3]
      let message = Array("message \(number / 2)".utf8)
      let signature = key.sign(message.bytes)
      let other = Array("message \(number / 2)!".utf8)
      var bent = signature
      bent.bytes.second.w0 ^= 1
      for _ in 0..<2 {
        let verdicts = [
          Verifier.isValid(signature, over: message.bytes, by: key.publicKey, memory: memory),
          Verifier.isValid(signature, over: other.bytes, by: key.publicKey, memory: memory),
          Verifier.isValid(bent, over: message.bytes, by: key.publicKey, memory: memory),
          Verifier.isValid(signature, over: message.bytes, by: keys[(number + 1) % 3].publicKey, memory: memory),
        ]
        #expect(verdicts == [true, false, false, false], "message \(number)")
      }
    }
  }
}
