import Ambient
import Ed25519
import Reactor

/// What this node knows about another, connected or not.
struct PeerRecord {
  struct Origin: OptionSet {
    let rawValue: UInt8
    /// From `network.boot_nodes`: redialled for ever.
    static let boot = Origin(rawValue: 1)
    /// Added by an operator: redialled for ever, never evicted.
    static let manual = Origin(rawValue: 2)
    /// Added for the life of the process only.
    static let temporary = Origin(rawValue: 4)
    /// Learnt from its own Hello or from the peer exchange.
    static let heard = Origin(rawValue: 8)
  }

  enum State: Equatable {
    case idle
    case resolving(UInt64)
    case dialling(ConnectionID)
    case connected(ConnectionID)
  }

  let id: PeerID
  /// At most `Limits.addressesPerPeer`, the latest heard first.
  var addresses: [Multiaddr] = []
  var origin: Origin
  /// The validator key that it proved last.
  var validator: PublicKey?
  var state = State.idle
  /// Dials since the last connection that lasted.
  var failures = 0
  /// All dials: rotates through addresses.
  var attempts = 0
  var nextDial = Instant.zero
  var lastFailure: DialFailure?
  var score = Limits.scoreAtFirst
  var bans = 0
  /// Unix milliseconds; 0: never banned, or unbanned.
  var bannedUntil: UInt64 = 0
  /// Unix milliseconds of the last connection; 0: never.
  var lastSeen: UInt64 = 0

  init(id: PeerID, origin: Origin) {
    self.id = id
    self.origin = origin
  }

  func isBanned(_ wall: UInt64) -> Bool { bannedUntil > wall }

  mutating func hear(_ address: Multiaddr) {
    if let index = addresses.firstIndex(of: address) { addresses.remove(at: index) }
    addresses.insert(address, at: 0)
    if addresses.count > Limits.addressesPerPeer { addresses.removeLast() }
  }
}

/// All known peers. A bounded table; an entry that nobody asked for gives way to a new one.
struct PeerTable {
  /// In no particular order; rows move when others are removed.
  private(set) var rows: [PeerRecord] = []
  /// Only for look-ups: its order is never used.
  private var positions: [PeerID: Int] = [:]

  subscript(id: PeerID) -> PeerRecord? { positions[id].map { rows[$0] } }

  /// Changes the record of a peer in place, if there is one.
  mutating func update(_ id: PeerID, _ change: (inout PeerRecord) -> Void) {
    guard let position = positions[id] else { return }
    change(&rows[position])
  }

  /// Adds a record if there is none and there is room, or an idle one with only hearsay to evict.
  @discardableResult mutating func insert(_ id: PeerID, _ origin: PeerRecord.Origin) -> Bool {
    if let position = positions[id] {
      rows[position].origin.formUnion(origin)
      return true
    }
    if rows.count >= Limits.knownPeers {
      let candidates = rows.indices.filter { rows[$0].origin == .heard && rows[$0].state == .idle && rows[$0].validator == nil && rows[$0].bannedUntil == 0 }
      guard let worst = candidates.max(by: { rows[$0].failures < rows[$1].failures }) else { return false }
      remove(rows[worst].id)
    }
    positions[id] = rows.count
    rows.append(PeerRecord(id: id, origin: origin))
    return true
  }

  mutating func remove(_ id: PeerID) {
    guard let position = positions.removeValue(forKey: id) else { return }
    rows.swapAt(position, rows.count - 1)
    rows.removeLast()
    if position < rows.count { positions[rows[position].id] = position }
  }
}
