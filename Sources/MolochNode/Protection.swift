import Audit
import Bytes
import Consensus
import Digests
public import Ed25519
import JSON

/// What a validator key has promised, taken from its vote journal and carried to another home: how far it has voted, and what it has cosigned.
///
/// The journal is locked throughout: a running node refuses it with 75.
public struct Protection {
  static let schema = "moloch.validator.protection/1"
  /// Longest file that is read, bytes.
  public static let byteCountMax = 65_536

  /// Whose promises they are.
  public let key: PublicKey
  let chainTag: ChainTag
  /// Nothing at or below it is voted on, whatever the kind: the highest vote, bound and floor.
  let bound: Bound
  /// The highest block with a vote or finality.
  let height: Height
  let cosignature: (size: UInt64, root: Digest, seconds: UInt64)?

  init(key: PublicKey, chainTag: ChainTag, _ records: [JournalRecord]) {
    self.key = key
    self.chainTag = chainTag
    var bound = Bound(epoch: Epoch(0), view: View(0)), height = Height(0)
    var cosignature: (size: UInt64, root: Digest, seconds: UInt64)?
    for record in records {
      switch record {
      case .vote(let vote):
        bound = max(bound, Bound(epoch: vote.vote.epoch, view: vote.vote.view))
        height = max(height, vote.vote.height)
      case .floor(let epoch, let view, let floor, _):
        bound = max(bound, Bound(epoch: epoch, view: view))
        height = max(height, floor)
      case .bound(let epoch, let view), .voted(_, let epoch, let view): bound = max(bound, Bound(epoch: epoch, view: view))
      case .cosignature(let size, let root, let seconds): cosignature = (size, root, seconds)
      case .certificate, .recovering: continue
      }
    }
    (self.bound, self.height, self.cosignature) = (bound, height, cosignature)
  }

  // MARK: The file

  /// Nil for a text that is no such file.
  public init?(json text: [UInt8]) {
    guard let json = try? StrictJSON(parsing: text, byteCountMax: Self.byteCountMax), json["schema"]?.string == Self.schema,
      let tag = json["chain_tag"]?.string.flatMap({ Bytes16(hex: $0) }), let keys = json["keys"]?.array, keys.count == 1,
      let key = keys[0]["public_key"]?.string.flatMap({ PublicKey(text: $0) }), let epoch = keys[0]["votes"]?["epoch"]?.unsigned,
      let view = keys[0]["votes"]?["view"]?.unsigned, let height = keys[0]["votes"]?["height"]?.unsigned, max(epoch, view, height) < ordinalLimit
    else { return nil }
    self.key = key
    chainTag = ChainTag(tag)
    bound = Bound(epoch: Epoch(epoch), view: View(view))
    self.height = Height(height)
    guard let signed = keys[0]["cosignature"], !signed.isNull else {
      cosignature = nil
      return
    }
    guard let size = signed["tree_size"]?.unsigned, let root = signed["tree_root"]?.string.flatMap({ Digest(hex: $0) }), let seconds = signed["time"]?.unsigned,
      max(size, seconds) < ordinalLimit
    else { return nil }
    cosignature = (size, root, seconds)
  }

  public var json: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(Self.schema)
    json.key("chain_tag"); json.string(chainTag.hex)
    json.key("keys")
    json.beginArray()
    json.beginObject()
    json.key("public_key"); json.string("\(key)")
    json.key("votes")
    json.beginObject()
    json.key("epoch"); json.number(bound.epoch.rawValue)
    json.key("view"); json.number(bound.view.rawValue)
    json.key("height"); json.number(height.rawValue)
    json.endObject()
    json.key("cosignature")
    if let cosignature {
      json.beginObject()
      json.key("tree_size"); json.number(cosignature.size)
      json.key("tree_root"); json.string(cosignature.root.hex)
      json.key("time"); json.number(cosignature.seconds)
      json.endObject()
    } else {
      json.null()
    }
    json.endObject()
    json.endArray()
    json.endObject()
    return json.bytes
  }

  // MARK: The journal of a home

  /// Reads the journal of a stopped node.
  /// - Throws: 65 for a journal that is lost, damaged or not recovered yet, 75 while a node has it, 78 for a home that does not vote or whose key is retired.
  public init(of home: NodeHome) throws(NodeFailure) {
    let (journal, key) = try Self.open(home)
    guard journal.condition == .intact else {
      throw NodeFailure(65, "the vote journal in \(home.data)/validator is missing or damaged: what the key has promised is not known")
    }
    guard !Self.isRecovering(journal.records) else {
      throw NodeFailure(65, "the validator has lost its vote journal and is finding out what it may vote on: start the node until 'moloch validator status' says active")
    }
    let directory = home.data + "/validator", found = Binding.read(directory)
    let here = try Binding.place(directory), freed = try Binding.place(directory, isReset: true)
    guard found != .halted else { throw NodeFailure(65, "another instance votes with this key: export the protection there") }
    guard !home.isBound || found == nil || found == here || found == freed else {
      throw NodeFailure(65, "\(directory) was copied, restored or moved: export the protection where the node ran last")
    }
    self.init(key: key, chainTag: home.genesis.chainTag, journal.records)
  }

  /// Whether a journal was lost and no bound has been found since: what the key has promised is not in these records.
  static func isRecovering(_ records: [JournalRecord]) -> Bool {
    guard let start = records.lastIndex(of: .recovering) else { return false }
    return !records[start...].contains { if case .bound = $0 { true } else { false } }
  }

  private static func open(_ home: NodeHome) throws(NodeFailure) -> (VoteJournal, PublicKey) {
    guard let key = home.validatorKey?.publicKey else { throw NodeFailure(78, "consensus.validator is off: this node makes no promises") }
    try home.checkNotRetired()
    return (try VoteJournal(directory: home.data + "/validator", chainTag: home.genesis.chainTag), key)
  }

  /// From now on this home refuses the key, for ever.
  public static func retire(_ home: NodeHome) throws(NodeFailure) {
    guard let key = home.validatorKey?.publicKey else { return }
    try HomeFile.replace(home.validatorMarkPath, NodeHome.retiredMark(key, home.genesis.chainTag), mode: 0o600)
    handOver(home.data, mark: home.validatorMarkPath)
  }

  /// Takes promises over into the journal of a stopped node, which only become more: what it had stays.
  /// - Throws: 78 for another chain or key, 75 while a node has the journal.
  public func raise(_ home: NodeHome) throws(NodeFailure) {
    let (journal, own) = try Self.open(home)
    guard chainTag == home.genesis.chainTag else {
      throw NodeFailure(78, "the file is for the chain with tag \(chainTag.hex), this one has \(home.genesis.chainTag.hex)")
    }
    guard key == own else { throw NodeFailure(78, "the file is for \(key), this home has \(own)") }
    var records: [JournalRecord] = []
    if journal.condition != .intact { records.append(.floor(epoch: Epoch(0), view: View(0), height: Height(0), blockHash: home.genesis.header.hash)) }
    records.append(.bound(epoch: bound.epoch, view: bound.view))
    // Size and time of cosignatures never go back.
    if let cosignature, cosignature.size >= journal.cosignature?.size ?? 0 {
      records.append(.cosignature(size: cosignature.size, root: cosignature.root, seconds: max(cosignature.seconds, journal.cosignature?.seconds ?? 0)))
    }
    try journal.append(records)
    try journal.bindHere()
    try HomeFile.replace(home.validatorMarkPath, NodeHome.mark(own, chainTag), mode: 0o600)
    Self.handOver(home.data, mark: home.validatorMarkPath)
  }

  /// Lets a key vote at once whose journal is lost, was copied or is in doubt, and nothing keeps it from signing what contradicts a vote that the journal does
  /// not know. An intact journal keeps what it has; a lost one begins anew.
  /// - Returns: false when the journal is intact and bound to this place.
  /// - Throws: 78 for a halted validator, and what `VoteJournal` throws.
  public static func reset(_ home: NodeHome) throws(NodeFailure) -> Bool {
    let (journal, key) = try open(home)
    let directory = home.data + "/validator", found = Binding.read(directory)
    guard found != .halted else {
      throw NodeFailure(78, "another instance was seen to vote with \(key): stop it, 'moloch validator protection export' there and 'import' here, or give the place to a new key")
    }
    if journal.condition == .intact {
      let isRecovering = isRecovering(journal.records)
      let here = try Binding.place(directory)
      guard isRecovering || home.isBound && found != here else { return false }
      let known = Protection(key: key, chainTag: home.genesis.chainTag, journal.records)
      if isRecovering { try journal.append([.bound(epoch: known.bound.epoch, view: known.bound.view)]) }
    } else {
      try journal.append([
        .floor(epoch: Epoch(0), view: View(0), height: Height(0), blockHash: home.genesis.header.hash), .bound(epoch: Epoch(0), view: View(0)),
      ])
    }
    let freed = try Binding.place(directory, isReset: true)
    if home.isBound { try journal.bind(freed) }
    try HomeFile.replace(home.validatorMarkPath, NodeHome.mark(key, home.genesis.chainTag), mode: 0o600)
    handOver(home.data, mark: home.validatorMarkPath)
    return true
  }
}
