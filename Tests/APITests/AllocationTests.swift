import API
import Ambient
import Audit
import Bytes
import CAllocations
import Consensus
import Digests
import Ed25519
import Glibc
import Ledger
import Mempool
import Merkle
import Reactor
import Replication
import Synchronization
import Testing

/// What the reactor thread allocates between the bytes of a request on its socket and the answer in the send queue, admission to the pool included.
/// What the chain does afterwards is not counted. Counts hold for optimised code: `.ci/allocations` runs this suite so, with 100,000 of each.
@Suite(.serialized) struct AllocationTests {
  enum Ring: String, CaseIterable, Sendable { case io_uring, epoll }
  enum Load: String, CaseIterable, Sendable { case health, ready, status, single, batch }

  #if DEBUG
  static let isOptimised = false
  #else
  static let isOptimised = true
  #endif

  /// Requests, or events in the case of submissions.
  static let count = unsafe getenv("MOLOCH_TEST_ALLOCATIONS").flatMap { unsafe Int(String(cString: $0)) } ?? 2000

  @Test(.enabled(if: isOptimised, "allocations are counted in optimised code: .ci/allocations"), arguments: Load.allCases, Ring.allCases)
  func theRequestPathAllocatesNothing(load: Load, kind: Ring) throws {
    let measured = try Rig.measure(load, kind, count: Self.count)
    #expect(measured.answered >= Self.count && measured.refused == 0)
    #expect(measured.allocations == 0, "\(measured.allocations) allocations for \(Self.count) of \(load) on \(kind)")
  }

  /// The counter counts: one allocation is seen, and none while it rests.
  @Test func anAllocationIsSeen() {
    allocations_begin()
    let first = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8)
    allocations_pause()
    let second = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8)
    let count = allocations_end()
    unsafe first.deallocate()
    unsafe second.deallocate()
    #expect(count == 1)
  }
}

/// A gate behind a loop on one thread, a client on another.
private enum Rig {
  struct Measurement: Sendable {
    var answered = 0
    var refused = 0
    var allocations: UInt64 = 0
  }

  static func measure(_ load: AllocationTests.Load, _ kind: AllocationTests.Ring, count: Int) throws -> Measurement {
    let chain = try TestChain()
    let messages = chain.messages(load, count: count)
    let server = ServerThread(chain: chain, kind: kind)
    let port = try server.start()
    var measurement = Measurement()
    let client = try BlockingClient(port: port)
    // A tenth warms every table and buffer up; what follows is the steady state.
    let warm = messages.count / 10
    for (index, message) in messages.enumerated() {
      if index == warm { server.startCounting() }
      let answers = try client.exchange(message.bytes, answers: message.answers)
      if index >= warm {
        measurement.answered += message.count
        measurement.refused += message.answers - answers
      }
    }
    measurement.allocations = server.stop()
    return measurement
  }
}

/// A chain of one validator in memory, and signed records for it.
private final class TestChain: Sendable {
  let genesis: Genesis
  let key = SigningKey(seed: Bytes32(repeating: 3))
  let now = Timestamp(milliseconds: 1_768_478_400_000)

  struct Message: Sendable {
    var bytes: [UInt8]
    /// Answers that it asks for, and what it counts as.
    var answers: Int
    var count: Int
  }

  init() throws {
    let validator = Validator(publicKey: key.publicKey, cosignerKey: key.publicKey, power: 1, name: "v1")
    var parameters = ChainParameters()
    parameters.blockTime = 100
    genesis = try Genesis(
      json: Genesis.text(chainID: "test", timestamp: now, domain: "example.com", validators: [validator], parameters: parameters, signers: []))
  }

  func replica(eventsMax: Int) throws -> Replica {
    let store = MemoryStore(genesis: genesis.header)
    let chain = Chain(
      tip: ChainTip(
        header: store.head, tree: try MountainRange(size: 0, from: store.reader(of: .entries)), history: try MountainRange(size: 0, from: store.reader(of: .history)),
        governance: GovernanceState(genesis: genesis)), seed: 1)
    var limits = PoolLimits()
    limits.eventsMax = eventsMax
    limits.bytesMax = 1 << 30
    limits.perSignerPercent = 100
    return Replica(
      try RestoredState(chain: chain, journal: .records([]), from: store), pool: EventPool(limits: limits, seed: 9), key: key,
      options: .init(machine: .init(chainTag: genesis.chainTag), origin: genesis.origin, seed: Bytes32(1, 2, 3, 4)), now: Instant(milliseconds: 1))
  }

  /// Messages for `count` requests or events, and a tenth in front to warm up.
  func messages(_ load: AllocationTests.Load, count: Int) -> [Message] {
    let depth = 16, size = 100
    func get(_ path: String) -> [Message] {
      let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nX-Request-Id: abc\r\n\r\n".utf8)
      let message = Message(bytes: (0..<depth).flatMap { _ in request }, answers: depth, count: depth)
      let steady = count / depth
      return Array(repeating: message, count: steady / 9 + 1 + steady)
    }
    func post(_ path: String, _ type: String, _ perRequest: Int, _ perMessage: Int) -> [Message] {
      let signers = (0..<8).map { SigningKey(seed: Bytes32(repeating: UInt8(100 + $0))) }
      var sequence: UInt64 = 0
      let steady = count / (perRequest * perMessage)
      return (0..<steady / 9 + 1 + steady).map { _ in
        var bytes: [UInt8] = []
        for _ in 0..<perMessage {
          var body: [UInt8] = []
          for _ in 0..<perRequest {
            sequence += 1
            body += record(sequence, by: signers[Int(sequence % 8)])
          }
          bytes += "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nPrefer: return=minimal\r\nContent-Length: \(body.count)\r\n\r\n".utf8
          bytes += body
        }
        return Message(bytes: bytes, answers: perMessage, count: perRequest * perMessage)
      }
    }
    switch load {
    case .health: return get("/v1/health")
    case .ready: return get("/v1/ready")
    case .status: return get("/v1/status")
    case .single: return post("/v1/events", "application/vnd.moloch.event", 1, 10)
    case .batch: return post("/v1/events/batch", "application/vnd.moloch.events", size, 1)
    }
  }

  private func record(_ sequence: UInt64, by signer: SigningKey) -> [UInt8] {
    let body = Array("{\"event_type\":\"push\",\"actor\":{\"id\":\"user:a\"},\"resource\":{\"id\":\"repo:b\"},\"outcome\":\"success\",\"n\":\(sequence)}".utf8)
    let blob = [UInt8](repeating: 7, count: 16) + body
    let statement = Statement(
      flags: [], contentType: .json, bodyLength: UInt32(body.count), timestamp: now, stream: 1, sequence: sequence, chainTag: genesis.chainTag,
      signer: signer.publicKey, bodyDigest: SHA256.hash(blob))
    let encoded = statement.encoded
    return Entry(statement: statement, signature: signer.sign(encoded.bytes)).encoded + blob
  }
}

/// The reactor thread: counts while it runs the loop, rests while the chain's side works.
private final class ServerThread: @unchecked Sendable {
  private let chain: TestChain
  private let kind: AllocationTests.Ring
  private let port = Atomic<Int>(0)
  /// 0 runs, 1 counting was asked for, 2 counts, 3 the end was asked for, 4 ended.
  fileprivate let state = Atomic<Int>(0)
  private let allocations = Atomic<UInt64>(0)
  private let failure = Mutex<(any Error)?>(nil)

  init(chain: TestChain, kind: AllocationTests.Ring) {
    self.chain = chain
    self.kind = kind
  }

  func start() throws -> UInt16 {
    var thread = pthread_t()
    // The object is retained for the thread, which releases it.
    let pointer = unsafe Unmanaged.passRetained(self).toOpaque()
    unsafe pthread_create(&thread, nil, { argument in
      unsafe Unmanaged<ServerThread>.fromOpaque(argument!).takeRetainedValue().run()
      return nil
    }, pointer)
    pthread_detach(thread)
    while port.load(ordering: .acquiring) == 0 {
      if let error = failure.withLock({ $0 }) { throw error }
      sched_yield()
    }
    return UInt16(port.load(ordering: .acquiring))
  }

  func startCounting() {
    state.store(1, ordering: .releasing)
    while state.load(ordering: .acquiring) == 1 { sched_yield() }
  }

  func stop() -> UInt64 {
    state.store(3, ordering: .releasing)
    while state.load(ordering: .acquiring) != 4 { sched_yield() }
    return allocations.load(ordering: .acquiring)
  }

  private func run() {
    do {
      switch kind {
      case .io_uring: try serve(UringBackend())
      case .epoll: try serve(EpollBackend())
      }
    } catch {
      failure.withLock { $0 = error }
      state.store(4, ordering: .releasing)
    }
  }

  private func serve<B: Backend & ~Copyable>(_ backend: consuming B) throws {
    let replica = try chain.replica(eventsMax: 400_000)
    let facts = ChainFacts(genesis: chain.genesis, version: "1.0.0", nodeKey: chain.key.publicKey, validatorKey: chain.key.publicKey)
    let gate = Gate(options: .init(), chain: facts, connections: ReactorLimits.small.connections, seed: Bytes32(1, 2, 3, 4), now: Instant(milliseconds: 1))
    gate.replica = replica
    gate.wallMilliseconds = chain.now.rawValue
    gate.readiness.set(.starting, false, now: Instant(milliseconds: 1))
    gate.surroundings.date = Array("Thu, 15 Jan 2026 12:00:00 GMT".utf8)
    let events = try EventLoop(backend, driver: GateDriver(gate: gate, replica: replica), limits: .small)
    port.store(Int(try events.listen(.ipv4(0x7F00_0001, port: 0)).address.port), ordering: .releasing)
    while state.load(ordering: .acquiring) != 3 {
      if state.load(ordering: .acquiring) == 1 {
        allocations_begin()
        allocations_pause()
        events.driver.isCounting = true
        state.store(2, ordering: .releasing)
      }
      if events.driver.isCounting { allocations_resume() }
      events.runOnce(timeout: 1_000_000)
      allocations_pause()
    }
    allocations.store(allocations_end(), ordering: .releasing)
    if unsafe getenv("MOLOCH_TEST_ALLOCATION_SITES") != nil { allocations_report() }
    events.closeAll()
    state.store(4, ordering: .releasing)
  }
}

private struct GateDriver: Driver {
  let gate: Gate
  let replica: Replica
  var isCounting = false

  mutating func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) { gate.accepted(connection, audience: .api, loop) }
  mutating func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int { gate.received(connection, bytes, loop) }
  mutating func inputEnded(_ connection: ConnectionID, _ loop: Loop) { gate.inputEnded(connection, loop) }
  mutating func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) { gate.closed(connection) }

  mutating func ticked(_ now: Instant, _ loop: Loop) {
    while gate.verifySome(loop) {}
    // From here on the work is the chain's.
    allocations_pause()
    replica.pool.collect(now: now)
    replica.pool.quiesce(reactor: 0)
    if isCounting { allocations_resume() }
  }
}

private final class BlockingClient {
  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 1 << 20)
  enum Failure: Error { case socket(Int32), closed }

  init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure.socket(errno) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    // sockaddr_in is what an AF_INET socket expects; the kernel reads it during the call.
    let result = unsafe withUnsafeBytes(of: &address) {
      unsafe connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard result == 0 else { throw Failure.socket(errno) }
  }

  deinit { close(descriptor) }

  /// Sends and waits for the answers; returns how many of them were of the 2xx kind.
  func exchange(_ bytes: [UInt8], answers: Int) throws -> Int {
    var sent = 0
    while sent < bytes.count {
      // The kernel reads inside the array.
      let result = unsafe bytes.withUnsafeBytes { unsafe send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)) }
      guard result > 0 else { throw Failure.socket(errno) }
      sent += result
    }
    var seen = 0, good = 0, filled = 0, scanned = 0
    while seen < answers {
      // The kernel writes inside the array.
      let result = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress! + filled, $0.count - filled, 0) }
      guard result > 0 else { throw Failure.closed }
      filled += result
      // A status line is only at the start of an answer: no body of these holds "HTTP/1.1 ".
      while scanned + 10 <= filled {
        if buffer[scanned] == UInt8(ascii: "H"), buffer[scanned + 1] == UInt8(ascii: "T"), buffer[scanned + 5] == UInt8(ascii: "1"), buffer[scanned + 8] == 0x20 {
          seen += 1
          if buffer[scanned + 9] == UInt8(ascii: "2") { good += 1 }
        }
        scanned += 1
      }
    }
    return good
  }
}
