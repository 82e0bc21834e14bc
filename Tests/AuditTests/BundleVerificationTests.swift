import Audit
import Bytes
import Digests
import Ed25519
import Merkle
import Testing

/// Sets 1-4, then one member after the other is replaced; the last epoch keeps its set.
private let members = [[1, 2, 3, 4], [1, 2, 3, 5], [6, 2, 3, 5], [6, 7, 8, 9, 10, 11, 12], [6, 7, 8, 9, 10, 11, 12]]

extension OfflineVerification {
  var failed: [String] { checks.filter { if case .fail = $0.outcome { true } else { false } }.map(\.name) }
  var skipped: [String] { checks.filter { if case .skip = $0.outcome { true } else { false } }.map(\.name) }
  var passed: [String] { checks.filter { if case .pass = $0.outcome { true } else { false } }.map(\.name) }
}

@Suite struct BundleVerificationTests {
  let chain: ChainFixture
  var options = OfflineVerification.Options()

  init() throws {
    chain = try ChainFixture(members: members)
    options.trust = .genesis(chain.genesis.json)
  }

  private func verify(_ bundle: BundleText, _ options: OfflineVerification.Options? = nil) -> OfflineVerification {
    OfflineVerification(file: bundle.json, options: options ?? self.options)
  }

  @Test func everyLeafUnderEveryLaterHeadIsAnchoredInGenesis() throws {
    for under in 1...chain.head {
      for height in 1...under {
        let result = verify(try chain.bundle(height, under: under))
        #expect(result.exitCode == 0 && result.failed.isEmpty && result.skipped.isEmpty, "\(height) under \(under): \(result.checks)")
      }
    }
    #expect(try chain.bundle(1, under: chain.head).handoffs.count == 3)
  }

  @Test func trustMayBeginAtTheHeadOrAtAHandoff() throws {
    let bundle = try chain.bundle(3, under: 9)
    for height in [2, 4, 6, 9] as [UInt64] {
      var options = OfflineVerification.Options()
      options.trust = .block(Height(height), chain.headers[Int(height)].hash)
      #expect(verify(bundle, options).exitCode == 0, "\(height)")
      options.trust = .block(Height(height), .zero)
      #expect(verify(bundle, options).failed == ["trust root"], "\(height)")
      options.trust = .block(Height(height + 1), chain.headers[Int(height)].hash)
      #expect(verify(bundle, options).exitCode == 3, "\(height)")
    }
    // What lies before the trusted handoff is of no account; what follows it is.
    var options = OfflineVerification.Options()
    options.trust = .block(Height(4), chain.headers[4].hash)
    var changed = bundle
    changed.handoffs[0].certificate[100] ^= 1
    #expect(verify(changed, options).exitCode == 0)
    changed.handoffs[2].certificate[100] ^= 1
    #expect(verify(changed, options).failed == ["handoffs"])
  }

  @Test func withoutATrustRootTheSetsMustStillHoldTogether() throws {
    let none = OfflineVerification.Options()
    #expect(verify(try chain.bundle(1, under: 9), none).exitCode == 3)
    #expect(verify(try chain.bundle(1, under: 2), none).exitCode == 3)
    for change in [{ $0.handoffs.swapAt(0, 1) }, { $0.handoffs.removeLast() }, { $0.handoffs[1].certificate[110] ^= 2 }] as [(inout BundleText) -> Void] {
      var bundle = try chain.bundle(1, under: 9)
      change(&bundle)
      #expect(verify(bundle, none).exitCode == 1)
    }
  }

  /// One negative for each hard rule that a bundle can break.
  @Test func everyBrokenRuleIsNamed() throws {
    let spare = SHA256.hash([1])
    let cases: [(rule: String, check: String, change: (inout BundleText) -> Void)] = [
      ("a spare hash", "inclusion", { $0.hashes.append(spare) }), ("a missing hash", "inclusion", { $0.hashes.removeLast() }),
      ("index beyond the size", "inclusion", { $0.leafIndex = 9 }), ("another size", "inclusion", { $0.treeSize = 8 }),
      ("another index", "inclusion", { $0.leafIndex = 3 }), ("a changed hash", "inclusion", { $0.hashes[0] = spare }),
      ("a byte behind the certificate", "finality", { $0.certificate.append(0) }), ("a byte behind the set", "validator set", { $0.validators.append(0) }),
      ("a byte behind the header", "finality", { $0.header.append(0) }), ("a byte behind the statement", "statement", { $0.statement.append(0) }),
      ("a byte behind the signature", "signature", { $0.signature.append(0) }), ("a byte behind the body", "body", { $0.blob?.append(0) }),
      ("another id", "event id", { $0.id = EventID(spare) }), ("another chain", "chain tag", { $0.genesisHash = spare }),
      ("another chain id", "trust root", { $0.chainID = "chain-2" }),
      ("the set of another epoch", "validator set", { $0.validators = chain.sets[0].encoded }),
      ("two thirds and no more", "finality", { $0.certificate = chain.certificate(9, signers: 4).encoded }),
      ("votes of another kind", "finality", { $0.certificate = chain.certificate(9, kind: .notarise).encoded }),
      ("a certificate of another block", "finality", { $0.certificate = chain.certificate(10).encoded }),
      ("a handoff is missing", "handoffs", { $0.handoffs.remove(at: 1) }), ("a handoff is there twice", "handoffs", { $0.handoffs.append($0.handoffs[2]) }),
      ("handoffs out of order", "handoffs", { $0.handoffs.swapAt(0, 1) }), ("a handoff is no quorum", "handoffs", { $0.handoffs[2].certificate = chain.certificate(6, signers: 2).encoded }),
      ("another next set", "handoffs", { $0.handoffs[1].next = chain.sets[0].encoded }),
      ("a handoff that hands nothing over", "handoffs", { $0.handoffs.append((chain.headers[8].encoded, chain.certificate(8).encoded, chain.sets[4].encoded)) }),
      ("a byte behind a next set", "handoffs", { $0.handoffs[0].next.append(0) }),
      ("a spare history hash", "block", { $0.block?.hashes.append(spare) }), ("another block", "block", { $0.block?.header = chain.headers[4].encoded }),
      ("no block", "block", { $0.block = nil }), ("a spare consistency hash", "since", { $0.consistency?.hashes.append(spare) }),
      ("a changed consistency hash", "since", { $0.consistency?.hashes[0] = spare }),
      ("a checkpoint of another size", "checkpoint", { $0.checkpoint = chain.note(8) }),
      ("a checkpoint of another origin", "checkpoint", { $0.checkpoint = $0.checkpoint?.replacing("chain-1", with: "chain-2") }),
      ("a bad cosignature", "checkpoint", { $0.checkpoint = chain.note(9) + chain.note(8, validators: [7]).split(separator: "\n").suffix(1).joined() + "\n" }),
      ("no empty line", "checkpoint", { $0.checkpoint = $0.checkpoint?.replacing("\n\n", with: "\n") }),
    ]
    var options = options
    options.since = Array(chain.note(5).utf8)
    let good = try chain.bundle(3, under: 9, checkpoint: chain.note(9, validators: [6, 7]), since: 5)
    #expect(verify(good, options).exitCode == 0, "\(verify(good, options).checks)")
    for (rule, check, change) in cases {
      var bundle = good
      change(&bundle)
      let result = verify(bundle, options)
      #expect(result.exitCode == 1 && result.failed.contains(check), "\(rule): \(result.failed)")
    }
  }

  @Test func textThatIsNoBundleEndsWith65() throws {
    let good = String(decoding: try chain.bundle(3, under: 9).json, as: UTF8.self)
    for (old, new) in [
      ("moloch-bundle", "other"), ("\"version\":1", "\"version\":2"), ("\"leaf_index\":2", "\"leaf_index\":02"), ("\"leaf_index\":2", "\"leaf_index\":9007199254740992"),
      ("\"leaf_index\":2", "\"leaf_index\":-1"), ("\"handoffs\"", "\"hand\""), ("\"event\"", "\"genesis_hash\""), ("evt_", ""), ("\"signature\":\"", "\"signature\":\"="),
      ("]}", "]"),
    ] {
      let result = OfflineVerification(file: Array(good.replacing(old, with: new).utf8), options: options)
      #expect(result.exitCode == 65 && result.failed == ["format"], "\(old) -> \(new): \(result.checks)")
    }
    for bytes in [[], [0xFF], Array("{".utf8), Array("no note".utf8), Array(good.utf8) + [0x7D]] as [[UInt8]] {
      #expect(OfflineVerification(file: bytes, options: options).exitCode == 65)
    }
    var options = options
    options.trust = .genesis([0x7B])
    #expect(OfflineVerification(file: Array(good.utf8), options: options).exitCode == 65)
    options = self.options
    options.since = Array("x".utf8)
    #expect(OfflineVerification(file: Array(good.utf8), options: options).exitCode == 65)
  }

  @Test func anOlderHeadIsAPrefixAndAnchorsWhatItHolds() throws {
    let bundle = try chain.bundle(3, under: 9, since: 5)
    var since = OfflineVerification.Options()
    since.since = Array(chain.note(5).utf8)
    #expect(verify(bundle, since).exitCode == 0, "leaf 2 is below size 5")
    #expect(verify(try chain.bundle(7, under: 9, since: 5), since).exitCode == 3, "leaf 6 is not")
    since.since = try chain.bundle(1, under: 5).json
    #expect(verify(bundle, since).exitCode == 0, "the head of an older bundle")
    var options = options
    options.since = Array(chain.note(4).utf8)
    #expect(verify(bundle, options).exitCode == 4, "the file holds no proof from size 4")
    options.since = Array(chain.note(9).utf8)
    #expect(verify(bundle, options).exitCode == 0, "equal sizes need no hash")
    options.since = Array(chain.note(10).utf8)
    #expect(verify(bundle, options).failed == ["since"], "a later head is no older one")
    options.since = Array(chain.note(9).replacing(Base64.encode(chain.headers[9].treeRoot.bytes.array), with: Base64.encode(Digest.zero.bytes.array)).utf8)
    #expect(verify(bundle, options).failed == ["since"], "another root of the same size")
    options.since = Array(chain.note(5).replacing("chain-1", with: "chain-2").utf8)
    #expect(verify(bundle, options).failed == ["since"], "another log")
  }

  @Test func demandsThatCannotBeMetEndWith4() throws {
    var bundle = try chain.bundle(3, under: 9)
    let blob = try #require(bundle.blob)
    bundle.blob = nil
    #expect(verify(bundle).exitCode == 0)
    var options = options
    options.requiresBody = true
    #expect(verify(bundle, options).exitCode == 4)
    var unanchored = options
    unanchored.trust = .none
    #expect(verify(bundle, unanchored).exitCode == 3, "not anchored outweighs a demand")
    options.body = blob
    #expect(verify(bundle, options).exitCode == 0)
    options.body = blob + [0]
    #expect(verify(bundle, options).failed == ["body"])
    options = self.options
    options.witnessesMin = 1
    #expect(verify(bundle, options).exitCode == 4)
  }

  @Test func aRedactedEventShowsTheProposalThatNamesIt() throws {
    let target = EventID(SHA256.hash(Array(chain.entries[2][..<128])))
    let act = GovernanceAct.proposeRedaction(RedactionProposal(reason: .legalOrder, requesterHash: .zero, events: [EventID(.zero), target], note: ""))
    let redacted = try ChainFixture(members: members, special: [5: (.proposeRedaction, act.encoded), 6: (.json, act.encoded)])
    var options = options
    options.trust = .genesis(redacted.genesis.json)
    let good = try redacted.bundle(3, under: 9, redaction: 5)
    let result = verify(good, options)
    #expect(result.exitCode == 0 && result.passed.contains("redaction") && result.skipped == ["body"], "\(result.checks)")
    options.requiresBody = true
    #expect(verify(good, options).exitCode == 4)
    let cases: [(inout BundleText) -> Void] = [
      { $0.redaction?.entry[130] ^= 1 }, { $0.redaction?.blob[3] ^= 1 }, { $0.redaction?.blob[20] ^= 1 }, { $0.redaction?.leaf = 5 },
      { $0.redaction?.hashes.append(.zero) }, { $0.redaction?.entry[60] ^= 1 }, { $0.redaction?.entry[17] = 0 },
      { $0.redaction = (redacted.entries[5], redacted.blobs[5], 5, []) },
    ]
    for (index, change) in cases.enumerated() {
      var bundle = good
      change(&bundle)
      #expect(verify(bundle, options).failed == ["redaction"], "case \(index)")
    }
    let other = try redacted.bundle(2, under: 9, redaction: 5)
    #expect(verify(other, options).failed == ["redaction"], "the proposal names another event")
  }
}
