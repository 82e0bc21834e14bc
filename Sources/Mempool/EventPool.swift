public import Ambient
public import Audit
import Bytes
import Digests
import Ed25519
import Lanes
public import Metrics
import Synchronization

/// Names a pending event: a slot and the generation of its use.
@frozen public struct EventHandle: Hashable, Sendable, BitwiseCopyable {
  let slot: UInt32
  let generation: UInt32
  /// Position in tables by event: below twice `PoolLimits.eventsMax`, and no other pending event's.
  public var index: Int { Int(slot) }
}

/// The answer to an admission.
public enum Admission: Sendable, Equatable {
  case accepted(EventHandle)
  /// Pending already.
  case duplicate(EventHandle)
  /// `eventsMax` or `bytesMax` is reached: try again later.
  case full
  /// This signer holds its share.
  case signerQuota
  /// (signer, stream, seq) is taken by another pending event.
  case sequenceConflict(EventID)
}

/// What became of an event that left the pool without a block.
public enum Fate: UInt8, Sendable { case expired, rejected }

/// Pending events, shared by reactor threads (admission) and one chain thread (everything else). See the header of this target.
public final class EventPool: @unchecked Sendable {
  // Sendable: reactors touch the atomics, the slab and slots they own; the rest belongs to the chain thread, as each method says.
  struct Slot: BitwiseCopyable {
    var id = EventID(.zero)
    var signer = Bytes32()
    var timestamp: UInt64 = 0
    var stream: UInt64 = 0
    var sequence: UInt64 = 0
    var admitted = Instant.zero
    var block: UInt32 = 0
    var byteCount: UInt32 = 0
    var generation: UInt32 = 0
    var reactor: UInt32 = 0
  }

  public let limits: PoolLimits
  let slab: EventSlab
  let slots: SlotArray<Slot>
  private let freeSlots: FreeList
  private let ids: TwinTable
  private let sequences: TwinTable
  /// Pending events, and their bytes in the low bits: one word, as one addition changes both and says whether they fit.
  private let pending = PaddedAtomic(0)
  private let signerMax = PaddedAtomic(0)
  private let signerCounts: AtomicArray
  private let lanes: OwnedArray<SPSCLane<UInt32>>
  /// Slots that each reactor has taken in advance.
  private let magazines: OwnedArray<Magazine>
  private let epoch = PaddedAtomic(0)
  /// The last epoch that each reactor has passed.
  private let passed: OwnedArray<PaddedAtomic>
  private let seed: UInt64
  var queues: SignerQueues
  private var retired: [(epoch: UInt64, slot: Int)] = []
  private var retiredBegin = 0
  private var fates: [EventID: Fate] = [:]
  private var fateOrder: [EventID] = []
  private var fateBegin = 0

  /// How long an event may wait, milliseconds. Chain thread only.
  public var timeToLiveMilliseconds: UInt64
  /// Where the time from acceptance to finality is counted. Chain thread only.
  public var finality: Histogram?

  /// Bits of `pending` below the number of events: 2 TiB of records below 8 million events.
  private static let bytesBits: UInt64 = 41

  /// - Parameter seed: unpredictable, so that nobody can aim at one probe sequence.
  public init(limits: PoolLimits, seed: UInt64) {
    precondition(limits.bytesMax < 1 << Int(Self.bytesBits), "a pool has at most 2 TiB")
    self.limits = limits
    timeToLiveMilliseconds = limits.timeToLiveMilliseconds
    self.seed = seed
    slab = EventSlab(recordBytesMax: limits.recordBytesMax, bytesMax: limits.bytesMax, eventsMax: limits.eventsMax, reactors: limits.reactors)
    slots = SlotArray(count: limits.slots, zero: Slot())
    freeSlots = FreeList(count: limits.slots)
    ids = TwinTable(cells: limits.tableCells)
    sequences = TwinTable(cells: limits.tableCells)
    signerCounts = AtomicArray(count: PoolLimits.signerCounters)
    lanes = OwnedArray(count: limits.reactors) { _ in SPSCLane(capacity: limits.laneCapacity) }
    magazines = OwnedArray(count: limits.reactors) { _ in Magazine() }
    passed = OwnedArray(count: limits.reactors) { _ in PaddedAtomic(0) }
    queues = SignerQueues(slots: limits.slots)
    setSignerShare(percent: limits.perSignerPercent)
  }

  // MARK: Any reactor

  /// The pending event with this id.
  public func lookup(_ id: EventID) -> EventHandle? {
    let view = slots.view
    guard let slot = ids.find(key(id), where: { view[$0].id == id }) else { return nil }
    return handle(slot)
  }

  /// Admits a verified record of this chain.
  /// - Parameters:
  ///   - record: the whole record; copied once.
  ///   - reactor: index of the calling thread, below `limits.reactors`.
  public func admit(_ record: RawSpan, id: EventID, statement: Statement, reactor: Int, now: Instant) -> Admission {
    let admission = enter(record, id: id, statement: statement, reactor: reactor, now: now)
    if case .accepted(let handle) = admission { pass(handle, reactor: reactor) }
    return admission
  }

  /// As `admit`, but an accepted event stays out of the chain's sight until `pass`, which is due in the same tick; or `withdraw`. For batches that are
  /// admitted whole or not at all; `withdraw` is for pools of one reactor.
  public func enter(_ record: RawSpan, id: EventID, statement: Statement, reactor: Int, now: Instant) -> Admission {
    if let known = lookup(id) { return .duplicate(known) }
    if statement.sequence != 0, let other = sequenceHolder(statement) { return .sequenceConflict(slots[other].id) }
    let signerCell = Int(truncatingIfNeeded: mix(statement.signer.bytes.w1) & UInt64(PoolLimits.signerCounters - 1))
    guard reserve(record.byteCount) else { return .full }
    guard signerCounts.add(1, signerCell) <= signerMax.word.load(ordering: .relaxed) else {
      signerCounts.subtract(1, signerCell)
      unreserve(record.byteCount)
      return .signerQuota
    }
    guard let slot = magazines[reactor].pop(from: freeSlots) else { return undo(record.byteCount, signerCell, .full) }
    guard let block = slab.store(record, reactor: reactor) else {
      magazines[reactor].push(slot, to: freeSlots)
      return undo(record.byteCount, signerCell, .full)
    }
    let view = slots.view
    let use = view[slot].generation &+ 1
    slots[slot] = Slot(
      id: id, signer: statement.signer.bytes, timestamp: statement.timestamp.rawValue, stream: statement.stream, sequence: statement.sequence,
      admitted: now, block: block, byteCount: UInt32(record.byteCount), generation: use, reactor: UInt32(reactor))
    switch ids.claim(key(id), slot: slot, where: { view[$0].id == id }) {
    case .claimed: break
    case .withdrawn(let other):
      hand(slot, to: reactor, mark: Self.withdrawn)
      if let other { return .duplicate(handle(other)) }
      return .full
    case .known(let other):
      slab.free(block)
      magazines[reactor].push(slot, to: freeSlots)
      return undo(record.byteCount, signerCell, .duplicate(handle(other)))
    case .noRoom:
      slab.free(block)
      magazines[reactor].push(slot, to: freeSlots)
      return undo(record.byteCount, signerCell, .full)
    }
    if statement.sequence != 0 { _ = sequences.claim(sequenceKey(slots[slot]), slot: slot) { _ in false } }
    return .accepted(EventHandle(slot: UInt32(slot), generation: use))
  }

  /// Hands an entered event to the chain thread.
  public func pass(_ handle: EventHandle, reactor: Int) { hand(Int(handle.slot), to: reactor, mark: 0) }

  /// Takes an entered event back, at once: it was in nobody's sight. Traps in a pool of several reactors, where another thread may have been told that the
  /// event is pending: an atomic batch of such a pool would have to be admitted by the chain thread.
  public func withdraw(_ handle: EventHandle) {
    precondition(limits.reactors == 1, "entering and withdrawing is the business of the one thread that admits and collects")
    retire(Int(handle.slot))
  }

  /// Set in a lane's element for a slot that was withdrawn after others may have seen it: it is retired, not queued. Slots are below 2^31.
  private static let withdrawn: UInt32 = 1 << 31

  private func hand(_ slot: Int, to reactor: Int, mark: UInt32) {
    let isPushed = lanes[reactor].push(UInt32(slot) | mark)
    precondition(isPushed, "the lane holds as many places as the pool has events")
  }

  /// A reactor has finished a tick and holds no handle from before it.
  public func quiesce(reactor: Int) { passed[reactor].word.store(epoch.word.load(ordering: .acquiring), ordering: .releasing) }

  /// Lends the record of a pending event; nil when the handle's event has left.
  public func withRecord<R>(_ handle: EventHandle, _ body: (RawSpan) -> R) -> R? {
    let slot = slots[Int(handle.slot)]
    guard slot.generation == handle.generation, slot.block != 0 else { return nil }
    return slab.withBytes(slot.block, byteCount: Int(slot.byteCount), body)
  }

  /// Pending events and their bytes, as admission counts them.
  public var load: (events: Int, bytes: Int) { Self.unpack(pending.word.load(ordering: .relaxed)) }

  public var isFull: Bool { load.events >= limits.eventsMax || load.bytes >= limits.bytesMax }

  private static func pack(_ bytes: Int) -> UInt64 { 1 << bytesBits + UInt64(bytes) }
  private static func unpack(_ word: UInt64) -> (events: Int, bytes: Int) { (Int(word >> bytesBits), Int(word & (1 << bytesBits - 1))) }

  private func reserve(_ bytes: Int) -> Bool {
    // Relaxed, here and below: a count orders nothing.
    let load = Self.unpack(pending.word.wrappingAdd(Self.pack(bytes), ordering: .relaxed).newValue)
    if load.events <= limits.eventsMax, load.bytes <= limits.bytesMax { return true }
    unreserve(bytes)
    return false
  }

  private func unreserve(_ bytes: Int) { pending.word.wrappingSubtract(Self.pack(bytes), ordering: .relaxed) }

  private func undo(_ bytes: Int, _ signerCell: Int, _ answer: Admission) -> Admission {
    signerCounts.subtract(1, signerCell)
    unreserve(bytes)
    return answer
  }

  private func sequenceHolder(_ statement: Statement) -> Int? {
    let wanted = Slot(signer: statement.signer.bytes, stream: statement.stream, sequence: statement.sequence)
    let view = slots.view
    return sequences.find(sequenceKey(wanted)) {
      let slot = view[$0]
      return slot.signer == wanted.signer && slot.stream == wanted.stream && slot.sequence == wanted.sequence
    }
  }

  func handle(_ slot: Int) -> EventHandle { EventHandle(slot: UInt32(slot), generation: slots[slot].generation) }

  private func key(_ id: EventID) -> UInt64 { mix(id.digest.bytes.w0) }
  private func sequenceKey(_ slot: Slot) -> UInt64 { mix(slot.signer.w0 ^ mix(slot.stream) ^ mix(slot.sequence &+ 1)) }

  /// A keyed finaliser in the manner of splitmix64: ids are hashes already, the seed keeps the probe sequence private.
  private func mix(_ word: UInt64) -> UInt64 {
    var z = word ^ seed
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  // MARK: Chain thread

  /// Share of the pool's events that one signer may hold from now on, percent. Nothing that was accepted leaves because of it.
  public func setSignerShare(percent: Int) {
    // Relaxed: a bound by itself.
    signerMax.word.store(UInt64(limits.signerMax(percent: percent)), ordering: .relaxed)
  }

  /// Takes what reactors have admitted into the signer queues. Returns how many events are new.
  /// - Parameter fresh: the new events are appended, in order of arrival.
  @discardableResult public func collect(now: Instant, into fresh: inout [EventHandle]) -> Int {
    // Acquire: pairs with `quiesce`, so that the reactors' reads are over and what they pushed is in the lanes.
    var passed = UInt64.max
    for reactor in 0..<limits.reactors { passed = min(passed, self.passed[reactor].word.load(ordering: .acquiring)) }
    reclaim(passed)
    var count = 0
    for reactor in 0..<limits.reactors {
      while let element = lanes[reactor].pop() {
        let slot = Int(element & ~Self.withdrawn)
        if element & Self.withdrawn == 0, queues.enqueue(slot, slots[slot]) {
          count += 1
          fresh.append(handle(slot))
        } else {
          retire(slot)
        }
      }
    }
    advanceTables(passed)
    // Release: whoever sees the new epoch sees the tables as they are now. This thread alone writes it.
    epoch.word.store(epoch.word.load(ordering: .relaxed) + 1, ordering: .releasing)
    return count
  }

  @discardableResult public func collect(now: Instant) -> Int {
    var fresh: [EventHandle] = []
    return collect(now: now, into: &fresh)
  }

  /// Gives back the memory of events that were retired in epochs that all reactors have passed.
  private func reclaim(_ passed: UInt64) {
    while retiredBegin < retired.count, retired[retiredBegin].epoch < passed {
      let slot = retired[retiredBegin].slot
      slab.free(slots[slot].block)
      slots[slot].block = 0
      freeSlots.push(slot)
      retiredBegin += 1
    }
    if retiredBegin == retired.count {
      retired.removeAll(keepingCapacity: true)
      retiredBegin = 0
    }
  }

  /// Moves the tables one step into their twins when tombstones have filled half of the cells.
  private func advanceTables(_ passed: UInt64) {
    let epoch = epoch.word.load(ordering: .relaxed)
    if ids.isDue(passed: passed) {
      ids.advance(epoch: epoch) { put in queues.forEachPending { put(key(slots[$0].id), $0) } }
    }
    if sequences.isDue(passed: passed) {
      sequences.advance(epoch: epoch) { put in queues.forEachPending { if slots[$0].sequence != 0 { put(sequenceKey(slots[$0]), $0) } } }
    }
  }

  /// Moves of the table of ids completed so far.
  var tableMoves: Int { ids.moves }

  /// Drops events outside of proposals that have waited longer than the time to live; their fate is remembered.
  @discardableResult public func expire(now: Instant) -> Int {
    var count = 0
    while let slot = queues.oldestWaiting, now.milliseconds(since: slots[slot].admitted) >= timeToLiveMilliseconds {
      drop(slot, .expired)
      count += 1
    }
    return count
  }

  /// What became of an event that left without a block, as long as it is remembered.
  public func fate(of id: EventID) -> Fate? { fates[id] }

  /// Removes a waiting event that can never be in a block, or that is final already.
  public func remove(_ event: EventHandle) {
    let slot = Int(event.slot)
    guard slots[slot].generation == event.generation, queues.slot(of: slots[slot].id) == slot, queues.isWaiting(slot) else { return }
    queues.remove(slot)
    retire(slot)
  }

  /// Removes a queued event that can never be in a block.
  func drop(_ slot: Int, _ fate: Fate) {
    queues.remove(slot)
    remember(slots[slot].id, fate)
    retire(slot)
  }

  private func remember(_ id: EventID, _ fate: Fate) {
    if fates.updateValue(fate, forKey: id) == nil { fateOrder.append(id) }
    while fateOrder.count - fateBegin > PoolLimits.fatesMax {
      fates[fateOrder[fateBegin]] = nil
      fateBegin += 1
    }
    if fateBegin > PoolLimits.fatesMax {
      fateOrder.removeFirst(fateBegin)
      fateBegin = 0
    }
  }

  /// Takes an event out of tables and counters; its memory is free once every reactor has passed a tick.
  func retire(_ slot: Int) {
    let content = slots[slot]
    ids.remove(key(content.id), slot: slot)
    if content.sequence != 0 { sequences.remove(sequenceKey(content), slot: slot) }
    signerCounts.subtract(1, Int(truncatingIfNeeded: mix(content.signer.w1) & UInt64(PoolLimits.signerCounters - 1)))
    unreserve(Int(content.byteCount))
    retired.append((epoch.word.load(ordering: .relaxed), slot))
  }

  /// Figures of the chain thread's side.
  public struct Statistics: Sendable {
    /// Pending events: waiting or in a proposal.
    public var count: Int
    public var bytes: Int
    /// Events that the next proposal may take, and their bytes.
    public var proposable: Int
    public var proposableBytes: Int
    public var oldest: Instant?
  }

  public var statistics: Statistics {
    Statistics(
      count: load.events, bytes: load.bytes, proposable: queues.waitingCount, proposableBytes: queues.waitingBytes,
      oldest: queues.oldest.map { slots[$0].admitted })
  }
}
