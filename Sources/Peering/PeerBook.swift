public import Ed25519
public import JSON

/// `data/peers.json`: peers that outlive the process. The node rewrites it as a whole; `peers add` and `peers remove` edit it when the node is
/// down.
///
///     {"schema":"moloch.peers/1","peers":[{"peer_id":"12D3KooW...","addresses":["/ip4/..."],"manual":true,"validator":"ed25519:...",
///      "last_seen_ms":0,"banned_until_ms":0,"bans":0}]}
public struct PeerBook: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    public var peer: PeerID
    /// Each with the peer id.
    public var addresses: [Multiaddr]
    public var isManual: Bool
    public var validator: PublicKey?
    /// Unix milliseconds; 0: never.
    public var lastSeen: UInt64 = 0
    public var bannedUntil: UInt64 = 0
    public var bans: UInt64 = 0

    public init(peer: PeerID, addresses: [Multiaddr], isManual: Bool) {
      self.peer = peer
      self.addresses = addresses
      self.isManual = isManual
    }
  }

  /// At most `Limits.knownPeers`, each peer once.
  public var entries: [Entry] = []

  public init() {}

  /// Reads the file. Entries that are malformed are left out: the file is a memory, not a configuration.
  /// - Throws: `StrictJSONError` when the text is no JSON, or none of this schema.
  public init(parsing text: [UInt8]) throws(StrictJSONError) {
    let json = try StrictJSON(parsing: text, byteCountMax: Limits.bookByteCount)
    guard json["schema"]?.string == Self.schema, let peers = json["peers"]?.array else {
      throw StrictJSONError(position: json.position, message: "no address book of the schema \(Self.schema)")
    }
    for peer in peers.prefix(Limits.knownPeers) {
      guard let id = peer["peer_id"]?.string.flatMap({ Multiaddr.peer($0) }), !entries.contains(where: { $0.peer == id }) else { continue }
      let addresses = (peer["addresses"]?.array ?? []).compactMap { value in value.string.flatMap { try? Multiaddr(parsing: $0) } }.filter { $0.peer == id }
      var entry = Entry(peer: id, addresses: Array(addresses.prefix(Limits.addressesPerPeer)), isManual: peer["manual"]?.value == .bool(true))
      entry.validator = peer["validator"]?.string.flatMap { PublicKey(text: $0) }
      entry.lastSeen = peer["last_seen_ms"]?.unsigned ?? 0
      entry.bannedUntil = peer["banned_until_ms"]?.unsigned ?? 0
      entry.bans = min(peer["bans"]?.unsigned ?? 0, 64)
      entries.append(entry)
    }
  }

  static let schema = "moloch.peers/1"

  /// The file, with a line per peer.
  public func encoded() -> [UInt8] {
    var text = Array("{\"schema\":\"\(Self.schema)\",\"peers\":[".utf8)
    for (index, entry) in entries.enumerated() {
      text += index == 0 ? [0x0A] : [0x2C, 0x0A]
      var json = JSONWriter()
      json.beginObject()
      json.key("peer_id")
      json.string(entry.peer.text)
      json.key("addresses")
      json.beginArray()
      for address in entry.addresses { json.string(address.description) }
      json.endArray()
      json.key("manual")
      json.bool(entry.isManual)
      if let validator = entry.validator {
        json.key("validator")
        json.string(validator.description)
      }
      json.key("last_seen_ms")
      json.number(entry.lastSeen)
      if entry.bannedUntil > 0 {
        json.key("banned_until_ms")
        json.number(entry.bannedUntil)
        json.key("bans")
        json.number(entry.bans)
      }
      json.endObject()
      text += json.bytes
    }
    return text + Array("\n]}\n".utf8)
  }

  /// Adds or completes a peer as an operator does. The address must carry its peer id. False when the book is full.
  public mutating func add(_ address: Multiaddr) -> Bool {
    guard let peer = address.peer else { return false }
    if let index = entries.firstIndex(where: { $0.peer == peer }) {
      entries[index].isManual = true
      entries[index].addresses.removeAll { $0 == address }
      entries[index].addresses.insert(address, at: 0)
      entries[index].addresses = Array(entries[index].addresses.prefix(Limits.addressesPerPeer))
      return true
    }
    guard entries.count < Limits.knownPeers else { return false }
    entries.append(Entry(peer: peer, addresses: [address], isManual: true))
    return true
  }

  /// Forgets a peer; false when it is not in the book.
  public mutating func remove(_ peer: PeerID) -> Bool {
    let count = entries.count
    entries.removeAll { $0.peer == peer }
    return entries.count < count
  }
}
