import Ambient
public import Ed25519
public import PeerWire
public import Reactor

// Conduct: what faults cost, and what operators may undo.
extension Network {
  /// A fault that the replica found in what a peer sent.
  public func penalise(_ number: LinkID, _ penalty: Penalty, _ reason: String, _ loop: Loop) {
    guard let link = link(number), link.phase == .up else { return }
    switch penalty {
    case .ban:
      guard isBannable(link) else { return lower(link, by: 100, reason, loop) }
      ban(link, reason, loop)
    case .lower(let points): lower(link, by: points, reason, loop)
    }
  }

  /// A validator stays when without it less than a quorum would be connected: being stuck is worse than one bad peer.
  private func isBannable(_ link: Link) -> Bool {
    let own = power(of: link.validator)
    return own == 0 || connectedPower(without: link.peer) >= quorumPower
  }

  /// Disconnects and bans. A validator that the quorum needs is disconnected only, for its stream may be beyond reading.
  func ban(_ link: Link, _ reason: String, _ loop: Loop) {
    guard let peer = link.peer else { return lose(link, .misbehaviour, reason, loop) }
    if isBannable(link) {
      let isValidator = power(of: link.validator) > 0
      let most = isValidator ? Limits.validatorBanMillisecondsMax : Limits.banMillisecondsMax
      known.update(peer) { record in
        let duration = min(most, options.banMilliseconds << UInt64(min(record.bans, 20)))
        record.bans += 1
        record.bannedUntil = wall(loop.now) + duration
        record.score = Limits.scoreAtFirst
      }
      statistics.bans += 1
      isBookChanged = true
    }
    part(link, .misbehaviour, reason, loop)
  }

  func lower(_ link: Link, by points: Int, _ reason: String, _ loop: Loop) {
    guard let peer = link.peer, link.phase == .up else { return }
    known.update(peer) { $0.score = max(0, $0.score - points) }
    if let record = known[peer], record.score < Limits.scoreMin && isBannable(link) { ban(link, reason, loop) }
  }

  // MARK: Operators

  /// Disconnects one peer without a penalty; it is dialled again as always.
  public func disconnect(_ number: LinkID, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    guard let link = link(number) else { return }
    part(link, reason, text, loop)
  }

  public enum Addition: Equatable, Sendable { case added, itself, full }

  /// Adds a peer for ever, or for the life of the process, and dials it at once. The address carries the peer id; a ban is lifted.
  public func add(_ address: Multiaddr, isTemporary: Bool, _ loop: Loop) -> Addition {
    guard let peer = address.peer, peer != id else { return .itself }
    let manual = known.rows.count { $0.origin.contains(.manual) }
    guard manual < Limits.manualPeers, known.insert(peer, isTemporary ? [.manual, .temporary] : .manual) else { return .full }
    removed.remove(peer)
    known.update(peer) { record in
      record.hear(address)
      if !isTemporary { record.origin.remove(.temporary) }
      record.bannedUntil = 0
      record.failures = 0
      record.attempts = 0
      record.nextDial = loop.now
    }
    isBookChanged = true
    dial(loop)
    return .added
  }

  /// Disconnects a peer, forgets it, and never dials it again in this process. False when it is unknown.
  public func remove(_ peer: PeerID, _ loop: Loop) -> Bool {
    let slot = peerSlots[peer]
    guard known[peer] != nil || slot != nil else { return false }
    removed.insert(peer)
    for slot in slots {
      guard let link = links[slot], link.phase != .closing, link.peer == peer || link.dialled?.peer == peer else { continue }
      if link.phase == .up { part(link, .requested, "", loop) } else {
        link.phase = .closing
        loop.abort(link.connection)
      }
    }
    known.remove(peer)
    isBookChanged = true
    return true
  }

  /// Lifts a ban and dials at once. False when the peer is not banned.
  public func unban(_ peer: PeerID, _ loop: Loop) -> Bool {
    guard let record = known[peer], record.isBanned(wall(loop.now)) else { return false }
    known.update(peer) { record in
      record.bannedUntil = 0
      record.nextDial = loop.now
    }
    isBookChanged = true
    return true
  }

  // MARK: The book

  /// The address book when it changed, at most once a second; to be written to `data/peers.json` as a whole.
  public func bookToSave(_ loop: Loop) -> [UInt8]? {
    guard isBookChanged, loop.now.milliseconds(since: bookSaved) >= Limits.bookSaveMilliseconds || bookSaved == .zero else { return nil }
    isBookChanged = false
    bookSaved = loop.now
    return book.encoded()
  }

  /// Peers that are worth remembering: added by an operator, connected once, or banned. Sorted by peer id.
  public var book: PeerBook {
    var book = PeerBook()
    for record in known.rows.sorted(by: { $0.id < $1.id }) {
      let isManual = record.origin.contains(.manual) && !record.origin.contains(.temporary)
      guard isManual || record.lastSeen > 0 || record.bannedUntil > 0 else { continue }
      var entry = PeerBook.Entry(peer: record.id, addresses: record.addresses, isManual: isManual)
      entry.validator = record.validator
      entry.lastSeen = record.lastSeen
      entry.bannedUntil = record.bannedUntil
      entry.bans = UInt64(record.bans)
      book.entries.append(entry)
    }
    return book
  }
}
