import Ambient
import Bytes
import CLinux
import Glibc
import Reactor
import Synchronization

enum Kind: String, CaseIterable, Sendable { case io_uring, epoll, memory }

/// Multiplies the sizes of the sweeps.
let scale = unsafe getenv("MOLOCH_TEST_SCALE").flatMap { unsafe Int(String(cString: $0)) } ?? 1

/// What a scenario observes; expectations are stated on the test's own thread.
struct Outcome: Sendable {
  var accepted = 0
  var connected = 0
  var ended = 0
  var wrong = 0
  var received = 0
  var drained = 0
  var timers: [UInt64] = []
  var wakes = 0
  var refused: UInt64 = 0
  var ticks = 0
  var clientReasons: [CloseReason] = []
  var serverReasons: [CloseReason] = []
  /// Slots, buffers, segments and descriptors that did not come back.
  var leaked = 0
  var peers: [SocketAddress?] = []
  var credentials: [PeerCredentials?] = []
}

struct Scenario: Sendable {
  enum Server: Sendable { case echo, records(Int), answerAtEnd, abortOnData, flood(Int), ignore }
  var server = Server.echo
  var limits = {
    var limits = ReactorLimits.small
    limits.outputSegments = 4096
    return limits
  }()
  var faults = MemoryFaults()
  var address = SocketAddress.ipv4(0x7F00_0001, port: 0)
  var connections = 10
  /// Connections open at once.
  var concurrency = 10
  var payloadBytes = 1000
  var clientPauses = false
  /// Paused clients read again from this tick on; 0: never.
  var clientResumesAtTick = 0
  var clientHalfCloses = false
  /// One connection in this many is aborted at a random moment; 0: none.
  var abortEvery = 0
  var serverOutputMax = 1 << 20
  var exhaustsDescriptors = false
  var ticksMax = 400_000
  /// Ends when this many connections were refused.
  var refusalsMax = UInt64.max
  /// Ends when the server's side of this many connections was closed.
  var serverClosesMax = Int.max
}

/// Both ends of every connection, on one loop.
struct Players: Driver {
  let scenario: Scenario
  var outcome = Outcome()
  var target = SocketAddress.ipv4(0, port: 0)
  var random = SeededGenerator(seed: 42)
  var isClient: [Bool]
  var sent: [Int]
  var got: [Int]
  var clientsStarted = 0
  var clientsClosed = 0
  var live: [ConnectionID] = []
  let payload: [UInt8]

  init(_ scenario: Scenario) {
    self.scenario = scenario
    isClient = Array(repeating: false, count: scenario.limits.connections)
    sent = Array(repeating: 0, count: scenario.limits.connections)
    got = sent
    var random = SeededGenerator(seed: 7)
    payload = (0..<max(1, scenario.payloadBytes)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  var isDone: Bool { clientsClosed == scenario.connections }

  mutating func start(_ loop: Loop) {
    while clientsStarted < scenario.connections, clientsStarted - clientsClosed < scenario.concurrency {
      guard let id = loop.connect(target) else { return }
      clientsStarted += 1
      isClient[id.slot] = true
      (sent[id.slot], got[id.slot]) = (0, 0)
      live.append(id)
    }
  }

  mutating func push(_ id: ConnectionID, _ loop: Loop) {
    while sent[id.slot] < scenario.payloadBytes && loop.outputBytes(id) < 64 * 1024 {
      let count = min(10_000, scenario.payloadBytes - sent[id.slot])
      guard loop.send(id, payload.bytes.extracting(sent[id.slot]..<sent[id.slot] + count)) else { return }
      sent[id.slot] += count
    }
    if scenario.clientHalfCloses && sent[id.slot] == scenario.payloadBytes { loop.shutdownOutput(id) }
  }

  mutating func connected(_ id: ConnectionID, _ loop: Loop) {
    outcome.connected += 1
    if scenario.clientPauses && (scenario.clientResumesAtTick == 0 || outcome.ticks < scenario.clientResumesAtTick) { loop.pauseInput(id) }
    push(id, loop)
  }

  mutating func accepted(_ id: ConnectionID, on listener: ListenerID, _ loop: Loop) {
    outcome.accepted += 1
    isClient[id.slot] = false
    got[id.slot] = 0
    live.append(id)
    if outcome.peers.isEmpty {
      outcome.peers.append(loop.peer(of: id))
      outcome.credentials.append(loop.credentials(of: id))
    }
    loop.setOutputMax(id, scenario.serverOutputMax)
    if case .flood(let bytes) = scenario.server {
      let shared = SharedBytes([UInt8](repeating: 1, count: bytes))
      while loop.isOpen(id) { loop.send(id, shared: shared) }
    }
  }

  mutating func received(_ id: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    outcome.received += bytes.byteCount
    if isClient[id.slot] {
      if case .answerAtEnd = scenario.server {
        outcome.wrong += bytes.byteCount == 1 ? 0 : 1
        return bytes.byteCount
      }
      let offset = got[id.slot]
      if offset + bytes.byteCount > payload.count || !bytes.elementsEqual(payload.bytes.extracting(offset..<offset + bytes.byteCount)) { outcome.wrong += 1 }
      got[id.slot] += bytes.byteCount
      push(id, loop)
      if got[id.slot] == scenario.payloadBytes { loop.close(id) }
      return bytes.byteCount
    }
    got[id.slot] += bytes.byteCount
    switch scenario.server {
    case .echo:
      loop.send(id, bytes)
      return bytes.byteCount
    case .records(let size):
      let whole = bytes.byteCount / size * size
      if whole > 0 { loop.send(id, bytes.extracting(0..<whole)) }
      return whole
    case .abortOnData:
      loop.abort(id)
      return 0
    case .answerAtEnd, .flood, .ignore: return bytes.byteCount
    }
  }

  mutating func inputEnded(_ id: ConnectionID, _ loop: Loop) {
    outcome.ended += 1
    if case .answerAtEnd = scenario.server, !isClient[id.slot] {
      if got[id.slot] != scenario.payloadBytes { outcome.wrong += 1 }
      loop.send(id, [7].bytes)
    }
    loop.close(id)
  }

  mutating func sendDrained(_ id: ConnectionID, _ loop: Loop) {
    outcome.drained += 1
    if isClient[id.slot] { push(id, loop) }
  }

  mutating func closed(_ id: ConnectionID, _ reason: CloseReason, _ loop: Loop) {
    live.removeAll { $0 == id }
    if loop.isOpen(id) { outcome.wrong += 1 }
    if isClient[id.slot] {
      clientsClosed += 1
      outcome.clientReasons.append(reason)
    } else {
      outcome.serverReasons.append(reason)
    }
  }

  mutating func timer(_ token: UInt64, _ loop: Loop) { outcome.timers.append(token) }
  mutating func woken(_ loop: Loop) { outcome.wakes += 1 }

  mutating func ticked(_ now: Instant, _ loop: Loop) {
    outcome.ticks += 1
    start(loop)
    if scenario.clientResumesAtTick == outcome.ticks { for id in live where isClient[id.slot] { loop.resumeInput(id) } }
    if scenario.abortEvery > 0, let id = live.randomElement(using: &random), Int.random(in: 0..<scenario.abortEvery, using: &random) == 0 {
      switch Int.random(in: 0..<5, using: &random) {
      case 0: loop.close(id)
      case 1: loop.pauseInput(id)
      case 2: loop.resumeInput(id)
      default: loop.abort(id)
      }
    }
    if isDone || outcome.ticks > scenario.ticksMax || loop.refusedCount >= scenario.refusalsMax
      || outcome.serverReasons.count >= scenario.serverClosesMax
    {
      loop.stop()
    }
  }
}

extension Scenario {
  func play<B: Backend & ~Copyable>(_ backend: consuming B) throws -> Outcome {
    let baseline = openDescriptors()
    var outcome = try perform(backend)
    outcome.leaked += openDescriptors() - baseline + B.ownDescriptors
    return outcome
  }

  private func perform<B: Backend & ~Copyable>(_ backend: consuming B) throws -> Outcome {
    let machine = try EventLoop(backend, driver: Players(self), limits: limits)
    machine.driver.target = try machine.listen(address).address
    machine.driver.start(machine.loop)
    if exhaustsDescriptors && B.usesDescriptors {
      // The table is filled but for the clients' own sockets, so that no connection can be accepted.
      var filling: [Int32] = []
      while true {
        let copy = descriptor_duplicate(0)
        if copy < 0 { break }
        filling.append(copy)
      }
      for _ in 0..<connections { close(filling.removeLast()) }
      while machine.loop.refusedCount == 0 && machine.driver.outcome.ticks < 1000 { machine.runOnce(timeout: 1_000_000) }
      for descriptor in filling { close(descriptor) }
    }
    while !machine.loop.isStopping { machine.runOnce(timeout: 1_000_000) }
    machine.closeAll()
    var outcome = machine.driver.outcome
    outcome.refused = machine.loop.refusedCount
    let free = machine.loop.free
    outcome.leaked += limits.connections - free.slots + limits.receiveBuffers - free.receiveBuffers + limits.outputSegments - free.outputSegments
    return outcome
  }

  /// Plays on a thread with descriptors of its own, so that parallel tests neither see nor exhaust each other's.
  func play(on kind: Kind) throws -> Outcome {
    try isolated {
      switch kind {
      case .io_uring: try play(UringBackend())
      case .epoll: try play(EpollBackend())
      case .memory: try play(MemoryBackend(faults))
      }
    }
  }
}

extension Scenario {
  /// Plays on a back end that also delivers completions of earlier lives of every slot. Returns how many those were.
  func playLate(on kind: Kind) throws -> (outcome: Outcome, replays: Int) {
    try isolated {
      let replays = Replays()
      let outcome =
        switch kind {
        case .io_uring: try play(LateBackend(UringBackend(), replays))
        case .epoll: try play(LateBackend(EpollBackend(), replays))
        case .memory: try play(LateBackend(MemoryBackend(faults), replays))
        }
      return (outcome, replays.count)
    }
  }
}

extension Backend where Self: ~Copyable {
  /// Descriptors that the back end held when the baseline was counted.
  static var ownDescriptors: Int { usesDescriptors ? 2 : 0 }
}

func openDescriptors() -> Int {
  var count = 0
  for descriptor in Int32(0)..<4096 where socket_option(descriptor, -1, -1) != -EBADF { count += 1 }
  return count
}

/// Runs `body` on a new thread with an empty table of descriptors and returns its result.
func isolated<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
  let work = Work { Result { try body() } }
  var thread = pthread_t()
  // The object is retained for the thread, which releases it.
  let pointer = unsafe Unmanaged.passRetained(work as Runnable).toOpaque()
  unsafe pthread_create(&thread, nil, { argument in
    unsafe Unmanaged<Runnable>.fromOpaque(argument!).takeRetainedValue().run()
    return nil
  }, pointer)
  pthread_join(thread, nil)
  return try work.result.withLock { $0! }.get()
}

class Runnable: @unchecked Sendable {
  func run() {}
}

final class Work<T: Sendable>: Runnable, @unchecked Sendable {
  let result = Mutex<Result<T, any Error>?>(nil)
  let body: @Sendable () -> Result<T, any Error>
  init(_ body: @escaping @Sendable () -> Result<T, any Error>) { self.body = body }
  override func run() {
    _ = thread_own_descriptors()
    let value = body()
    result.withLock { $0 = value }
  }
}
