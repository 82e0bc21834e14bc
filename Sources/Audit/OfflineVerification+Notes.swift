import Bytes
import Digests
import Ed25519
import Merkle

/// Signed checkpoints: by themselves, in a tlog-proof, in a bundle; policy and witnesses.
extension OfflineVerification {
  mutating func verifyCheckpoint(_ file: [UInt8]) {
    let (note, checkpoint): (SignedNote, Checkpoint)
    do {
      note = try SignedNote(parsing: file)
      checkpoint = try Checkpoint(parsing: note.text)
    } catch {
      return unreadable("format", "a bundle, a tlog-proof, a checkpoint or a record", "\(error)")
    }
    checkNote(note, checkpoint, set: nil)
    checkSince(OlderHead(size: checkpoint.size, root: checkpoint.root, genesisHash: nil, origin: checkpoint.origin), proof: nil, leaf: nil)
    if options.requiresBody { unmet("body", "a checkpoint holds no event") }
    noteTrust()
  }

  mutating func verifyTlogProof(_ file: [UInt8]) {
    let (proof, note, checkpoint): (TlogProof, SignedNote, Checkpoint)
    do {
      proof = try TlogProof(parsing: file)
      note = try SignedNote(parsing: Array(proof.checkpoint.utf8))
      checkpoint = try Checkpoint(parsing: note.text)
    } catch {
      return unreadable("format", "a tlog-proof", "\(error)")
    }
    if let record = options.record {
      guard let entry = checkRecord(record) else { return }
      do throws(ProofError) {
        try InclusionProof(index: proof.index, size: checkpoint.size, hashes: proof.hashes).verify(leafHash: TreeHash.leaf(entry.bytes), root: checkpoint.root)
        pass("inclusion", "leaf \(proof.index) of \(checkpoint.size)")
      } catch {
        fail("inclusion", "a proof to the root \(checkpoint.root)", "\(error)")
      }
    } else {
      add("inclusion", .skip("a tlog-proof names no event: give it with --record"))
      if options.requiresBody { unmet("body", "no record given") }
    }
    checkNote(note, checkpoint, set: nil)
    checkSince(
      OlderHead(size: checkpoint.size, root: checkpoint.root, genesisHash: nil, origin: checkpoint.origin), proof: nil, leaf: proof.index)
    // Without its event nothing was proven to be in the tree.
    if options.record == nil { isAnchored = false }
    noteTrust()
  }

  /// What anchors a file that holds a checkpoint and no certificate.
  private mutating func noteTrust() {
    guard options.policy == nil else { return }
    add("trust root", .skip("a checkpoint is anchored by a policy; certificates and handoffs are in a bundle"))
  }

  /// The checkpoint of a bundle has size and root of its head.
  mutating func checkCheckpoint(_ bundle: ProofBundle) {
    guard let text = bundle.checkpoint else {
      if options.policy != nil { unmet("policy", "the bundle holds no checkpoint") }
      if options.witnessesMin > 0 { unmet("witnesses", "the bundle holds no checkpoint") }
      return
    }
    let (note, checkpoint): (SignedNote, Checkpoint)
    do {
      note = try SignedNote(parsing: Array(text.utf8))
      checkpoint = try Checkpoint(parsing: note.text)
    } catch {
      return fail("checkpoint", "a signed checkpoint", "\(error)")
    }
    guard checkpoint.size == bundle.header.treeSize else { return fail("checkpoint", "size \(bundle.header.treeSize)", "\(checkpoint.size)") }
    guard checkpoint.root == bundle.header.treeRoot else { return fail("checkpoint", "\(bundle.header.treeRoot)", "\(checkpoint.root)") }
    guard checkpoint.origin.utf8.reversed().starts(with: ("/" + bundle.chainID).utf8.reversed()) else {
      return fail("checkpoint", "an origin of chain \(bundle.chainID)", checkpoint.origin)
    }
    checkNote(note, checkpoint, set: bundle.validators)
  }

  /// Origin and the signatures of known keys: those of the validators, and those of the policy, which may make the checkpoint a trust root.
  private mutating func checkNote(_ note: SignedNote, _ checkpoint: Checkpoint, set: ValidatorSet?) {
    if let genesis, !checkpoint.origin.utf8.elementsEqual(genesis.origin.utf8) { return fail("checkpoint", "origin \(genesis.origin)", checkpoint.origin) }
    let domain = checkpoint.origin.prefix { $0 != "/" }
    let validators = (set?.validators ?? []) + (genesis?.validators.validators ?? [])
    let own = validators.map { VerifierKey(name: "\(domain)/\($0.name)", type: .cosignature, key: $0.cosignerKey) }
    do throws(NoteError) {
      let count = Set(try note.signers(among: own).map { own[$0] }).count
      pass("checkpoint", "\(checkpoint.origin) at size \(checkpoint.size), cosigned by \(count) validator(s) of the \(set == nil ? "genesis" : "known") set")
      try checkPolicy(note, checkpoint, validators.flatMap { [$0.publicKey, $0.cosignerKey] })
    } catch {
      fail("checkpoint", "signatures of known keys that verify", "\(error)")
    }
  }

  private mutating func checkPolicy(_ note: SignedNote, _ checkpoint: Checkpoint, _ own: [PublicKey]) throws(NoteError) {
    guard let policy = options.policy else {
      if options.witnessesMin > 0 { unmet("witnesses", "no policy names the keys of witnesses") }
      return
    }
    let logs = try note.signers(among: policy.logs).filter { policy.logs[$0].name.utf8.elementsEqual(checkpoint.origin.utf8) }
    let signers = try note.signers(among: policy.witnesses)
    if logs.isEmpty {
      fail("policy", "a signature of a listed log with the name \(checkpoint.origin)", "none")
    } else if !policy.isQuorum(signers) {
      fail("policy", "the quorum of the policy", "cosignatures of \(signers.count) of its \(policy.witnesses.count) witnesses")
    } else {
      isAnchored = true
      pass("policy", "the log and \(signers.count) witness(es) signed size \(checkpoint.size)")
    }
    guard options.witnessesMin > 0 else { return }
    // The chain's own cosigners, by key or by name, are no outside witnesses.
    let domain = Array(checkpoint.origin.utf8.prefix { $0 != UInt8(ascii: "/") }) + [UInt8(ascii: "/")]
    let external = signers.map { policy.witnesses[$0] }.filter { witness in
      !own.contains(witness.key) && !policy.logs.contains { $0.key == witness.key } && !Array(witness.name.utf8).starts(with: domain)
    }
    if external.count >= options.witnessesMin {
      pass("witnesses", "\(external.count) distinct: \(external.map(\.name).joined(separator: ", "))")
    } else {
      unmet("witnesses", "\(external.count) of \(options.witnessesMin) external witnesses cosigned")
    }
  }
}
