import Ambient
import Bytes
public import PeerWire
public import Reactor
import TLS

// Messages: out through the lanes of each link, in from the sessions to the events of the driver.
extension Network {
  // MARK: Out

  /// Queues a message for one peer; it leaves at the end of the tick, after more urgent ones. False when the link is gone or its queue is full.
  /// Traps on a type of the connection itself. A payload above the cap of its type ends the link.
  @discardableResult public func send(_ type: MessageType, _ payload: [UInt8], to number: LinkID, _ loop: Loop) -> Bool {
    precondition(!type.isInternal, "types below 16 are the connection's own")
    guard let link = link(number), link.phase == .up else { return false }
    return queue(link, type, payload, loop)
  }

  /// Queues one message for all peers; the payload is shared, not copied.
  public func sendAll(_ type: MessageType, _ payload: [UInt8], except: LinkID? = nil, _ loop: Loop) {
    precondition(!type.isInternal, "types below 16 are the connection's own")
    for slot in slots {
      guard let link = links[slot], link.phase == .up, link.number != except else { continue }
      queue(link, type, payload, loop)
    }
  }

  /// Bytes that wait in a lane for all peers together.
  public func queuedBytes(_ lane: Lane) -> Int { slots.reduce(0) { $0 + (links[$1]?.outbox.queuedBytes(lane) ?? 0) } }

  /// Bytes that wait for one peer in a lane; 0 when it is gone.
  public func queuedBytes(_ lane: Lane, for number: LinkID) -> Int { link(number)?.outbox.queuedBytes(lane) ?? 0 }

  /// The links that are up and on which few events wait: what they are given now leaves soon, and nothing is dropped for it.
  public var linksWithRoomForEvents: [LinkID] {
    slots.compactMap { slot in
      guard let link = links[slot], link.phase == .up, let number = link.number else { return nil }
      let isShort = link.outbox.queuedMessages(.events) < options.messageBufferSize && link.outbox.queuedBytes(.events) < Limits.queuedEventByteCount
      return isShort ? number : nil
    }
  }

  @discardableResult func queue(_ link: Link, _ type: MessageType, _ payload: [UInt8], _ loop: Loop) -> Bool {
    switch link.outbox.queue(type, payload) {
    case .queued: break
    case .dropped(let count): statistics.droppedFull += UInt64(count)
    case .refused:
      statistics.droppedFull += 1
      return false
    case .tooLong(let max):
      if let number = link.number { events.append(.tooLong(number, type, byteCount: payload.count, max: max)) }
      part(link, .other, "a message for this peer is too long", loop)
      return false
    case .overflow:
      statistics.droppedFull += 1
      leave(link, .other, "the peer reads too slowly", loop)
      loop.abort(link.connection)
      return false
    }
    statistics.sent.messages[PeeringStatistics.typeIndex[Int(type.rawValue)]] += 1
    if !link.isDirty {
      link.isDirty = true
      dirty.append(link.connection.slot)
    }
    return true
  }

  /// Moves output to the loop while little waits there: what waits here can still be overtaken.
  func pump(_ link: Link, _ loop: Loop) {
    guard link.phase != .closing else { return }
    while loop.outputBytes(link.connection) <= loop.limits.outputBytesLow {
      guard sendFlight(link, loop) else { return }
    }
  }

  /// Moves all output to the loop.
  func drain(_ link: Link, _ loop: Loop) { while sendFlight(link, loop) {} }

  /// One record's worth; false when nothing waits or the connection takes no more.
  private func sendFlight(_ link: Link, _ loop: Loop) -> Bool {
    var text: [UInt8] = []
    swap(&text, &flight)
    defer {
      text.removeAll(keepingCapacity: true)
      swap(&text, &flight)
    }
    guard link.outbox.fill(&text) else { return false }
    guard let tls = link.tls else { return loop.send(link.connection, text.bytes) }
    return tls.send(text.bytes, wire: &wire) && sendWire(link, loop)
  }

  /// Hands the collected bytes of TLS to the loop. False when the connection takes no more.
  @discardableResult func sendWire(_ link: Link, _ loop: Loop) -> Bool {
    guard !wire.isEmpty else { return true }
    var bytes: [UInt8] = []
    swap(&bytes, &wire)
    let isTaken = loop.send(link.connection, bytes.bytes)
    bytes.removeAll(keepingCapacity: true)
    swap(&bytes, &wire)
    return isTaken
  }

  // MARK: In

  /// Reads plaintext of a link.
  func read(_ link: Link, _ bytes: RawSpan, _ loop: Loop) {
    var offset = 0
    while link.phase != .closing {
      switch link.session.advance(bytes, &offset) {
      case .needMore:
        if link.session.reader.heldByteCount >= Limits.unfinishedByteCountMin { boundUnfinished(Limits.unfinishedByteCount, loop) }
        return
      case .hello(let hello):
        count(.hello)
        greeted(link, hello, loop)
      case .incompatible(let preamble):
        count(.hello)
        incompatible(link, preamble, loop)
      case .goodbye(let goodbye):
        count(.goodbye)
        leave(link, goodbye.reason, goodbye.text, loop)
        close(link, loop)
      case .ping(let ping): answer(link, ping, loop)
      case .pong(let pong): note(link, pong, loop)
      case .addresses(let addresses): take(link, addresses, loop)
      case .message(let type, let payload): take(link, type, payload, loop)
      case .violation(let violation):
        statistics.droppedInvalid += 1
        if link.phase == .up { ban(link, "\(violation)", loop) } else { lose(link, .misbehaviour, "\(violation)", loop) }
      }
    }
  }

  /// Disconnects peers until the unfinished messages of the others have at most `max` bytes together. An honest peer has one or two under way that this node
  /// has asked for, or the block that it proposes.
  func boundUnfinished(_ max: Int, _ loop: Loop) {
    var holders: [(link: Link, byteCount: Int)] = []
    for slot in slots {
      guard let link = links[slot], link.phase != .closing else { continue }
      holders.append((link, link.session.reader.heldByteCount))
    }
    var total = holders.reduce(0) { $0 + $1.byteCount }
    guard total > max else { return }
    // Among strangers and among validators, whoever holds the most goes first.
    holders.sort { a, b in
      let (isValidatorA, isValidatorB) = (power(of: a.link.validator) > 0, power(of: b.link.validator) > 0)
      return isValidatorA != isValidatorB ? !isValidatorA : a.byteCount > b.byteCount
    }
    for (link, byteCount) in holders where total > max && byteCount > 0 {
      total -= byteCount
      link.session.forget()
      part(link, .other, "too much of unfinished messages is held", loop)
    }
  }

  private func count(_ type: MessageType) { statistics.received.messages[PeeringStatistics.typeIndex[Int(type.rawValue)]] += 1 }

  /// Counts a message and takes it from the peer's allowance; false when it came too fast.
  private func isAllowed(_ link: Link, _ type: MessageType, _ now: Instant) -> Bool {
    count(type)
    guard let lane = type.lane, link.allowances[lane.index].take(now: now) else {
      statistics.droppedRate += 1
      return false
    }
    return true
  }

  private func take(_ link: Link, _ type: MessageType, _ payload: [UInt8], _ loop: Loop) {
    guard let number = link.number else { return }
    guard isAllowed(link, type, loop.now) else {
      // Events may come faster than they are taken; everything else has a rate that no honest peer reaches.
      if type.lane != .events { lower(link, by: 1, "flooding", loop) }
      return
    }
    events.append(.received(number, type, payload))
  }

  // MARK: Signs of life

  func ping(_ link: Link, _ loop: Loop) {
    // Half the interval of jitter keeps peers of one start from pinging in step.
    let interval = options.keepAliveMilliseconds
    link.nextPing = loop.now.adding(milliseconds: interval - UInt64.random(in: 0...interval / 4, using: &random))
    let ping = Ping(nonce: random.next(), wallMilliseconds: wall(loop.now), headHeight: head.height)
    link.pingUnderWay = (ping.nonce, loop.now, ping.wallMilliseconds)
    queue(link, .ping, ping.encoded(), loop)
  }

  private func answer(_ link: Link, _ ping: Ping, _ loop: Loop) {
    guard isAllowed(link, .ping, loop.now) else { return }
    link.headHeight = max(link.headHeight, ping.headHeight)
    queue(link, .pong, Ping(nonce: ping.nonce, wallMilliseconds: wall(loop.now), headHeight: head.height).encoded(), loop)
  }

  private func note(_ link: Link, _ pong: Ping, _ loop: Loop) {
    guard isAllowed(link, .pong, loop.now), let ping = link.pingUnderWay, ping.nonce == pong.nonce else { return }
    link.pingUnderWay = nil
    link.headHeight = max(link.headHeight, pong.headHeight)
    let milliseconds = Double(loop.now.nanoseconds(since: ping.sent)) / 1_000_000
    link.roundTripMilliseconds = milliseconds
    statistics.noteRoundTrip(milliseconds: milliseconds)
    // The peer answered half a round trip after the ping left, as far as one can know.
    link.skewMilliseconds = Int64(pong.wallMilliseconds) - Int64(ping.wall) - Int64(milliseconds / 2)
  }

  /// How far the clocks of the peers are ahead of this one, in milliseconds: the median. Nil without peers.
  public var medianSkewMilliseconds: Int64? {
    let skews = slots.compactMap { links[$0] }.filter { $0.phase == .up }.compactMap(\.skewMilliseconds).sorted()
    return skews.isEmpty ? nil : skews[skews.count / 2]
  }
}
