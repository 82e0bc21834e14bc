import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Mempool
import Testing

/// An event of a test: its number is its id.
private func statement(signer: UInt64 = 1, sequence: UInt64 = 0, time: UInt64 = 1000) -> Statement {
  Statement(
    flags: [], contentType: .opaque, bodyLength: 0, timestamp: Timestamp(milliseconds: time), stream: 0, sequence: sequence,
    chainTag: ChainTag(Bytes16(0, 0)), signer: PublicKey(Bytes32(signer, signer, 0, 0)), bodyDigest: Digest(Bytes32()))
}
private func id(_ number: UInt64) -> EventID { EventID(Digest(Bytes32(number, 1, 2, 3))) }
private func record(_ number: UInt64, _ count: Int = 208) -> [UInt8] { [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: count) }

private func makePool(events: Int = 64, percent: Int = 100, reactors: Int = 1) -> EventPool {
  var limits = PoolLimits()
  limits.eventsMax = events
  limits.perSignerPercent = percent
  limits.reactors = reactors
  limits.timeToLiveMilliseconds = 100
  limits.recordBytesMax = 4096
  return EventPool(limits: limits, seed: 7)
}

extension EventPool {
  fileprivate func add(_ number: UInt64, signer: UInt64 = 1, sequence: UInt64 = 0, time: UInt64 = 1000, at now: Instant = .zero, bytes: Int = 208) -> Admission {
    admit(record(number, bytes).bytes, id: id(number), statement: statement(signer: signer, sequence: sequence, time: time), reactor: 0, now: now)
  }
  fileprivate func take(_ events: Int, bytes: Int = 1 << 20) -> Mempool.Proposal {
    var proposal = Mempool.Proposal()
    propose(eventsMax: events, bytesMax: bytes, timestamps: Timestamp(milliseconds: 500)...Timestamp(milliseconds: 2000), into: &proposal)
    return proposal
  }
}

private func isAccepted(_ admission: Admission) -> Bool { if case .accepted = admission { true } else { false } }

@Suite struct EventPoolTests {
  @Test func fullAtExactlyTheLimitAndQuotaBelowIt() {
    let pool = makePool(events: 8)
    for number in 0..<8 as Range<UInt64> { #expect(isAccepted(pool.add(number))) }
    #expect(pool.add(8) == .full)
    let shared = makePool(events: 8, percent: 50)
    for number in 0..<4 as Range<UInt64> { #expect(isAccepted(shared.add(number))) }
    #expect(shared.add(4) == .signerQuota)
    #expect(isAccepted(shared.add(4, signer: 2)))
    #expect(shared.load.events == 5)
  }

  @Test func anExpiryLeavesTheEventsOfAProposalAlone() {
    let pool = makePool()
    for number in 0..<6 as Range<UInt64> { _ = pool.add(number) }
    pool.collect(now: .zero)
    let proposal = pool.take(3)
    #expect(pool.expire(now: Instant(milliseconds: 100)) == 3)
    #expect(pool.load.events == 3 && pool.fate(of: id(5)) == .expired && pool.fate(of: id(0)) == nil)
    #expect(pool.body(of: proposal) == record(0) + record(1) + record(2))
    pool.committed(proposal, now: .zero)
    #expect(pool.load.events == 0 && pool.load.bytes == 0)
  }

  @Test func smallBlocksServeSignersInTurns() {
    let pool = makePool(events: 2000)
    for number in 0..<1000 as Range<UInt64> { _ = pool.add(number, signer: number < 800 ? 1 : 2, bytes: 1000) }
    pool.collect(now: .zero)
    for _ in 0..<30 {
      let proposal = pool.take(10, bytes: 10_000)
      pool.committed(proposal, now: .zero)
    }
    // Of 300 events each signer is owed half, give or take a turn of 65.
    let second = 200 - (800..<1000 as Range<UInt64>).count { pool.lookup(id($0)) != nil }
    #expect(pool.statistics.count == 700 && abs(2 * second - 300) <= 65, "the second signer got \(second) of 300")
  }

  @Test func manyCyclesKeepAnswersAndOrder() {
    let pool = makePool(events: 64)
    var next: UInt64 = 0
    for _ in 0..<200 {
      let first = next
      for _ in 0..<40 { #expect(isAccepted(pool.add(next))); next += 1 }
      pool.collect(now: .zero)
      for number in first..<next {
        guard case .duplicate = pool.add(number) else { Issue.record("event \(number) is not known"); return }
      }
      let released = pool.take(40)
      pool.release(released)
      let proposal = pool.take(40)
      #expect(pool.body(of: proposal) == (first..<next).flatMap { record($0) })
      pool.committed(proposal, now: .zero)
      pool.quiesce(reactor: 0)
      #expect(pool.load.events == 0 && pool.lookup(id(first)) == nil)
    }
  }

  @Test func aTakenSequenceIsAConflictAndWindowsHold() {
    let pool = makePool()
    _ = pool.add(1, sequence: 5)
    #expect(pool.add(2, sequence: 5) == .sequenceConflict(id(1)))
    _ = pool.add(3, time: 100)
    _ = pool.add(4, time: 3000)
    pool.collect(now: .zero)
    #expect(pool.take(10).count == 1 && pool.fate(of: id(3)) == .expired && pool.lookup(id(4)) != nil)
  }

  @Test func whatIsWithdrawnWasNeverThereAndOthersStay() {
    let pool = makePool()
    _ = pool.add(1)
    var entered: [EventHandle] = []
    for number in 2..<6 as Range<UInt64> {
      guard case .accepted(let handle) = pool.enter(record(number).bytes, id: id(number), statement: statement(sequence: number), reactor: 0, now: .zero) else {
        Issue.record("event \(number) is not accepted")
        return
      }
      entered.append(handle)
    }
    for handle in entered { pool.withdraw(handle) }
    #expect(pool.load.events == 1 && (2..<6).allSatisfy { pool.lookup(id($0)) == nil })
    #expect(isAccepted(pool.add(2, sequence: 3)), "neither the id nor the sequence is taken")
    var fresh: [EventHandle] = []
    #expect(pool.collect(now: .zero, into: &fresh) == 2 && fresh.count == 2, "the event that was there before is still new to the chain thread")
    pool.quiesce(reactor: 0)
    pool.collect(now: .zero)
    #expect(pool.take(10).count == 2)
  }

  @Test func theShareOfASignerCanChange() {
    let pool = makePool(events: 10, percent: 20)
    #expect(isAccepted(pool.add(1)) && isAccepted(pool.add(2)) && pool.add(3) == .signerQuota)
    #expect(isAccepted(pool.add(4, signer: 2)))
    pool.setSignerShare(percent: 50)
    #expect(isAccepted(pool.add(3)) && isAccepted(pool.add(5)) && isAccepted(pool.add(6)) && pool.add(7) == .signerQuota)
    pool.setSignerShare(percent: 10)
    #expect(pool.load.events == 6 && pool.add(7) == .signerQuota && isAccepted(pool.add(8, signer: 3)) && pool.add(9, signer: 3) == .signerQuota)
  }

  @Test func anIdAdmittedByManyThreadsIsAcceptedOnce() {
    let pool = makePool(events: 4000, reactors: 3)
    let lock = NSLock()
    nonisolated(unsafe) var accepted: [UInt64: Int] = [:]  // guarded by the lock
    let group = DispatchGroup()
    for reactor in 0..<3 {
      group.enter()
      Thread {
        for number in 0..<1000 as Range<UInt64> {
          let answer = pool.admit(record(number).bytes, id: id(number), statement: statement(), reactor: reactor, now: .zero)
          if isAccepted(answer) { lock.withLock { unsafe accepted[number, default: 0] += 1 } }
        }
        group.leave()
      }.start()
    }
    group.wait()
    unsafe #expect(accepted.count == 1000 && accepted.values.allSatisfy { $0 == 1 })
    #expect(pool.collect(now: .zero) == 1000 && pool.load.events == 1000)
  }
}
