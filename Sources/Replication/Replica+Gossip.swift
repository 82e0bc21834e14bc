public import Ambient
import Audit
import Bytes
public import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Verification

/// Records that a peer has gossiped, on their way through verification.
struct GossipedRecords: Sendable {
  let bytes: [UInt8]
  /// Names the message while helpers have records of it.
  let serial: UInt64
  /// What has been taken out so far.
  var offset = 0
  let peer: PeerLink
  /// Nothing more can be taken out.
  var isRead = false
  /// Records that helpers have.
  var outstanding = 0
  var isDone: Bool { isRead && outstanding == 0 }
  /// What was not taken out, or all of it while helpers have some.
  var unread: [UInt8] { outstanding > 0 ? bytes : Array(bytes[offset...]) }
}

extension PeerLink {
  /// Stands for the file of a clean stop. No link has this number.
  static let saved = PeerLink(.max)
}

/// A record of a message, on its way through verification.
struct GossipedRecord: Sendable {
  /// Position of the message in the backlog.
  var message: Int
  var range: Range<Int>
  var id: EventID
  var statement: Statement
}

/// Events that were admitted somewhere travel once to every validator: their origin sends them to all it is connected to, and a validator that has one from
/// a node that is none passes it on. A peer is sent what it has room for: it says how much it has taken in, and what it has not been sent stays in the relay
/// log for it. What still gets lost is offered again, oldest first, while it is pending.
extension Replica {
  // MARK: In

  func gossiped(_ records: [UInt8], _ peer: Int) {
    peers[peer].received += UInt64(records.count)
    // A peer that counts as this node does is never above this.
    guard peers[peer].received - peers[peer].processed <= UInt64(ReplicationLimit.gossipWindowBytes + ReplicationLimit.gossipBytesMax) else {
      peers[peer].processed += UInt64(records.count)
      return
    }
    gossipSerial += 1
    backlog.append(GossipedRecords(bytes: records, serial: gossipSerial, peer: peers[peer].link))
  }

  /// Takes in what the last clean stop saved, as if a peer had sent it: with every check of gossip, a few in each turn, by helpers where there are some, and as far as
  /// the pool has room. Where the records end in damage, the rest is left out.
  public func restore(_ records: [UInt8]) {
    guard !records.isEmpty else { return }
    gossipSerial += 1
    backlog.append(GossipedRecords(bytes: records, serial: gossipSerial, peer: .saved))
  }

  /// What of it is not in the pool yet, for the next stop. Some may be in the pool, too; a record twice is harmless.
  public var unrestored: [UInt8] { backlog.first { $0.peer == .saved }?.unread ?? [] }

  /// Gossip waits while it would take room from the clients of this node.
  var takesGossip: Bool {
    2 * (pool.load.events + gossipUnderWay.events) < pool.limits.eventsMax && 2 * (pool.load.bytes + gossipUnderWay.bytes) < pool.limits.bytesMax
  }

  /// Verifies what is waiting, up to the budget of a turn, and admits what is valid. Helpers, where there are some, are given what is beyond one batch. Peers in
  /// quarantine let others pass once the turn has had its share of theirs.
  /// - Parameter isNeeded: a proposal names events that may be among it: all of it is taken in, room or not, but for what peers in quarantine sent.
  func admitGossip(isNeeded: Bool = false, _ now: Times, _ effects: inout [ReplicaEffect]) {
    var budget = isNeeded ? Int.max : ReplicationLimit.signaturesPerTurn
    var alone = Verification.Limits.aloneCountMax
    // What was saved is of no hurry: whoever proposes it sends it along.
    func isWanted(_ message: GossipedRecords) -> Bool { !message.isRead && !(isNeeded && message.peer == .saved) }
    while budget > 0, isNeeded || takesGossip, backlog.contains(where: isWanted) {
      let items = gather(&alone, now, &effects, isWanted)
      settle(items, now, &effects)
      let isStuck = !dropDone(&effects) && items.isEmpty
      budget -= max(1, items.count)
      if !isNeeded, helpers != nil {
        offerGossip(now, &effects)
        break
      }
      // What is left then belongs to peers in quarantine.
      if isStuck { break }
    }
  }

  /// Fills the verification queue from the messages in order of arrival.
  private func gather(_ alone: inout Int, _ now: Times, _ effects: inout [ReplicaEffect], _ isWanted: (GossipedRecords) -> Bool) -> [GossipedRecord] {
    var items: [GossipedRecord] = []
    for message in backlog.indices where isWanted(backlog[message]) {
      let isQuarantined = verification.isQuarantined(backlog[message].peer.rawValue, at: now.monotonic.nanoseconds)
      while !verification.isFull, !isQuarantined || alone > 0 {
        guard let item = nextGossip(message, now, &effects) else { break }
        enqueue(item, &items, now)
        if isQuarantined { alone -= 1 }
      }
      if verification.isFull { break }
    }
    return items
  }

  /// Forgets the messages that are done with, and says so to their senders. False when there are none.
  func dropDone(_ effects: inout [ReplicaEffect]) -> Bool {
    let before = backlog.count
    for done in backlog where done.isDone { processed(done, &effects) }
    backlog.removeAll(where: \.isDone)
    return backlog.count < before
  }

  /// A message of gossip is done with; its sender hears of it once a good part of what it may have under way is.
  private func processed(_ message: GossipedRecords, _ effects: inout [ReplicaEffect]) {
    guard let index = peers.firstIndex(where: { $0.link == message.peer }) else { return }
    peers[index].processed += UInt64(message.bytes.count)
    guard peers[index].processed - peers[index].reported >= UInt64(ReplicationLimit.gossipWindowBytes / 4) else { return }
    peers[index].reported = peers[index].processed
    effects.append(.send(.eventsTaken(peers[index].processed), to: .peer(message.peer)))
  }

  private func enqueue(_ item: GossipedRecord, _ items: inout [GossipedRecord], _ now: Times) {
    let bytes = backlog[item.message].bytes
    let entry = bytes.bytes.extracting(item.range)
    let isTaken = verification.enqueue(
      Signature(entry, at: Statement.byteCount), over: entry.extracting(0..<Statement.byteCount), by: item.statement.signer, token: UInt64(items.count),
      source: backlog[item.message].peer.rawValue, now: now.monotonic.nanoseconds)
    precondition(isTaken, "the queue was not full")
    items.append(item)
  }

  /// The next record of a message that is worth a verification; nil at its end, or where it cannot be read.
  func nextGossip(_ message: Int, _ now: Times, _ effects: inout [ReplicaEffect]) -> GossipedRecord? {
    while backlog[message].offset < backlog[message].bytes.count {
      let offset = backlog[message].offset
      let bytes = backlog[message].bytes
      guard let record = try? Record(parsing: bytes.bytes, at: offset) else {
        if backlog[message].peer != .saved { effects.append(.penalise(backlog[message].peer, .malformed)) }
        break
      }
      backlog[message].offset = offset + record.byteCount
      guard isAdmissible(record, now.wall), pool.lookup(record.id) == nil, !isDecided(record.id, timestamp: record.entry.statement.timestamp),
        !tree.nodes.contains(where: { $0.candidate.contains(record.id) })
      else { continue }
      return GossipedRecord(message: message, range: offset..<offset + record.byteCount, id: record.id, statement: record.entry.statement)
    }
    backlog[message].isRead = true
    return nil
  }

  private func settle(_ items: [GossipedRecord], _ now: Times, _ effects: inout [ReplicaEffect]) {
    var verdicts: [Verification.Verdict] = []
    verification.verify(now: now.monotonic.nanoseconds, into: &verdicts)
    var offenders: [PeerLink] = []
    for verdict in verdicts {
      let item = items[Int(verdict.token)]
      if verdict.isValid { admit(item, now) } else { blame(backlog[item.message].peer, &offenders, &effects) }
    }
  }

  /// Whoever passes a record on has verified it. Once for each turn, however many are bad.
  func blame(_ peer: PeerLink, _ offenders: inout [PeerLink], _ effects: inout [ReplicaEffect]) {
    guard !offenders.contains(peer), peer != .saved else { return }
    offenders.append(peer)
    effects.append(.penalise(peer, .badSignature))
  }

  /// A record whose signature is good.
  func admit(_ item: GossipedRecord, _ now: Times) {
    let peer = backlog[item.message].peer
    let bytes = backlog[item.message].bytes
    // What one node admits another may find invalid, when their heads differ: that is nobody's fault.
    if item.statement.contentType.isGovernance {
      guard let record = try? Record(parsing: bytes.bytes, at: item.range.lowerBound),
        chain.violation(of: record, in: bytes.bytes, at: item.range.lowerBound) == nil
      else { return }
    }
    if sequenceHolder(item.statement) != nil { return }
    let admission = pool.admit(bytes.bytes.extracting(item.range), id: item.id, statement: item.statement, reactor: 0, now: now.monotonic)
    guard case .accepted(let event) = admission, peers.first(where: { $0.link == peer })?.validator != nil else { return }
    unrelayed.insert(event)
  }

  /// The chain's rules for an event that do not need its signature, as far as they can be told before its block.
  private func isAdmissible(_ record: Record, _ wall: Timestamp) -> Bool {
    let statement = record.entry.statement
    guard statement.chainTag == chain.chainTag, statement.contentType.isAssigned else { return false }
    guard !record.hasBody || statement.bodyLength <= chain.parameters.bodyBytesMax else { return false }
    let time = statement.timestamp.rawValue
    guard time + chain.parameters.pastWindow >= wall.rawValue, time <= wall.rawValue + chain.parameters.futureWindow else { return false }
    let isValidator = chain.validators.index(of: statement.signer) != nil
    if statement.contentType.isGovernance { return isValidator && statement.flags.isEmpty }
    return !isValidator && chain.signers.allows(statement.signer, at: chain.tip.header.height.next, mode: chain.parameters.signerMode)
  }

  // MARK: Order

  /// New events that are final already leave, and those that a candidate block holds are not proposed again.
  func settleFresh() {
    fresh.removeAll { event in
      guard let facts = pool.facts(of: event) else { return true }
      guard isDecided(facts.id, timestamp: facts.timestamp) else {
        tree.hold(facts.id, in: pool)
        return false
      }
      pool.remove(event)
      return true
    }
  }

  // MARK: Out

  /// Notes what is new to this node for the peers.
  func relay() {
    for event in fresh { if unrelayed.contains(event) { log.pass(event) } else { log.append(event) } }
    log.trim(isPending: { pool.standing(of: $0) != .gone }) { place in
      for index in peers.indices { peers[index].place = place(peers[index].place) }
      for index in settled.indices { settled[index].place = place(settled[index].place) }
      lastGossip = (.max, 0, [])
    }
  }

  /// Whether some peer may have room for events that it has not been sent.
  public var hasGossip: Bool { !log.isEmpty && peers.contains { $0.place < log.end && $0.mayTake } }

  /// The next records for a peer, concatenated; nil when it has been sent all that waits, or has not taken in enough of what it was sent. The driver asks
  /// whenever little waits on the connection, and again at `gossipDue`, and sends them as `ReplicaMessage.events`.
  public func gossip(for link: PeerLink, now: Instant) -> [UInt8]? {
    guard let index = peers.firstIndex(where: { $0.link == link }), peers[index].mayTake, isRelayed(to: peers[index]) else { return nil }
    let from = max(peers[index].place, log.begin)
    guard from < log.end else { return nil }
    // A few events at a time would be more messages than a peer takes in a second.
    guard now >= peers[index].nextGossip || log.end - from >= ReplicationLimit.gossipEventsMin else {
      gossipDue = min(gossipDue, peers[index].nextGossip)
      return nil
    }
    peers[index].nextGossip = now.adding(nanoseconds: ReplicationLimit.gossipNanoseconds)
    if lastGossip.from != from { lastGossip = collectGossip(from: from) }
    peers[index].place = lastGossip.to
    peers[index].sent += UInt64(lastGossip.bytes.count)
    return lastGossip.bytes.isEmpty ? nil : lastGossip.bytes
  }

  /// Validators hear of events directly; others only from a node that is connected to none.
  private func isRelayed(to peer: Peer) -> Bool { peer.validator != nil || !peers.contains { $0.validator != nil } }

  /// Records from a place on, for all peers that stand there. An event that a candidate block holds travels in that block; should the block lose, it is
  /// noted anew.
  private func collectGossip(from: UInt64) -> (from: UInt64, to: UInt64, bytes: [UInt8]) {
    var bytes: [UInt8] = []
    var number = from
    while number < log.end, bytes.count < ReplicationLimit.gossipBytesTarget {
      let event = log[number]
      switch pool.standing(of: event) {
      case .waiting: _ = pool.withRecord(event) { bytes.append($0) }
      case .held: log.skip(event)
      case .gone: break
      }
      number += 1
    }
    return (from, number, bytes)
  }

  /// The number behind the last entry that every validator was sent at least `gossipLeadMilliseconds` ago.
  func settledPlace(_ now: Instant) -> UInt64 {
    while settled.count > 1, now.milliseconds(since: settled[1].at) >= ReplicationLimit.gossipLeadMilliseconds { settled.removeFirst() }
    guard let first = settled.first, now.milliseconds(since: first.at) >= ReplicationLimit.gossipLeadMilliseconds else { return 0 }
    return first.place
  }

  /// Notes how far the slowest validator is.
  func notePlaces(_ now: Instant) {
    let place = peers.reduce(log.end) { $1.validator == nil ? $0 : min($0, $1.place) }
    guard place != settled.last?.place else { return }
    settled.append((now, place))
    if settled.count > ReplicationLimit.placesMax { settled.removeFirst() }
  }

  /// A candidate block has lost: its events wait again, and may not have reached everybody.
  func release(_ held: Mempool.Proposal) {
    let events = pool.events(of: held)
    pool.release(held)
    guard !peers.isEmpty else { return }
    for event in events where pool.standing(of: event) == .waiting { log.append(event) }
  }

  /// Offers events again that have been pending for long.
  func rebroadcast(_ now: Times) {
    let interval = rebroadcastMilliseconds
    guard now.monotonic >= rebroadcasted.adding(milliseconds: interval) else { return }
    rebroadcasted = now.monotonic
    guard !peers.isEmpty, now.monotonic.milliseconds > interval else { return }
    for index in peers.indices {
      // Who has taken in nothing of a full window for so long has not got it: the connection, or its rate, has lost messages.
      if !peers[index].mayTake, peers[index].taken == peers[index].takenBefore { (peers[index].sent, peers[index].place) = (peers[index].taken, log.begin) }
      peers[index].takenBefore = peers[index].taken
    }
    let before = Instant(milliseconds: now.monotonic.milliseconds - interval)
    for event in pool.waiting(admittedBefore: before, bytesMax: ReplicationLimit.rebroadcastBytesMax) { log.append(event) }
  }
}
