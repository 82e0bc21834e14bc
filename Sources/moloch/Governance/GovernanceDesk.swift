import Audit
import Bytes
import Digests
import Ed25519
import JSON
import MolochNode

/// A validator's operator at work: the running node behind its admin socket, its keys, and acts of governance signed with them.
struct GovernanceDesk {
  /// How long a command waits until its act is final, milliseconds.
  static let finalityMilliseconds: UInt64 = 30_000

  let client: NodeClient
  let options: NodeOptions
  let genesis: Genesis
  let facts: GovernanceFacts

  /// - Throws: 69 when no node answers, 75 when it is not ready.
  init(_ global: GlobalOptions) throws(CommandFailure) {
    options = try LoadedConfiguration(global).options
    client = NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
    let json = try Self.get("/v1/genesis", client).body
    do throws(GenesisError) { genesis = try Genesis(json: json) } catch {
      throw CommandFailure("\(client.endpoint) serves a genesis file with faults: \(error)", Exit.dataCorrupt)
    }
    facts = try Self.facts(client, genesis)
  }

  private static func get(_ target: String, _ client: NodeClient) throws(CommandFailure) -> Answer {
    let answer = try client.get(target)
    guard answer.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
    return answer
  }

  private static func facts(_ client: NodeClient, _ genesis: Genesis) throws(CommandFailure) -> GovernanceFacts {
    try GovernanceFacts(try get("/v1/governance", client).json(from: client.endpoint), genesis: genesis)
  }

  /// The facts of now.
  func refreshed() throws(CommandFailure) -> GovernanceFacts { try Self.facts(client, genesis) }

  // MARK: Keys

  /// A validator's key.
  static func key(_ path: String) throws(CommandFailure) -> SigningKey {
    do throws(NodeFailure) { return try NodeHome.validatorKey(path) } catch { throw CommandFailure(error) }
  }

  /// The key of this home that is in the set: the one in use, or the next one once its set is in force.
  /// - Throws: 2 when neither is.
  func validatorKey() throws(CommandFailure) -> SigningKey {
    let current = try Self.key(options.validatorKeyPath)
    if facts.set.index(of: current.publicKey) != nil { return current }
    if let path = options.nextValidatorKeyPath {
      let next = try Self.key(path)
      if facts.set.index(of: next.publicKey) != nil { return next }
    }
    throw CommandFailure("\(current.publicKey) is not in the validator set: only validators propose and decide", Exit.no)
  }

  /// Validator keys that are connected to this node or heard lately, its own among them.
  func reachableKeys() throws(CommandFailure) -> [PublicKey] {
    let state = try Self.get("/v1/consensus/state", client).json(from: client.endpoint)
    let connected = state["connected"]?.array?.compactMap { $0.string.flatMap { PublicKey(text: $0) } } ?? []
    // A validator that is up votes at least with every empty block; one that is frozen keeps its link for a while.
    let patience = UInt64(facts.parameters.emptyBlockInterval) + 10_000
    let silent = (state["validators"]?.array ?? []).filter { ($0["heard_ms_ago"]?.unsigned ?? 0) > patience }.compactMap { $0["name"]?.string }
    return connected.filter { key in facts.set.index(of: key).map { !silent.contains(facts.set.validators[$0].name) } ?? true }
  }

  // MARK: Acts

  /// Signs an act, sends it to the node and waits until it is final.
  /// - Throws: 2 when the node refuses it, 75 when it is not final in time.
  func submit(_ act: GovernanceAct, by key: SigningKey) throws(CommandFailure) -> EventID {
    let signer = EventSigner(key: key, chainTag: genesis.chainTag, stream: Entropy.stream())
    let record = signer.record(act.encoded, type: act.contentType, sequence: 0)
    let id = EventID(SHA256.hash(record.bytes.extracting(0..<Statement.byteCount)))
    let target = "/v1/events?wait=finalized&timeout_ms=\(Self.finalityMilliseconds)"
    let answer = try client.patiently { () throws(CommandFailure) in
      try client.post(target, type: "application/vnd.moloch.event", record, extraMilliseconds: Self.finalityMilliseconds)
    }
    switch answer.status {
    case 200, 201: return id
    case 202:
      throw CommandFailure(
        "\(id) is pending and not final after \(Self.finalityMilliseconds / 1000) s; 'moloch validator changes' shows it once it is", Exit.temporary)
    default: throw CommandFailure("the node refuses the act: \(NodeError(answer))", Exit.no)
    }
  }

  /// The change with this id, or the only one whose id begins so.
  /// - Throws: 2 when there is none, 64 for a beginning that is not hexadecimal or fits several.
  func change(_ text: String) throws(CommandFailure) -> GovernanceChange {
    let digits = text.hasPrefix("evt_") ? String(text.dropFirst(4)) : text
    guard (8...64).contains(digits.utf8.count), digits.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x66) }) else {
      throw CommandFailure("'\(text)' is no id of a proposal: evt_<64 hex>, or its first 8 digits or more", Exit.usage)
    }
    let found = facts.changes.filter { $0.id.hasPrefix("evt_" + digits) }
    guard found.count <= 1 else { throw CommandFailure("'\(text)' is the beginning of \(found.count) ids", Exit.usage) }
    guard let change = found.first else { throw CommandFailure("no proposal \(text)", Exit.no) }
    return change
  }
}
