import Bytes
import Ed25519
import Synchronization
import Testing
import Verification

/// Signed statements; every `badEvery`-th carries the signature of another message.
private struct Statements {
  let keys = (0..<4).map { SigningKey(seed: Bytes32(repeating: UInt8($0 + 1))) }
  let badEvery: Int

  func isBad(_ token: Int) -> Bool { token % badEvery == badEvery - 1 }
  /// Source 0 sends all that is bad, and some of the others.
  func source(_ token: Int) -> UInt64 { isBad(token) ? 0 : UInt64(token % 3) }

  func offer(_ token: Int, to overflow: Overflow) -> Bool {
    let message = [UInt8](repeating: UInt8(truncatingIfNeeded: token), count: Overflow.messageByteCount)
    let key = keys[token % keys.count]
    let other: [UInt8] = [1]
    let signature = key.sign((isBad(token) ? other : message).bytes)
    return overflow.offer(signature, over: message.bytes, by: key.publicKey, token: UInt64(token), source: source(token))
  }
}

/// Tells the helpers of a test to stop.
private final class End: Sendable {
  let isOver = Atomic(false)
}

@Suite struct OverflowTests {
  private static func cache() -> SignerCache { SignerCache(capacity: 16, seed: Bytes32(repeating: 1)) }

  @Test func everyOfferedSignatureGetsItsVerdictOnce() {
    let (overflow, statements) = (Overflow(), Statements(badEvery: 50))
    var helper = OverflowHelper(overflow, seed: Bytes32(repeating: 2), cache: Self.cache())
    for token in 0..<200 {
      let isTaken = statements.offer(token, to: overflow)
      #expect(isTaken)
    }
    #expect(overflow.count == 200 && overflow.room == Overflow.capacity - 200)
    let first = helper.step(now: 5), second = helper.step(now: 6)
    #expect(first == .verified(200) && second == .idle)
    var seen: [UInt64] = []
    while let verdict = overflow.take() {
      seen.append(verdict.token)
      #expect(verdict.isValid == !statements.isBad(Int(verdict.token)), "\(verdict)")
    }
    #expect(seen == Array(0..<200))
    #expect(overflow.count == 0 && overflow.batches == 1)
  }

  /// Few items wait for more, but not long; as many as a reactor would check do not wait.
  @Test func aSmallBatchWaitsUntilItsDeadline() {
    let (overflow, statements) = (Overflow(), Statements(badEvery: .max))
    var helper = OverflowHelper(overflow, seed: Bytes32(repeating: 2), cache: Self.cache())
    let wait = Verification.Limits.waitNanosecondsMax
    _ = statements.offer(0, to: overflow)
    let (early, nearly) = (helper.step(now: 100), helper.step(now: 99 + wait))
    _ = statements.offer(1, to: overflow)
    let late = helper.step(now: 100 + wait)
    #expect(early == .waiting(until: 100 + wait) && nearly == early && late == .verified(2))
    for token in 0..<Verification.Limits.batchCountInline { _ = statements.offer(token, to: overflow) }
    let full = helper.step(now: 200 + wait)
    #expect(full == .verified(Verification.Limits.batchCountInline))
  }

  /// What has no room is the reactor's own; room comes back with the verdicts.
  @Test func noMoreIsUnderWayThanVerdictsFit() {
    let overflow = Overflow()
    let (signature, key) = (Signature(Bytes64(Bytes32(repeating: 0xff), Bytes32(repeating: 0xff))), PublicKey(Bytes32()))
    let message = [UInt8](repeating: 0, count: Overflow.messageByteCount)
    func offer() -> Bool { overflow.offer(signature, over: message.bytes, by: key, token: 7, source: 1) }
    for _ in 0..<Overflow.capacity {
      let isTaken = offer()
      #expect(isTaken)
    }
    let isRefused = !offer()
    #expect(isRefused && overflow.room == 0)
    var helper = OverflowHelper(overflow, seed: Bytes32(repeating: 2), cache: Self.cache())
    let step = helper.step(now: 0)
    #expect(step == .verified(Ed25519.Limits.batchCountMax))
    // Decided, and not taken yet.
    let isStillRefused = !offer()
    let verdict = overflow.take()
    let isTaken = offer()
    #expect(isStillRefused && verdict?.token == 7 && verdict?.isValid == false && isTaken)
  }

  /// The second batch of an offender is checked apart: the others' takes one combination.
  @Test func anOffenderDoesNotShareTheNextBatch() {
    let (overflow, statements) = (Overflow(), Statements(badEvery: 64))
    var helper = OverflowHelper(overflow, seed: Bytes32(repeating: 2), cache: Self.cache())
    var checks: [Int] = []
    for turn in 0..<2 as Range<UInt64> {
      let before = helper.checks
      for token in 0..<192 { _ = statements.offer(token, to: overflow) }
      let step = helper.step(now: turn)
      #expect(step == .verified(192))
      while let verdict = overflow.take() { #expect(verdict.isValid == !statements.isBad(Int(verdict.token))) }
      checks.append(helper.checks - before)
    }
    #expect(checks[0] > 1 && checks[0] <= 192 && checks[1] == 1)
  }

  /// One reactor and two helpers at once: a verdict for each item, the right one, whoever checked it.
  @Test func helpersWorkSideBySide() async {
    let (overflow, statements, cache) = (Overflow(), Statements(badEvery: 97), Self.cache())
    let end = End()
    let total = 1500
    let (wrong, seen) = await withTaskGroup(of: (wrong: Int, seen: Int).self) { group in
      for thread in 0..<2 as Range<UInt8> {
        group.addTask {
          var helper = OverflowHelper(overflow, seed: Bytes32(repeating: 3 + thread), cache: cache)
          var now: UInt64 = 0
          while !end.isOver.load(ordering: .acquiring) {
            now += 100_000
            if case .verified = helper.step(now: now) { continue }
            await Task.yield()
          }
          return (0, 0)
        }
      }
      group.addTask {
        var (offered, seen, wrong) = (0, [Bool](repeating: false, count: total), 0)
        while seen.contains(false) {
          if offered < total, overflow.count < 600, statements.offer(offered, to: overflow) { offered += 1 }
          while let verdict = overflow.take() {
            let token = Int(verdict.token)
            if seen[token] || verdict.isValid == statements.isBad(token) { wrong += 1 }
            seen[token] = true
          }
          // A helper may need this thread.
          await Task.yield()
        }
        end.isOver.store(true, ordering: .releasing)
        return (wrong, seen.count)
      }
      return await group.reduce((0, 0)) { ($0.0 + $1.wrong, $0.1 + $1.seen) }
    }
    #expect(wrong == 0 && seen == total)
    #expect(overflow.count == 0)
  }
}
