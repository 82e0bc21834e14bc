import Bytes
import Digests
import Ed25519
import Testing

@testable import Audit

@Suite struct CosignedCheckpointTests {
  private static let keys = (0..<4).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }
  private static let checkpoint = Checkpoint(origin: "log.example.org/main", size: 7, root: SHA256.hash([1]))

  private static func set(_ powers: [UInt64]) throws -> ValidatorSet {
    try ValidatorSet(powers.enumerated().map { Validator(publicKey: keys[$0].publicKey, cosignerKey: keys[$0].publicKey, power: $1, name: "v\($0)") })
  }

  private static func read(_ lines: [SignatureLine], _ checkpoint: Checkpoint = Self.checkpoint) throws -> CosignedCheckpoint {
    try CosignedCheckpoint(parsing: Array(checkpoint.note([checkpoint.logLine(SigningKey(seed: Bytes32(repeating: 99)))] + lines).utf8))
  }

  private static func line(_ key: Int, name: String? = nil) -> SignatureLine {
    checkpoint.cosignature(keys[key], name: name ?? "log.example.org/v\(key)", seconds: 5)
  }

  @Test func moreThanTwoThirdsOfThePowerIsAQuorum() throws {
    let equal = try Self.set([1, 1, 1, 1]), unequal = try Self.set([5, 1, 1, 1])
    for (signers, isEqual, isUnequal) in [([0, 1, 2], true, true), ([0, 1], false, true), ([1, 2, 3], true, false), ([0], false, false), ([0, 0, 0, 1], false, true)] {
      let note = try Self.read(signers.map { Self.line($0) })
      #expect(try note.isCosigned(byQuorumOf: equal) == isEqual && note.isCosigned(byQuorumOf: unequal) == isUnequal, "\(signers)")
    }
    // Under another name a key is not that of the validator.
    let renamed = try Self.read([Self.line(0), Self.line(1), Self.line(2, name: "other.example.org/v2"), Self.line(3, name: "log.example.org/v9")])
    let names = try renamed.cosigners(in: equal).map { equal.validators[$0].name }.sorted()
    #expect(names == ["v0", "v1"])
  }

  @Test func aFalseSignatureOfAKnownKeyRefusesTheNote() throws {
    let set = try Self.set([1, 1, 1, 1])
    let key = VerifierKey(name: "log.example.org/v3", type: .cosignature, key: Self.keys[3].publicKey)
    let note = try Self.read([0, 1, 2].map { Self.line($0) } + [SignatureLine(key, seconds: 6, signature: Self.line(3).signature)])
    #expect(throws: NoteError.badSignature(name: "log.example.org/v3")) { try note.isCosigned(byQuorumOf: set) }
    // A set without that validator does not know the key.
    #expect(try note.isCosigned(byQuorumOf: Self.set([1, 1, 1])))
  }

  @Test func theEmptyTreeAndOtherTextsAreNoCheckpoints() throws {
    let empty = Checkpoint(origin: "log.example.org/main", size: 0, root: .empty)
    #expect(throws: FormatError.self) { try Self.read([], empty) }
    for text in ["", "{}", "a\nb\nc\n", Self.checkpoint.text, Self.checkpoint.text + "extension\n\n" + Self.line(0).text] {
      #expect(throws: FormatError.self, "\(text)") { try CosignedCheckpoint(parsing: Array(text.utf8)) }
    }
  }

  @Test func aNoteWithoutCosignersIsKnownByItsLines() throws {
    #expect(try !Self.read([]).namesCosigners)
    #expect(try !Self.read([Self.line(0, name: "witness.example.net/v0")]).namesCosigners)
    #expect(try Self.read([Self.line(0)]).namesCosigners)
  }
}
