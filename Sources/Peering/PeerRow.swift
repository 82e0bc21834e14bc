import Ambient
public import Ed25519
import JSON
import PeerWire
public import Reactor

/// One known peer as operators see it.
public struct PeerRow: Equatable, Sendable {
  public enum State: String, Sendable { case connected, dialing, backoff, banned, known }

  public var peer: PeerID
  /// Where it is connected or was heard of last; nil for a peer that only ever came to us.
  public var address: Multiaddr?
  public var state: State
  public var isManual: Bool
  public var validator: PublicKey?
  /// The validator key is in the current set.
  public var isValidator: Bool
  public var score: Int
  /// Why it could not be reached the last time.
  public var lastFailure: DialFailure?
  /// Unix milliseconds; 0 unless banned.
  public var bannedUntil: UInt64

  // Of a connection; nil or zero without one.
  public var link: LinkID?
  public var direction: Direction?
  public var chainID = ""
  public var version = ""
  public var name = ""
  public var headHeight: UInt64 = 0
  public var earliestBodyHeight: UInt64 = 0
  public var latencyMilliseconds: Double?
  public var clockSkewMilliseconds: Int64?
  public var connectedSince: UInt64 = 0
  public var bytesIn: UInt64 = 0
  public var bytesOut: UInt64 = 0
}

extension Network {
  /// All known peers: the connected ones first, then by peer id.
  public func rows(_ loop: Loop) -> [PeerRow] {
    let now = wall(loop.now)
    var rows: [PeerRow] = []
    for record in known.rows { rows.append(row(record, now, loop.now)) }
    // A peer that the table had no room for, or that was removed and came back by itself.
    for slot in slots {
      guard let link = links[slot], link.phase == .up, let peer = link.peer, known[peer] == nil else { continue }
      var row = PeerRow(
        peer: peer, address: nil, state: .connected, isManual: false, validator: link.validator, isValidator: power(of: link.validator) > 0,
        score: Limits.scoreAtFirst, lastFailure: nil, bannedUntil: 0)
      describe(link, &row)
      rows.append(row)
    }
    return rows.sorted { ($0.link == nil ? 1 : 0, $0.peer) < ($1.link == nil ? 1 : 0, $1.peer) }
  }

  private func row(_ record: PeerRecord, _ wall: UInt64, _ now: Instant) -> PeerRow {
    var row = PeerRow(
      peer: record.id, address: record.addresses.first, state: state(record, wall, now), isManual: record.origin.contains(.manual), validator: record.validator,
      isValidator: power(of: record.validator) > 0, score: record.score, lastFailure: record.lastFailure,
      bannedUntil: record.isBanned(wall) ? record.bannedUntil : 0)
    if let slot = peerSlots[record.id], let link = links[slot], link.phase == .up { describe(link, &row) }
    return row
  }

  private func state(_ record: PeerRecord, _ wall: UInt64, _ now: Instant) -> PeerRow.State {
    if peerSlots[record.id] != nil { return .connected }
    if record.isBanned(wall) { return .banned }
    switch record.state {
    case .resolving, .dialling: return .dialing
    case .connected: return .connected
    case .idle: return record.failures > 0 && record.nextDial > now ? .backoff : .known
    }
  }

  private func describe(_ link: Link, _ row: inout PeerRow) {
    row.link = link.number
    row.direction = link.direction
    row.validator = link.validator
    if let dialled = link.dialled { row.address = dialled.address } else if row.address == nil { row.address = link.address.flatMap { Multiaddr($0, peer: row.peer) } }
    if let hello = link.hello {
      (row.chainID, row.version, row.name) = (hello.chainID, hello.version, hello.name)
      row.earliestBodyHeight = hello.earliestBodyHeight
    }
    row.headHeight = link.headHeight
    row.latencyMilliseconds = link.roundTripMilliseconds
    row.clockSkewMilliseconds = link.skewMilliseconds
    row.connectedSince = link.connectedSinceWall
    (row.bytesIn, row.bytesOut) = (link.bytesIn, link.bytesOut)
  }

  /// Handshakes refused in the last hour, the oldest first.
  public var recentRejections: [Rejection] { rejections }

  /// Boot nodes that are not connected, each with why: for the warning of a node without peers.
  public func unreachableBootNodes() -> [(address: Multiaddr, reason: DialFailure?)] {
    options.bootNodes.compactMap { address in
      guard let peer = address.peer, peer != id, peerSlots[peer] == nil else { return nil }
      return (address, known[peer]?.lastFailure)
    }
  }

  /// Links that are up, by direction and by whether the peer's validator key is in the current set; for metrics.
  public func count(_ direction: Direction, isValidator: Bool) -> Int {
    slots.count { slot in links[slot].map { $0.phase == .up && $0.direction == direction && (power(of: $0.validator) > 0) == isValidator } ?? false }
  }

  // MARK: JSON

  /// The body of `GET /v1/peers`; with `known`, peers that are not connected too.
  public func peersJSON(includesKnown: Bool, _ loop: Loop) -> [UInt8] {
    let rows = rows(loop)
    let connected = rows.filter { $0.link != nil }
    var json = JSONWriter()
    json.beginObject()
    json.key("peers")
    json.beginArray()
    for row in connected { write(row, &json) }
    json.endArray()
    json.key("rejected")
    json.beginArray()
    for rejection in rejections { write(rejection, &json) }
    json.endArray()
    json.key("count")
    json.number(connected.count)
    if includesKnown {
      json.key("known")
      json.beginArray()
      for row in rows where row.link == nil { writeUnconnected(row, &json) }
      json.endArray()
    }
    json.endObject()
    return json.bytes
  }

  private func write(_ row: PeerRow, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("peer_id")
    json.string(row.peer.text)
    json.key("public_key")
    json.string(row.peer.key.description)
    json.key("multiaddr")
    if let address = row.address { json.string(address.description) } else { json.null() }
    json.key("direction")
    json.string(row.direction?.rawValue ?? "in")
    json.key("chain_id")
    json.string(row.chainID)
    json.key("head_height")
    json.number(row.headHeight)
    json.key("version")
    json.string(row.version)
    json.key("role")
    json.string(row.validator != nil ? "validator" : "api")
    json.key("validator")
    json.bool(row.isValidator)
    json.key("latency_ms")
    if let latency = row.latencyMilliseconds { json.number(latency, decimals: 1) } else { json.null() }
    json.key("clock_skew_ms")
    if let skew = row.clockSkewMilliseconds { json.number(Int(skew)) } else { json.null() }
    json.key("connected_since_ms")
    json.number(row.connectedSince)
    json.key("bytes_in")
    json.number(row.bytesIn)
    json.key("bytes_out")
    json.number(row.bytesOut)
    json.key("score")
    json.number(row.score)
    json.key("earliest_body_height")
    json.number(row.earliestBodyHeight)
    json.endObject()
  }

  private func write(_ rejection: Rejection, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("peer_id")
    if let peer = rejection.peer { json.string(peer.text) } else { json.null() }
    json.key("address")
    if let address = rejection.address { json.string(address.description) } else { json.null() }
    json.key("reason")
    json.string(rejection.reason.name)
    json.key("time_ms")
    json.number(rejection.time)
    json.endObject()
  }

  private func writeUnconnected(_ row: PeerRow, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("peer_id")
    json.string(row.peer.text)
    json.key("multiaddr")
    if let address = row.address { json.string(address.description) } else { json.null() }
    json.key("state")
    json.string(row.state.rawValue)
    json.key("role")
    json.string(row.validator != nil ? "validator" : "api")
    json.key("last_failure")
    if let failure = row.lastFailure { json.string(failure.rawValue) } else { json.null() }
    json.key("banned_until_ms")
    json.number(row.bannedUntil)
    json.endObject()
  }
}
