import Ambient
import Audit
import Bytes
public import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Verification

/// A gossiped record that a helper thread checks; its message may be gone when the verdict comes, with the peer that sent it.
struct OfferedGossip: Sendable {
  var record: GossipedRecord
  /// Of the message.
  var serial: UInt64
  var peer: PeerLink
}

// What helper threads check: signatures go to them by value, so that they see nothing that the replica owns, and the verdicts come back in any order. A record
// enters the pool, and a range is applied, when the last verdict that it waits for is there; ranges are applied in order.
extension Replica {
  /// Tokens of signatures of ranges have this bit; below it are the serial number of the range, 8 bits of the block and 16 of the record.
  private static var rangeBit: UInt64 { 1 << 63 }
  /// Verdicts on what ranges hold are not held against peers: a bad signature under a certificate ends this node.
  private static var rangeSource: UInt64 { .max }

  /// True once after signatures were offered: the helpers are to be woken.
  public func takesOffer() -> Bool {
    defer { hasOffered = false }
    return hasOffered
  }

  /// Helpers have decided.
  public func takeVerdicts(now: Times, _ effects: inout [ReplicaEffect]) {
    guard let helpers else { return }
    var offenders: [PeerLink] = []
    var count = 0
    while let verdict = helpers.take() {
      count += 1
      if verdict.token & Self.rangeBit != 0 { settleRange(verdict, &effects) } else { settleGossip(verdict, &offenders, now, &effects) }
    }
    guard count > 0 else { return }
    _ = dropDone(&effects)
    collect(now: now, &effects)
  }

  // MARK: Gossip

  /// Hands records beyond a batch in line to the helpers, as far as they have room. What peers in quarantine sent stays, and is checked here.
  func offerGossip(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard let helpers else { return }
    for message in backlog.indices where !backlog[message].isRead {
      let peer = backlog[message].peer
      guard !verification.isQuarantined(peer.rawValue, at: now.monotonic.nanoseconds) else { continue }
      while helpers.room > 0, takesGossip {
        guard let item = nextGossip(message, now, &effects) else { break }
        let token = freeTokens.popLast() ?? offered.count
        let record = OfferedGossip(record: item, serial: backlog[message].serial, peer: peer)
        if token == offered.count { offered.append(record) } else { offered[token] = record }
        backlog[message].outstanding += 1
        gossipUnderWay.events += 1
        gossipUnderWay.bytes += item.range.count
        let bytes = backlog[message].bytes
        let entry = bytes.bytes.extracting(item.range)
        let isTaken = helpers.offer(
          Signature(entry, at: Statement.byteCount), over: entry.extracting(0..<Statement.byteCount), by: item.statement.signer, token: UInt64(token),
          source: peer.rawValue)
        precondition(isTaken, "room was seen, and only this thread offers")
        hasOffered = true
      }
    }
    _ = dropDone(&effects)
  }

  private func settleGossip(_ verdict: Verification.Verdict, _ offenders: inout [PeerLink], _ now: Times, _ effects: inout [ReplicaEffect]) {
    let token = Int(verdict.token)
    guard let found = offered[token] else { preconditionFailure("a verdict for each offer") }
    offered[token] = nil
    freeTokens.append(token)
    gossipUnderWay.events -= 1
    gossipUnderWay.bytes -= found.record.range.count
    if !verdict.isValid { verification.strike(found.peer.rawValue, at: now.monotonic.nanoseconds) }
    // The peer is gone, and its messages with it: it is sent again on the next connection.
    guard let message = backlog.firstIndex(where: { $0.serial == found.serial }) else { return }
    backlog[message].outstanding -= 1
    guard verdict.isValid else { return blame(found.peer, &offenders, &effects) }
    var record = found.record
    record.message = message
    // A block may have brought it meanwhile.
    guard !isDecided(record.id, timestamp: record.statement.timestamp) else { return }
    admit(record, now)
  }

  /// Records that a proposal names and that helpers are checking: the block is put together with them, and its validation checks their signatures itself.
  func takeUnderWay(_ index: Int) {
    guard freeTokens.count < offered.count else { return }
    let wanted = Set(arrivals[index].ids)
    for found in offered {
      guard let found, wanted.contains(found.record.id), let message = backlog.first(where: { $0.serial == found.serial }) else { continue }
      arrivals[index].records[found.record.id] = Array(message.bytes[found.record.range])
    }
  }

  // MARK: Ranges

  /// Hands signatures of prepared blocks to the helpers, in order, as far as they have room.
  func offerSignatures() {
    guard let helpers else { return }
    for index in verifying.indices {
      while let (block, records) = verifying[index].signatures.first {
        let count = min(records.count, helpers.room)
        guard count > 0 else { return }
        offer(records.prefix(count), of: verifying[index].range.blocks[block], token: Self.rangeBit | verifying[index].serial << 24 | UInt64(block) << 16, to: helpers)
        verifying[index].outstanding += count
        if count < records.count { verifying[index].signatures[0].records = records.dropFirst(count) } else { verifying[index].signatures.removeFirst() }
      }
    }
  }

  private func offer(_ records: ArraySlice<Int>, of block: Block, token: UInt64, to helpers: Overflow) {
    let span = block.body.bytes
    for position in records {
      let offset = block.offsets[position]
      let isTaken = helpers.offer(
        Signature(span, at: offset + Statement.byteCount), over: span.extracting(offset..<offset + Statement.byteCount),
        by: PublicKey(Bytes32(span, at: offset + 64)), token: token | UInt64(position), source: Self.rangeSource)
      precondition(isTaken, "room was seen, and only this thread offers")
    }
    hasOffered = true
  }

  private func settleRange(_ verdict: Verification.Verdict, _ effects: inout [ReplicaEffect]) {
    let serial = (verdict.token & ~Self.rangeBit) >> 24
    // A range that was given up for a block behind the one of the signature.
    guard let index = verifying.firstIndex(where: { $0.serial == serial }) else { return }
    guard verdict.isValid else {
      // It stays outstanding: the range is never applied.
      let block = verifying[index].range.blocks[Int(verdict.token >> 16 & 255)]
      return haltOver(block, .event(position: Int(verdict.token & 65_535), .badSignature), &effects)
    }
    verifying[index].outstanding -= 1
  }
}
