import Audit
import Bytes
import Digests
import Ed25519
import Merkle

/// A chain whose set changes at the end of epochs, made of the formats alone: epoch length 2, one event per block.
struct ChainFixture {
  static let epochLength: UInt64 = 2
  static let signer = SigningKey(seed: Bytes32(repeating: 0xA1))
  static let publisher = SigningKey(seed: Bytes32(repeating: 0xB0))

  let genesis: Genesis
  let sets: [ValidatorSet]
  private(set) var headers: [BlockHeader]
  private(set) var entries: [[UInt8]] = []
  private(set) var blobs: [[UInt8]] = []
  private var tree = MemoryTree()
  private var history = MemoryTree()

  static func key(_ index: Int) -> SigningKey { SigningKey(seed: Bytes32(repeating: UInt8(index))) }

  static func set(_ indexes: [Int]) throws -> ValidatorSet {
    try ValidatorSet(indexes.map { Validator(publicKey: key($0).publicKey, cosignerKey: key($0).publicKey, power: 1, name: "v\($0)") })
  }

  /// - Parameters:
  ///   - members: of every epoch, the validators by number.
  ///   - special: replaces the event of a height.
  init(members: [[Int]], special: [UInt64: (ContentType, [UInt8])] = [:]) throws {
    sets = try members.map(Self.set)
    var parameters = ChainParameters()
    parameters.epochLength = UInt32(Self.epochLength)
    genesis = try Genesis(
      json: Genesis.text(
        chainID: "chain-1", timestamp: Timestamp(milliseconds: 1_700_000_000_000), domain: "log.example.org", validators: sets[0].validators,
        parameters: parameters, signers: []))
    headers = [genesis.header]
    for height in 1...Self.epochLength * UInt64(members.count) { append(height, special[height]) }
  }

  private mutating func append(_ height: UInt64, _ special: (ContentType, [UInt8])?) {
    let parent = headers[headers.count - 1]
    let time = parent.timestamp.rawValue + 1000
    let (type, body) = special ?? (.opaque, Array("event \(height)".utf8))
    let blob = [UInt8](repeating: UInt8(height), count: 16) + body
    let statement = Statement(
      flags: [], contentType: type, bodyLength: UInt32(body.count), timestamp: Timestamp(milliseconds: time), stream: 1, sequence: height,
      chainTag: genesis.chainTag, signer: Self.signer.publicKey, bodyDigest: SHA256.hash(blob))
    let entry = Entry(statement: statement, signature: Self.signer.sign(statement.encoded.bytes)).encoded
    entries.append(entry)
    blobs.append(blob)
    let leaf = TreeHash.leaf(entry.bytes)
    tree.append(leafHash: leaf)
    history.append(leafHash: TreeHash.leaf(parent.hash.bytes.array.bytes))
    let (treeRoot, historyRoot) = (try? tree.root(ofSize: height), try? history.root(ofSize: height))
    let epoch = Int((height - 1) / Self.epochLength)
    let next = height % Self.epochLength == 0 ? min(epoch + 1, sets.count - 1) : epoch
    headers.append(
      BlockHeader(
        eventCount: 1, chainTag: genesis.chainTag, height: Height(height), timestamp: Timestamp(milliseconds: time), treeSize: height,
        parentHash: parent.hash, eventsRoot: leaf, treeRoot: treeRoot ?? .zero, historyRoot: historyRoot ?? .zero, validatorsHash: sets[epoch].hash,
        nextValidatorsHash: sets[next].hash, parametersHash: genesis.parameters.hash, proposer: sets[epoch].validators[0].publicKey))
  }

  var head: UInt64 { UInt64(headers.count - 1) }
  func set(of height: UInt64) -> ValidatorSet { sets[Int((height - 1) / Self.epochLength)] }

  /// A finality certificate by the first `count` validators of the set, by default a least quorum.
  func certificate(_ height: UInt64, signers: Int? = nil, kind: VoteKind = .finalise) -> Certificate {
    let set = set(of: height)
    let vote = Vote(
      kind: kind, chainTag: genesis.chainTag, epoch: Epoch((height - 1) / Self.epochLength), view: View(1), parentView: View(0), height: Height(height),
      blockHash: headers[Int(height)].hash)
    let members = set.validators.prefix(signers ?? 2 * set.count / 3 + 1).enumerated()
    return Certificate(vote: vote, signatures: members.map { ($0, signature(of: $1.publicKey, over: vote.encoded)) }, in: set)
  }

  private func signature(of key: PublicKey, over message: [UInt8]) -> Signature {
    let index = (1...40).first { Self.key($0).publicKey == key } ?? 0
    return Self.key(index).sign(message.bytes)
  }

  /// The checkpoint of a height with the log line and cosignatures of these validators and of outside witnesses.
  func note(_ height: UInt64, validators: [Int] = [], witnesses: [Int] = []) -> String {
    let header = headers[Int(height)]
    let checkpoint = Checkpoint(origin: genesis.origin, size: header.treeSize, root: header.treeRoot)
    var lines = [checkpoint.logLine(Self.publisher)]
    for index in validators { lines.append(checkpoint.cosignature(Self.key(index), name: "log.example.org/v\(index)", seconds: 1_700_000_000)) }
    for index in witnesses { lines.append(checkpoint.cosignature(Self.key(index), name: "w\(index).example.net", seconds: 1_700_000_000)) }
    return checkpoint.note(lines)
  }

  func inclusion(_ leaf: UInt64, size: UInt64) throws -> [Digest] { try InclusionProof.make(index: leaf, size: size, from: tree).hashes }

  /// Members of a bundle of the leaf `height - 1` under the block `under`; every one can be replaced before it is written.
  func bundle(_ height: UInt64, under: UInt64, checkpoint: String? = nil, since: UInt64? = nil, redaction: UInt64? = nil) throws -> BundleText {
    let header = headers[Int(under)], index = Int(height - 1)
    var text = BundleText()
    text.genesisHash = genesis.hash
    text.id = EventID(SHA256.hash(Array(entries[index][..<128])))
    text.statement = Array(entries[index][..<128])
    text.signature = Array(entries[index][128...])
    text.blob = blobs[index]
    text.leafIndex = height - 1
    text.treeSize = header.treeSize
    text.hashes = try inclusion(height - 1, size: under)
    text.header = header.encoded
    text.certificate = certificate(under).encoded
    text.validators = set(of: under).encoded
    for end in stride(from: Self.epochLength, to: under, by: Int(Self.epochLength)) where headers[Int(end)].validatorsHash != headers[Int(end)].nextValidatorsHash {
      text.handoffs.append((headers[Int(end)].encoded, certificate(end).encoded, set(of: end + 1).encoded))
    }
    if height != under { text.block = (headers[Int(height)].encoded, try InclusionProof.make(index: height, size: under, from: history).hashes) }
    text.checkpoint = checkpoint
    if let since { text.consistency = (since, try ConsistencyProof.make(from: since, to: under, from: tree).hashes) }
    if let redaction {
      let entry = entries[Int(redaction - 1)], blob = blobs[Int(redaction - 1)]
      text.redaction = (entry, blob, redaction - 1, try inclusion(redaction - 1, size: under))
      text.blob = nil
    }
    return text
  }
}

/// A bundle as it is written.
struct BundleText {
  var type = "moloch-bundle"
  var version = "1"
  var chainID = "chain-1"
  var genesisHash = Digest.zero
  var id = EventID(.zero)
  var statement: [UInt8] = []
  var signature: [UInt8] = []
  var blob: [UInt8]?
  var leafIndex: UInt64 = 0
  var treeSize: UInt64 = 0
  var hashes: [Digest] = []
  var header: [UInt8] = []
  var certificate: [UInt8] = []
  var validators: [UInt8] = []
  var handoffs: [(header: [UInt8], certificate: [UInt8], next: [UInt8])] = []
  var block: (header: [UInt8], hashes: [Digest])?
  var checkpoint: String?
  var consistency: (from: UInt64, hashes: [Digest])?
  var redaction: (entry: [UInt8], blob: [UInt8], leaf: UInt64, hashes: [Digest])?

  private func base64(_ bytes: [UInt8]?) -> String { bytes.map { "\"\(Base64.encode($0))\"" } ?? "null" }
  private func list(_ hashes: [Digest]) -> String { "[" + hashes.map { "\"\($0)\"" }.joined(separator: ",") + "]" }

  var json: [UInt8] {
    let salt = blob.map { Array($0[..<16]) }, body = blob.map { Array($0[16...]) }
    let note = checkpoint.map { "\"" + $0.replacing("\n", with: "\\n") + "\"" } ?? "null"
    let steps = handoffs.map { "{\"header\":\(base64($0.header)),\"certificate\":\(base64($0.certificate)),\"validators\":\(base64($0.next))}" }
    let holder = block.map { "{\"header\":\(base64($0.header)),\"history_proof\":\(list($0.hashes))}" } ?? "null"
    let older = consistency.map { "{\"from_size\":\($0.from),\"hashes\":\(list($0.hashes))}" } ?? "null"
    let erased = redaction.map {
      "{\"statement\":\(base64(Array($0.entry[..<128]))),\"signature\":\(base64(Array($0.entry[128...]))),\"salt\":\(base64(Array($0.blob[..<16]))),"
        + "\"body\":\(base64(Array($0.blob[16...]))),\"leaf_index\":\($0.leaf),\"hashes\":\(list($0.hashes))}"
    } ?? "null"
    let text = """
      {"type":"\(type)","version":\(version),"later":[1.5],"chain_id":"\(chainID)","genesis_hash":"\(genesisHash)",
       "event":{"id":"\(id)","statement":\(base64(statement)),"signature":\(base64(signature)),"salt":\(base64(salt)),"body":\(base64(body))},
       "inclusion":{"leaf_index":\(leafIndex),"tree_size":\(treeSize),"hashes":\(list(hashes))},
       "finality":{"header":\(base64(header)),"certificate":\(base64(certificate)),"validators":\(base64(validators))},
       "handoffs":[\(steps.joined(separator: ","))],"block":\(holder),"checkpoint":\(note),"consistency":\(older),"redaction":\(erased)}
      """
    return Array(text.utf8)
  }
}
