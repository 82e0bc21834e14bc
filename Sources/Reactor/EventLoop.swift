public import Ambient
import CLinux

/// Runs one driver on one back end, on one thread: the thread that makes the loop is the one that runs it.
///
/// Both parameters are specialised at compile time; the loop calls the driver directly.
public final class EventLoop<B: Backend & ~Copyable, D: Driver> {
  @usableFromInline var backend: B
  public var driver: D
  public let loop: Loop
  @usableFromInline let completions: Table<Completion>
  @usableFromInline var listeners: [Listener] = []
  @usableFromInline var signalDescriptor: Int32 = -1

  /// - Throws: `.ring`, `.epoll` or `.descriptor` when the kernel refuses what the back end needs.
  public init(_ backend: consuming B, driver: consuming D, limits: ReactorLimits = ReactorLimits()) throws(ReactorError) {
    let loop = try Loop(limits: limits, now: backend.now(), usesDescriptors: B.usesDescriptors)
    // The loop outlives the back end: both are released with this object, the back end by `deinit` order below.
    try unsafe backend.attach(loop.receiveBase, limits)
    backend.watch(loop.waker.descriptor, OperationID(.wake))
    self.backend = backend
    self.driver = driver
    self.loop = loop
    completions = Table(count: limits.completionsPerTick, repeating: Completion())
  }

  deinit {
    for listener in listeners {
      if B.usesDescriptors { _ = close(listener.handle) }
      // The path is lent to the call as a C string.
      if case .unix(let path) = listener.address, B.usesDescriptors { _ = unsafe unlink(path) }
    }
    if signalDescriptor >= 0 { _ = close(signalDescriptor) }
    completions.deallocate()
  }

  // MARK: Listeners, signals

  /// Opens a listener; port 0 is replaced by the port that the kernel chose. A stale Unix-domain socket in the way is removed by the caller.
  public func listen(_ address: SocketAddress, backlog: Int32 = 1024, reusePort: Bool = false) throws(ReactorError) -> (id: ListenerID, address: SocketAddress) {
    guard listeners.count < loop.limits.listeners else { throw .listenersExhausted(max: loop.limits.listeners) }
    let opened = try backend.listen(address, backlog: backlog, reusePort: reusePort)
    listeners.append(Listener(handle: opened.handle, address: opened.bound))
    return (ListenerID(rawValue: UInt16(listeners.count - 1)), opened.bound)
  }

  /// Takes over a listening socket that another process opened, a supervisor for example. It is closed with this object.
  public func adopt(_ descriptor: Int32) throws(ReactorError) -> (id: ListenerID, address: SocketAddress) {
    guard listeners.count < loop.limits.listeners else { throw .listenersExhausted(max: loop.limits.listeners) }
    let result = B.usesDescriptors ? socket_adopt(descriptor) : -EINVAL
    guard result == 0, let address = SocketAddress.of(descriptor, peer: false) else { throw .descriptor(errno: max(EINVAL, -result)) }
    listeners.append(Listener(handle: descriptor, address: address))
    return (ListenerID(rawValue: UInt16(listeners.count - 1)), address)
  }

  /// Delivers SIGTERM, SIGINT and SIGHUP to the driver. `Signals.block` must have been called before other threads were started.
  public func watchSignals() throws(ReactorError) {
    guard signalDescriptor < 0 else { return }
    signalDescriptor = signals_open()
    guard signalDescriptor >= 0 else { throw .descriptor(errno: -signalDescriptor) }
    backend.watch(signalDescriptor, OperationID(.signal))
  }

  // MARK: Running

  /// Runs until `Loop.stop`.
  @inlinable public func run() {
    while !loop.isStopping { runOnce() }
  }

  /// One tick: submits what is queued, waits for events, timers or `timeout` nanoseconds, and tells the driver.
  @inlinable public func runOnce(timeout: UInt64 = .max) {
    flush()
    let idle = loop.hasWork ? 0 : min(timeout, min(loop.nanosecondsToNextDeadline(), nanosecondsToNextAccept()))
    let maySleep = idle > 0 && loop.prepareToSleep()
    let count = backend.wait(maySleep ? idle : 0, completions)
    loop.setNow(backend.now())
    if loop.resume() { driver.woken(loop) }
    var index = 0
    while index < count {
      dispatch(completions[index])
      index &+= 1
    }
    loop.expireDeadlines()
    var fired = 0
    while fired < loop.limits.timersPerTick, let token = loop.expireTimer() {
      driver.timer(token, loop)
      fired &+= 1
    }
    driver.ticked(loop.now, loop)
  }

  /// Ends all connections with a reset and runs until their operations ended. The driver hears `closed` for each.
  @inlinable public func closeAll() {
    loop.endAll()
    while loop.connectionCount > 0 { runOnce(timeout: 1_000_000) }
    flush()
    _ = backend.wait(0, completions)
  }

  @inlinable func flush() {
    while let buffer = loop.takeReturned() { backend.provide(buffer) }
    loop.feedStarved()
    armListeners()
    loop.beginSettling()
    while let slot = loop.nextToSettle() { settle(slot) }
    // What settling gave back, so that the wait finds a full pool.
    while let buffer = loop.takeReturned() { backend.provide(buffer) }
  }

  // MARK: Completions

  @inlinable func dispatch(_ completion: Completion) {
    let operation = OperationID(rawValue: completion.id)
    switch operation.kind {
    case .receive:
      guard let slot = loop.slot(of: operation.connection) else {
        // Stale: the connection ended. Only its buffer is of interest.
        if let buffer = completion.buffer { loop.recycle(buffer) }
        return
      }
      loop.receiveCompleted(slot, completion)
      deliver(slot)
    case .send:
      if let slot = loop.slot(of: operation.connection) { loop.sendCompleted(slot, completion.result) }
    case .accept: acceptCompleted(operation.index, completion)
    case .connect:
      if let slot = loop.slot(of: operation.connection), loop.connectCompleted(slot, completion.result) {
        driver.connected(operation.connection, loop)
      }
    case .wake:
      loop.clearWaker()
      if !completion.more { backend.watch(loop.wakeDescriptor, OperationID(.wake)) }
    case .signal:
      while let signal = nextSignal() { driver.signalled(signal, loop) }
      if !completion.more { backend.watch(signalDescriptor, OperationID(.signal)) }
    case .ignored: break
    }
  }

  @inlinable func deliver(_ slot: Int) {
    let id = loop.id(slot)
    while let input = loop.presentInput(slot) {
      // The bytes stay where they are until `consume`: the driver can only queue.
      let taken = unsafe driver.received(id, RawSpan(_unsafeStart: input.base, byteCount: input.count), loop)
      loop.consume(slot, taken, of: input.count)
    }
    if loop.takeInputEnd(slot) { driver.inputEnded(id, loop) }
  }

  @inlinable func acceptCompleted(_ index: Int, _ completion: Completion) {
    if completion.result >= 0 {
      if let slot = loop.acquire(completion.result, isOpen: true, listener: UInt16(index)) {
        driver.accepted(loop.id(slot), on: ListenerID(rawValue: UInt16(index)), loop)
      } else {
        loop.noteRefused()
        backend.close(completion.result, ConnectionID(rawValue: .max), reset: false)
      }
    }
    if !completion.more { listeners[index].isArmed = false }
    if ErrorNumber.isExhaustion(-completion.result) {
      backend.refuse(listeners[index].handle)
      loop.noteRefused()
      listeners[index].restsUntil = loop.now.adding(milliseconds: loop.limits.acceptRestMilliseconds)
    }
  }

  // MARK: Steps

  @inlinable func settle(_ slot: Int) {
    var sends = 0
    while true {
      let id = loop.id(slot)
      switch loop.nextStep(slot) {
      case .none: return
      case .deliver: deliver(slot)
      case .receive(let handle): backend.receive(handle, OperationID(.receive, id))
      case .send(let handle):
        let count = loop.gather(slot)
        guard let result = backend.send(handle, loop.gathered, count, OperationID(.send, id)) else { break }
        loop.sendCompleted(slot, result)
        sends += 1
        // A driver that refills as fast as the peer reads waits for the next tick, which `sendCompleted` asked for.
        if sends == 4 { return }
      case .drained:
        driver.sendDrained(id, loop)
        loop.noteTold()
      case .connect(_, let address):
        let handle = backend.open(for: address)
        if handle < 0 { _ = loop.connectCompleted(slot, handle) } else {
          loop.setHandle(slot, handle)
          backend.connect(handle, to: address, OperationID(.connect, id))
        }
      case .cancelReceive(let handle): backend.cancel(handle, OperationID(.receive, id))
      case .cancelAll(let handle): backend.cancelAll(handle, id)
      case .shutdownOutput(let handle): backend.shutdownOutput(handle)
      case .close(let handle, let reset, let reason):
        if handle >= 0 { backend.close(handle, id, reset: reset) }
        loop.release(slot)
        driver.closed(id, reason, loop)
        loop.noteTold()
        return
      }
    }
  }

  // MARK: Accepting

  @usableFromInline func armListeners() {
    for index in listeners.indices where !listeners[index].isArmed && listeners[index].restsUntil <= loop.now {
      listeners[index].isArmed = true
      backend.accept(listeners[index].handle, OperationID(.accept, index: index))
    }
  }

  @usableFromInline func nanosecondsToNextAccept() -> UInt64 {
    var nearest = UInt64.max
    for listener in listeners where !listener.isArmed { nearest = min(nearest, listener.restsUntil.nanoseconds(since: loop.now)) }
    return nearest
  }

  @usableFromInline func nextSignal() -> Int32? {
    let signal = signals_next(signalDescriptor)
    return signal == 0 ? nil : signal
  }
}

@usableFromInline struct Listener {
  @usableFromInline let handle: Int32
  let address: SocketAddress
  @usableFromInline var isArmed = false
  /// Accepting rests until then, after the process ran out of descriptors.
  @usableFromInline var restsUntil = Instant.zero
}

extension ErrorNumber {
  @usableFromInline static func isExhaustion(_ number: Int32) -> Bool {
    number == tooManyFiles || number == tooManyFilesInSystem || number == noMemory || number == noBuffers
  }
}

extension Loop {
  /// True when the next tick must not wait.
  @usableFromInline var hasWork: Bool { dirtyCount > 0 || wasDriverTold || isStopping }
  @usableFromInline func noteTold() { wasDriverTold = true }

  @usableFromInline var wakeDescriptor: Int32 { waker.descriptor }
  @usableFromInline func clearWaker() { waker.clear() }
  @usableFromInline func noteRefused() { refusedCount &+= 1 }
  @usableFromInline func setNow(_ instant: Instant) {
    now = instant
    wasDriverTold = false
  }
  @usableFromInline func prepareToSleep() -> Bool { waker.prepareToSleep() }
  @usableFromInline func resume() -> Bool { waker.resume() }
  @usableFromInline func expireTimer() -> UInt64? { timers.expire(now: now) }
  @usableFromInline func setHandle(_ slot: Int, _ handle: Int32) { slots[slot].handle = handle }

  @usableFromInline func takeReturned() -> UInt16? {
    guard returnedCount > 0 else { return nil }
    returnedCount -= 1
    return returned[returnedCount]
  }

  @usableFromInline func beginSettling() {
    swap(&dirty, &settling)
    settlingCount = dirtyCount
    settlingIndex = 0
    dirtyCount = 0
    for index in 0..<settlingCount { slots[Int(settling[index])].flags.remove(.dirty) }
  }

  @usableFromInline func nextToSettle() -> Int? {
    guard settlingIndex < settlingCount else { return nil }
    settlingIndex += 1
    return Int(settling[settlingIndex - 1])
  }

  @usableFromInline func endAll() {
    for slot in 0..<limits.connections where slots[slot].phase != .free { end(slot, .stopped, reset: true) }
  }
}
