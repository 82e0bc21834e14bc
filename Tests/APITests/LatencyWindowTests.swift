import Ambient
import Testing

@testable import API

@Suite struct LatencyWindowTests {
  @Test func everyValueLiesInItsBucket() {
    var previous = -1
    for value in 0...40_000 as ClosedRange<UInt64> {
      let bucket = LatencyWindow.bucket(microseconds: value)
      #expect(bucket == previous || bucket == previous + 1, "\(value)")
      let bound = LatencyWindow.upperBound(of: bucket)
      #expect(bound >= value && Double(bound) <= Double(value) * 1.0625, "\(value): \(bound)")
      previous = bucket
    }
    #expect(LatencyWindow.bucket(microseconds: .max) == LatencyWindow.buckets - 1)
    #expect(LatencyWindow.upperBound(of: LatencyWindow.buckets - 1) == 1 << 27 - 1)
  }

  @Test func percentilesAreThoseOfTheLastMinute() throws {
    var window = LatencyWindow()
    let start = Instant(milliseconds: 5_000_000)
    let before = window.percentiles([0.5], now: start)
    #expect(before == nil)
    // 1 to 1000 ms: the percentiles of whole numbers, at most 6.25 % too high.
    for milliseconds in 1...1000 as ClosedRange<UInt64> { window.observe(nanoseconds: milliseconds * 1_000_000, now: start.adding(milliseconds: milliseconds)) }
    let first = window.percentiles([0.5, 0.9, 0.99, 0.999], now: start.adding(milliseconds: 2000))
    let found = try #require(first)
    for (value, exact) in zip(found, [0.5, 0.9, 0.99, 0.999]) { #expect(value >= exact && value <= exact * 1.0625, "\(exact): \(value)") }
    // Half a minute later quick answers outnumber the slow ones; when the minute is over they alone are left.
    for _ in 0..<3000 { window.observe(nanoseconds: 10_000, now: start.adding(milliseconds: 30_000)) }
    let mixed = window.percentiles([0.5, 0.99], now: start.adding(milliseconds: 59_000)), quick = window.percentiles([0.5, 0.99], now: start.adding(milliseconds: 75_000))
    #expect(mixed?.map { $0 < 0.001 } == [true, false] && quick == [1e-05, 1e-05])
    let after = window.percentiles([0.5], now: start.adding(milliseconds: 200_000))
    #expect(after == nil)
  }
}
