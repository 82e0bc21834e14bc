import Audit
import Testing

@testable import API

@Suite struct BlockPaceTests {
  static func time(_ milliseconds: UInt64) -> Timestamp { Timestamp(milliseconds: 1_768_478_400_000 + milliseconds) }

  @Test func theMeanIsThatOfTheLastHundredIntervals() {
    var pace = BlockPace()
    #expect(pace.interval == nil)
    for second in 0..<50 as Range<UInt64> { pace.note(Self.time(second * 10_000)) }
    #expect(pace.interval == 10_000)
    for second in 1...100 as ClosedRange<UInt64> { pace.note(Self.time(490_000 + second * 2000)) }
    #expect(pace.interval == 2000)
    // Never backwards, whatever a sync brings again.
    pace.note(Self.time(0))
    #expect(pace.interval == 2000)
  }

  @Test func whatHasElapsedCounts() {
    var pace = BlockPace()
    let newest = Self.time(3000)
    #expect(pace.milliseconds(blocks: 3, after: newest, wall: newest.rawValue + 500, fallback: 1000) == 2500)
    pace.note(Self.time(0))
    pace.note(newest)
    #expect(pace.milliseconds(blocks: 1, after: newest, wall: newest.rawValue + 1000, fallback: 1000) == 2000)
    #expect(pace.milliseconds(blocks: 1, after: newest, wall: newest.rawValue + 9000, fallback: 1000) == 0)
    // A clock behind that of the proposer.
    #expect(pace.milliseconds(blocks: 1, after: newest, wall: newest.rawValue - 9000, fallback: 1000) == 3000)
  }
}
