import Metrics
import Testing

@testable import MolochNode

@Suite struct IndexLagTests {
  /// Nothing was scraped: the lag is that of the store, not of the last look.
  @Test(arguments: [(10, 7, 3), (10, 10, 0), (7, 10, 0)] as [(UInt64, UInt64, Double)])
  func theIndexLagIsMeasuredAgainstTheDurableHeight(_ height: UInt64, _ indexed: UInt64, _ lag: Double) throws {
    let log = try Log(LogTests.settings("log.stderr = false"), home: "/")
    defer { log.close() }
    let figures = Figures(version: "1", commit: "x", log: log)
    #expect(figures.metrics.storage.indexLag.value == nil)
    figures.take(
      StoragePulse(
        indexedHeight: indexed, earliestBodyHeight: 1, statistics: DirectoryStatistics(data: "/nowhere"), cacheBytes: 0, compaction: (0, 0),
        isReadOnly: false, isDiskLow: false, proposedLastDay: [:], height: height))
    #expect(figures.metrics.storage.indexLag.value == lag)
    #expect(figures.metrics.storage.indexHeight.value == Double(indexed))
  }
}
