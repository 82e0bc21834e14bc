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
