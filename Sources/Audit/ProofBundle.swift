import Bytes
public import Digests
public import Ed25519
import JSON
public import Merkle

/// Why a file is no bundle that can be checked.
public enum BundleError: Error, Hashable, Sendable {
  /// Not JSON, a member is missing or is not text of its kind, another type or version.
  case unreadable(String)
  /// The bytes of a member are not of its layout; `check` is the check that they were read for.
  case layout(check: String, FormatError)
}

/// A proof bundle (ledger formats, section 13): an event, its inclusion in a certified head, and what leads from there to a trust root.
public struct ProofBundle: Sendable {
  public static let type = "moloch-bundle"

  /// The 0xF3 proposal that names the event, proven under the head of the bundle.
  public struct Redaction: Sendable {
    /// 128 bytes.
    public var statement: [UInt8]
    public var signature: Signature
    /// 16 bytes.
    public var salt: [UInt8]
    public var body: [UInt8]
    public var leafIndex: UInt64
    public var hashes: [Digest]
  }

  public var chainID: String
  public var genesisHash: Digest
  public var id: EventID
  /// 128 bytes.
  public var statement: [UInt8]
  public var signature: Signature
  /// 16 bytes and the body; nil when the body is absent.
  public var salt: [UInt8]?
  public var body: [UInt8]?
  public var inclusion: InclusionProof
  public var header: BlockHeader
  public var certificate: [UInt8]
  public var validators: ValidatorSet
  public var handoffs: [Handoff]
  /// The block that holds the event and its proof in the history of `header`; nil when `header` is that block.
  public var block: (header: BlockHeader, historyProof: [Digest])?
  public var checkpoint: String?
  public var consistency: (from: UInt64, hashes: [Digest])?
  public var redaction: Redaction?

  /// Parses a bundle strictly; members that this version does not know are ignored.
  public init(json: [UInt8]) throws(BundleError) {
    let root: StrictJSON
    do { root = try StrictJSON(parsing: json, byteCountMax: LedgerLimit.bundleByteCount) } catch { throw .unreadable("not JSON: \(error)") }
    guard root["type"]?.string == Self.type else { throw .unreadable("type is not \"\(Self.type)\"") }
    guard root["version"]?.unsigned == 1 else { throw .unreadable("version is not 1") }
    chainID = try Self.text(root, "chain_id")
    genesisHash = try Self.digest(root, "genesis_hash")
    let event = try Self.member(root, "event")
    let name = try Self.text(event, "id")
    guard name.hasPrefix("evt_"), let id = EventID(text: name) else { throw .unreadable("event.id is no event id") }
    self.id = id
    statement = try Self.blob(event, "statement", count: Statement.byteCount, check: "statement")
    signature = Signature(try Self.bytes64(event, "signature", check: "signature"))
    salt = try Self.optionalBlob(event, "salt")
    body = try Self.optionalBlob(event, "body")
    guard salt?.count ?? Record.saltByteCount == Record.saltByteCount, (salt == nil) == (body == nil) else {
      throw .layout(check: "body", .malformed("event.salt has 16 bytes and comes with event.body"))
    }
    let inclusion = try Self.member(root, "inclusion")
    self.inclusion = InclusionProof(
      index: try Self.number(inclusion, "leaf_index"), size: try Self.number(inclusion, "tree_size"), hashes: try Self.digests(inclusion, "hashes"))
    let finality = try Self.member(root, "finality")
    header = try Self.header(finality, check: "finality")
    certificate = try Self.blob(finality, "certificate")
    validators = try Self.set(finality, check: "validator set")
    guard let handoffs = root["handoffs"]?.array, handoffs.count <= LedgerLimit.handoffs else {
      throw .unreadable("handoffs is no array of at most \(LedgerLimit.handoffs)")
    }
    self.handoffs = []
    for handoff in handoffs {
      self.handoffs.append(
        Handoff(
          header: try Self.header(handoff, check: "handoffs"), certificate: try Self.blob(handoff, "certificate"),
          next: try Self.set(handoff, check: "handoffs")))
    }
    if let block = root["block"], !block.isNull { self.block = (try Self.header(block, check: "block"), try Self.digests(block, "history_proof")) }
    if let checkpoint = root["checkpoint"], !checkpoint.isNull {
      guard let text = checkpoint.string else { throw .unreadable("checkpoint is no string") }
      self.checkpoint = text
    }
    if let consistency = root["consistency"], !consistency.isNull {
      self.consistency = (try Self.number(consistency, "from_size"), try Self.digests(consistency, "hashes"))
    }
    if let redaction = root["redaction"], !redaction.isNull { self.redaction = try Self.redaction(redaction) }
  }

  private static func redaction(_ object: StrictJSON) throws(BundleError) -> Redaction {
    Redaction(
      statement: try blob(object, "statement", count: Statement.byteCount, check: "redaction"),
      signature: Signature(try bytes64(object, "signature", check: "redaction")),
      salt: try blob(object, "salt", count: Record.saltByteCount, check: "redaction"), body: try blob(object, "body"),
      leafIndex: try number(object, "leaf_index"), hashes: try digests(object, "hashes"))
  }

  private static func member(_ object: StrictJSON, _ name: String) throws(BundleError) -> StrictJSON {
    guard let value = object[name] else { throw .unreadable("member '\(name)' is missing") }
    return value
  }

  private static func text(_ object: StrictJSON, _ name: String) throws(BundleError) -> String {
    let value = try member(object, name)
    guard let text = value.string else { throw .unreadable("\(name) is no string (\(value.position))") }
    return text
  }

  private static func number(_ object: StrictJSON, _ name: String) throws(BundleError) -> UInt64 {
    let value = try member(object, name)
    guard let number = value.unsigned, number < ordinalLimit else { throw .unreadable("\(name) is no integer below 2^53 (\(value.position))") }
    return number
  }

  private static func blob(_ object: StrictJSON, _ name: String) throws(BundleError) -> [UInt8] {
    let text = try text(object, name)
    guard let bytes = Base64.decode(text) else { throw .unreadable("\(name) is not base64") }
    return bytes
  }

  private static func blob(_ object: StrictJSON, _ name: String, count: Int, check: String) throws(BundleError) -> [UInt8] {
    let bytes = try blob(object, name)
    guard bytes.count == count else { throw .layout(check: check, .malformed("\(name) has \(bytes.count) bytes, not \(count)")) }
    return bytes
  }

  private static func bytes64(_ object: StrictJSON, _ name: String, check: String) throws(BundleError) -> Bytes64 {
    guard let bytes = Bytes64(try blob(object, name)) else { throw .layout(check: check, .malformed("\(name) has not 64 bytes")) }
    return bytes
  }

  private static func optionalBlob(_ object: StrictJSON, _ name: String) throws(BundleError) -> [UInt8]? {
    let value = try member(object, name)
    if value.isNull { return nil }
    return try blob(object, name)
  }

  private static func digest(_ object: StrictJSON, _ name: String) throws(BundleError) -> Digest {
    let text = try text(object, name)
    guard let digest = Digest(hex: text) else { throw .unreadable("\(name) is not 64 lowercase hex digits") }
    return digest
  }

  private static func digests(_ object: StrictJSON, _ name: String) throws(BundleError) -> [Digest] {
    guard let values = try member(object, name).array, values.count <= 64 else { throw .unreadable("\(name) is no array of at most 64 hashes") }
    var digests: [Digest] = []
    for value in values {
      guard let digest = value.string.flatMap({ Digest(hex: $0) }) else { throw .unreadable("\(name) holds something other than a hash") }
      digests.append(digest)
    }
    return digests
  }

  private static func header(_ object: StrictJSON, check: String) throws(BundleError) -> BlockHeader {
    let bytes = try blob(object, "header", count: BlockHeader.byteCount, check: check)
    do { return try BlockHeader(decoding: bytes.bytes) } catch { throw .layout(check: check, error) }
  }

  private static func set(_ object: StrictJSON, check: String) throws(BundleError) -> ValidatorSet {
    let bytes = try blob(object, "validators")
    do { return try ValidatorSet(decoding: bytes.bytes) } catch { throw .layout(check: check, error) }
  }
}
