import Bytes
import Foundation
import Synchronization
import Testing

@testable import Ed25519

@Suite struct SignerCacheTests {
  private static func round(_ batch: inout SignatureBatch, _ keys: [SigningKey], isBad: (Int) -> Bool = { _ in false }) -> [Bool] {
    var verdicts: [Bool] = []
    for (index, key) in keys.enumerated() {
      let message = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 128)
      var signature = key.sign(message.bytes)
      if isBad(index) { signature.bytes.second.w0 ^= 1 << 56 }
      batch.add(signature, over: message.bytes, by: key.publicKey)
    }
    batch.verify(&verdicts)
    return verdicts
  }

  @Test(arguments: Path.available) func aKeyIsKnownFromItsSecondValidSignatureOn(path: Path) {
    let cache = SignerCache(capacity: 16, seed: Bytes32(repeating: 5), path: path)
    var batch = SignatureBatch(capacity: 4, seed: Bytes32(repeating: 6), cache: cache, path: path)
    let keys = (0..<4).map { SigningKey(seed: Bytes32(repeating: UInt8($0))) }
    for expected in [(0, 4), (0, 8), (4, 8), (8, 8)] as [(UInt64, UInt64)] {
      let verdicts = Self.round(&batch, keys)
      #expect(verdicts == [true, true, true, true])
      #expect(cache.hits == expected.0 && cache.misses == expected.1)
    }
    // Known keys do not make bad signatures good, and known and unknown ones share a batch.
    let verdicts = Self.round(&batch, Array(keys[..<3]) + [SigningKey(seed: Bytes32(repeating: 99))]) { $0 == 1 }
    #expect(verdicts == [true, false, true, true])
    #expect(cache.hits == 11 && cache.misses == 9)
  }

  @Test func badSignaturesPutNoKeyIn() {
    let cache = SignerCache(capacity: 16, seed: Bytes32(repeating: 5), path: .portable)
    var batch = SignatureBatch(capacity: 2, seed: Bytes32(repeating: 6), cache: cache, path: .portable)
    let keys = [SigningKey(seed: Bytes32(repeating: 1))]
    for _ in 0..<4 {
      let verdicts = Self.round(&batch, keys) { _ in true }
      #expect(verdicts == [false])
    }
    #expect(cache.hits == 0 && cache.misses == 4)
  }

  /// More keys than places: the cache stays as it is in size and every verdict is right.
  @Test func aFullCacheReplaces() {
    let cache = SignerCache(capacity: 8, seed: Bytes32(repeating: 5), path: .best)
    var batch = SignatureBatch(capacity: 20, seed: Bytes32(repeating: 6), cache: cache, path: .best)
    let keys = (0..<20).map { SigningKey(seed: Bytes32(repeating: UInt8($0))) }
    for turn in 0..<8 {
      let verdicts = Self.round(&batch, keys) { $0 == turn }
      #expect(verdicts == (0..<20).map { $0 != turn })
    }
    let before = cache.hits
    let verdicts = Self.round(&batch, Array(keys[..<1]))
    #expect(verdicts == [true] && cache.hits <= before + 1)
  }

  /// Threads that read, insert and replace at once: a torn entry would give a wrong verdict.
  @Test func threadsShareACache() async {
    let cache = SignerCache(capacity: 8, seed: Bytes32(repeating: 5), path: .best)
    let wrong = await withTaskGroup(of: Int.self) { group in
      for thread in 0..<4 {
        group.addTask {
          var batch = SignatureBatch(capacity: 8, seed: Bytes32(repeating: UInt8(thread)), cache: cache)
          var wrong = 0
          for turn in 0..<12 * testScale {
            let keys = (0..<8).map { SigningKey(seed: Bytes32(repeating: UInt8(($0 + thread + turn / 3) % 14))) }
            if Self.round(&batch, keys, isBad: { $0 == turn % 8 }) != (0..<8).map({ $0 != turn % 8 }) { wrong += 1 }
          }
          return wrong
        }
      }
      return await group.reduce(0, +)
    }
    #expect(wrong == 0)
    #expect(cache.hits > 0)
  }
}
