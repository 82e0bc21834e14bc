import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Verification

/// Records that a peer has gossiped, on their way through verification.
struct GossipedRecords: Sendable {
  let bytes: [UInt8]
  /// What has been taken out so far.
  var offset = 0
  let peer: PeerLink
}

/// Events that were admitted somewhere travel once to every validator: their origin sends them to all it is connected to, and a validator that has one from
/// a node that is none passes it on. What gets lost is offered again, oldest first, while it is pending.
extension Replica {
  // MARK: In

  func gossiped(_ records: [UInt8], _ peer: PeerLink) {
    guard backlogBytes + records.count <= ReplicationLimit.gossipBacklogBytes else { return }
    backlogBytes += records.count
    backlog.append(GossipedRecords(bytes: records, peer: peer))
  }

  private struct Gossip {
    var message: Int
    var range: Range<Int>
    var id: EventID
    var statement: Statement
  }

  /// Verifies what is waiting, up to the budget of a turn, and admits what is valid.
  func admitGossip(_ now: Times, _ effects: inout [ReplicaEffect]) {
    var budget = ReplicationLimit.signaturesPerTurn
    while budget > 0, !backlog.isEmpty {
      var items: [Gossip] = []
      var message = 0
      while message < backlog.count, !verification.isFull {
        if let item = nextGossip(message, now, &effects) { enqueue(item, &items, now) } else { message += 1 }
      }
      budget -= max(1, items.count)
      settle(items, now, &effects)
      for done in backlog[..<message] { backlogBytes -= done.bytes.count }
      backlog.removeFirst(message)
    }
  }

  private func enqueue(_ item: Gossip, _ items: inout [Gossip], _ now: Times) {
    let bytes = backlog[item.message].bytes
    let entry = bytes.bytes.extracting(item.range)
    let isTaken = verification.enqueue(
      Signature(entry, at: Statement.byteCount), over: entry.extracting(0..<Statement.byteCount), by: item.statement.signer, token: UInt64(items.count),
      source: backlog[item.message].peer.rawValue, now: now.monotonic.nanoseconds)
    precondition(isTaken, "the queue was not full")
    items.append(item)
  }

  /// The next record of a message that is worth a verification; nil at its end, or where it cannot be read.
  private func nextGossip(_ message: Int, _ now: Times, _ effects: inout [ReplicaEffect]) -> Gossip? {
    while backlog[message].offset < backlog[message].bytes.count {
      let offset = backlog[message].offset
      let bytes = backlog[message].bytes
      guard let record = try? Record(parsing: bytes.bytes, at: offset) else {
        effects.append(.penalise(backlog[message].peer, .malformed))
        return nil
      }
      backlog[message].offset = offset + record.byteCount
      guard isAdmissible(record, now.wall), pool.lookup(record.id) == nil, !isDecided(record.id, timestamp: record.entry.statement.timestamp) else { continue }
      return Gossip(message: message, range: offset..<offset + record.byteCount, id: record.id, statement: record.entry.statement)
    }
    return nil
  }

  private func settle(_ items: [Gossip], _ now: Times, _ effects: inout [ReplicaEffect]) {
    var verdicts: [Verification.Verdict] = []
    verification.verify(now: now.monotonic.nanoseconds, into: &verdicts)
    for verdict in verdicts {
      let item = items[Int(verdict.token)]
      let peer = backlog[item.message].peer
      guard verdict.isValid else {
        effects.append(.penalise(peer, .badSignature))
        continue
      }
      let bytes = backlog[item.message].bytes
      // What one node admits another may find invalid, when their heads differ: that is nobody's fault.
      if item.statement.contentType.isGovernance {
        guard let record = try? Record(parsing: bytes.bytes, at: item.range.lowerBound),
          chain.violation(of: record, in: bytes.bytes, at: item.range.lowerBound) == nil
        else { continue }
      }
      if sequenceHolder(item.statement) != nil { continue }
      let admission = pool.admit(bytes.bytes.extracting(item.range), id: item.id, statement: item.statement, reactor: 0, now: now.monotonic)
      guard case .accepted(let event) = admission, peers.first(where: { $0.link == peer })?.validator != nil else { continue }
      unrelayed.insert(event)
    }
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

  /// Sends on what is new to this node.
  func relay(_ effects: inout [ReplicaEffect]) {
    guard !peers.isEmpty, !fresh.isEmpty else { return }
    let validators = peers.filter { $0.validator != nil }.map(\.link)
    let destination = validators.isEmpty ? Destination.all : .peers(validators)
    var bytes: [UInt8] = []
    for event in fresh where !unrelayed.contains(event) {
      _ = pool.withRecord(event) { bytes.append($0) }
      guard bytes.count >= ReplicationLimit.gossipBytesTarget else { continue }
      effects.append(.send(.events(bytes), to: destination))
      bytes = []
    }
    if !bytes.isEmpty { effects.append(.send(.events(bytes), to: destination)) }
  }

  /// Offers events again that have been pending for long.
  func rebroadcast(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard now.monotonic >= rebroadcastDue else { return }
    let interval = options.rebroadcastMilliseconds
    rebroadcastDue = now.monotonic.adding(milliseconds: interval)
    guard !peers.isEmpty, now.monotonic.milliseconds > interval else { return }
    let records = pool.waitingRecords(
      admittedBefore: Instant(milliseconds: now.monotonic.milliseconds - interval), bytesMax: ReplicationLimit.gossipBytesMax)
    if !records.isEmpty { effects.append(.send(.events(records), to: .all)) }
  }
}
