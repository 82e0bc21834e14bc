import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Synchronization
import Testing

@testable import Mempool

/// Real threads around one pool: reactors admit and look up, the chain thread collects, proposes and commits. Every answer is recorded with the times of a
/// clock that all threads share, and each id's history must be linearizable.
private final class Recording: @unchecked Sendable {
  // Sendable: each thread appends to a row of its own; rows are read after all have ended.
  let pool: EventPool
  private let clock = Atomic<UInt64>(0)
  private let running: Atomic<Int>
  /// Blocks that the chain thread has tried to make.
  private let rounds = Atomic<Int>(0)
  private var rows: [Row]

  final class Row: @unchecked Sendable {
    var operations: [Operation] = []
  }

  init(pool: EventPool, reactors: Int) {
    self.pool = pool
    running = Atomic(reactors)
    rows = (0...reactors).map { _ in Row() }
  }

  var history: [Operation] { rows.flatMap(\.operations) }

  private func stamp() -> UInt64 { clock.add(1, ordering: .sequentiallyConsistent).newValue }

  func record(_ row: Int, _ key: UInt64, _ body: () -> Operation.Answer) {
    let begin = stamp()
    let answer = body()
    rows[row].operations.append(Operation(key: key, begin: begin, end: stamp(), answer: answer))
  }

  /// Works on a window of a few ids that moves on, so that each id is disputed for a while and its history stays short.
  func reactor(_ number: Int, seed: UInt64, operations: Int) {
    var generator = SeededGenerator(seed: seed)
    for step in 0..<operations {
      let key = UInt64(step / 24 * 2) + UInt64.random(in: 0..<6, using: &generator)
      if Int.random(in: 0..<3, using: &generator) == 0 {
        record(number, key) { pool.lookup(Self.id(key)) == nil ? .absent : .present }
      } else {
        record(number, key) { admit(key, number) }
      }
      if Int.random(in: 0..<2, using: &generator) == 0 { pool.quiesce(reactor: number) }
      // However the threads are scheduled, none works alone for long.
      while step % 500 == 499 && rounds.load(ordering: .acquiring) < step / 500 {
        pool.quiesce(reactor: number)
        sched_yield()
      }
    }
    running.subtract(1, ordering: .acquiringAndReleasing)
    // A thread that has ended must not hold up the others' moves.
    while running.load(ordering: .acquiring) > 0 {
      pool.quiesce(reactor: number)
      sched_yield()
    }
  }

  private func admit(_ key: UInt64, _ number: Int) -> Operation.Answer {
    let record = [UInt8](repeating: UInt8(truncatingIfNeeded: key), count: 208)
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: 0, timestamp: Timestamp(milliseconds: 1000), stream: 0, sequence: 0, chainTag: ChainTag(Bytes16(0, 0)),
      signer: PublicKey(Bytes32(key % 3, 0, 0, 0)), bodyDigest: Digest(Bytes32(key, 0, 0, 0)))
    switch pool.admit(record.bytes, id: Self.id(key), statement: statement, reactor: number, now: .zero) {
    case .accepted: return .accepted
    case .duplicate: return .present
    case .full, .signerQuota, .sequenceConflict: return .refused
    }
  }

  static func id(_ key: UInt64) -> EventID { EventID(Digest(Bytes32(key &* 0x9E37_79B9_7F4A_7C15, 1, 2, 3))) }

  /// Commits small blocks until the reactors are done. Bodies tell which events a block holds.
  func chain(row: Int, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var proposal = Mempool.Proposal()
    while running.load(ordering: .acquiring) > 0 {
      rounds.add(1, ordering: .releasing)
      pool.collect(now: .zero)
      pool.propose(
        eventsMax: Int.random(in: 1..<8, using: &generator), bytesMax: 1 << 20,
        timestamps: Timestamp(milliseconds: 500)...Timestamp(milliseconds: 2000), into: &proposal)
      if proposal.count == 0 { sched_yield() }
      let ids = proposal.slots.map { pool.slots[$0].id }
      let begin = stamp()
      pool.committed(proposal, now: .zero)
      let end = stamp()
      for id in ids {
        let key = id.digest.bytes.w0 &* 0xF1DE_83E1_9937_733D
        rows[row].operations.append(Operation(key: key, begin: begin, end: end, answer: .removed))
      }
    }
  }
}

@Suite struct ConcurrentHistoryTests {
  @Test func whatThreadsAreToldIsLinearizablePerId() {
    let reactors = 3
    // The odd multiplier of `id` and its inverse.
    #expect(0x9E37_79B9_7F4A_7C15 as UInt64 &* 0xF1DE_83E1_9937_733D == 1)
    var limits = PoolLimits()
    limits.eventsMax = 256
    limits.perSignerPercent = 100
    limits.reactors = reactors
    limits.recordBytesMax = 512
    let seed: UInt64 = 20_261
    let recording = Recording(pool: EventPool(limits: limits, seed: seed), reactors: reactors)
    let group = DispatchGroup()
    for number in 0..<reactors {
      group.enter()
      Thread {
        recording.reactor(number, seed: seed &+ UInt64(number), operations: 40_000)
        group.leave()
      }.start()
    }
    recording.chain(row: reactors, seed: seed)
    group.wait()
    let history = recording.history
    #expect(history.count > 120_000)
    if let violation = Linearizability.firstViolation(history) {
      Issue.record("seed \(seed), id \(violation[0].key): \(violation.map { "\($0.begin)-\($0.end) \($0.answer)" }.joined(separator: ", "))")
    }
    // Of every id that was accepted and not committed one copy is left, and nothing else.
    recording.pool.collect(now: .zero)
    let balance = history.reduce(0) { $0 + ($1.answer == .accepted ? 1 : $1.answer == .removed ? -1 : 0) }
    #expect(recording.pool.load.events == balance && recording.pool.statistics.proposable == balance)
    #expect(recording.pool.tableMoves > 0, "the run must move its table: \(recording.pool.tableMoves)")
  }
}
