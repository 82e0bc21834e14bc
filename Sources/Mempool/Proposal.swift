public import Ambient
public import Audit
import Bytes
import Digests
public import Ed25519
import Metrics

/// Events selected for a block, in order. Reuse one value: its storage stays.
public struct Proposal: Sendable {
  var slots: [Int] = []
  public private(set) var byteCount = 0

  public init() {}

  public var count: Int { slots.count }

  public mutating func removeAll() {
    slots.removeAll(keepingCapacity: true)
    byteCount = 0
  }

  mutating func remove(at position: Int, _ bytes: Int) {
    slots.remove(at: position)
    byteCount -= bytes
  }

  mutating func append(_ slot: Int, _ bytes: Int) {
    slots.append(slot)
    byteCount += bytes
  }
}

extension EventPool {
  /// Selects events in fair order. They stay pending until `committed` or `release`. Events signed before the window are dropped as expired; events
  /// signed behind it wait for a later block.
  /// - Parameters: limits of the block; `timestamps`: what statements may carry in it.
  public func propose(eventsMax: Int, bytesMax: Int, timestamps: ClosedRange<Timestamp>, into proposal: inout Proposal) {
    proposal.removeAll()
    var selected = Proposal()
    swap(&selected, &proposal)
    var stale: [Int] = []
    var early: [Int] = []
    queues.select(countMax: eventsMax, bytesMax: bytesMax) { slot in
      let time = Timestamp(milliseconds: slots[slot].timestamp)
      if time < timestamps.lowerBound {
        stale.append(slot)
        return false
      }
      if time > timestamps.upperBound {
        early.append(slot)
        return false
      }
      selected.append(slot, Int(slots[slot].byteCount))
      return true
    }
    queues.restore(stale) { slots[$0].signer }
    for slot in stale { drop(slot, .expired) }
    queues.restore(early) { slots[$0].signer }
    swap(&selected, &proposal)
  }

  /// The records of a proposal, concatenated: the body of its block.
  public func body(of proposal: Proposal) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(proposal.byteCount)
    for slot in proposal.slots { slab.withBytes(slots[slot].block, byteCount: Int(slots[slot].byteCount)) { body.append($0) } }
    return body
  }

  /// The proposal's events are final and durable: they leave the pool.
  public func committed(_ proposal: Proposal, now: Instant) {
    for slot in proposal.slots {
      finality?.observe(now.nanoseconds(since: slots[slot].admitted))
      queues.removeSelected(slot)
      retire(slot)
    }
  }

  /// Takes the event at `position` out of a proposal and drops it as rejected: no block can hold it any more.
  public func reject(_ position: Int, of proposal: inout Proposal) {
    let slot = proposal.slots[position]
    proposal.remove(at: position, Int(slots[slot].byteCount))
    queues.release([slot]) { slots[$0].signer }
    drop(slot, .rejected)
  }

  /// The proposal was not decided: its events go back to the front of their queues, unless another candidate holds them too.
  public func release(_ proposal: Proposal) { queues.release(proposal.slots) { slots[$0].signer } }

  /// Adds the pending ones of these events to the proposal that stands for a candidate block of another validator: while it is held, they are not
  /// proposed. Give it to `committed` or `release` like one of `propose`.
  public func hold(_ ids: [EventID], in proposal: inout Proposal) {
    for id in ids {
      guard let slot = queues.slot(of: id) else { continue }
      queues.hold(slot)
      proposal.append(slot, Int(slots[slot].byteCount))
    }
  }

  /// What an event says of itself; nil when it has left.
  public func facts(of event: EventHandle) -> (id: EventID, timestamp: Timestamp)? {
    let slot = slots[Int(event.slot)]
    return slot.generation == event.generation ? (slot.id, Timestamp(milliseconds: slot.timestamp)) : nil
  }

  /// Whether an entry with this id and this very signature is pending: then its signature was accepted.
  public func isVerified(_ id: EventID, _ signature: Signature) -> Bool {
    guard let slot = queues.slot(of: id) else { return false }
    return slab.withBytes(slots[slot].block, byteCount: Entry.byteCount) { Signature($0, at: Statement.byteCount) } == signature
  }

  /// Appends the record of a pending event; false when it is not pending.
  public func append(_ id: EventID, to bytes: inout [UInt8]) -> Bool {
    guard let slot = queues.slot(of: id) else { return false }
    slab.withBytes(slots[slot].block, byteCount: Int(slots[slot].byteCount)) { bytes.append($0) }
    return true
  }

  /// Positions in a proposal of the events for which `matches` is true; it is told when each was admitted.
  public func positions(of proposal: Proposal, where matches: (EventHandle, Instant) -> Bool) -> [Int] {
    proposal.slots.indices.filter { matches(handle(proposal.slots[$0]), slots[proposal.slots[$0]].admitted) }
  }

  /// What a collected event does in the pool.
  public enum Standing: Sendable { case waiting, held, gone }

  /// Whether an event waits, or a candidate block holds it, or it has left.
  public func standing(of event: EventHandle) -> Standing {
    let slot = Int(event.slot)
    guard slots[slot].generation == event.generation, queues.isPending(slot) else { return .gone }
    return queues.isWaiting(slot) ? .waiting : .held
  }

  /// Events of a proposal that are still pending, in its order.
  public func events(of proposal: Proposal) -> [EventHandle] { proposal.slots.map(handle) }

  /// Events that wait since before this time, oldest first, with records of at most so many bytes together.
  public func waiting(admittedBefore time: Instant, bytesMax: Int) -> [EventHandle] {
    var (events, bytes): ([EventHandle], Int) = ([], 0)
    var isDone = false
    queues.forEachPending { slot in
      guard !isDone, queues.isWaiting(slot) else { return }
      bytes += Int(slots[slot].byteCount)
      if slots[slot].admitted >= time || bytes > bytesMax { isDone = true } else { events.append(handle(slot)) }
    }
    return events
  }

  /// All pending records, oldest first, as concatenated bytes: what a clean stop saves.
  public func pendingRecords() -> [UInt8] {
    var bytes: [UInt8] = []
    queues.forEachPending { slot in slab.withBytes(slots[slot].block, byteCount: Int(slots[slot].byteCount)) { bytes.append($0) } }
    return bytes
  }
}
