public import Ambient
public import Audit
import Bytes
import Digests
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

  /// The proposal was not decided: its events go back to the front of their queues.
  public func release(_ proposal: Proposal) { queues.restore(proposal.slots) { slots[$0].signer } }

  /// All pending records, oldest first, as concatenated bytes: what a clean stop saves.
  public func pendingRecords() -> [UInt8] {
    var bytes: [UInt8] = []
    queues.forEachPending { slot in slab.withBytes(slots[slot].block, byteCount: Int(slots[slot].byteCount)) { bytes.append($0) } }
    return bytes
  }
}
