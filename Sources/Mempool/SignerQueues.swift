import Audit
import Bytes
import Digests

/// The chain thread's order of pending events: one queue per signer, served by deficit round robin over bytes, and one list in order of arrival.
/// All links are arrays indexed by slot, as long as the highest slot that was ever in use, within memory that is reserved at the start: slots are handed out
/// from the lowest on, and pages come from the kernel when they are first touched. Nothing is allocated per event once the tables have grown.
struct SignerQueues {
  private static let none: Int32 = -1

  private struct Queue {
    var head = none
    var tail = none
    var deficit = 0
    var isActive = false
  }

  private var next: [Int32]
  private var previous: [Int32]
  private var olderLink: [Int32]
  private var newerLink: [Int32]
  private var queueOf: [Int32]
  private var sizes: [Int32]
  private var oldestSlot = none
  private var newestSlot = none
  private var queues: [Queue] = []
  private var freeQueues: [Int] = []
  private var queueOfSigner: [Bytes32: Int] = [:]
  private var signerOfQueue: [Bytes32] = []
  /// Ring of queues with waiting events.
  private var ring: [Int] = []
  private var position = 0
  /// The turn at `position` was cut short by a full block: it goes on without another quantum, or small blocks would starve the others.
  private var isMidTurn = false
  /// How many candidate blocks hold the event of a slot: those that `select` made and those of others. An event waits in its queue while nobody holds it.
  private var holders: [UInt16]
  /// The exact set of pending ids.
  private var slotOf: [EventID: Int] = [:]
  private var ids: [EventID]
  private(set) var waitingCount = 0
  private(set) var waitingBytes = 0

  init(slots: Int) {
    (next, previous, olderLink, newerLink, queueOf, sizes, holders, ids) = ([], [], [], [], [], [], [], [])
    next.reserveCapacity(slots)
    previous.reserveCapacity(slots)
    olderLink.reserveCapacity(slots)
    newerLink.reserveCapacity(slots)
    queueOf.reserveCapacity(slots)
    sizes.reserveCapacity(slots)
    holders.reserveCapacity(slots)
    ids.reserveCapacity(slots)
  }

  private mutating func extend(to slot: Int) {
    while ids.count <= slot {
      next.append(Self.none)
      previous.append(Self.none)
      olderLink.append(Self.none)
      newerLink.append(Self.none)
      queueOf.append(Self.none)
      sizes.append(0)
      holders.append(0)
      ids.append(EventID(.zero))
    }
  }

  /// The event that has waited longest, in a proposal or not.
  var oldest: Int? { oldestSlot == Self.none ? nil : Int(oldestSlot) }

  /// The event that has waited longest outside of any proposal. At most the events of the proposals in flight are passed over.
  var oldestWaiting: Int? {
    var cursor = oldestSlot
    while cursor != Self.none && holders[Int(cursor)] > 0 { cursor = newerLink[Int(cursor)] }
    return cursor == Self.none ? nil : Int(cursor)
  }

  /// Puts an event at the end of its signer's queue. False when the same id is pending already.
  mutating func enqueue(_ slot: Int, _ content: EventPool.Slot) -> Bool {
    guard slotOf[content.id] == nil else { return false }
    extend(to: slot)
    slotOf[content.id] = slot
    ids[slot] = content.id
    sizes[slot] = Int32(content.byteCount)
    olderLink[slot] = newestSlot
    newerLink[slot] = Self.none
    if newestSlot == Self.none { oldestSlot = Int32(slot) } else { newerLink[Int(newestSlot)] = Int32(slot) }
    newestSlot = Int32(slot)
    let queue = queue(of: content.signer)
    queueOf[slot] = Int32(queue)
    append(slot, to: queue)
    return true
  }

  /// The slot of a pending event.
  func slot(of id: EventID) -> Int? { slotOf[id] }

  func isWaiting(_ slot: Int) -> Bool { holders[slot] == 0 }

  /// A candidate block of another validator names the event: it is not proposed again while the block may become final.
  mutating func hold(_ slot: Int) {
    if holders[slot] == 0 { unlinkWaiting(slot) }
    holders[slot] += 1
  }

  private mutating func append(_ slot: Int, to queue: Int) {
    next[slot] = Self.none
    previous[slot] = queues[queue].tail
    if queues[queue].tail == Self.none { queues[queue].head = Int32(slot) } else { next[Int(queues[queue].tail)] = Int32(slot) }
    queues[queue].tail = Int32(slot)
    waitingCount += 1
    waitingBytes += Int(sizes[slot])
    activate(queue)
  }

  private mutating func activate(_ queue: Int) {
    guard !queues[queue].isActive else { return }
    queues[queue].isActive = true
    ring.append(queue)
  }

  private mutating func queue(of signer: Bytes32) -> Int {
    if let queue = queueOfSigner[signer] { return queue }
    let queue = freeQueues.popLast() ?? queues.count
    if queue == queues.count {
      queues.append(Queue())
      signerOfQueue.append(signer)
    }
    queues[queue] = Queue()
    signerOfQueue[queue] = signer
    queueOfSigner[signer] = queue
    return queue
  }

  /// Takes events for a proposal in fair order: each signer's turn adds a quantum of bytes to what it may take. Stops at either limit.
  /// - Parameter take: called for every event in order; returns false to have it dropped from the order instead (it cannot be in this block).
  mutating func select(countMax: Int, bytesMax: Int, _ take: (Int) -> Bool) {
    var count = 0, bytes = 0
    while !ring.isEmpty && count < countMax {
      if position >= ring.count { position = 0 }
      let queue = ring[position]
      if !isMidTurn { queues[queue].deficit += PoolLimits.quantumBytes }
      isMidTurn = false
      var isBlockFull = false
      while queues[queue].head != Self.none && count < countMax {
        let slot = Int(queues[queue].head)
        let size = Int(sizes[slot])
        if size > queues[queue].deficit { break }
        if bytes + size > bytesMax {
          isBlockFull = true
          break
        }
        popHead(queue)
        if take(slot) {
          holders[slot] = 1
          queues[queue].deficit -= size
          count += 1
          bytes += size
        }
      }
      if queues[queue].head == Self.none {
        deactivate(at: position)
      } else {
        if count < countMax && !isBlockFull { position += 1 } else { isMidTurn = true }
      }
      if isBlockFull { return }
    }
  }

  private mutating func popHead(_ queue: Int) { unlink(Int(queues[queue].head), from: queue) }

  private mutating func unlink(_ slot: Int, from queue: Int) {
    let (before, after) = (previous[slot], next[slot])
    if before == Self.none { queues[queue].head = after } else { next[Int(before)] = after }
    if after == Self.none { queues[queue].tail = before } else { previous[Int(after)] = before }
    (next[slot], previous[slot]) = (Self.none, Self.none)
    waitingCount -= 1
    waitingBytes -= Int(sizes[slot])
  }

  /// A queue that it empties stays in the ring until its turn.
  private mutating func unlinkWaiting(_ slot: Int) { unlink(slot, from: Int(queueOf[slot])) }

  private mutating func deactivate(at index: Int) {
    let queue = ring[index]
    ring.swapAt(index, ring.count - 1)
    ring.removeLast()
    // A signer without waiting events gives its queue back; a deficit is not saved up.
    queueOfSigner[signerOfQueue[queue]] = nil
    queues[queue] = Queue()
    freeQueues.append(queue)
  }

  /// A candidate block that held these events was not decided: those that no other holds go back before all that wait.
  mutating func release(_ slots: [Int], signer: (Int) -> Bytes32) {
    for slot in slots.reversed() {
      holders[slot] -= 1
      if holders[slot] == 0 { putBack(slot, signer(slot)) }
    }
  }

  /// Puts events that were taken from their queues and are held by nobody before all that wait.
  mutating func restore(_ slots: [Int], signer: (Int) -> Bytes32) {
    for slot in slots.reversed() { putBack(slot, signer(slot)) }
  }

  private mutating func putBack(_ slot: Int, _ signer: Bytes32) {
    let queue = queue(of: signer)
    queueOf[slot] = Int32(queue)
    next[slot] = queues[queue].head
    previous[slot] = Self.none
    if queues[queue].head == Self.none { queues[queue].tail = Int32(slot) } else { previous[Int(queues[queue].head)] = Int32(slot) }
    queues[queue].head = Int32(slot)
    waitingCount += 1
    waitingBytes += Int(sizes[slot])
    activate(queue)
  }

  /// Forgets an event that waits, wherever it stands in its queue.
  mutating func remove(_ slot: Int) {
    unlinkArrival(slot)
    unlinkWaiting(slot)
  }

  /// Forgets an event that candidate blocks hold.
  mutating func removeSelected(_ slot: Int) {
    holders[slot] = 0
    unlinkArrival(slot)
  }

  private mutating func unlinkArrival(_ slot: Int) {
    guard slotOf[ids[slot]] == slot else { return }
    slotOf[ids[slot]] = nil
    let older = olderLink[slot], newer = newerLink[slot]
    if older == Self.none { oldestSlot = newer } else { newerLink[Int(older)] = newer }
    if newer == Self.none { newestSlot = older } else { olderLink[Int(newer)] = older }
  }

  /// Visits every pending event from the oldest on.
  func forEachPending(_ body: (Int) -> Void) {
    var cursor = oldestSlot
    while cursor != Self.none {
      body(Int(cursor))
      cursor = newerLink[Int(cursor)]
    }
  }
}
