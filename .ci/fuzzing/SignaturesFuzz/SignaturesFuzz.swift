import Bytes
import Ed25519
import Glibc

/// The input is a list of signatures, honest ones with a byte changed or 96 bytes as they come. Every path, alone and in a batch, decides as the single verifier.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzzSignatures(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  precondition(!isCanary, "the canary: a failed property ends the run")
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  var items: [(signature: Signature, key: PublicKey, message: [UInt8])] = []
  var at = 0
  while at + 4 <= input.count, items.count < 40 {
    let (kind, place, mask, length) = (input[at], Int(input[at + 1]), input[at + 2], Int(input[at + 3]))
    at += 4
    var bytes: [UInt8]
    // Half of the messages have the length of which the vector paths hash several at once.
    let message = [UInt8](repeating: kind, count: kind & 4 == 0 ? 128 : length)
    if kind & 0x80 == 0 {
      let key = keys[Int(kind & 3)]
      bytes = key.sign(message.bytes).bytes.array + key.publicKey.bytes.array
      bytes[place % 96] ^= mask
    } else {
      guard at + 96 <= input.count else { break }
      bytes = Array(input[at..<at + 96])
      at += 96
    }
    items.append((Signature(bytes.bytes, at: 0), PublicKey(Bytes32(bytes.bytes, at: 64)), message))
  }
  let expected = items.map { item in isValid(item.signature, item.message, item.key) }
  var verdicts: [Bool] = []
  for path in Path.available {
    var batch = SignatureBatch(capacity: 40, seed: Bytes32(repeating: UInt8(truncatingIfNeeded: count)), path: path)
    for item in items { add(item.signature, item.message, item.key, to: &batch) }
    batch.verify(&verdicts)
    precondition(verdicts == expected, "\(path) together")
    for (index, item) in items.enumerated() {
      add(item.signature, item.message, item.key, to: &batch)
      batch.verify(&verdicts)
      precondition(verdicts == [expected[index]], "\(path) alone")
    }
  }
  return 0
}

private func isValid(_ signature: Signature, _ message: [UInt8], _ key: PublicKey) -> Bool { Verifier.isValid(signature, over: message.bytes, by: key) }
private func add(_ signature: Signature, _ message: [UInt8], _ key: PublicKey, to batch: inout SignatureBatch) { batch.add(signature, over: message.bytes, by: key) }

private let keys = (0..<4).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }

/// Set by `.ci/fuzz` once, to see that a failure is seen.
private let isCanary = getenv("MOLOCH_FUZZ_CANARY") != nil
