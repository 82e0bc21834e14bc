import Testing

@testable import API

@Suite struct SyncProgressTests {
  @Test func aSyncUnderWayHasShareRateAndEnd() throws {
    let progress = try #require(SyncProgress(isSyncing: true, target: 1000, height: 250, rate: 40))
    #expect(progress.percent == 25 && progress.blocksPerSecond == 40 && progress.etaSeconds == 19)
  }

  @Test func nothingIsSaidBesideASyncAndBeforeATarget() {
    #expect(SyncProgress(isSyncing: false, target: 1000, height: 250, rate: 40) == nil)
    #expect(SyncProgress(isSyncing: true, target: nil, height: 250, rate: nil) == nil)
  }

  /// The rate of a stalled sync may be anything down to zero.
  @Test func aStalledSyncHasNoEnd() {
    for rate in [nil, 0, 1e-300, Double.leastNonzeroMagnitude] as [Double?] {
      #expect(SyncProgress(isSyncing: true, target: .max, height: 1, rate: rate)?.etaSeconds == nil)
    }
  }

  @Test func aHeadAheadOfTheTargetIsAllOfIt() {
    #expect(SyncProgress(isSyncing: true, target: 9, height: 10, rate: 1)?.percent == 100)
  }
}
