import Audit
import Bytes
import Digests
import Ed25519
import JSON

/// What a node says of set, parameters and proposals as of its head: `/v1/governance`.
struct GovernanceFacts {
  let height: UInt64
  let epoch: UInt64
  let set: ValidatorSet
  let parameters: ChainParameters
  let changes: [GovernanceChange]

  /// - Throws: 65 when the answer is not what this program knows.
  init(_ json: StrictJSON, genesis: Genesis) throws(CommandFailure) {
    guard let height = json["height"]?.unsigned, let epoch = json["epoch"]?.unsigned,
      let members = json["validators"]?.array.map({ $0.compactMap(Validator.init(json:)) }),
      let set = try? ValidatorSet(members), let hash = json["validators_hash"]?.string, set.hash.hex == hash, let changes = json["changes"]?.array
    else { throw CommandFailure("the node's answer about governance cannot be read", Exit.dataCorrupt) }
    self.height = height
    self.epoch = epoch
    self.set = set
    parameters = json["parameters"].flatMap { ChainParameters(json: $0, on: genesis.parameters) } ?? genesis.parameters
    self.changes = changes.compactMap { GovernanceChange($0, set: set) }
  }

  private var length: UInt64 { UInt64(parameters.epochLength) }

  /// The first epoch for which a proposal of the next block could still be approved behind it.
  var earliestEpoch: UInt64 { (height + 2) / length + 1 }
  /// The next epoch when more than half of the running one is left to approve in, else the one after.
  var defaultEpoch: UInt64 { (height + length / 2) / length + 1 > epoch + 1 ? epoch + 2 : max(epoch + 1, earliestEpoch) }
  /// The first height of an epoch.
  func firstHeight(of epoch: UInt64) -> UInt64 { epoch * length + 1 }

  /// - Throws: 64 for an epoch that a proposal of now cannot reach.
  func checked(epoch: UInt64) throws(CommandFailure) -> Epoch {
    guard epoch >= earliestEpoch else {
      throw CommandFailure(
        "epoch \(epoch) begins at height \(firstHeight(of: epoch)), and the chain is at \(height): "
          + "the earliest that can still be approved is \(earliestEpoch)", Exit.usage)
    }
    guard epoch < ordinalLimit / length else { throw CommandFailure("there is no epoch \(epoch)", Exit.usage) }
    return Epoch(epoch)
  }

  /// The validator with this key or name.
  func validator(_ text: String) -> Validator? {
    set.validators.first { $0.name == text || "\($0.publicKey)" == text }
  }
}

extension Validator {
  init?(json: StrictJSON) {
    guard let key = json["public_key"]?.string.flatMap({ PublicKey(text: $0) }), let cosigner = json["cosigner_key"]?.string.flatMap({ PublicKey(text: $0) }),
      let power = json["power"]?.unsigned, let name = json["name"]?.string
    else { return nil }
    self.init(publicKey: key, cosignerKey: cosigner, power: power, name: name)
  }
}

extension ChainParameters {
  /// The members that a proposal may change, on top of those that never do.
  init?(json: StrictJSON, on base: ChainParameters) {
    func number(_ name: String) -> UInt32? { json[name]?.unsigned.flatMap { UInt32(exactly: $0) } }
    guard let blockTime = number("block_time_ms"), let interval = number("empty_block_interval_ms"), let events = number("max_events_per_block"),
      let blockBytes = number("max_block_bytes"), let bodyBytes = number("max_body_bytes"), let version = number("protocol_version")
    else { return nil }
    self = base
    (self.blockTime, emptyBlockInterval, eventsPerBlockMax) = (blockTime, interval, events)
    (blockBytesMax, bodyBytesMax, protocolVersion) = (blockBytes, bodyBytes, version)
  }
}

/// A proposal as the commands show it.
struct GovernanceChange {
  let id: String
  let kind: String
  /// `open`, `approved`, `active` or `lapsed`.
  let state: String
  let effectiveEpoch: UInt64?
  let approvals: [String]
  let power: UInt64
  /// What it changes, in words.
  let summary: String
  /// The node's own object.
  let json: StrictJSON

  init?(_ json: StrictJSON, set: ValidatorSet) {
    guard let id = json["id"]?.string, let kind = json["kind"]?.string, let state = json["state"]?.string, let power = json["approving_power"]?.unsigned else {
      return nil
    }
    self.id = id
    self.kind = kind
    self.state = state
    self.power = power
    self.json = json
    effectiveEpoch = json["effective_epoch"]?.unsigned
    approvals = json["approvals"]?.array?.compactMap(\.string) ?? []
    summary = Self.summary(json, kind)
  }

  private static func summary(_ json: StrictJSON, _ kind: String) -> String {
    func validators(_ name: String) -> [Validator] { json[name]?.array?.compactMap(Validator.init(json:)) ?? [] }
    switch kind {
    case "validators":
      var words: [String] = []
      var (added, removed) = (validators("added"), validators("removed"))
      for old in removed {
        guard let place = added.firstIndex(where: { $0.name == old.name }) else { continue }
        words.append("rotate \(old.name): \(old.publicKey) to \(added[place].publicKey)")
        added.remove(at: place)
        removed.removeAll { $0 == old }
      }
      words += added.map { "add \($0.name): \($0.publicKey) power \($0.power)" }
      words += removed.map { "remove \($0.name): \($0.publicKey)" }
      words += validators("changed").map { "change \($0.name): power \($0.power)" }
      return words.isEmpty ? "no change" : words.joined(separator: ", ")
    case "signers":
      return (json["signers"]?.array ?? []).map { "\($0["op"]?.string ?? "-") \($0["public_key"]?.string ?? "-")" }.joined(separator: ", ")
    case "redaction": return "\(json["events"]?.array?.count ?? 0) events, reason \(json["reason"]?.unsigned ?? 0)"
    default:
      let names = ["block_time_ms", "empty_block_interval_ms", "max_events_per_block", "max_block_bytes", "max_body_bytes", "protocol_version"]
      return names.map { "\($0)=\(json["parameters"]?[$0]?.unsigned ?? 0)" }.joined(separator: " ")
    }
  }
}
