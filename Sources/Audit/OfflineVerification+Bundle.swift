import Bytes
import Digests
import Ed25519
import Merkle

/// Steps 1 to 9 for a proof bundle.
extension OfflineVerification {
  mutating func verifyBundle(_ json: [UInt8]) {
    let bundle: ProofBundle
    do { bundle = try ProofBundle(json: json) } catch {
      switch error {
      case .unreadable(let reason): return unreadable("format", "a proof bundle", reason)
      case .layout(let check, let reason): return fail(check, "bytes of the format", "\(reason)")
      }
    }
    let headers = [bundle.header] + bundle.handoffs.map(\.header) + [bundle.block?.header].compactMap { $0 }
    let tags = [(ChainTag(genesisHash: bundle.genesisHash), "genesis_hash")] + headers.map { ($0.chainTag, "the header of height \($0.height.rawValue)") }
    checkEvent(bundle.statement, named: bundle.id, tags: tags)
    checkBody(bundle.salt.flatMap { salt in bundle.body.map { salt + $0 } }, absence: "absent from the bundle")
    checkSignature(bundle.signature, over: bundle.statement)
    if options.record != nil { add("record", .skip("a bundle holds its event; --record belongs to a tlog-proof")) }
    checkInclusion(bundle)
    checkFinality(bundle)
    checkTrust(bundle)
    checkSince(
      OlderHead(size: bundle.header.treeSize, root: bundle.header.treeRoot, genesisHash: bundle.genesisHash, origin: genesis?.origin),
      proof: bundle.consistency, leaf: bundle.inclusion.index)
    checkBlock(bundle)
    checkCheckpoint(bundle)
    checkRedaction(bundle)
  }

  private mutating func checkInclusion(_ bundle: ProofBundle) {
    guard bundle.inclusion.size == bundle.header.treeSize else {
      return fail("inclusion", "the tree size of the header, \(bundle.header.treeSize)", "\(bundle.inclusion.size)")
    }
    let leaf = TreeHash.leaf((bundle.statement + bundle.signature.bytes.array).bytes)
    do throws(ProofError) {
      try bundle.inclusion.verify(leafHash: leaf, root: bundle.header.treeRoot)
      pass("inclusion", "leaf \(bundle.inclusion.index) of \(bundle.inclusion.size)")
    } catch {
      fail("inclusion", "a proof to the root \(bundle.header.treeRoot)", "\(error)")
    }
  }

  private mutating func checkFinality(_ bundle: ProofBundle) {
    let (header, set) = (bundle.header, bundle.validators)
    guard set.hash == header.validatorsHash else { return fail("validator set", "\(header.validatorsHash)", "\(set.hash)") }
    do {
      let certificate = try Certificate(decoding: bundle.certificate.bytes, chainTag: header.chainTag)
      try certificate.verifyFinality(of: header, in: set, epochLength: genesis?.parameters.epochLength)
      pass("finality", "height \(header.height.rawValue), \(certificate.signatures.count) of \(set.count) validators")
    } catch {
      fail("finality", "a finality certificate of height \(header.height.rawValue)", "\(error)")
    }
  }

  private mutating func checkBlock(_ bundle: ProofBundle) {
    let holder = bundle.block?.header ?? bundle.header
    guard bundle.inclusion.index >= holder.firstLeaf.rawValue, bundle.inclusion.index < holder.treeSize else {
      return fail("block", "leaf \(bundle.inclusion.index) in the block", "leaves \(holder.firstLeaf.rawValue) up to \(holder.treeSize)")
    }
    if let block = bundle.block {
      let proof = InclusionProof(index: block.header.height.rawValue, size: bundle.header.height.rawValue, hashes: block.historyProof)
      do throws(ProofError) {
        try proof.verify(leafHash: TreeHash.leaf(block.header.hash.bytes.array.bytes), root: bundle.header.historyRoot)
      } catch {
        return fail("block", "block \(block.header.height.rawValue) in the history of the head", "\(error)")
      }
    }
    pass("block", "height \(holder.height.rawValue), timestamp_ms \(holder.timestamp.rawValue)")
  }

  /// The proposal that names the event is on the chain; whether it was approved is not shown.
  private mutating func checkRedaction(_ bundle: ProofBundle) {
    guard let redaction = bundle.redaction else { return }
    let proposal: RedactionProposal
    do {
      let statement = try Statement(decoding: redaction.statement.bytes)
      guard statement.contentType == .proposeRedaction, statement.flags.isEmpty else { return fail("redaction", "a redaction proposal", "another event") }
      guard statement.chainTag == bundle.header.chainTag else { return fail("redaction", bundle.header.chainTag.hex, statement.chainTag.hex) }
      let digest = SHA256.hash(redaction.salt + redaction.body)
      guard digest == statement.bodyDigest, redaction.body.count == Int(statement.bodyLength) else {
        return fail("redaction", "a body with the digest \(statement.bodyDigest)", "\(digest)")
      }
      guard Verifier.isValid(redaction.signature, over: redaction.statement.bytes, by: statement.signer) else {
        return fail("redaction", "a signature by \(statement.signer)", "one that does not verify")
      }
      guard case .proposeRedaction(let decoded) = try GovernanceAct(decoding: redaction.body.bytes, type: statement.contentType) else { return }
      proposal = decoded
    } catch {
      return fail("redaction", "a redaction proposal", "\(error)")
    }
    guard proposal.events.contains(bundle.id) else { return fail("redaction", "a proposal that names \(bundle.id)", "one that does not") }
    let leaf = TreeHash.leaf((redaction.statement + redaction.signature.bytes.array).bytes)
    do throws(ProofError) {
      try InclusionProof(index: redaction.leafIndex, size: bundle.header.treeSize, hashes: redaction.hashes).verify(leafHash: leaf, root: bundle.header.treeRoot)
      pass("redaction", "proposed at leaf \(redaction.leafIndex), reason \(proposal.reason.rawValue); its approval is not shown")
    } catch {
      fail("redaction", "a proof to the root \(bundle.header.treeRoot)", "\(error)")
    }
  }
}
