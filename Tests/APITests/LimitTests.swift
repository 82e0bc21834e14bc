import API
import Ambient
import Testing

@Suite struct RateLimiterTests {
  @Test func aBurstPassesThenTheRateHolds() {
    var limiter = RateLimiter(requestsPerMinute: 60, burst: 5)
    var now = Instant(milliseconds: 1000)
    for left in (0..<5).reversed() {
      let verdict = limiter.charge(1, 2, cost: 1, now: now)
      #expect(verdict.isAllowed && verdict.remaining == left)
    }
    #expect(!limiter.charge(1, 2, cost: 1, now: now).isAllowed)
    #expect(limiter.charge(1, 3, cost: 1, now: now).isAllowed, "another client has a bucket of its own")
    now = now.adding(milliseconds: 1000)
    #expect(limiter.charge(1, 2, cost: 1, now: now).isAllowed)
    #expect(!limiter.charge(1, 2, cost: 1, now: now).isAllowed)
  }

  @Test func aBatchBeyondTheBurstIsSlowedNotRefusedForEver() {
    var limiter = RateLimiter(requestsPerMinute: 600, burst: 100)
    var now = Instant(milliseconds: 1)
    #expect(limiter.charge(7, 7, cost: 1100, now: now).isAllowed)
    let refused = limiter.charge(7, 7, cost: 1, now: now)
    #expect(!refused.isAllowed && refused.secondsUntilReset >= 100)
    now = now.adding(milliseconds: 100_200)
    #expect(limiter.charge(7, 7, cost: 1100, now: now).isAllowed)
  }
}

@Suite struct OffenderTests {
  @Test func whoIsRefusedIsNamedWorstFirstAndForgottenAfterTenMinutes() {
    var limiter = RateLimiter(requestsPerMinute: 60, burst: 1)
    var now = Instant(milliseconds: 5)
    for (client, requests) in [(1, 1), (2, 3), (3, 6)] as [(UInt64, Int)] {
      for _ in 0..<requests { _ = limiter.charge(client, 4, cost: 1, now: now) }
    }
    now = now.adding(milliseconds: 500)
    let found = limiter.offenders(10, now: now)
    #expect(found.map(\.key) == [3, 2] && found.map(\.key2) == [4, 4] && found.map(\.refused) == [5, 2] && found.map(\.millisecondsAgo) == [500, 500])
    #expect(limiter.offenders(1, now: now).map(\.key) == [3])
    // The one that goes on is counted on, the other one rests.
    _ = limiter.charge(2, 4, cost: 100, now: now.adding(milliseconds: 5000))
    _ = limiter.charge(2, 4, cost: 1, now: now.adding(milliseconds: 5001))
    now = now.adding(milliseconds: RateLimiter.memoryMilliseconds)
    #expect(limiter.offenders(10, now: now).map(\.key) == [2])
    #expect(limiter.offenders(10, now: now).map(\.refused) == [3])
    now = now.adding(milliseconds: RateLimiter.memoryMilliseconds)
    #expect(limiter.offenders(10, now: now).isEmpty)
    _ = limiter.charge(2, 4, cost: 5000, now: now)
    _ = limiter.charge(2, 4, cost: 1, now: now)
    #expect(limiter.offenders(10, now: now).map(\.refused) == [1], "what was long ago does not count")
  }
}

@Suite struct ReadinessTests {
  @Test func aReasonLastsFiveSecondsAndStartingDoesNot() {
    var now = Instant(milliseconds: 10)
    var readiness = Readiness(startingAt: now)
    #expect(!readiness.isReady && readiness.reasons == [.starting])
    readiness.set(.starting, false, now: now)
    #expect(readiness.isReady)
    readiness.set(.mempoolFull, true, now: now)
    readiness.set(.mempoolFull, false, now: now)
    #expect(readiness.reasons == [.mempoolFull])
    now = now.adding(milliseconds: 4999)
    readiness.settle(now: now)
    #expect(!readiness.isReady)
    now = now.adding(milliseconds: 1)
    #expect(readiness.settle(now: now) && readiness.isReady)
  }
}
