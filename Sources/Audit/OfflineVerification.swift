import Bytes
public import Digests
import Ed25519
import Merkle

/// Checks a proof bundle without a network (ledger formats, section 14). Every check says PASS, FAIL with what was expected and found, or SKIP with the
/// reason; the exit code follows from them.
public struct OfflineVerification: Sendable {
  /// Where trust begins.
  public enum Trust: Sendable {
    case genesis([UInt8])
    /// A block hash that the verifier knows from elsewhere.
    case block(Height, Digest)
    case none
  }

  public struct Options: Sendable {
    public var trust = Trust.none
    /// An older signed checkpoint, its text up to the empty line being origin, size and root.
    public var since: String?
    /// Salt and body from elsewhere, for a bundle without them.
    public var body: [UInt8]?
    public var requiresBody = false
    public init() {}
  }

  public enum Outcome: Hashable, Sendable {
    case pass(String)
    case fail(expected: String, found: String)
    case skip(String)
  }

  public struct Check: Hashable, Sendable {
    public let name: String
    public let outcome: Outcome
  }

  public private(set) var checks: [Check] = []
  /// 0 valid and anchored, 1 invalid, 3 consistent and not anchored, 4 a demand cannot be met.
  public var exitCode: Int32 {
    if checks.contains(where: { if case .fail = $0.outcome { true } else { false } }) { return 1 }
    if isDemandUnmet { return 4 }
    return isAnchored ? 0 : 3
  }

  private var isAnchored = false
  private var isDemandUnmet = false
  private var statement: Statement?
  private var epochLength: UInt32?

  /// Verifies the bytes of a bundle file.
  public init(bundle json: [UInt8], options: Options) {
    let bundle: ProofBundle
    do { bundle = try ProofBundle(json: json) } catch {
      fail("format", "a well-formed bundle", "\(error)")
      return
    }
    checkEvent(bundle)
    checkBody(bundle, options)
    checkSignature(bundle)
    checkInclusion(bundle)
    checkTrust(bundle, options.trust)
    checkFinality(bundle)
    checkSince(bundle, options.since)
    checkBlock(bundle)
    if bundle.hasRedaction { add("redaction", .skip("redactions are not verified by this version")) }
  }

  private mutating func add(_ name: String, _ outcome: Outcome) { checks.append(Check(name: name, outcome: outcome)) }
  private mutating func pass(_ name: String, _ detail: String) { add(name, .pass(detail)) }
  private mutating func fail(_ name: String, _ expected: String, _ found: String) { add(name, .fail(expected: expected, found: found)) }

  // MARK: Steps 1 to 4: the event and its place

  private mutating func checkEvent(_ bundle: ProofBundle) {
    let decoded: Statement
    do { decoded = try Statement(decoding: bundle.statement.bytes) } catch { return fail("statement", "a valid statement", "\(error)") }
    statement = decoded
    let id = EventID(SHA256.hash(bundle.statement))
    guard id == bundle.id else { return fail("event id", "\(bundle.id)", "\(id)") }
    let tag = ChainTag(genesisHash: bundle.genesisHash)
    guard decoded.chainTag == tag else { return fail("chain tag", tag.hex, decoded.chainTag.hex) }
    for header in [bundle.header] + bundle.handoffs.map({ $0.header }) + [bundle.block?.header].compactMap({ $0 }) where header.chainTag != tag {
      return fail("chain tag", tag.hex, "\(header.chainTag.hex) in the header of height \(header.height.rawValue)")
    }
    pass("event", "\(id) of chain \(bundle.chainID)")
  }

  private mutating func checkBody(_ bundle: ProofBundle, _ options: Options) {
    guard let statement else { return }
    var blob: [UInt8]?
    if let salt = bundle.salt, let body = bundle.body { blob = salt + body } else { blob = options.body }
    guard let blob else {
      isDemandUnmet = isDemandUnmet || options.requiresBody
      return add("body", .skip(statement.flags.contains(.detached) ? "detached: the body is not on the chain" : "absent from the bundle"))
    }
    let digest = SHA256.hash(blob)
    guard digest == statement.bodyDigest else { return fail("body", "\(statement.bodyDigest)", "\(digest)") }
    guard blob.count == 16 + Int(statement.bodyLength) else { return fail("body", "\(statement.bodyLength) bytes", "\(blob.count - 16) bytes") }
    pass("body", "\(statement.bodyLength) bytes have the digest of the statement")
  }

  private mutating func checkSignature(_ bundle: ProofBundle) {
    guard let statement else { return }
    guard Verifier.isValid(bundle.signature, over: bundle.statement.bytes, by: statement.signer) else {
      return fail("signature", "a signature by \(statement.signer)", "one that does not verify")
    }
    pass("signature", "by \(statement.signer) (cofactored rule; stricter libraries may refuse what the chain accepts)")
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

  // MARK: Steps 5 and 6: finality and the trust root

  private mutating func checkFinality(_ bundle: ProofBundle) {
    guard bundle.validators.hash == bundle.header.validatorsHash else {
      return fail("validator set", "\(bundle.header.validatorsHash)", "\(bundle.validators.hash)")
    }
    guard checkCertificate("finality", bundle.certificate, bundle.header, bundle.validators) else { return }
    pass("finality", "height \(bundle.header.height.rawValue), \(bundle.validators.count) validator(s)")
  }

  private mutating func checkCertificate(_ name: String, _ bytes: [UInt8], _ header: BlockHeader, _ set: ValidatorSet) -> Bool {
    do {
      let certificate = try Certificate(decoding: bytes.bytes, chainTag: header.chainTag)
      try certificate.verifyFinality(of: header, in: set, epochLength: epochLength)
      return true
    } catch {
      fail(name, "a finality certificate of height \(header.height.rawValue)", "\(error)")
      return false
    }
  }

  private mutating func checkTrust(_ bundle: ProofBundle, _ trust: Trust) {
    switch trust {
    case .none: add("trust root", .skip("none given; compare the genesis hash \(bundle.genesisHash)"))
    case .genesis(let json):
      let genesis: Genesis
      do { genesis = try Genesis(json: json) } catch { return fail("trust root", "a genesis file", error.faults.first?.message ?? "\(error)") }
      guard genesis.hash == bundle.genesisHash else { return fail("trust root", "genesis \(genesis.hash)", "\(bundle.genesisHash)") }
      guard genesis.chainID == bundle.chainID else { return fail("trust root", "chain \(genesis.chainID)", bundle.chainID) }
      epochLength = genesis.parameters.epochLength
      guard walk(bundle, from: genesis.validators) else { return }
      isAnchored = true
      pass("trust root", "genesis \(genesis.hash)")
    case .block(let height, let hash): checkBlockTrust(bundle, height, hash)
    }
  }

  private mutating func checkBlockTrust(_ bundle: ProofBundle, _ height: Height, _ hash: Digest) {
    if bundle.header.height == height {
      guard bundle.header.hash == hash else { return fail("trust root", "\(hash)", "\(bundle.header.hash)") }
      isAnchored = true
      return pass("trust root", "block \(height.rawValue)")
    }
    guard let start = bundle.handoffs.firstIndex(where: { $0.header.height == height }) else {
      return add("trust root", .skip("height \(height.rawValue) is neither the head nor a handoff of this bundle"))
    }
    guard bundle.handoffs[start].header.hash == hash else { return fail("trust root", "\(hash)", "\(bundle.handoffs[start].header.hash)") }
    var rest = bundle
    rest.handoffs = Array(bundle.handoffs[(start + 1)...])
    guard bundle.handoffs[start].next.hash == bundle.handoffs[start].header.nextValidatorsHash, walk(rest, from: bundle.handoffs[start].next) else {
      return fail("trust root", "the next set of the trusted block", "another")
    }
    isAnchored = true
    pass("trust root", "block \(height.rawValue)")
  }

  /// Follows the handoffs from a trusted set to that of the head.
  private mutating func walk(_ bundle: ProofBundle, from trusted: ValidatorSet) -> Bool {
    var set = trusted
    var last = Height(0)
    for handoff in bundle.handoffs {
      guard handoff.header.height > last, handoff.header.height <= bundle.header.height else {
        fail("handoffs", "ascending heights up to the head", "\(handoff.header.height.rawValue)")
        return false
      }
      last = handoff.header.height
      guard set.hash == handoff.header.validatorsHash else {
        fail("handoffs", "\(set.hash)", "\(handoff.header.validatorsHash) at height \(last.rawValue)")
        return false
      }
      guard checkCertificate("handoffs", handoff.certificate, handoff.header, set) else { return false }
      guard handoff.next.hash == handoff.header.nextValidatorsHash else {
        fail("handoffs", "\(handoff.header.nextValidatorsHash)", "\(handoff.next.hash)")
        return false
      }
      set = handoff.next
    }
    guard set.hash == bundle.header.validatorsHash else {
      fail("validator set", "\(set.hash)", "\(bundle.header.validatorsHash)")
      return false
    }
    return true
  }

  // MARK: Steps 7 and 8: an older head, the containing block

  private mutating func checkSince(_ bundle: ProofBundle, _ since: String?) {
    guard let since else { return }
    let lines = since.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 4, lines[3].isEmpty, let size = UInt64(lines[1]), String(size) == lines[1], size < ordinalLimit, let root = Base64.decode(lines[2]),
      let root = Bytes32(root)
    else { return fail("since", "a checkpoint", "something else") }
    guard let consistency = bundle.consistency, consistency.from == size else {
      isDemandUnmet = true
      return add("since", .skip("the bundle holds no consistency proof from size \(size)"))
    }
    do throws(ProofError) {
      try ConsistencyProof(from: size, to: bundle.header.treeSize, hashes: consistency.hashes).verify(fromRoot: Digest(root), toRoot: bundle.header.treeRoot)
      pass("since", "the log of size \(size) is a prefix")
    } catch {
      fail("since", "consistency with \(Digest(root)) at size \(size)", "\(error)")
    }
  }

  private mutating func checkBlock(_ bundle: ProofBundle) {
    let holder = bundle.block?.header ?? bundle.header
    guard bundle.inclusion.index >= holder.firstLeaf.rawValue, bundle.inclusion.index < holder.treeSize else {
      return fail("block", "leaf \(bundle.inclusion.index) in the block", "leaves \(holder.firstLeaf.rawValue) to \(holder.treeSize)")
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
}
