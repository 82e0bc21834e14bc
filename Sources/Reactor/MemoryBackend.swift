public import Ambient
import CLinux

/// What the in-memory back end does to its connections; everything follows from the seed.
public struct MemoryFaults: Sendable {
  public var seed: UInt64 = 1
  /// Sends take, and receives deliver, a random part of what they could.
  public var areTransfersPartial = false
  /// Bytes under way in one direction of a connection.
  public var windowBytes = 64 * 1024
  /// Open handles; beyond it opening and accepting fail with EMFILE.
  public var handlesMax = Int.max
  /// One completion in this many is followed by a copy of an old one, as if a cancelled operation came back late; 0: never.
  public var staleEvery = 0

  public init() {}
}

/// Sockets inside one process on a clock of their own: connections to a listener of the same back end, without the kernel, reproducible.
///
/// A wait with nothing to do moves the clock to its end. Watched descriptors are real and are polled without waiting.
@safe public struct MemoryBackend: Backend, ~Copyable {
  public static var name: String { "memory" }
  public static var usesDescriptors: Bool { false }

  private struct Endpoint {
    var isOpen = false
    var isListener = false
    var address = SocketAddress.unix(path: "")
    /// Connections waiting to be accepted.
    var backlog: [Int32] = []
    var peer: Int32 = -1
    var inbox: [UInt8] = []
    /// The peer ended its output; the peer reset the connection.
    var isEnded = false
    var isReset = false
    var accept: OperationID?
    var receive: OperationID?
    var send: OperationID?
    var pending: [UInt8] = []
  }

  private var endpoints: [Endpoint] = []
  private var freeHandles: [Int32] = []
  private var openCount = 0
  private var random: SeededGenerator
  private let faults: MemoryFaults
  private var clock = Instant(milliseconds: 1)
  private var ready: [Completion] = []
  private var lastOfOld = Completion()
  private var delivered = 0
  private var watches: [(descriptor: Int32, id: OperationID)] = []
  private var nextPort: UInt16 = 40_000
  // Lent by `attach`.
  private var bufferBase: UnsafeMutableRawPointer?
  private var bufferBytes = 0
  private var freeBuffers: [UInt16] = []

  public init(_ faults: MemoryFaults = MemoryFaults()) {
    self.faults = faults
    random = SeededGenerator(seed: faults.seed)
  }

  public func now() -> Instant { clock }

  public mutating func attach(_ base: UnsafeMutableRawPointer, _ limits: ReactorLimits) throws(ReactorError) {
    // The loop owns the memory and outlives the back end.
    unsafe bufferBase = base
    bufferBytes = limits.receiveBufferBytes
    freeBuffers = (0..<limits.receiveBuffers).map { UInt16($0) }
  }

  public mutating func provide(_ buffer: UInt16) { freeBuffers.append(buffer) }

  private mutating func newHandle() -> Int32 {
    guard openCount < faults.handlesMax else { return -EMFILE }
    openCount += 1
    let handle = freeHandles.popLast() ?? Int32(endpoints.count)
    if Int(handle) == endpoints.count { endpoints.append(Endpoint()) }
    endpoints[Int(handle)] = Endpoint()
    endpoints[Int(handle)].isOpen = true
    return handle
  }

  public mutating func listen(_ address: SocketAddress, backlog: Int32, reusePort: Bool) throws(ReactorError) -> (handle: Int32, bound: SocketAddress) {
    var bound = address
    if case .ipv4(let host, 0) = address {
      bound = .ipv4(host, port: nextPort)
      nextPort += 1
    }
    guard !endpoints.contains(where: { $0.isOpen && $0.isListener && $0.address == bound }) else { throw .listen(address: bound, errno: EADDRINUSE) }
    let handle = newHandle()
    guard handle >= 0 else { throw .listen(address: bound, errno: -handle) }
    endpoints[Int(handle)].isListener = true
    endpoints[Int(handle)].address = bound
    return (handle, bound)
  }

  public mutating func accept(_ handle: Int32, _ id: OperationID) { endpoints[Int(handle)].accept = id }

  public mutating func refuse(_ listener: Int32) {
    guard !endpoints[Int(listener)].backlog.isEmpty else { return }
    endWaiting(endpoints[Int(listener)].backlog.removeFirst())
  }

  /// A client whose connection is refused after it was made sees the end of input.
  private mutating func endWaiting(_ client: Int32) {
    endpoints[Int(client)].isEnded = true
    endpoints[Int(client)].peer = -1
  }

  public mutating func open(for address: SocketAddress) -> Int32 { newHandle() }

  public mutating func connect(_ handle: Int32, to address: SocketAddress, _ id: OperationID) {
    guard let listener = endpoints.firstIndex(where: { $0.isOpen && $0.isListener && $0.address == address }) else {
      ready.append(Completion(id, -ECONNREFUSED, more: false))
      return
    }
    endpoints[listener].backlog.append(handle)
    ready.append(Completion(id, 0, more: false))
  }

  public mutating func receive(_ handle: Int32, _ id: OperationID) { endpoints[Int(handle)].receive = id }

  public mutating func send(_ handle: Int32, _ slices: Table<Slice>, _ count: Int, _ id: OperationID) -> Int32? {
    // The loop's slices are alive during the call, and the bytes are copied here.
    var bytes: [UInt8] = []
    for index in 0..<count { unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: slices[index].base, count: slices[index].count)) }
    endpoints[Int(handle)].send = id
    endpoints[Int(handle)].pending = bytes
    return nil
  }

  public mutating func cancel(_ handle: Int32, _ id: OperationID) {
    guard endpoints[Int(handle)].receive == id else { return }
    endpoints[Int(handle)].receive = nil
    ready.append(Completion(id, -ECANCELED, more: false))
  }

  public mutating func cancelAll(_ handle: Int32, _ connection: ConnectionID) {
    if let id = endpoints[Int(handle)].receive { cancel(handle, id) }
    if let id = endpoints[Int(handle)].send { ready.append(Completion(id, -ECANCELED, more: false)) }
    endpoints[Int(handle)].send = nil
  }

  public mutating func shutdownOutput(_ handle: Int32) {
    let peer = endpoints[Int(handle)].peer
    if peer >= 0 { endpoints[Int(peer)].isEnded = true } else { endpoints[Int(handle)].address = .unix(path: "ended") }
  }

  public mutating func close(_ handle: Int32, _ connection: ConnectionID, reset: Bool) {
    let peer = endpoints[Int(handle)].peer
    if peer >= 0 {
      endpoints[Int(peer)].isEnded = true
      // As with TCP, unread input turns the close into a reset.
      if reset || !endpoints[Int(handle)].inbox.isEmpty { endpoints[Int(peer)].isReset = true }
      endpoints[Int(peer)].peer = -1
    }
    for index in endpoints.indices where endpoints[index].isListener { endpoints[index].backlog.removeAll { $0 == handle } }
    endpoints[Int(handle)] = Endpoint()
    freeHandles.append(handle)
    openCount -= 1
  }

  public mutating func watch(_ descriptor: Int32, _ id: OperationID) { watches.append((descriptor, id)) }

  public mutating func wait(_ timeout: UInt64, _ completions: Table<Completion>) -> Int {
    for handle in endpoints.indices where endpoints[handle].isOpen { step(handle) }
    for watch in watches where descriptor_is_readable(watch.descriptor) != 0 { ready.append(Completion(watch.id, 1, more: true)) }
    // Time passes only when nothing happens; without a limit it passes by a millisecond, so that other threads may be polled.
    clock = clock.adding(nanoseconds: ready.isEmpty ? (timeout == .max ? 1_000_000 : timeout) : 1000)
    var count = 0
    while count < completions.count && count < ready.count {
      completions[count] = ready[count]
      count += 1
    }
    let newest = count > 0 ? completions[count - 1] : lastOfOld
    ready.removeFirst(count)
    if faults.staleEvery > 0 && count > 0 && count < completions.count {
      delivered += count
      if delivered >= faults.staleEvery {
        delivered = 0
        // Without its buffer, which has another owner by now, and with the generation of a connection that never was.
        let kind = OperationID(rawValue: lastOfOld.id).kind
        if kind == .receive || kind == .send {
          completions[count] = Completion(id: lastOfOld.id ^ 0x00FF_0000_0000_0000, result: lastOfOld.result, flags: lastOfOld.flags & 2)
          count += 1
        }
        lastOfOld = newest
      }
    }
    return count
  }

  private mutating func step(_ handle: Int) {
    if endpoints[handle].isListener {
      stepListener(handle)
    } else {
      stepSend(handle)
      stepReceive(handle)
    }
  }

  private mutating func stepListener(_ listener: Int) {
    guard let id = endpoints[listener].accept else { return }
    while !endpoints[listener].backlog.isEmpty {
      let accepted = newHandle()
      if accepted < 0 {
        endpoints[listener].accept = nil
        ready.append(Completion(id, accepted, more: false))
        return
      }
      let client = endpoints[listener].backlog.removeFirst()
      endpoints[Int(accepted)].peer = client
      endpoints[Int(accepted)].isEnded = endpoints[Int(client)].address == .unix(path: "ended")
      endpoints[Int(client)].peer = accepted
      ready.append(Completion(id, accepted, more: true))
    }
  }

  private mutating func part(_ count: Int) -> Int { faults.areTransfersPartial && count > 1 ? Int.random(in: 1...count, using: &random) : count }

  private mutating func stepSend(_ handle: Int) {
    guard let id = endpoints[handle].send else { return }
    let peer = Int(endpoints[handle].peer)
    if endpoints[handle].isReset || (peer < 0 && endpoints[handle].isEnded) {
      endpoints[handle].send = nil
      ready.append(Completion(id, endpoints[handle].isReset ? -ECONNRESET : -EPIPE, more: false))
      return
    }
    guard peer >= 0, endpoints[peer].inbox.count < faults.windowBytes else { return }
    let count = part(min(endpoints[handle].pending.count, faults.windowBytes - endpoints[peer].inbox.count))
    endpoints[peer].inbox.append(contentsOf: endpoints[handle].pending.prefix(count))
    endpoints[handle].send = nil
    ready.append(Completion(id, Int32(count), more: false))
  }

  private mutating func stepReceive(_ handle: Int) {
    guard let id = endpoints[handle].receive else { return }
    if endpoints[handle].isReset {
      endpoints[handle].receive = nil
      ready.append(Completion(id, -ECONNRESET, more: false))
    } else if !endpoints[handle].inbox.isEmpty {
      guard let buffer = freeBuffers.popLast() else {
        endpoints[handle].receive = nil
        ready.append(Completion(id, -ENOBUFS, more: false))
        return
      }
      let count = part(min(bufferBytes, endpoints[handle].inbox.count))
      // `count` bytes fit in the buffer, and the inbox has them.
      unsafe endpoints[handle].inbox.withUnsafeBytes { unsafe (bufferBase! + Int(buffer) * bufferBytes).copyMemory(from: $0.baseAddress!, byteCount: count) }
      endpoints[handle].inbox.removeFirst(count)
      ready.append(Completion(id, Int32(count), buffer: buffer, more: true))
    } else if endpoints[handle].isEnded {
      endpoints[handle].receive = nil
      ready.append(Completion(id, 0, more: false))
    }
  }
}
