import Ambient
import Audit
import Benchmark
import Bytes
import Digests
import Ed25519
import Foundation
import Glibc
import Mempool
import Synchronization

/// Admission by one thread, by two at once, and by eight, of which the machine's cores run a few while the others stand where they were preempted; beside a
/// mutex around a dictionary. An add is measured from one clock reading to the next (about 25 ns of it); statements and records are made before.
func registerPools() {
  for threads in [1, 2, 8] {
    register("mempool: add, \(threads) thread\(threads == 1 ? "" : "s")", threads) { LockFreePool(threads: threads) }
    register("mempool: loser, mutex and dictionary, \(threads) thread\(threads == 1 ? "" : "s")", threads) { MutexPool() }
  }
}

private protocol Pool: Sendable {
  func add(_ id: EventID, _ record: [UInt8], _ statement: Statement, thread: Int)
  func empty()
}

/// One for each of 64 signers.
private let statements = Events.keys.map { Events.statement(0, signer: $0.publicKey) }

/// Below the pool's limit of events together.
private func addsPerThread(_ threads: Int) -> Int { min(20_000, 80_000 / threads) }

private func register(_ name: String, _ threads: Int, _ make: @escaping @Sendable () -> any Pool) {
  Benchmark(name, configuration: .init(metrics: [perOperation, slowest], warmupIterations: 1, maxDuration: .seconds(2), maxIterations: 40)) { benchmark in
    let pool = make()
    // One life before the measured ones: a pool that has run for a while has touched its pages, and a dictionary has grown.
    Run(pool: pool, threads: threads, firstNumber: 0).go()
    pool.empty()
    var first = UInt64(threads * addsPerThread(threads))
    for _ in benchmark.scaledIterations {
      // Ids that were never pending: each that comes again would stand behind the tombstones of its earlier lives.
      let run = Run(pool: pool, threads: threads, firstNumber: first)
      run.go()
      first += UInt64(threads * addsPerThread(threads))
      benchmark.measurement(perOperation, run.wall / (threads * addsPerThread(threads)))
      benchmark.measurement(slowest, run.slowest)
      pool.empty()
    }
  }
}

/// Threads that start together; wall time from the start to the last end, and the latency that one add in a thousand exceeds.
private final class Run: @unchecked Sendable {
  // Sendable: rows belong to their threads until all have ended.
  private let pool: any Pool
  private let threads: Int
  private var latencies: [[Int]]
  private let ready = Atomic<Int>(0)
  private(set) var wall = 0
  var slowest: Int {
    let sorted = latencies.flatMap(\.self).sorted()
    return sorted[sorted.count * 999 / 1000]
  }

  private let firstNumber: UInt64

  init(pool: any Pool, threads: Int, firstNumber: UInt64) {
    self.pool = pool
    self.firstNumber = firstNumber
    self.threads = threads
    latencies = Array(repeating: [], count: threads)
  }

  func go() {
    let group = DispatchGroup()
    let rows = (0..<threads).map { _ in Row() }
    for thread in 0..<threads {
      group.enter()
      Thread {
        self.body(thread, rows[thread])
        group.leave()
      }.start()
    }
    group.wait()
    latencies = rows.map(\.latencies)
    wall = rows.map(\.end).max()! - rows.map(\.begin).min()!
  }

  private final class Row: @unchecked Sendable {
    var latencies: [Int] = []
    var begin = 0, end = 0
  }

  private func body(_ thread: Int, _ row: Row) {
    let record = Events.record(UInt64(thread))
    let statements = statements, adds = addsPerThread(threads)
    row.latencies.reserveCapacity(adds)
    _ = ready.add(1, ordering: .acquiringAndReleasing)
    while ready.load(ordering: .acquiring) < threads { sched_yield() }
    row.begin = nanoseconds(CLOCK_MONOTONIC)
    var before = row.begin
    for number in 0..<adds {
      pool.add(Events.id(firstNumber + UInt64(number * threads + thread)), record, statements[(number + thread) & 63], thread: thread)
      let now = nanoseconds(CLOCK_MONOTONIC)
      row.latencies.append(now - before)
      before = now
    }
    row.end = before
  }
}

private final class LockFreePool: Pool, @unchecked Sendable {
  private let pool: EventPool
  private let threads: Int

  init(threads: Int) {
    var limits = PoolLimits()
    limits.reactors = threads
    limits.perSignerPercent = 100
    limits.recordBytesMax = 4096
    pool = EventPool(limits: limits, seed: 5)
    self.threads = threads
  }

  func add(_ id: EventID, _ record: [UInt8], _ statement: Statement, thread: Int) {
    guard case .accepted = pool.admit(record.bytes, id: id, statement: statement, reactor: thread, now: .zero) else { fatalError("not accepted") }
  }

  func empty() {
    var proposal = Mempool.Proposal()
    let window = Timestamp(milliseconds: 0)...Timestamp(milliseconds: 2_000_000_000_000)
    pool.collect(now: .zero)
    pool.propose(eventsMax: .max, bytesMax: .max, timestamps: window, into: &proposal)
    pool.committed(proposal, now: .zero)
    for _ in 0..<6 {
      for thread in 0..<threads { pool.quiesce(reactor: thread) }
      pool.collect(now: .zero)
    }
  }
}

/// What most pools are: one lock, one dictionary, a copy of the record, counters and an order of arrival.
private final class MutexPool: Pool {
  private struct State {
    var records: [EventID: [UInt8]] = [:]
    var order: [EventID] = []
    var bytes = 0
    var bySigner: [Bytes32: Int] = [:]
  }
  private let state = Mutex(State())

  func add(_ id: EventID, _ record: [UInt8], _ statement: Statement, thread: Int) {
    let signer = statement.signer.bytes
    state.withLock { state in
      guard state.records[id] == nil, state.records.count < 100_000, state.bytes + record.count <= 256_000_000 else { fatalError("not accepted") }
      // A copy, as the lock-free pool makes one.
      state.records[id] = Array(unsafeUninitializedCapacity: record.count) { buffer, count in
        count = record.count
        _ = buffer.initialize(from: record)
      }
      state.order.append(id)
      state.bytes += record.count
      state.bySigner[signer, default: 0] += 1
    }
  }

  func empty() {
    state.withLock { state in
      state.records.removeAll(keepingCapacity: true)
      state.order.removeAll(keepingCapacity: true)
      state.bytes = 0
      state.bySigner.removeAll(keepingCapacity: true)
    }
  }
}
