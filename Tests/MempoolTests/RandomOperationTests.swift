import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Testing

@testable import Mempool

/// A pool beside a plain model of what it must hold. Every operation compares its answer; from time to time everything is compared.
private struct Model {
  struct Event {
    var signer: UInt64
    var bytes: Int
    var admitted: Instant
    var time: UInt64
    var isProposed = false
  }

  let pool: EventPool
  private var generator: SeededGenerator
  private var pending: [UInt64: Event] = [:]
  private var proposals: [(proposal: Mempool.Proposal, keys: [UInt64])] = []
  private var bySigner: [UInt64: Int] = [:]
  private var bytes = 0
  private var now = Instant.zero
  private var next: UInt64 = 0
  private(set) var counts: [String: Int] = [:]

  init(limits: PoolLimits, seed: UInt64) {
    pool = EventPool(limits: limits, seed: seed)
    generator = SeededGenerator(seed: seed)
  }

  private static func id(_ key: UInt64) -> EventID { EventID(Digest(Bytes32(key &* 0x9E37_79B9_7F4A_7C15, key, 2, 3))) }
  private mutating func choose(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

  mutating func step() {
    switch choose(100) {
    case 0..<62: admit()
    case 62..<72: lookup()
    case 72..<80: pool.collect(now: now)
    case 80..<86: propose()
    case 86..<93: settle()
    case 93..<94: expire()
    default: pool.quiesce(reactor: choose(pool.limits.reactors))
    }
  }

  /// A new event, or one of the last thousand again.
  private mutating func admit() {
    let isNew = choose(5) > 0
    let key = isNew ? next : next &- UInt64(choose(1000))
    if isNew { next += 1 }
    let signer = UInt64(choose(5)), count = 192 + choose(8) * 40, time: UInt64 = choose(50) == 0 ? 100 : 1000
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: 0, timestamp: Timestamp(milliseconds: time), stream: 0, sequence: 0, chainTag: ChainTag(Bytes16(0, 0)),
      signer: PublicKey(Bytes32(signer, signer, 0, 0)), bodyDigest: Digest(Bytes32()))
    let record = [UInt8](repeating: UInt8(truncatingIfNeeded: key), count: count)
    let answer = pool.admit(record.bytes, id: Self.id(key), statement: statement, reactor: choose(pool.limits.reactors), now: now)
    let limits = pool.limits
    switch answer {
    case .duplicate: #expect(pending[key] != nil)
    case .accepted(let handle):
      #expect(pending[key] == nil)
      #expect(pool.withRecord(handle) { $0.byteCount == count && $0.uint8(at: count - 1) == UInt8(truncatingIfNeeded: key) } == true)
      pending[key] = Event(signer: signer, bytes: count, admitted: now, time: time)
      bySigner[signer, default: 0] += 1
      bytes += count
      #expect(pending.count <= limits.eventsMax && bytes <= limits.bytesMax && bySigner[signer]! <= limits.perSignerMax)
    case .signerQuota: #expect(pending[key] == nil && bySigner[signer] == limits.perSignerMax)
    // Full by its limits, or its slots wait for a reactor to pass a tick.
    case .full: #expect(pending[key] == nil)
    case .sequenceConflict: Issue.record("nothing here has a sequence")
    }
    tally(answer)
  }

  private mutating func tally(_ answer: Admission) {
    let name = "\(answer)".prefix { $0.isLetter }
    counts[String(name), default: 0] += 1
  }

  private mutating func lookup() {
    let key = next &- UInt64(choose(1000))
    #expect((pool.lookup(Self.id(key)) != nil) == (pending[key] != nil))
  }

  private mutating func propose() {
    guard proposals.count < 3 else { return }
    var proposal = Mempool.Proposal()
    let window = Timestamp(milliseconds: 500)...Timestamp(milliseconds: 2000)
    let waiting = pool.statistics.proposable
    pool.propose(eventsMax: 1 + choose(40), bytesMax: 4000 + choose(8000), timestamps: window, into: &proposal)
    #expect(proposal.count <= waiting)
    let keys = proposal.slots.map { pool.slots[$0].id.digest.bytes.w1 }
    #expect(Set(keys).count == keys.count)
    for key in keys {
      #expect(pending[key]?.isProposed == false && pending[key]?.time == 1000)
      pending[key]?.isProposed = true
    }
    forgetFates()
    if proposal.count > 0 { proposals.append((proposal, keys)) }
  }

  /// A proposal is decided, or given up.
  private mutating func settle() {
    guard !proposals.isEmpty else { return }
    let (proposal, keys) = proposals.remove(at: choose(proposals.count))
    if choose(3) == 0 {
      pool.release(proposal)
      for key in keys { pending[key]?.isProposed = false }
      return
    }
    let body = pool.body(of: proposal)
    #expect(body.count == keys.reduce(0) { $0 + pending[$1]!.bytes })
    pool.committed(proposal, now: now)
    for key in keys { forget(key) }
    counts["committed", default: 0] += keys.count
  }

  private mutating func expire() {
    now = now.adding(milliseconds: UInt64(choose(80)))
    pool.expire(now: now)
    forgetFates()
  }

  /// Takes out of the model what the pool dropped, each with the reason that it gives.
  private mutating func forgetFates() {
    for (key, event) in pending where pool.lookup(Self.id(key)) == nil {
      let isStale = event.time < 500 || now.milliseconds(since: event.admitted) >= pool.limits.timeToLiveMilliseconds
      #expect(isStale && !event.isProposed && pool.fate(of: Self.id(key)) == .expired)
      forget(key)
      counts["expired", default: 0] += 1
    }
  }

  private mutating func forget(_ key: UInt64) {
    guard let event = pending.removeValue(forKey: key) else { return }
    bySigner[event.signer]! -= 1
    bytes -= event.bytes
  }

  mutating func compare() {
    pool.collect(now: now)
    forgetFates()
    let proposed = pending.values.count { $0.isProposed }
    let statistics = pool.statistics
    #expect(statistics.count == pending.count && statistics.bytes == bytes && statistics.proposable == pending.count - proposed)
    #expect(pool.pendingRecords().count == bytes)
  }
}

@Suite struct RandomOperationTests {
  /// Operations: 200,000, or what `MOLOCH_MEMPOOL_OPERATIONS` says (10,000,000 for the long run).
  @Test func aPlainModelAgreesWithEveryAnswer() {
    let operations = ProcessInfo.processInfo.environment["MOLOCH_MEMPOOL_OPERATIONS"].flatMap { Int($0) } ?? 200_000
    var limits = PoolLimits()
    limits.eventsMax = 300
    limits.bytesMax = 90_000
    limits.perSignerPercent = 40
    limits.reactors = 2
    limits.recordBytesMax = 1024
    limits.timeToLiveMilliseconds = 400
    let seed: UInt64 = 77_001
    var model = Model(limits: limits, seed: seed)
    for step in 1...operations {
      model.step()
      if step % 1000 == 0 { model.compare() }
    }
    model.compare()
    for answer in ["accepted", "duplicate", "full", "signerQuota", "committed", "expired"] {
      #expect(model.counts[answer, default: 0] > operations / 1000, "seed \(seed): \(model.counts)")
    }
    #expect(model.pool.tableMoves >= operations / 10_000, "seed \(seed): \(model.pool.tableMoves) moves")
  }
}
