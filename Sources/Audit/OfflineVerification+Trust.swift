import Digests
import Merkle

/// Step 6: the trust root of a bundle, and step 7: an older head.
extension OfflineVerification {
  mutating func checkTrust(_ bundle: ProofBundle) {
    switch options.trust {
    case .none:
      // The first handoff starts from a set that nothing vouches for; from there on the chain of sets must hold together.
      let first = bundle.handoffs.first
      guard walk(bundle, first?.next ?? bundle.validators, from: first == nil ? 0 : 1, after: first?.header.height ?? Height(0)) else { return }
      if options.policy == nil { add("trust root", .skip("none given; compare the genesis hash \(bundle.genesisHash)")) }
    case .genesis:
      guard let genesis else { return }
      guard genesis.hash == bundle.genesisHash else { return fail("trust root", "genesis \(genesis.hash)", "\(bundle.genesisHash)") }
      guard genesis.chainID == bundle.chainID else { return fail("trust root", "chain \(genesis.chainID)", bundle.chainID) }
      guard walk(bundle, genesis.validators, from: 0, after: Height(0)) else { return }
      isAnchored = true
      pass("trust root", "genesis \(genesis.hash), \(bundle.handoffs.count) handoff(s)")
    case .block(let height, let hash): checkBlockTrust(bundle, height, hash)
    }
  }

  private mutating func checkBlockTrust(_ bundle: ProofBundle, _ height: Height, _ hash: Digest) {
    let position = bundle.handoffs.firstIndex { $0.header.height == height }
    guard let header = bundle.header.height == height ? bundle.header : position.map({ bundle.handoffs[$0].header }) else {
      return add("trust root", .skip("height \(height.rawValue) is neither the head nor a handoff of this bundle; compare the genesis hash \(bundle.genesisHash)"))
    }
    guard header.hash == hash else { return fail("trust root", "\(hash)", "\(header.hash)") }
    if let position, bundle.header.height != height {
      let next = bundle.handoffs[position].next
      guard next.hash == header.nextValidatorsHash else { return fail("handoffs", "\(header.nextValidatorsHash)", "\(next.hash) at height \(height.rawValue)") }
      guard walk(bundle, next, from: position + 1, after: height) else { return }
    }
    isAnchored = true
    pass("trust root", "block \(height.rawValue)")
  }

  /// Follows the handoffs from `first` on, from a set to that of the head.
  private mutating func walk(_ bundle: ProofBundle, _ trusted: ValidatorSet, from first: Int, after height: Height) -> Bool {
    var (set, last) = (trusted, height)
    if first == 1, let handoff = bundle.handoffs.first, handoff.next.hash != handoff.header.nextValidatorsHash {
      fail("handoffs", "\(handoff.header.nextValidatorsHash)", "\(handoff.next.hash) at height \(handoff.header.height.rawValue)")
      return false
    }
    for handoff in bundle.handoffs[first...] {
      guard handoff.header.height > last, handoff.header.height < bundle.header.height else {
        fail("handoffs", "ascending heights below the head", "\(handoff.header.height.rawValue)")
        return false
      }
      last = handoff.header.height
      do { try handoff.verify(from: set, epochLength: genesis?.parameters.epochLength) } catch {
        fail("handoffs", "a step from the set \(set.hash)", "\(error) at height \(last.rawValue)")
        return false
      }
      set = handoff.next
    }
    guard set.hash == bundle.header.validatorsHash else {
      fail("handoffs", "the set of the head, \(bundle.header.validatorsHash)", "\(set.hash)")
      return false
    }
    return true
  }

  /// A size with its root, and what else is known of the log that it belongs to.
  struct OlderHead {
    var size: UInt64
    var root: Digest
    var genesisHash: Digest?
    var origin: String?
  }

  /// Reads the file of `--since`: a bundle, of which the head counts, or a checkpoint.
  private func olderHead(_ file: [UInt8]) -> OlderHead? {
    if let bundle = try? ProofBundle(json: file) {
      return OlderHead(size: bundle.header.treeSize, root: bundle.header.treeRoot, genesisHash: bundle.genesisHash, origin: nil)
    }
    guard let note = try? SignedNote(parsing: file), let checkpoint = try? Checkpoint(parsing: note.text) else { return nil }
    return OlderHead(size: checkpoint.size, root: checkpoint.root, genesisHash: nil, origin: checkpoint.origin)
  }

  /// Consistency from the older head to this one. By itself it anchors a leaf that the older tree holds.
  mutating func checkSince(_ head: OlderHead, proof: (from: UInt64, hashes: [Digest])?, leaf: UInt64?) {
    guard let file = options.since else { return }
    guard let old = olderHead(file) else { return unreadable("since", "a bundle or a checkpoint", "something else") }
    if let mine = head.genesisHash, let other = old.genesisHash, mine != other { return fail("since", "chain \(mine)", "\(other)") }
    if let mine = head.origin, let other = old.origin, !mine.utf8.elementsEqual(other.utf8) { return fail("since", "origin \(mine)", other) }
    guard old.size <= head.size else { return fail("since", "an older size, at most \(head.size)", "\(old.size)") }
    let hashes = proof.flatMap { $0.from == old.size ? $0.hashes : nil } ?? (old.size == head.size || old.size == 0 ? [] : nil)
    guard let hashes else { return unmet("since", "the file holds no consistency proof from size \(old.size)") }
    do throws(ProofError) {
      try ConsistencyProof(from: old.size, to: head.size, hashes: hashes).verify(fromRoot: old.root, toRoot: head.root)
    } catch {
      return fail("since", "consistency with \(old.root) at size \(old.size)", "\(error)")
    }
    let isCovered = leaf.map { $0 < old.size } ?? (old.size == head.size)
    if isCovered { isAnchored = true }
    pass("since", "the log of size \(old.size) is a prefix\(isCovered ? "" : "; it does not hold the event, so that it anchors nothing")")
  }
}
