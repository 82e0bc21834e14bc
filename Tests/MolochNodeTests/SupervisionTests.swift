import Ambient
import Testing

@testable import MolochNode

@Suite struct SupervisionTests {
  static func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: 1_000_000 + milliseconds) }

  @Test func theWatchdogIsFedEveryThirdOfItsTimeWhileAllLoopsTurn() {
    var watchdog = Watchdog(milliseconds: 30_000, now: Self.at(0))
    let fed = (0..<600 as Range<UInt64>).filter { watchdog.isDue(now: Self.at($0 * 100), beats: [$0 + 1, 7 * $0 + 1, 3 * $0 + 1]) }
    #expect(fed == [0, 100, 200, 300, 400, 500])
  }

  @Test(arguments: [0, 1, 2]) func aLoopThatStandsStillStarvesTheWatchdog(_ dead: Int) {
    var watchdog = Watchdog(milliseconds: 3000, now: Self.at(0))
    var beats: [UInt64] = [1, 1, 1]
    #expect(watchdog.isDue(now: Self.at(0), beats: beats) == true)
    for second in 1..<60 as Range<UInt64> {
      for loop in 0..<3 where loop != dead { beats[loop] += 5 }
      #expect(watchdog.isDue(now: Self.at(second * 1000), beats: beats) == false)
    }
    beats[dead] += 1
    #expect(watchdog.isDue(now: Self.at(60_000), beats: beats) == true, "one turn is enough")
  }

  static let limits = DiskGuard.Limits(freeBytesMin: 100, warnPercent: 10, reserveBytes: 0)

  @Test func theDiskGuardLeavesAtTwiceItsLimit() {
    var guardian = DiskGuard()
    func look(_ free: UInt64, _ second: UInt64) -> [DiskGuard.Step] { guardian.look(free: free, size: 10_000, limits: Self.limits, now: Self.at(second * 1000)) }
    #expect(look(5000, 0) == [] && !guardian.isLow)
    #expect(look(100, 1) == [.warn(percent: 1)] && !guardian.isReadOnly && guardian.isLow)
    #expect(look(99, 2) == [.readOnly] && guardian.isReadOnly)
    #expect(look(150, 3) == [] && look(199, 4) == [] && guardian.isReadOnly)
    #expect(look(200, 5) == [.writable] && !guardian.isReadOnly)
  }

  @Test func theDiskGuardWarnsOnceAnHour() {
    var guardian = DiskGuard()
    let warned = (0..<7300 as Range<UInt64>).filter { guardian.look(free: 900, size: 10_000, limits: Self.limits, now: Self.at($0 * 1000)) == [.warn(percent: 9)] }
    #expect(warned == [0, 3600, 7200])
  }

  @Test func aLimitOfZeroNeverTurnsTheNodeReadOnly() {
    var guardian = DiskGuard()
    #expect(guardian.look(free: 0, size: 10_000, limits: DiskGuard.Limits(), now: Self.at(0)) == [])
  }
}
