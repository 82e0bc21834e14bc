import Audit
import Bytes
import Digests

/// The chain thread's order of pending events: one queue per signer, served by deficit round robin over bytes, and one list in order of arrival.
/// All links are arrays indexed by slot; nothing is allocated per event once the arrays and tables have grown.
struct SignerQueues {
  private static let none: Int32 = -1

  private struct Queue {
    var head = none
    var tail = none
    var deficit = 0
    var isActive = false
  }

  private var next: [Int32]
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
  /// Slots that `select` has taken and nobody has given back or committed.
  private var isSelected: [Bool]
  /// The exact set of pending ids.
  private var slotOf: [EventID: Int] = [:]
  private var ids: [EventID]
  private(set) var waitingCount = 0
  private(set) var waitingBytes = 0

  init(slots: Int) {
    next = Array(repeating: Self.none, count: slots)
    olderLink = next
    newerLink = next
    queueOf = next
    sizes = next
    isSelected = Array(repeating: false, count: slots)
    ids = Array(repeating: EventID(.zero), count: slots)
  }

  /// The event that has waited longest, in a proposal or not.
  var oldest: Int? { oldestSlot == Self.none ? nil : Int(oldestSlot) }

  /// The event that has waited longest outside of any proposal. At most the events of the proposals in flight are passed over.
  var oldestWaiting: Int? {
    var cursor = oldestSlot
    while cursor != Self.none && isSelected[Int(cursor)] { cursor = newerLink[Int(cursor)] }
    return cursor == Self.none ? nil : Int(cursor)
  }

  /// Puts an event at the end of its signer's queue. False when the same id is pending already.
  mutating func enqueue(_ slot: Int, _ content: EventPool.Slot) -> Bool {
    guard slotOf[content.id] == nil else { return false }
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

  private mutating func append(_ slot: Int, to queue: Int) {
    next[slot] = Self.none
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
          isSelected[slot] = true
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

  private mutating func popHead(_ queue: Int) {
    let slot = Int(queues[queue].head)
    queues[queue].head = next[slot]
    if queues[queue].head == Self.none { queues[queue].tail = Self.none }
    next[slot] = Self.none
    waitingCount -= 1
    waitingBytes -= Int(sizes[slot])
  }

  private mutating func deactivate(at index: Int) {
    let queue = ring[index]
    ring.swapAt(index, ring.count - 1)
    ring.removeLast()
    // A signer without waiting events gives its queue back; a deficit is not saved up.
    queueOfSigner[signerOfQueue[queue]] = nil
    queues[queue] = Queue()
    freeQueues.append(queue)
  }

  /// Gives selected events back, before all that wait: the proposal was not decided.
  mutating func restore(_ slots: [Int], signer: (Int) -> Bytes32) {
    for slot in slots.reversed() {
      isSelected[slot] = false
      let queue = queue(of: signer(slot))
      queueOf[slot] = Int32(queue)
      next[slot] = queues[queue].head
      queues[queue].head = Int32(slot)
      if queues[queue].tail == Self.none { queues[queue].tail = Int32(slot) }
      waitingCount += 1
      waitingBytes += Int(sizes[slot])
      activate(queue)
    }
  }

  /// Forgets an event that was selected, or that waits at the head of its queue or anywhere in it.
  mutating func remove(_ slot: Int) {
    unlinkArrival(slot)
    guard let queue = queueOfSigner.isEmpty ? nil : Int(queueOf[slot]), queue >= 0, queue < queues.count else { return }
    var previous = Self.none
    var cursor = queues[queue].head
    while cursor != Self.none && Int(cursor) != slot {
      previous = cursor
      cursor = next[Int(cursor)]
    }
    guard cursor != Self.none else { return }
    if previous == Self.none { queues[queue].head = next[slot] } else { next[Int(previous)] = next[slot] }
    if Int(queues[queue].tail) == slot { queues[queue].tail = previous }
    next[slot] = Self.none
    waitingCount -= 1
    waitingBytes -= Int(sizes[slot])
  }

  /// Forgets an event that `select` has taken.
  mutating func removeSelected(_ slot: Int) {
    isSelected[slot] = false
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
