import Bytes
import Foundation
import Testing

@testable import Ed25519

/// The public vectors of Project Wycheproof (`Golden/wycheproof.txt` names source and licence), by every path, alone and together.
@Suite struct WycheproofTests {
  struct Vector {
    let id: Int
    let verdict: String
    let flags: String
    let key: PublicKey
    let message: [UInt8]
    let signature: [UInt8]
    let comment: String

    /// What the rule of this module says. The source leaves keys of small and of mixed order open ("acceptable"): the first are refused, the others are judged by
    /// the cofactored equation.
    var isValid: Bool { verdict == "valid" || (verdict == "acceptable" && flags == "MixedOrderPublicKey") }
  }

  static func vectors() throws -> [Vector] {
    let url = try #require(Bundle.module.url(forResource: "wycheproof", withExtension: "txt", subdirectory: "Golden"))
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
      let fields = line.split(separator: "|", omittingEmptySubsequences: false)
      try #require(fields.count == 7)
      let id = try #require(Int(fields[0]))
      let key = try #require(Bytes32(hex: fields[3]))
      let (message, signature) = (try #require(Hex.decode(String(fields[4]))), try #require(Hex.decode(String(fields[5]))))
      return Vector(
        id: id, verdict: String(fields[1]), flags: String(fields[2]), key: PublicKey(key), message: message, signature: signature, comment: String(fields[6]))
    }
  }

  @Test(arguments: Path.available) func everyVectorGetsTheVerdictOfTheRule(path: Path) throws {
    let vectors = try Self.vectors()
    #expect(vectors.count == 210)
    // Signatures of another length have no value of the type.
    let whole = vectors.filter { $0.signature.count == 64 }
    #expect(vectors.filter { $0.signature.count != 64 }.allSatisfy { $0.verdict == "invalid" && Bytes64(hex: Hex.encode($0.signature)) == nil })
    var alone = SignatureBatch(capacity: 1, seed: Bytes32(repeating: 1), path: path)
    var together = SignatureBatch(capacity: whole.count, seed: Bytes32(repeating: 2), path: path)
    var verdicts: [Bool] = []
    for vector in whole {
      let signature = Signature(vector.signature.bytes, at: 0)
      let single = verdict(signature, vector.message, vector.key)
      #expect(single == vector.isValid, "\(vector.id): \(vector.comment)")
      alone.add(signature, over: vector.message.bytes, by: vector.key)
      alone.verify(&verdicts)
      #expect(verdicts == [vector.isValid], "\(vector.id) alone: \(vector.comment)")
      together.add(signature, over: vector.message.bytes, by: vector.key)
    }
    together.verify(&verdicts)
    for (vector, isValid) in zip(whole, verdicts) { #expect(isValid == vector.isValid, "\(vector.id) together: \(vector.comment)") }
  }
}
