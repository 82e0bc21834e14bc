import Ambient
import Ledger
import Testing

/// Sequence numbers of a stream against a set of all numbers.
@Suite struct SignerActivityTests {
  @Test(arguments: 1...20 as ClosedRange<UInt64>) func gapsAndConflictsAreThoseOfTheSetOfNumbers(seed: UInt64) {
    var chance = SeededGenerator(seed: seed)
    var stream = SignerStream(stream: 7)
    var (seen, conflicts): (Set<UInt64>, UInt64) = ([], 0)
    for _ in 0..<200 {
      // Mostly the next number, at times one that is skipped to, late or used.
      let last = seen.max() ?? 0
      let sequence = UInt64.random(in: 0..<4, using: &chance) == 0 ? UInt64.random(in: 1...last + 6, using: &chance) : last + 1
      stream.add(sequence)
      if !seen.insert(sequence).inserted { conflicts += 1 }
    }
    let last = seen.max() ?? 0
    #expect(stream.lastSequence == last && stream.conflicts == conflicts, "seed \(seed)")
    #expect(stream.gaps.flatMap { Array($0) } == (1...last).filter { !seen.contains($0) }, "seed \(seed)")
    for (gap, next) in zip(stream.gaps, stream.gaps.dropFirst()) { #expect(gap.upperBound + 1 < next.lowerBound, "seed \(seed)") }
  }

  @Test func unsequencedEventsLeaveNoTraceAndGapsAreBounded() {
    var stream = SignerStream(stream: 1)
    stream.add(0)
    #expect(stream == SignerStream(stream: 1))
    for number in 1...1000 as ClosedRange<UInt64> { stream.add(2 * number) }
    #expect(stream.gaps.count == 256 && stream.gaps.last == 1999...1999 && stream.lastSequence == 2000 && stream.conflicts == 0)
  }
}
