import Ambient
import Ed25519
import PeerWire
public import Reactor
import TLS

// Dialling: who is called, when, and what happens when nobody answers. And the exchange of addresses, which feeds it.
extension Network {
  /// Dials who is due.
  func dial(_ loop: Loop) {
    let wall = wall(loop.now)
    var underWay = known.rows.count { if case .dialling = $0.state { true } else { false } }
    var outbound = slots.count { links[$0].map { $0.phase == .up && $0.direction == .outbound } ?? false } + underWay
    var due: [PeerRecord] = []
    for record in known.rows where isDue(record, wall, loop.now) { due.append(record) }
    // Those that are dialled for ever come first, then those that failed least.
    due.sort { (isKeptForEver($0) ? 0 : 1, $0.failures, $0.id) < (isKeptForEver($1) ? 0 : 1, $1.failures, $1.id) }
    for record in due {
      let isForEver = isKeptForEver(record)
      guard isForEver || (underWay < Limits.dials && outbound < options.peersMin && count < options.peersMax) else { continue }
      if dial(record, loop) {
        underWay += 1
        outbound += 1
      }
    }
  }

  private func isDue(_ record: PeerRecord, _ wall: UInt64, _ now: Instant) -> Bool {
    record.state == .idle && record.nextDial <= now && !record.addresses.isEmpty && !record.isBanned(wall) && peerSlots[record.id] == nil
      && !removed.contains(record.id)
  }

  func isKeptForEver(_ record: PeerRecord) -> Bool { !record.origin.isDisjoint(with: [.boot, .manual]) || power(of: record.validator) > 0 }

  /// Starts a dial, or the look-up before it. False when it must wait.
  private func dial(_ record: PeerRecord, _ loop: Loop) -> Bool {
    let address = record.addresses[record.attempts % record.addresses.count]
    if let numeric = address.socketAddress { return connect(record.id, address, numeric, loop) }
    let underWay = known.rows.count { if case .resolving = $0.state { true } else { false } }
    guard underWay < Limits.lookups else { return false }
    lastLookup += 1
    let (host, family): (String, HostFamily) =
      switch address.host {
      case .dns(let name): (name, .any)
      case .dns4(let name): (name, .ipv4)
      case .dns6(let name): (name, .ipv6)
      case .ip4, .ip6: ("", .any)
      }
    lookups.append(Lookup(token: lastLookup, host: host, family: family))
    known.update(record.id) { $0.state = .resolving(lastLookup) }
    return true
  }

  private func connect(_ peer: PeerID, _ address: Multiaddr, _ target: SocketAddress, _ loop: Loop) -> Bool {
    guard let connection = loop.connect(target) else { return false }
    let link = Link(
      connection, .outbound, address: target, dialled: (peer, address), phase: .connecting,
      deadline: loop.now.adding(milliseconds: options.connectionTimeoutMilliseconds), tls: clientContext.map { TLSSession($0, pinned: peer.key.bytes) }, caps: caps,
      options: options, now: loop.now)
    insert(link, loop)
    known.update(peer) { record in
      record.state = .dialling(connection)
      record.attempts += 1
    }
    return true
  }

  /// The answer to a look-up; no addresses: the name is unknown or the resolver failed.
  public func resolved(_ token: UInt64, _ addresses: [SocketAddress], _ loop: Loop) {
    guard let record = known.rows.first(where: { $0.state == .resolving(token) }) else { return }
    known.update(record.id) { $0.state = .idle }
    let address = record.addresses[record.attempts % max(1, record.addresses.count)]
    guard !addresses.isEmpty else {
      known.update(record.id) { $0.attempts += 1 }
      return backOff(record.id, .dns, loop)
    }
    guard !removed.contains(record.id), peerSlots[record.id] == nil else { return }
    let target =
      switch addresses[record.attempts / max(1, record.addresses.count) % addresses.count] {
      case .ipv4(let number, _): SocketAddress.ipv4(number, port: address.port)
      case .ipv6(let high, let low, _): SocketAddress.ipv6(high, low, port: address.port)
      case .unix(let path): SocketAddress.unix(path: path)
      }
    _ = connect(record.id, address, target, loop)
  }

  /// A dial that did not even reach the handshake.
  func dialFailed(_ link: Link, _ failure: DialFailure, _ loop: Loop) {
    link.phase = .closing
    guard let peer = link.dialled?.peer, known[peer]?.state == .dialling(link.connection) else { return }
    known.update(peer) { $0.state = .idle }
    backOff(peer, failure, loop)
  }

  /// The next dial waits: 1 s doubling to 60 s, of which half is chance; a peer of another chain up to five minutes.
  func backOff(_ peer: PeerID, _ failure: DialFailure?, _ loop: Loop) {
    let most = failure == .chainMismatch ? Limits.foreignChainDelayMillisecondsMax : Limits.dialDelayMillisecondsMax
    known.update(peer) { record in
      let doubled = Limits.dialDelayMilliseconds << UInt64(min(record.failures, 10))
      let delay = failure == .chainMismatch ? min(most, doubled * 30) : min(most, doubled)
      record.failures += 1
      if let failure { record.lastFailure = failure }
      record.nextDial = loop.now.adding(milliseconds: delay / 2 + UInt64.random(in: 0...delay / 2, using: &random))
    }
  }

  // MARK: Peer exchange

  /// Asks a connected peer for addresses while this node wants more peers.
  func exchange(_ loop: Loop) {
    guard options.isExchangingAddresses, loop.now >= nextExchange else { return }
    nextExchange = loop.now.adding(milliseconds: Limits.exchangeMilliseconds)
    let up = slots.compactMap { links[$0] }.filter { $0.phase == .up && !$0.isAskingForAddresses }
    guard count < options.peersMin, let link = up.randomElement(using: &random) else { return }
    askForAddresses(link, loop)
  }

  func askForAddresses(_ link: Link, _ loop: Loop) {
    link.isAskingForAddresses = true
    queue(link, .addresses, Addresses.request.encoded(), loop)
  }

  func take(_ link: Link, _ message: Addresses, _ loop: Loop) {
    statistics.received.messages[PeeringStatistics.typeIndex[Int(MessageType.addresses.rawValue)]] += 1
    guard link.allowances[Lane.exchange.index].take(now: loop.now) else {
      statistics.droppedRate += 1
      return lower(link, by: 1, "flooding", loop)
    }
    guard options.isExchangingAddresses else { return }
    if message.isRequest { return queueAddresses(link, loop) }
    guard link.isAskingForAddresses else { return lower(link, by: 10, "addresses that nobody asked for", loop) }
    link.isAskingForAddresses = false
    for text in message.addresses {
      guard let address = try? Multiaddr(parsing: text), let peer = address.peer, peer != id, !removed.contains(peer) else { continue }
      // What a peer says about another never replaces what that one said or an operator knows.
      if known[peer] == nil, known.insert(peer, .heard) { known.update(peer) { $0.hear(address) } }
    }
  }

  /// Answers with peers that were connected once, chosen by chance.
  private func queueAddresses(_ link: Link, _ loop: Loop) {
    let now = wall(loop.now)
    var candidates = known.rows.filter { $0.id != link.peer && $0.lastSeen > 0 && !$0.addresses.isEmpty && !$0.isBanned(now) }
    candidates.shuffle(using: &random)
    let texts = candidates.prefix(WireLimit.exchangedAddresses).map { $0.addresses[0].description }
    queue(link, .addresses, Addresses.answer(Array(texts)).encoded(), loop)
  }
}
