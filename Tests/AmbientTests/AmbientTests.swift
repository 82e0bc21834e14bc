import Ambient
import Testing

@Suite struct AmbientTests {
  @Test func instantsSaturateInsteadOfWrapping() {
    #expect(Instant(nanoseconds: .max - 5).adding(nanoseconds: 10) == .distantFuture)
    #expect(Instant(milliseconds: 3).adding(milliseconds: 2) == Instant(nanoseconds: 5_000_000))
    #expect(Instant(milliseconds: 3).adding(milliseconds: .max) == .distantFuture)
    #expect(Instant(milliseconds: 3).nanoseconds(since: Instant(milliseconds: 5)) == 0)
    #expect(Instant(milliseconds: 5).milliseconds(since: Instant(milliseconds: 3)) == 2)
  }

  @Test func theSameSeedGivesTheSameSequence() {
    var a = SeededGenerator(seed: 7)
    var b = SeededGenerator(seed: 7)
    var c = SeededGenerator(seed: 8)
    let first = (0..<100).map { _ in a.next() }
    #expect(first == (0..<100).map { _ in b.next() })
    #expect(first != (0..<100).map { _ in c.next() })
    #expect(Set(first).count == 100)
  }

  @Test func aFullWheelRefusesAndAnInertNameDoesNothing() {
    var wheel = TimingWheel(capacity: 2, now: .zero)
    let first = wheel.arm(at: Instant(milliseconds: 1), token: 1) ?? .none
    let holds1 = wheel.arm(at: Instant(milliseconds: 2), token: 2) != nil
    #expect(holds1)
    let holds2 = wheel.arm(at: Instant(milliseconds: 3), token: 3) == nil
    #expect(holds2)
    let holds3 = wheel.cancel(first)
    #expect(holds3)
    let holds4 = !wheel.cancel(first)
    #expect(holds4)
    let third = wheel.arm(at: Instant(milliseconds: 3), token: 3) ?? .none
    let holds5 = !wheel.cancel(first)
    #expect(holds5, "the old name of a reused entry")
    let moved = wheel.rearm(third, at: Instant(milliseconds: 1)) ?? .none
    let holds6 = !wheel.cancel(third)
    #expect(holds6)
    let holds7 = wheel.rearm(third, at: .zero) == nil
    #expect(holds7)
    let holds8 = wheel.nextDeadline() == Instant(milliseconds: 1)
    #expect(holds8)
    let holds9 = wheel.expire(now: Instant(nanoseconds: 999_999)) == nil
    #expect(holds9)
    let holds10 = wheel.expire(now: Instant(milliseconds: 1)) == 3
    #expect(holds10)
    #expect(!wheel.isArmed(moved))
    #expect(!wheel.isArmed(.none))
  }

  /// Random arming, cancelling, moving and waiting, beside a list that is searched from end to end.
  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64]) func agreesWithANaiveList(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let start = UInt64.random(in: 0...1 << 40, using: &random)
    var now = Instant(nanoseconds: start)
    var wheel = TimingWheel(capacity: 300, now: now)
    var naive: [(deadline: UInt64, token: UInt64, id: TimerID)] = []
    var token: UInt64 = 0
    for step in 0..<4000 {
      let spread: UInt64 = [0, 1_000, 3_000_000, 2_000_000_000, 60_000_000_000][Int.random(in: 0..<5, using: &random)]
      let deadline = Instant(nanoseconds: now.nanoseconds + UInt64.random(in: 0...spread, using: &random))
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        token += 1
        let id = wheel.arm(at: deadline, token: token)
        #expect((id == nil) == (naive.count == 300), "seed \(seed) step \(step)")
        if let id { naive.append((deadline.nanoseconds, token, id)) }
      case 5 where !naive.isEmpty:
        let holds11 = wheel.cancel(naive.remove(at: Int.random(in: 0..<naive.count, using: &random)).id)
        #expect(holds11, "seed \(seed) step \(step)")
      case 6 where !naive.isEmpty:
        let chosen = Int.random(in: 0..<naive.count, using: &random)
        guard let id = wheel.rearm(naive[chosen].id, at: deadline) else {
          Issue.record("an armed timer could not be moved, seed \(seed) step \(step)")
          return
        }
        naive[chosen] = (deadline.nanoseconds, naive[chosen].token, id)
      default:
        now = now.adding(nanoseconds: UInt64.random(in: 0...max(1, spread / 4), using: &random))
        var fired: Set<UInt64> = []
        while let token = wheel.expire(now: now) { fired.insert(token) }
        #expect(fired == Set(naive.filter { $0.deadline <= now.nanoseconds }.map(\.token)), "seed \(seed) step \(step)")
        naive.removeAll { $0.deadline <= now.nanoseconds }
      }
      #expect(wheel.count == naive.count, "seed \(seed) step \(step)")
      let holds12 = wheel.nextDeadline()?.nanoseconds == naive.map(\.deadline).min()
      #expect(holds12, "seed \(seed) step \(step)")
    }
  }
}
