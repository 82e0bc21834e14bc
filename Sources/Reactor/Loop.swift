public import Ambient
import CLinux

/// The connections, timers and memory of one loop, as its driver sees them. Belongs to the loop's thread.
///
/// Nothing here performs input or output: calls change the slots and mark them, and the loop performs what follows from it at the end of the
/// tick. A call that names an ended connection does nothing.
@safe public final class Loop {
  public let limits: ReactorLimits
  /// The time of this tick.
  public internal(set) var now: Instant
  public let waker: Waker
  /// Connections in the table, ending ones included.
  public private(set) var connectionCount = 0
  /// Connections refused for want of a slot or a descriptor.
  public internal(set) var refusedCount: UInt64 = 0
  /// The loop returns from `run` after this tick.
  public internal(set) var isStopping = false

  let slots: Table<Connection>
  var freeSlot: Int32 = 0
  let usesDescriptors: Bool
  /// Cold facts of outgoing connections, by slot.
  var destinations: [SocketAddress?]

  // Lent to the back end for the life of the loop; 4 KiB aligned for the kernel's sake.
  let receiveBase: UnsafeMutableRawPointer
  let inputRows: UnsafeMutableRawPointer
  let segmentBase: UnsafeMutableRawPointer
  let bufferNext: Table<UInt16>
  let bufferStart: Table<Int32>
  let bufferEnd: Table<Int32>
  /// Buffers held by connections; those in `returned` are not.
  var heldTotal = 0
  let returned: Table<UInt16>
  var returnedCount = 0
  let starved: Table<Int32>
  var starvedCount = 0

  let pieces: Table<OutputPiece>
  var freePiece: Int32 = 0
  let freeSegments: Table<Int32>
  var freeSegmentCount: Int
  @usableFromInline let gathered: Table<Slice>

  /// Slots to settle; two lists, so that a driver that keeps a slot busy cannot keep the tick from ending.
  var dirty: Table<Int32>
  var dirtyCount = 0
  var settling: Table<Int32>
  var settlingCount = 0
  var settlingIndex = 0
  /// A callback ran while settling: the tick goes on to `ticked` without waiting.
  var wasDriverTold = false

  var timers: TimingWheel
  var deadlines: TimingWheel

  init(limits: ReactorLimits, now: Instant, usesDescriptors: Bool) throws(ReactorError) {
    limits.check()
    self.limits = limits
    self.now = now
    self.usesDescriptors = usesDescriptors
    waker = try Waker()
    slots = Table(count: limits.connections, repeating: Connection())
    for slot in 0..<limits.connections { slots[slot].nextFree = slot + 1 < limits.connections ? Int32(slot + 1) : -1 }
    destinations = Array(repeating: nil, count: limits.connections)
    // Uninitialised bytes: every range is written before it is read, by the kernel or by a copy.
    unsafe receiveBase = .allocate(byteCount: limits.receiveBuffers * limits.receiveBufferBytes, alignment: 4096)
    unsafe inputRows = .allocate(byteCount: limits.connections * limits.inputBytesMax, alignment: 4096)
    unsafe segmentBase = .allocate(byteCount: limits.outputSegments * limits.outputSegmentBytes, alignment: 4096)
    bufferNext = Table(count: limits.receiveBuffers, repeating: .max)
    bufferStart = Table(count: limits.receiveBuffers, repeating: 0)
    bufferEnd = Table(count: limits.receiveBuffers, repeating: 0)
    returned = Table(count: limits.receiveBuffers, repeating: 0)
    starved = Table(count: limits.connections, repeating: 0)
    pieces = Table(count: limits.outputPieces, repeating: OutputPiece())
    for piece in 0..<limits.outputPieces { pieces[piece].next = piece + 1 < limits.outputPieces ? Int32(piece + 1) : -1 }
    freeSegments = Table(count: limits.outputSegments, repeating: 0)
    for segment in 0..<limits.outputSegments { freeSegments[segment] = Int32(limits.outputSegments - 1 - segment) }
    freeSegmentCount = limits.outputSegments
    // An empty slice: its address is never read.
    gathered = Table(count: Self.gatherMax, repeating: unsafe Slice(base: receiveBase, count: 0))
    dirty = Table(count: limits.connections, repeating: 0)
    settling = Table(count: limits.connections, repeating: 0)
    timers = TimingWheel(capacity: limits.timers, now: now)
    deadlines = TimingWheel(capacity: limits.connections, now: now)
  }

  deinit {
    for slot in 0..<limits.connections where slots[slot].phase != .free {
      if usesDescriptors && slots[slot].handle >= 0 { _ = CLinux.close(slots[slot].handle) }
      releaseOutput(slot)
    }
    // The back end, which borrowed this memory, is gone by now: the loop's owner destroys it first.
    unsafe receiveBase.deallocate()
    unsafe inputRows.deallocate()
    unsafe segmentBase.deallocate()
    slots.deallocate()
    bufferNext.deallocate()
    bufferStart.deallocate()
    bufferEnd.deallocate()
    returned.deallocate()
    starved.deallocate()
    pieces.deallocate()
    freeSegments.deallocate()
    gathered.deallocate()
    dirty.deallocate()
    settling.deallocate()
  }

  // MARK: Slots

  /// The slot of a live connection, or nil.
  @usableFromInline func slot(of connection: ConnectionID) -> Int? {
    let slot = connection.slot
    guard slot < limits.connections, slots[slot].generation == connection.generation, slots[slot].phase != .free else { return nil }
    return slot
  }

  @usableFromInline func id(_ slot: Int) -> ConnectionID { ConnectionID(slot: slot, generation: slots[slot].generation) }

  /// True from `accepted` or `connect` until the connection began to end.
  public func isOpen(_ connection: ConnectionID) -> Bool {
    guard let slot = slot(of: connection) else { return false }
    return slots[slot].phase != .ending && !slots[slot].flags.contains(.closeWanted)
  }

  @usableFromInline func acquire(_ handle: Int32, isOpen: Bool, listener: UInt16) -> Int? {
    guard freeSlot >= 0 else { return nil }
    let slot = Int(freeSlot)
    freeSlot = slots[slot].nextFree
    var connection = Connection()
    // A slot that is still listed as dirty must not be listed twice.
    connection.flags = slots[slot].flags.intersection(.dirty)
    connection.generation = slots[slot].generation
    connection.handle = handle
    connection.phase = isOpen ? .open : .connecting
    connection.listener = listener
    connection.inputMax = Int32(limits.inputBytesMax)
    connection.outputMax = limits.outputBytesMax
    slots[slot] = connection
    connectionCount += 1
    markDirty(slot)
    return slot
  }

  /// Frees the slot; its memory returns to the pools.
  @usableFromInline func release(_ slot: Int) {
    dropHeld(slot)
    releaseOutput(slot)
    if slots[slot].flags.contains(.starved) { forgetStarved(slot) }
    deadlines.cancel(slots[slot].timer)
    destinations[slot] = nil
    // A dirty slot stays in the list, where settling skips free slots.
    slots[slot].flags = slots[slot].flags.intersection(.dirty)
    slots[slot].phase = .free
    slots[slot].handle = -1
    slots[slot].generation &+= 1
    slots[slot].nextFree = freeSlot
    freeSlot = Int32(slot)
    connectionCount -= 1
  }

  func markDirty(_ slot: Int) {
    guard !slots[slot].flags.contains(.dirty) else { return }
    slots[slot].flags.insert(.dirty)
    dirty[dirtyCount] = Int32(slot)
    dirtyCount += 1
  }

  // MARK: Ends

  /// Closes after everything queued was sent. Input that still arrives is dropped.
  public func close(_ connection: ConnectionID) {
    guard let slot = slot(of: connection), slots[slot].phase != .ending else { return }
    if slots[slot].phase == .connecting {
      end(slot, .finished)
      return
    }
    slots[slot].flags.formUnion([.closeWanted, .shutdownWanted])
    dropHeld(slot)
    slots[slot].inputCount = 0
    if slots[slot].deadline == .distantFuture { setDeadline(slot, now.adding(milliseconds: limits.drainMilliseconds)) }
    markDirty(slot)
  }

  /// Closes at once; the peer sees a reset and queued output is dropped.
  public func abort(_ connection: ConnectionID) {
    guard let slot = slot(of: connection) else { return }
    end(slot, .aborted, reset: true)
  }

  /// Ends the output after everything queued was sent; input goes on.
  public func shutdownOutput(_ connection: ConnectionID) {
    guard let slot = slot(of: connection), slots[slot].phase != .ending else { return }
    slots[slot].flags.insert(.shutdownWanted)
    markDirty(slot)
  }

  @usableFromInline func end(_ slot: Int, _ reason: CloseReason, reset: Bool = false) {
    guard slots[slot].phase != .ending else { return }
    slots[slot].phase = .ending
    slots[slot].reason = reason
    if reset { slots[slot].flags.insert(.reset) }
    markDirty(slot)
  }

  // MARK: Facts

  /// The peer's address; nil when the connection ended or has no named peer.
  public func peer(of connection: ConnectionID) -> SocketAddress? {
    guard let slot = slot(of: connection) else { return nil }
    if let destination = destinations[slot] { return destination }
    return usesDescriptors ? SocketAddress.of(slots[slot].handle, peer: true) : .unix(path: "")
  }

  /// Process, user and group of the peer of a Unix-domain connection; nil for others.
  public func credentials(of connection: ConnectionID) -> PeerCredentials? {
    guard let slot = slot(of: connection), usesDescriptors else { return nil }
    guard socket_option(slots[slot].handle, SOL_SOCKET, SO_DOMAIN) == AF_UNIX else { return nil }
    var credentials = ucred()
    // The kernel fills the local variable, whose size the inline function passes.
    guard unsafe socket_credentials(slots[slot].handle, &credentials) == 0 else { return nil }
    return PeerCredentials(processID: credentials.pid, userID: credentials.uid, groupID: credentials.gid)
  }

  /// Whether the peer of a Unix-domain connection is root, the user of this process, or a member of its group.
  public func isPeerTrusted(_ connection: ConnectionID) -> Bool {
    guard let slot = slot(of: connection), let peer = credentials(of: connection) else { return false }
    return peer.userID == 0 || peer.userID == geteuid() || peer.groupID == getegid() || socket_peer_has_group(slots[slot].handle, getegid()) == 1
  }

  /// Free slots, receive buffers and output segments: equal to the limits when nothing is open.
  public var free: (slots: Int, receiveBuffers: Int, outputSegments: Int) {
    (limits.connections - connectionCount, limits.receiveBuffers - heldTotal, freeSegmentCount)
  }

  /// Makes `run` return at the end of this tick.
  public func stop() { isStopping = true }

  // MARK: Time

  /// Arms a timer; nil when `ReactorLimits.timers` are armed. Fires once, with its token.
  public func setTimer(_ deadline: Instant, token: UInt64) -> TimerID? { timers.arm(at: deadline, token: token) }
  @discardableResult public func cancelTimer(_ id: TimerID) -> Bool { timers.cancel(id) }
  public func moveTimer(_ id: TimerID, to deadline: Instant) -> TimerID? { timers.rearm(id, at: deadline) }

  /// Ends the connection with `.timedOut` unless it is moved or cleared (nil) before. Moving it later costs one store.
  public func setDeadline(_ connection: ConnectionID, _ deadline: Instant?) {
    guard let slot = slot(of: connection) else { return }
    setDeadline(slot, deadline ?? .distantFuture)
  }

  func setDeadline(_ slot: Int, _ deadline: Instant) {
    let earlier = deadline < slots[slot].deadline
    slots[slot].deadline = deadline
    guard deadline != .distantFuture else { return }
    // A timer that is armed for an earlier time finds the later deadline when it fires.
    if !deadlines.isArmed(slots[slot].timer) {
      slots[slot].timer = deadlines.arm(at: deadline, token: UInt64(slot)) ?? .none
    } else if earlier {
      slots[slot].timer = deadlines.rearm(slots[slot].timer, at: deadline) ?? .none
    }
  }

  /// Ends the connections whose deadline passed.
  @usableFromInline func expireDeadlines() {
    while let token = deadlines.expire(now: now) {
      let slot = Int(token)
      slots[slot].timer = .none
      if slots[slot].deadline <= now {
        // A peer that lingers after it was sent everything is no failure.
        let isFinished = slots[slot].flags.contains(.closeWanted) && slots[slot].outputBytes == 0
        end(slot, isFinished ? .finished : .timedOut, reset: !isFinished)
      } else {
        setDeadline(slot, slots[slot].deadline)
      }
    }
  }

  /// Nanoseconds until the next deadline of a driver's timer or a connection.
  @usableFromInline func nanosecondsToNextDeadline() -> UInt64 {
    let next = min(timers.nextDeadline() ?? .distantFuture, deadlines.nextDeadline() ?? .distantFuture)
    return next == .distantFuture ? .max : next.nanoseconds(since: now)
  }
}
