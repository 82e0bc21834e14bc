public import Ambient
import CLinux

/// epoll imitating completions: every socket is registered once, edge-triggered in both directions, and its readiness is kept per slot.
///
/// A send is tried at once and waits for readiness only when the socket is full. An armed receive fills buffers of the pool until the socket
/// is empty or the budget of the tick is spent; the rest stays on the run queue, because an edge is not repeated.
@safe public struct EpollBackend: Backend, ~Copyable {
  public static var name: String { "epoll" }
  public static var usesDescriptors: Bool { true }

  /// Buffers that one connection may fill in one tick.
  private static let buffersPerTick = 4
  private static let eventCount = 256

  private struct Socket: BitwiseCopyable {
    var handle: Int32 = -1
    var connection = ConnectionID(rawValue: 0)
    var isReadable = false
    var isWritable = false
    /// The peer ended or the socket failed: a short read is not the last one.
    var isHungUp = false
    var isReceiving = false
    var isConnecting = false
    var isListed = false
    /// Slices of the send that waits for room; 0 when none waits.
    var pending = 0
  }

  private struct Watch {
    var handle: Int32
    var id: OperationID
    var isArmed: Bool
    var isListener: Bool
  }

  private let set: Int32
  private var reserve: Int32
  private let events: UnsafeMutablePointer<epoll_event>
  private var sockets = Table<Socket>(count: 0, repeating: Socket())
  private var pendingSlices: Table<Slice>
  /// Slots with an armed receive and a readable socket; twice the room, for what is listed while the list is worked off.
  private var runQueue = Table<Int32>(count: 0, repeating: 0)
  private var runCount = 0
  /// Completions that need no waiting. Bounded: two per slot and tick, one per watch.
  private var ready: [Completion] = []
  private var watches: [Watch] = []
  private var acceptsPerTick = 64

  // Lent by `attach`.
  private var bufferBase: UnsafeMutableRawPointer?
  private var bufferBytes = 0
  private var freeBuffers = Table<UInt16>(count: 0, repeating: 0)
  private var freeBufferCount = 0

  public init() throws(ReactorError) {
    set = epoll_open()
    guard set >= 0 else { throw .epoll(errno: -set) }
    reserve = reserve_open()
    // Room for `eventCount` events, owned by this value.
    unsafe events = .allocate(capacity: Self.eventCount)
    // An empty slice: its address is never read.
    pendingSlices = Table(count: 0, repeating: unsafe Slice(base: UnsafeMutableRawPointer(events), count: 0))
  }

  deinit {
    _ = CLinux.close(set)
    if reserve >= 0 { _ = CLinux.close(reserve) }
    // Allocated by init, and the loop that lent it to the kernel has ended.
    unsafe events.deallocate()
    sockets.deallocate()
    pendingSlices.deallocate()
    runQueue.deallocate()
    freeBuffers.deallocate()
  }

  public func now() -> Instant { Instant(nanoseconds: clock_monotonic_nanoseconds()) }

  public mutating func attach(_ base: UnsafeMutableRawPointer, _ limits: ReactorLimits) throws(ReactorError) {
    // The loop owns the memory and outlives the back end.
    unsafe bufferBase = base
    bufferBytes = limits.receiveBufferBytes
    acceptsPerTick = limits.acceptsPerTick
    sockets.deallocate()
    sockets = Table(count: limits.connections, repeating: Socket())
    pendingSlices.deallocate()
    pendingSlices = Table(count: limits.connections * Loop.gatherMax, repeating: unsafe Slice(base: base, count: 0))
    runQueue.deallocate()
    runQueue = Table(count: 2 * limits.connections, repeating: 0)
    freeBuffers.deallocate()
    freeBuffers = Table(count: limits.receiveBuffers, repeating: 0)
    ready.reserveCapacity(limits.completionsPerTick + 4 * limits.connections)
    for buffer in 0..<limits.receiveBuffers { provide(UInt16(buffer)) }
  }

  public mutating func provide(_ buffer: UInt16) {
    freeBuffers[freeBufferCount] = buffer
    freeBufferCount += 1
  }

  public mutating func listen(_ address: SocketAddress, backlog: Int32, reusePort: Bool) throws(ReactorError) -> (handle: Int32, bound: SocketAddress) {
    try Descriptors.listen(address, backlog, reusePort)
  }

  // Watches are level-triggered and have identifiers from 2^63; sockets have their connection's.
  private static let watchBit: UInt64 = 1 << 63

  private mutating func arm(_ handle: Int32, _ id: OperationID, isListener: Bool) {
    if let index = watches.firstIndex(where: { $0.handle == handle }) {
      if !watches[index].isArmed { _ = epoll_change(set, EPOLL_CTL_MOD, handle, EPOLLIN.rawValue, Self.watchBit | UInt64(index)) }
      watches[index].isArmed = true
    } else {
      watches.append(Watch(handle: handle, id: id, isArmed: true, isListener: isListener))
      _ = epoll_change(set, EPOLL_CTL_ADD, handle, EPOLLIN.rawValue, Self.watchBit | UInt64(watches.count - 1))
    }
  }

  public mutating func accept(_ handle: Int32, _ id: OperationID) { arm(handle, id, isListener: true) }
  public mutating func watch(_ descriptor: Int32, _ id: OperationID) { arm(descriptor, id, isListener: false) }
  public mutating func refuse(_ listener: Int32) { Descriptors.refuse(listener, &reserve) }
  public mutating func open(for address: SocketAddress) -> Int32 { socket_open(address.family, 1) }

  /// The slot of a connection, registered with the kernel at its first operation.
  private mutating func socket(_ handle: Int32, _ connection: ConnectionID) -> Int {
    let slot = connection.slot
    if sockets[slot].connection != connection || sockets[slot].handle != handle {
      let wasListed = sockets[slot].isListed
      sockets[slot] = Socket()
      sockets[slot].handle = handle
      sockets[slot].connection = connection
      sockets[slot].isListed = wasListed
      let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
      let result = epoll_change(set, EPOLL_CTL_ADD, handle, interest, connection.rawValue)
      // Without memory for the registration the socket counts as broken: its operations are tried at once and end with the kernel's answer.
      if result < 0 { (sockets[slot].isReadable, sockets[slot].isHungUp) = (true, true) }
      sockets[slot].isWritable = true
    }
    return slot
  }

  public mutating func connect(_ handle: Int32, to address: SocketAddress, _ id: OperationID) {
    let result = Descriptors.connect(handle, address)
    guard result == -EINPROGRESS else {
      // EAGAIN of a Unix-domain socket means that the listener's queue is full, and no readiness will follow.
      ready.append(Completion(id, result == -EAGAIN ? -ECONNREFUSED : result, more: false))
      return
    }
    let slot = socket(handle, id.connection)
    sockets[slot].isWritable = false
    sockets[slot].isConnecting = true
  }

  public mutating func receive(_ handle: Int32, _ id: OperationID) {
    let slot = socket(handle, id.connection)
    sockets[slot].isReceiving = true
    if sockets[slot].isReadable { list(slot) }
  }

  private mutating func list(_ slot: Int) {
    guard !sockets[slot].isListed else { return }
    sockets[slot].isListed = true
    runQueue[runCount] = Int32(slot)
    runCount += 1
  }

  public mutating func send(_ handle: Int32, _ slices: Table<Slice>, _ count: Int, _ id: OperationID) -> Int32? {
    let slot = socket(handle, id.connection)
    if sockets[slot].isWritable {
      // The slices name memory that the loop keeps until the send settles.
      let result = unsafe transmit(handle, slices.base, count)
      if result != -EAGAIN { return result }
      sockets[slot].isWritable = false
    }
    for index in 0..<count { pendingSlices[slot * Loop.gatherMax + index] = slices[index] }
    sockets[slot].pending = count
    return nil
  }

  private func transmit(_ handle: Int32, _ slices: UnsafeMutablePointer<Slice>, _ count: Int) -> Int32 {
    // Slice has the layout of iovec; the caller's table holds `count` of them.
    unsafe slices.withMemoryRebound(to: iovec.self, capacity: count) { unsafe socket_send(handle, $0, UInt32(count)) }
  }

  public mutating func cancel(_ handle: Int32, _ id: OperationID) {
    let slot = socket(handle, id.connection)
    guard id.kind == .receive && sockets[slot].isReceiving else { return }
    sockets[slot].isReceiving = false
    ready.append(Completion(id, -ECANCELED, more: false))
  }

  public mutating func cancelAll(_ handle: Int32, _ connection: ConnectionID) {
    let slot = connection.slot
    guard sockets[slot].connection == connection else { return }
    cancel(handle, OperationID(.receive, connection))
    if sockets[slot].pending > 0 { ready.append(Completion(OperationID(.send, connection), -ECANCELED, more: false)) }
    if sockets[slot].isConnecting { ready.append(Completion(OperationID(.connect, connection), -ECANCELED, more: false)) }
    sockets[slot].pending = 0
    sockets[slot].isConnecting = false
  }

  public mutating func shutdownOutput(_ handle: Int32) { socket_shutdown_output(handle) }

  public mutating func close(_ handle: Int32, _ connection: ConnectionID, reset: Bool) {
    if connection.slot < sockets.count, sockets[connection.slot].connection == connection {
      let wasListed = sockets[connection.slot].isListed
      sockets[connection.slot] = Socket()
      sockets[connection.slot].isListed = wasListed
    }
    if reset { socket_reset_on_close(handle) }
    // Closing the only descriptor of a socket takes it out of the epoll set.
    _ = CLinux.close(handle)
  }

  public mutating func wait(_ timeout: UInt64, _ completions: Table<Completion>) -> Int {
    let isBusy = !ready.isEmpty || runCount > 0
    // Rounded up, so that a deadline has passed when the wait ends.
    let milliseconds: Int32 = isBusy ? 0 : timeout == .max ? -1 : Int32(min(3_600_000, timeout / 1_000_000 + 1))
    // The array has `eventCount` rows, of which the kernel wrote `count`.
    let count = unsafe epoll_wait(set, events, Int32(Self.eventCount), milliseconds)
    if count > 0 { for index in 0..<Int(count) { unsafe take(events[index].data.u64, events[index].events) } }
    serveReaders(completions.count)
    let reaped = min(ready.count, completions.count)
    for index in 0..<reaped { completions[index] = ready[index] }
    ready.removeFirst(reaped)
    return reaped
  }

  private mutating func take(_ id: UInt64, _ mask: UInt32) {
    if id & Self.watchBit != 0 {
      let index = Int(id & ~Self.watchBit)
      if watches[index].isListener { acceptReady(index) } else { ready.append(Completion(watches[index].id, 1, more: true)) }
      return
    }
    let connection = ConnectionID(rawValue: id)
    let slot = connection.slot
    guard sockets[slot].connection == connection, sockets[slot].handle >= 0 else { return }
    let failed = mask & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
    if failed || mask & EPOLLRDHUP.rawValue != 0 { sockets[slot].isHungUp = true }
    if failed || mask & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0 {
      sockets[slot].isReadable = true
      if sockets[slot].isReceiving { list(slot) }
    }
    if failed || mask & EPOLLOUT.rawValue != 0 { becameWritable(slot) }
  }

  private mutating func becameWritable(_ slot: Int) {
    let connection = sockets[slot].connection
    sockets[slot].isWritable = true
    if sockets[slot].isConnecting {
      sockets[slot].isConnecting = false
      let error = socket_option(sockets[slot].handle, SOL_SOCKET, SO_ERROR)
      ready.append(Completion(OperationID(.connect, connection), error > 0 ? -error : error, more: false))
    } else if sockets[slot].pending > 0 {
      // The slot's own rows of the table.
      let result = unsafe transmit(sockets[slot].handle, pendingSlices.base + slot * Loop.gatherMax, sockets[slot].pending)
      if result == -EAGAIN {
        sockets[slot].isWritable = false
      } else {
        sockets[slot].pending = 0
        ready.append(Completion(OperationID(.send, connection), result, more: false))
      }
    }
  }

  private mutating func acceptReady(_ index: Int) {
    for _ in 0..<acceptsPerTick {
      let result = socket_accept(watches[index].handle)
      if result == -EAGAIN { return }
      if result == -EINTR || result == -ECONNABORTED { continue }
      if result >= 0 {
        ready.append(Completion(watches[index].id, result, more: true))
      } else {
        // Level-triggered readiness would make the loop spin: the listener rests until it is armed again.
        watches[index].isArmed = false
        _ = epoll_change(set, EPOLL_CTL_MOD, watches[index].handle, 0, Self.watchBit | UInt64(index))
        ready.append(Completion(watches[index].id, result, more: false))
        return
      }
    }
  }

  private mutating func serveReaders(_ room: Int) {
    let listed = runCount
    var served = 0
    while served < listed && ready.count < room {
      let slot = Int(runQueue[served])
      served += 1
      sockets[slot].isListed = false
      if sockets[slot].isReceiving && sockets[slot].isReadable { read(slot) }
    }
    // Sockets listed again stand behind the served ones.
    for index in served..<runCount { runQueue[index - served] = runQueue[index] }
    runCount -= served
  }

  private mutating func read(_ slot: Int) {
    let id = OperationID(.receive, sockets[slot].connection)
    for _ in 0..<Self.buffersPerTick {
      guard freeBufferCount > 0 else {
        sockets[slot].isReceiving = false
        ready.append(Completion(id, -ENOBUFS, more: false))
        return
      }
      let buffer = freeBuffers[freeBufferCount - 1]
      // One of the buffers that `attach` lent.
      let result = unsafe socket_receive(sockets[slot].handle, bufferBase! + Int(buffer) * bufferBytes, UInt32(bufferBytes))
      if result > 0 {
        freeBufferCount -= 1
        ready.append(Completion(id, result, buffer: buffer, more: true))
        if Int(result) < bufferBytes && !sockets[slot].isHungUp {
          sockets[slot].isReadable = false
          return
        }
      } else if result == -EAGAIN {
        sockets[slot].isReadable = false
        return
      } else if result != -EINTR {
        sockets[slot].isReceiving = false
        ready.append(Completion(id, result, more: false))
        return
      }
    }
    list(slot)
  }
}
