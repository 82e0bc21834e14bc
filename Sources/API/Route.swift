public import Audit
import Bytes
import Ed25519
public import Merkle

/// A resource of the API, with what its path says. The query is parsed apart.
public enum Route: Sendable, Equatable {
  case index
  case health, ready, status, peers
  case events, eventBatch
  case event(EventID), eventRaw(EventID)
  case block(BlockName)
  case inclusionProof, consistencyProof
  case checkpoint, genesis
  case validators, validatorHistory, governance, policy
  case consensusState, evidence
  case validator(PublicKeyText)
  case signer(PublicKeyText)
  case tlogCheckpoint
  case tile(TilePath)
  case metrics
  case maintenance(String)
  case adminPeers
  case node(NodeVerb)

  /// `latest`, a height or a hash.
  public enum BlockName: Sendable, Equatable {
    case latest
    case height(UInt64)
    case hash(String)
  }

  /// Who may ask.
  public enum Role: Sendable, Comparable { case open, tlog, read, write, admin }

  public typealias PublicKeyText = String

  /// What a path names: a resource, nothing, or a resource whose variable part is malformed.
  public enum Match: Equatable, Sendable {
    case found(Route)
    case unknown
    /// The part of the path that is wrong, for the message.
    case malformed(field: String)
  }

  /// Matches the path of a request target, without its query. The paths of the hot routes are compared first and without making a string.
  public static func match(_ path: RawSpan) -> Match {
    if path.equals("/v1/events") { return .found(.events) }
    if path.equals("/v1/events/batch") { return .found(.eventBatch) }
    if path.equals("/v1/health") || path.equals("/livez") { return .found(.health) }
    if path.equals("/v1/ready") || path.equals("/v1/health/ready") || path.equals("/readyz") { return .found(.ready) }
    if path.equals("/v1/status") { return .found(.status) }
    if path.equals("/metrics") { return .found(.metrics) }
    guard let text = path.text else { return .unknown }
    return cold(text)
  }

  private static func cold(_ path: String) -> Match {
    switch path {
    case "/": return .found(.index)
    case "/v1/peers": return .found(.peers)
    case "/v1/proofs/inclusion": return .found(.inclusionProof)
    case "/v1/proofs/consistency": return .found(.consistencyProof)
    case "/v1/checkpoint": return .found(.checkpoint)
    case "/v1/genesis": return .found(.genesis)
    case "/v1/validators": return .found(.validators)
    case "/v1/consensus/state": return .found(.consensusState)
    case "/v1/evidence": return .found(.evidence)
    case "/v1/admin/peers": return .found(.adminPeers)
    case "/v1/governance": return .found(.governance)
    case "/v1/policy": return .found(.policy)
    case "/v1/validators/history": return .found(.validatorHistory)
    case "/tlog/checkpoint": return .found(.tlogCheckpoint)
    default: break
    }
    if let rest = suffix(of: path, after: "/tlog/") { return tile(rest) }
    if let rest = suffix(of: path, after: "/v1/events/") { return event(rest) }
    if let rest = suffix(of: path, after: "/v1/blocks/") { return block(rest) }
    if let rest = suffix(of: path, after: "/v1/validators/") {
      return PublicKey(text: rest) == nil ? .malformed(field: "key") : .found(.validator(rest))
    }
    if let rest = suffix(of: path, after: "/v1/signers/") { return PublicKey(text: rest) == nil ? .malformed(field: "key") : .found(.signer(rest)) }
    if let rest = suffix(of: path, after: "/v1/admin/maintenance/"), !rest.contains("/") { return .found(.maintenance(rest)) }
    if let verb = suffix(of: path, after: "/v1/admin/").flatMap({ NodeVerb(rawValue: $0) }) { return .found(.node(verb)) }
    return .unknown
  }

  private static func suffix(of path: String, after prefix: String) -> String? {
    path.hasPrefix(prefix) && path.utf8.count > prefix.utf8.count ? String(path.dropFirst(prefix.count)) : nil
  }

  private static func event(_ rest: String) -> Match {
    let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 1 || parts.count == 2 && parts[1] == "raw" else { return .unknown }
    guard let id = EventID(text: parts[0]) else { return .malformed(field: "id") }
    return .found(parts.count == 1 ? .event(id) : .eventRaw(id))
  }

  private static func block(_ rest: String) -> Match {
    if rest == "latest" { return .found(.block(.latest)) }
    if rest.utf8.count == 64 { return Bytes32(hex: rest) == nil ? .malformed(field: "ref") : .found(.block(.hash(rest))) }
    guard let height = Query.integer(rest) else { return .malformed(field: "ref") }
    return .found(.block(.height(height)))
  }

  private static func tile(_ rest: String) -> Match {
    guard let path = TilePath(text: rest) else { return .unknown }
    return .found(.tile(path))
  }

  /// The methods of the resource, as `Allow` lists them.
  public var allowedMethods: String {
    switch self {
    case .events, .eventBatch: "POST, OPTIONS"
    case .adminPeers: "GET, HEAD, POST, DELETE, OPTIONS"
    case .maintenance: "GET, HEAD, POST, OPTIONS"
    case .node(.drain): "GET, HEAD, POST, DELETE, OPTIONS"
    case .node(.load): "GET, HEAD, OPTIONS"
    case .node: "POST, OPTIONS"
    default: "GET, HEAD, OPTIONS"
    }
  }

  /// The query parameters of the resource.
  func knows(parameter name: String) -> Bool {
    switch self {
    case .events: name == "wait" || name == "timeout_ms"
    case .eventBatch: name == "wait" || name == "timeout_ms" || name == "atomic"
    case .event: name == "wait" || name == "timeout_ms" || name == "include"
    case .eventRaw: name == "part"
    case .block: name == "include"
    case .inclusionProof: ["event_id", "leaf_index", "tree_size", "format", "since_size"].contains(name)
    case .consistencyProof: ["from_size", "to_size", "from_height", "to_height"].contains(name)
    case .checkpoint: name == "min_size" || name == "timeout_ms"
    case .ready: name == "max_lag"
    case .validators: name == "height"
    case .validatorHistory: name == "from_epoch" || name == "limit"
    case .adminPeers: ["multiaddr", "temporary", "peer_id", "unban"].contains(name)
    case .maintenance: ["dir", "base", "before_height", "dry_run", "force", "deep", "level", "max_mbps", "parts"].contains(name)
    case .node(.logLevel): ["level", "subsystem", "for_ms"].contains(name)
    default: false
    }
  }

  public var isSubmission: Bool { self == .events || self == .eventBatch }

  /// Served without a rate budget.
  public var isUnlimited: Bool {
    switch self {
    case .health, .ready, .status, .metrics: true
    default: false
    }
  }

  /// Served on the admin socket only.
  public var isAdmin: Bool {
    switch self {
    case .maintenance, .adminPeers, .node: true
    default: false
    }
  }

  public var role: Role {
    switch self {
    case .index, .health, .ready, .status, .peers, .genesis, .policy, .metrics: .open
    case .tlogCheckpoint, .tile: .tlog
    case .events, .eventBatch: .write
    case .maintenance, .adminPeers, .node: .admin
    default: .read
    }
  }
}

/// Strict readings of query values.
public enum Query {
  /// A decimal integer below 2^53 without sign, leading zeros or surplus characters.
  public static func integer(_ text: some StringProtocol) -> UInt64? {
    guard !text.isEmpty, text.utf8.count <= 16, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), text == "0" || !text.hasPrefix("0"),
      let value = UInt64(text), value < ordinalLimit
    else { return nil }
    return value
  }

  public static func boolean(_ text: some StringProtocol) -> Bool? { text == "true" ? true : text == "false" ? false : nil }
}
