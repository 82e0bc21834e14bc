import Audit
import Bytes
import Digests
import Ed25519
import Merkle
import Testing

/// Checkpoints, tlog-proofs and records, anchored by a policy.
@Suite struct PolicyVerificationTests {
  let chain: ChainFixture
  var options = OfflineVerification.Options()

  init() throws {
    chain = try ChainFixture(members: [[1, 2, 3, 4], [1, 2, 3, 4]])
    options.policy = try Self.policy(chain, quorum: "both")
  }

  /// Validators 1 to 4 with a threshold of 3, outside witnesses 21 and 22 of which one must sign for the group `both`.
  static func policy(_ chain: ChainFixture, quorum: String) throws -> TlogPolicy {
    var text = "log \(VerifierKey(name: chain.genesis.origin, type: .log, key: ChainFixture.publisher.publicKey).text)\n"
    for index in 1...4 { text += "witness v\(index) \(VerifierKey(name: "log.example.org/v\(index)", type: .cosignature, key: ChainFixture.key(index).publicKey).text)\n" }
    for index in [21, 22] { text += "witness w\(index) \(VerifierKey(name: "w\(index).example.net", type: .cosignature, key: ChainFixture.key(index).publicKey).text)\n" }
    text += "group validators 3 v1 v2 v3 v4\ngroup outside any w21 w22\ngroup both all validators outside\nquorum \(quorum)\n"
    return try TlogPolicy(parsing: Array(text.utf8))
  }

  private func proof(_ height: UInt64, under: UInt64, note: String) throws -> String {
    TlogProof(index: height - 1, hashes: try chain.inclusion(height - 1, size: under), checkpoint: note).text
  }

  private func record(_ height: UInt64) -> [UInt8] { chain.entries[Int(height - 1)] + chain.blobs[Int(height - 1)] }

  @Test func aCheckpointIsAnchoredByLogAndQuorum() {
    let table: [(note: String, exit: Int32)] = [
      (chain.note(4, validators: [1, 2, 3], witnesses: [21]), 0), (chain.note(4, validators: [1, 2, 3]), 1), (chain.note(4, validators: [1, 2], witnesses: [21, 22]), 1),
      (chain.note(4, validators: [1, 1, 1, 2], witnesses: [22]), 1), (chain.note(4, validators: [4, 3, 2, 1], witnesses: [21, 22, 30]), 0),
      (chain.note(4, validators: [1, 2, 3], witnesses: [21]).replacing("\u{2014} log.example.org/chain-1", with: "\u{2014} log.example.org/chain-2"), 1),
    ]
    for (note, exit) in table {
      let result = OfflineVerification(file: Array(note.utf8), options: options)
      #expect(result.exitCode == exit && (exit == 0 || result.failed == ["policy"]), "\(result.checks)")
    }
    let known = OfflineVerification(file: Array(chain.note(4).utf8), options: OfflineVerification.Options())
    #expect(known.exitCode == 3 && known.skipped == ["trust root"])
  }

  @Test func aBadSignatureOfAKeyOfThePolicyRefusesTheCheckpoint() {
    let other = chain.note(3, validators: [4]).split(separator: "\n").suffix(1).joined() + "\n"
    let note = chain.note(4, validators: [1, 2, 3], witnesses: [21]) + other
    let result = OfflineVerification(file: Array(note.utf8), options: options)
    #expect(result.exitCode == 1 && result.failed == ["checkpoint"], "\(result.checks)")
  }

  @Test func aTlogProofLeadsFromTheRecordToThePolicy() throws {
    let note = chain.note(4, validators: [1, 2, 3], witnesses: [21])
    var options = options
    options.record = record(2)
    let file = try proof(2, under: 4, note: note)
    #expect(OfflineVerification(file: Array(file.utf8), options: options).exitCode == 0)
    options.trust = .genesis(chain.genesis.json)
    let both = OfflineVerification(file: Array(file.utf8), options: options)
    #expect(both.exitCode == 0 && both.passed.contains("chain tag"))
    options.record = chain.entries[1]
    options.requiresBody = true
    #expect(OfflineVerification(file: Array(file.utf8), options: options).exitCode == 4, "an entry has no body")
    options.body = chain.blobs[1]
    #expect(OfflineVerification(file: Array(file.utf8), options: options).exitCode == 0)
    options = self.options
    options.record = record(3)
    #expect(OfflineVerification(file: Array(file.utf8), options: options).failed == ["inclusion"])
    options.record = record(2) + [0]
    #expect(OfflineVerification(file: Array(file.utf8), options: options).failed == ["format"])
    options.record = nil
    #expect(OfflineVerification(file: Array(file.utf8), options: options).exitCode == 3, "nothing is proven without the event")
    options.record = record(2)
    let changes: [(old: String, new: String, exit: Int32)] = [
      ("index 1", "index 2", 1), ("index 1", "index 4", 1), ("index 1", "index 01", 65), ("\n\n\(chain.genesis.origin)", "\n\(Base64.encode(Digest.zero.bytes.array))\n\n\(chain.genesis.origin)", 1),
    ]
    for (old, new, exit) in changes {
      #expect(OfflineVerification(file: Array(file.replacing(old, with: new).utf8), options: options).exitCode == exit, "\(old) -> \(new)")
    }
  }

  @Test func aRecordIsCheckedAndNeverAnchored() {
    var options = OfflineVerification.Options()
    let plain = OfflineVerification(file: record(1), options: options)
    #expect(plain.exitCode == 3 && plain.passed == ["event", "body", "signature"], "\(plain.checks)")
    options.trust = .genesis(chain.genesis.json)
    #expect(OfflineVerification(file: record(1), options: options).passed.contains("chain tag"))
    for (offset, check) in [(130, "signature"), (195, "body"), (208, "body"), (50, "chain tag"), (18, "statement")] {
      var bytes = record(1)
      bytes[offset] ^= 1
      #expect(OfflineVerification(file: bytes, options: options).failed.contains(check), "\(offset)")
    }
    #expect(OfflineVerification(file: Array(record(1).dropLast()), options: options).exitCode == 1)
    #expect(OfflineVerification(file: Array(record(1).prefix(100)), options: options).exitCode == 65)
  }

  @Test func onlyOutsideWitnessesMeetTheDemand() throws {
    var options = options
    options.policy = try Self.policy(chain, quorum: "none")
    for (validators, witnesses, demand, exit) in [
      ([1, 2, 3, 4], [21, 22], 2, 0), ([1, 2, 3, 4], [21], 2, 4), ([1, 2, 3, 4], [], 1, 4), ([], [22, 22], 2, 4), ([], [30], 1, 4), ([], [21], 1, 0),
    ] as [([Int], [Int], Int, Int32)] {
      options.witnessesMin = demand
      let note = chain.note(4, validators: validators, witnesses: witnesses)
      let result = OfflineVerification(file: Array(note.utf8), options: options)
      #expect(result.exitCode == exit, "\(validators) \(witnesses): \(result.checks)")
      var trusted = options
      trusted.trust = .genesis(chain.genesis.json)
      let bundle = OfflineVerification(file: try chain.bundle(1, under: 4, checkpoint: note).json, options: trusted)
      #expect(bundle.exitCode == exit, "\(validators) \(witnesses): \(bundle.checks)")
    }
  }

  @Test func aBundleMayBeAnchoredByItsCheckpoint() throws {
    let note = chain.note(4, validators: [1, 2, 3], witnesses: [21])
    #expect(OfflineVerification(file: try chain.bundle(1, under: 4, checkpoint: note).json, options: options).exitCode == 0)
    #expect(OfflineVerification(file: try chain.bundle(1, under: 4, checkpoint: chain.note(4)).json, options: options).failed == ["policy"])
    #expect(OfflineVerification(file: try chain.bundle(1, under: 4).json, options: options).exitCode == 3)
    var both = options
    both.trust = .genesis(chain.genesis.json)
    #expect(OfflineVerification(file: try chain.bundle(1, under: 4).json, options: both).exitCode == 4, "a policy was given and there is no checkpoint")
  }
}
