import Bytes
public import Digests
public import Ed25519
import JSON
public import Merkle

/// A proof bundle (ledger formats, section 13): an event, its inclusion in a certified head, and what leads from there to a trust root.
public struct ProofBundle: Sendable {
  /// Largest file that is read, bytes: a body of 1 MiB in base64 and generous proofs.
  public static let byteCountMax = 8 << 20
  public static let type = "moloch-bundle"

  /// A change of the validator set: the block that hands over, its certificate, the next set.
  public struct Handoff: Sendable {
    public var header: BlockHeader
    public var certificate: [UInt8]
    public var next: ValidatorSet
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
  public var hasRedaction: Bool

  /// Parses a bundle strictly; members that this version does not know are ignored.
  /// - Throws: `.malformed` naming the member.
  public init(json: [UInt8]) throws(FormatError) {
    let root: StrictJSON
    do { root = try StrictJSON(parsing: json, byteCountMax: Self.byteCountMax) } catch { throw .malformed("not JSON: \(error)") }
    guard root["type"]?.string == Self.type else { throw .malformed("type is not \"\(Self.type)\"") }
    guard root["version"]?.unsigned == 1 else { throw .malformed("version is not 1") }
    chainID = try Self.text(root, "chain_id")
    genesisHash = try Self.digest(root, "genesis_hash")
    let event = try Self.member(root, "event")
    guard let id = EventID(text: try Self.text(event, "id")), try Self.text(event, "id").hasPrefix("evt_") else { throw .malformed("event.id is no event id") }
    self.id = id
    statement = try Self.blob(event, "statement", count: Statement.byteCount)
    signature = Signature(Bytes64(try Self.blob(event, "signature", count: 64)) ?? Bytes64())
    salt = try Self.optionalBlob(event, "salt")
    body = try Self.optionalBlob(event, "body")
    guard salt?.count ?? 16 == 16, (salt == nil) == (body == nil) else { throw .malformed("event.salt has 16 bytes and comes with event.body") }
    let inclusion = try Self.member(root, "inclusion")
    self.inclusion = InclusionProof(
      index: try Self.number(inclusion, "leaf_index"), size: try Self.number(inclusion, "tree_size"), hashes: try Self.digests(inclusion, "hashes"))
    let finality = try Self.member(root, "finality")
    header = try Self.header(finality)
    certificate = try Self.blob(finality, "certificate")
    validators = try Self.set(finality)
    guard let handoffs = root["handoffs"]?.array else { throw .malformed("handoffs is no array") }
    self.handoffs = []
    for handoff in handoffs {
      self.handoffs.append(Handoff(header: try Self.header(handoff), certificate: try Self.blob(handoff, "certificate"), next: try Self.set(handoff)))
    }
    if let block = root["block"], !block.isNull { self.block = (try Self.header(block), try Self.digests(block, "history_proof")) }
    if let checkpoint = root["checkpoint"], !checkpoint.isNull {
      guard let text = checkpoint.string else { throw .malformed("checkpoint is no string") }
      self.checkpoint = text
    }
    if let consistency = root["consistency"], !consistency.isNull {
      self.consistency = (try Self.number(consistency, "from_size"), try Self.digests(consistency, "hashes"))
    }
    hasRedaction = !(root["redaction"]?.isNull ?? true)
  }

  private static func member(_ object: StrictJSON, _ name: String) throws(FormatError) -> StrictJSON {
    guard let value = object[name] else { throw .malformed("member '\(name)' is missing") }
    return value
  }

  private static func text(_ object: StrictJSON, _ name: String) throws(FormatError) -> String {
    let value = try member(object, name)
    guard let text = value.string else { throw .malformed("\(name) is no string (\(value.position))") }
    return text
  }

  private static func number(_ object: StrictJSON, _ name: String) throws(FormatError) -> UInt64 {
    let value = try member(object, name)
    guard let number = value.unsigned, number < ordinalLimit else { throw .malformed("\(name) is no integer below 2^53 (\(value.position))") }
    return number
  }

  private static func blob(_ object: StrictJSON, _ name: String, count: Int? = nil) throws(FormatError) -> [UInt8] {
    let text = try text(object, name)
    guard let bytes = Base64.decode(text) else { throw .malformed("\(name) is not base64") }
    if let count, bytes.count != count { throw .malformed("\(name) has \(bytes.count) bytes, not \(count)") }
    return bytes
  }

  private static func optionalBlob(_ object: StrictJSON, _ name: String) throws(FormatError) -> [UInt8]? {
    let value = try member(object, name)
    if value.isNull { return nil }
    return try blob(object, name)
  }

  private static func digest(_ object: StrictJSON, _ name: String) throws(FormatError) -> Digest {
    let text = try text(object, name)
    guard let digest = Digest(hex: text) else { throw .malformed("\(name) is not 64 lowercase hex digits") }
    return digest
  }

  private static func digests(_ object: StrictJSON, _ name: String) throws(FormatError) -> [Digest] {
    guard let values = try member(object, name).array, values.count <= 64 else { throw .malformed("\(name) is no array of at most 64 hashes") }
    var digests: [Digest] = []
    for value in values {
      guard let digest = value.string.flatMap({ Digest(hex: $0) }) else { throw .malformed("\(name) holds something other than a hash") }
      digests.append(digest)
    }
    return digests
  }

  private static func header(_ object: StrictJSON) throws(FormatError) -> BlockHeader {
    let bytes = try blob(object, "header", count: BlockHeader.byteCount)
    return try BlockHeader(decoding: bytes.bytes)
  }

  private static func set(_ object: StrictJSON) throws(FormatError) -> ValidatorSet {
    let bytes = try blob(object, "validators")
    return try ValidatorSet(decoding: bytes.bytes)
  }
}
