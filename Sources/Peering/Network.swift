public import Ambient
import Bytes
public import Ed25519
import PeerWire
public import Reactor
import TLS

/// The connections of one node. See the header of this target.
public final class Network {
  public private(set) var options: PeeringOptions
  public let id: PeerID
  let chain: ChainIdentity
  let caps: WireCaps
  var validatorKey: SigningKey?
  let clientContext: TLSContext?
  let serverContext: TLSContext?

  /// For the driver, which takes them after each callback.
  public var events: [PeeringEvent] = []
  /// Host names to resolve; each is answered by `resolved`.
  public var lookups: [Lookup] = []
  public internal(set) var statistics = PeeringStatistics()

  /// By slot of the reactor.
  var links: [Link?]
  /// Slots in use, in the order of their connections.
  var slots: [Int] = []
  /// Only for look-ups: their order is never used.
  var linkSlots: [LinkID: Int] = [:]
  var peerSlots: [PeerID: Int] = [:]
  var lastLink: UInt64 = 0
  var dirty: [Int] = []
  var waitingForTurn: [Int] = []
  var stepsLeft = Limits.handshakeStepsPerTick

  var known = PeerTable()
  /// Peers that an operator removed: not dialled again by this process.
  var removed: Set<PeerID> = []
  var isBookChanged = false
  var bookSaved = Instant.zero
  var nextExchange = Instant.zero
  var nextScore: Instant
  var lastLookup: UInt64 = 0
  var addressRates: [AddressKey: Allowance] = [:]
  var rejections: [Rejection] = []
  var random: SeededGenerator

  /// Wall clock, Unix milliseconds, at an instant of the loop.
  var wallAtSweep: UInt64
  var sweptAt: Instant

  var head = HeadFacts()
  /// The current set, sorted by key.
  var validators: [ValidatorPower] = []

  // Reused by every call, and empty between calls.
  var plaintext: [UInt8] = []
  var wire: [UInt8] = []
  var flight: [UInt8] = []

  /// - Parameters:
  ///   - key: the node key.
  ///   - validatorKey: proven to every peer, whether or not it is in the current set.
  ///   - connections: slots of the reactor.
  ///   - wall: Unix milliseconds at `now`.
  ///   - seed: chance for jitter, nonces and samples; unpredictable in production.
  /// - Throws: `TLSError` when OpenSSL refuses the key.
  public init(
    options: PeeringOptions, key: SigningKey, validatorKey: SigningKey?, chain: ChainIdentity, book: PeerBook, connections: Int, seed: UInt64, wall: UInt64,
    now: Instant
  ) throws {
    self.options = options
    self.chain = chain
    self.validatorKey = validatorKey
    id = PeerID(key.publicKey)
    caps = WireCaps(blockByteCount: chain.blockByteCount)
    links = Array(repeating: nil, count: connections)
    random = SeededGenerator(seed: seed)
    (wallAtSweep, sweptAt) = (wall, now)
    nextScore = now
    nextExchange = now
    if options.isTLSEnabled {
      let credential = try TLSCredential.selfSigned(keyPEM: key.pem())
      clientContext = try TLSContext(.node(.client, credential))
      serverContext = try TLSContext(.node(.server, credential))
    } else {
      clientContext = nil
      serverContext = nil
    }
    remember(book)
  }

  private func rememberBootNodes() {
    for address in options.bootNodes {
      guard let peer = address.peer, peer != id, known.insert(peer, .boot) else { continue }
      known.update(peer) { $0.hear(address) }
    }
  }

  private func remember(_ book: PeerBook) {
    rememberBootNodes()
    for entry in book.entries where entry.peer != id {
      guard known.insert(entry.peer, entry.isManual ? .manual : .heard) else { continue }
      known.update(entry.peer) { record in
        for address in entry.addresses.reversed() { record.hear(address) }
        record.validator = entry.validator
        record.lastSeen = entry.lastSeen
        record.bannedUntil = entry.bannedUntil
        record.bans = Int(entry.bans)
      }
    }
  }

  /// Takes over what a running network can: limits, times and boot nodes. Links that are up keep the limits of rates that they were given. A boot node that is
  /// named no more loses its privilege, and its link stays.
  public func reconfigure(_ newer: PeeringOptions) {
    let fixed = options
    options = newer
    (options.messageBufferSize, options.isTLSEnabled, options.externalAddress) = (fixed.messageBufferSize, fixed.isTLSEnabled, fixed.externalAddress)
    (options.listenPort, options.version, options.protocols) = (fixed.listenPort, fixed.version, fixed.protocols)
    for address in fixed.bootNodes where !newer.bootNodes.contains(where: { $0.peer == address.peer }) {
      if let peer = address.peer { known.update(peer) { $0.origin.remove(.boot) } }
    }
    rememberBootNodes()
  }

  // MARK: Facts from the driver

  /// What Hello and Ping say about this node's chain from now on.
  public func setHead(_ head: HeadFacts) { self.head = head }

  /// The validator set that votes now. Its members are dialled for ever and admitted above `peersMax`.
  public func setValidators(_ validators: [ValidatorPower]) { self.validators = validators.sorted { $0.key < $1.key } }

  /// Proves another validator key from now on. A peer hears of a key in the handshake alone, so every link is opened anew, at once.
  public func setValidatorKey(_ key: SigningKey?, _ loop: Loop) {
    guard key?.publicKey != validatorKey?.publicKey else { return }
    validatorKey = key
    for slot in slots {
      guard let link = links[slot], link.phase == .up || link.hasSentHello && link.phase != .closing else { continue }
      part(link, .requested, "another validator key", loop)
      guard let peer = link.peer else { continue }
      known.update(peer) { record in
        record.failures = 0
        record.nextDial = loop.now
      }
    }
    dial(loop)
  }

  /// A message of the peer showed its height.
  public func noteHead(_ number: LinkID, height: UInt64) {
    guard let link = link(number) else { return }
    link.headHeight = max(link.headHeight, height)
  }

  func power(of key: PublicKey?) -> UInt64 { key.flatMap { key in validators.first { $0.key == key }?.power } ?? 0 }
  var quorumPower: UInt64 { 2 * validators.reduce(0) { $0 + $1.power } / 3 + 1 }

  /// Power of the validators that are connected, this node included, each key once; without one peer when that is given.
  func connectedPower(without peer: PeerID? = nil) -> UInt64 {
    var keys: [PublicKey] = []
    if let own = validatorKey?.publicKey { keys.append(own) }
    for slot in slots {
      guard let link = links[slot], link.phase == .up, link.peer != peer, let key = link.validator, !keys.contains(key) else { continue }
      keys.append(key)
    }
    return keys.reduce(0) { $0 + power(of: $1) }
  }

  func wall(_ now: Instant) -> UInt64 { wallAtSweep + now.milliseconds(since: sweptAt) }

  // MARK: Look-ups

  func link(_ connection: ConnectionID) -> Link? {
    guard let link = links[connection.slot], link.connection == connection else { return nil }
    return link
  }

  func link(_ number: LinkID) -> Link? { linkSlots[number].flatMap { links[$0] } }

  /// True for connections that this object dialled or was handed by `accepted`, until `closed`.
  public func owns(_ connection: ConnectionID) -> Bool { link(connection) != nil }

  /// Links that are up.
  public var count: Int { linkSlots.count }

  // MARK: Sockets

  /// A connection arrived on the listener of the network.
  public func accepted(_ connection: ConnectionID, _ loop: Loop) {
    let address = loop.peer(of: connection)
    let underWay = slots.reduce(0) { count, slot in count + (links[slot].map { $0.direction == .inbound && $0.phase != .up && $0.phase != .closing } ?? false ? 1 : 0) }
    guard underWay < Limits.inboundHandshakes, hasRate(address, loop.now) else {
      statistics.refusedHandshakes += 1
      return loop.abort(connection)
    }
    let link = Link(
      connection, .inbound, address: address, dialled: nil, phase: serverContext == nil ? .greeting : .securing,
      deadline: loop.now.adding(milliseconds: options.handshakeTimeoutMilliseconds), tls: serverContext.map { TLSSession($0) }, caps: caps, options: options,
      now: loop.now)
    insert(link, loop)
  }

  func insert(_ link: Link, _ loop: Loop) {
    links[link.connection.slot] = link
    slots.append(link.connection.slot)
    loop.limitUnsent(link.connection, Limits.unsentByteCount)
  }

  private func hasRate(_ address: SocketAddress?, _ now: Instant) -> Bool {
    guard let key = AddressKey(address) else { return true }
    if addressRates[key] == nil {
      // Forgetting all of them is cheap and happens only when more addresses knock than are remembered.
      if addressRates.count >= Limits.addressesRemembered { addressRates.removeAll(keepingCapacity: true) }
      addressRates[key] = Allowance(perSecond: Limits.handshakesPerSecond, burst: Limits.handshakeBurst, now: now)
    }
    return addressRates[key]!.take(now: now)
  }

  /// A dial reached the other end.
  public func connected(_ connection: ConnectionID, _ loop: Loop) {
    guard let link = link(connection), link.phase == .connecting else { return }
    link.deadline = loop.now.adding(milliseconds: options.handshakeTimeoutMilliseconds)
    link.lastReceived = loop.now
    loop.limitUnsent(connection, Limits.unsentByteCount)
    guard let tls = link.tls else {
      link.phase = .greeting
      link.peer = link.dialled?.peer
      return sendHello(link, loop)
    }
    link.phase = .securing
    tls.start(wire: &wire)
    sendWire(link, loop)
  }

  /// Unread bytes of a connection; returns how many were consumed.
  public func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    guard let link = link(connection), link.phase != .closing else { return bytes.byteCount }
    link.lastReceived = loop.now
    guard let tls = link.tls else {
      read(link, bytes, loop)
      return bytes.byteCount
    }
    if link.phase == .securing {
      guard stepsLeft > 0 else {
        if !link.isWaitingForTurn { waitingForTurn.append(connection.slot) }
        link.isWaitingForTurn = true
        loop.pauseInput(connection)
        return 0
      }
      stepsLeft -= 1
    }
    var text: [UInt8] = []
    swap(&text, &plaintext)
    tls.receive(bytes, plaintext: &text, wire: &wire)
    sendWire(link, loop)
    if link.phase == .securing && tls.peerKey != nil && (tls.state == .open || tls.state == .ended) { secured(link, tls, loop) }
    // What came before a failure or the end was authentic.
    if !text.isEmpty && link.phase != .closing { read(link, text.bytes, loop) }
    text.removeAll(keepingCapacity: true)
    swap(&text, &plaintext)
    guard link.phase != .closing else { return bytes.byteCount }
    switch tls.state {
    case .handshaking, .open: break
    case .ended: lose(link, .other, "the peer closed the connection", loop)
    case .failed(let failure): failed(link, failure, loop)
    }
    return bytes.byteCount
  }

  /// The peer sends no more.
  public func inputEnded(_ connection: ConnectionID, _ loop: Loop) {
    guard let link = link(connection), link.phase != .closing else { return loop.close(connection) }
    lose(link, .other, "the peer closed the connection", loop)
  }

  /// Output has room again.
  public func sendDrained(_ connection: ConnectionID, _ loop: Loop) {
    guard let link = link(connection) else { return }
    pump(link, loop)
  }

  /// The connection is gone.
  public func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) {
    guard let link = link(connection) else { return }
    if link.phase != .closing {
      switch reason {
      case .connectFailed(let number):
        dialFailed(link, number == Errno.connectionRefused ? .refused : number == Errno.timedOut ? .timeout : .unreachable, loop)
      case .slowReader, .outputExhausted: leave(link, .other, "the peer reads too slowly", loop)
      case .timedOut: leave(link, .timeout, "", loop)
      case .stopped: leave(link, .shutdown, "", loop)
      case .finished, .aborted, .failed, .inputLimit: leave(link, .other, "the connection was lost", loop)
      }
    }
    harvest(link)
    links[connection.slot] = nil
    slots.removeAll { $0 == connection.slot }
  }

  private enum Errno {
    static let connectionRefused: Int32 = 111
    static let timedOut: Int32 = 110
  }

  // MARK: Time

  /// The end of a tick: call it after everything else that sends. Gives handshakes their turn and hands queued output to the loop.
  public func ticked(_ loop: Loop) {
    stepsLeft = Limits.handshakeStepsPerTick
    var turns = 0
    while turns < Limits.handshakeStepsPerTick && !waitingForTurn.isEmpty {
      guard let link = links[waitingForTurn.removeFirst()], link.isWaitingForTurn else { continue }
      link.isWaitingForTurn = false
      loop.resumeInput(link.connection)
      turns += 1
    }
    for slot in dirty {
      guard let link = links[slot], link.isDirty else { continue }
      link.isDirty = false
      pump(link, loop)
    }
    dirty.removeAll(keepingCapacity: true)
  }

  /// Deadlines, pings, dials. Call it every `PeeringLimit.sweepMilliseconds`.
  /// - Parameter wall: Unix milliseconds now.
  public func sweep(wall: UInt64, _ loop: Loop) {
    (wallAtSweep, sweptAt) = (wall, loop.now)
    for slot in slots {
      guard let link = links[slot] else { continue }
      sweep(link, loop)
      harvest(link)
    }
    if loop.now >= nextScore {
      nextScore = loop.now.adding(milliseconds: Limits.scoreEarnedMilliseconds)
      for slot in slots {
        guard let link = links[slot], link.phase == .up, let peer = link.peer else { continue }
        known.update(peer) { $0.score = min(Limits.scoreMax, $0.score + 1) }
      }
    }
    rejections.removeAll { $0.time + Limits.rejectionMilliseconds <= wall }
    dial(loop)
    exchange(loop)
  }

  private func sweep(_ link: Link, _ loop: Loop) {
    switch link.phase {
    case .connecting:
      guard loop.now >= link.deadline else { return }
      dialFailed(link, .timeout, loop)
      loop.abort(link.connection)
    case .securing, .greeting:
      guard loop.now >= link.deadline else { return }
      lose(link, .timeout, "no handshake in time", loop)
    case .up:
      if loop.now.milliseconds(since: link.lastReceived) >= options.idleTimeoutMilliseconds {
        part(link, .timeout, "silent for \(options.idleTimeoutMilliseconds / 1000) s", loop)
      } else if loop.now >= link.nextPing {
        ping(link, loop)
      }
    case .closing: break
    }
  }

  /// Takes over what a connection moved since the last time.
  func harvest(_ link: Link) {
    for lane in Lane.allCases.indices {
      let (received, sent) = (link.session.reader.receivedBytes[lane], link.outbox.sentBytes[lane])
      statistics.received.bytes[lane] += received - link.countedReceived[lane]
      statistics.sent.bytes[lane] += sent - link.countedSent[lane]
      (link.countedReceived[lane], link.countedSent[lane]) = (received, sent)
    }
  }

  /// Says goodbye to everybody; nothing is dialled or accepted any more once the driver stops calling `sweep`.
  public func shutDown(_ loop: Loop) {
    for slot in slots {
      guard let link = links[slot], link.phase != .closing else { continue }
      if link.phase == .up || link.phase == .greeting { part(link, .shutdown, "", loop) } else { loop.abort(link.connection) }
    }
  }
}

/// An address without its port, for limits; Unix-domain sockets have none.
struct AddressKey: Hashable {
  let high: UInt64
  let low: UInt64

  init?(_ address: SocketAddress?) {
    switch address {
    case .ipv4(let number, _): (high, low) = (0, 0xFFFF_0000_0000 | UInt64(number))
    case .ipv6(let high, let low, _): (self.high, self.low) = (high, low)
    case .unix, nil: return nil
    }
  }
}
