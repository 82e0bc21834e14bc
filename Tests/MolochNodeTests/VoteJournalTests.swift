import Audit
import Bytes
import Consensus
import Digests
import Foundation
import Testing

@testable import MolochNode

@Suite struct VoteJournalTests {
  private let tag = ChainTag(Bytes16(1, 2))

  private func floor(_ height: UInt64) -> JournalRecord {
    .floor(epoch: Epoch(0), view: View(height), height: Height(height), blockHash: SHA256.hash([UInt8(truncatingIfNeeded: height)]))
  }

  private func scratch() -> String { FileManager.default.temporaryDirectory.appendingPathComponent("journal-\(UUID().uuidString)").path }

  @Test func recordsSurviveAndATornEndIsCutAtEveryByte() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var lengths: [Int] = []
    do {
      let journal = try VoteJournal(directory: directory, chainTag: tag)
      for height in 1...5 as ClosedRange<UInt64> {
        try journal.append([floor(height), .cosignature(size: height, root: .empty, seconds: 100 + height)])
        lengths.append(try Data(contentsOf: URL(fileURLWithPath: directory + "/journal")).count)
      }
    }
    let whole = try Data(contentsOf: URL(fileURLWithPath: directory + "/journal"))
    for cut in lengths[3]...lengths[4] {
      try whole.prefix(cut).write(to: URL(fileURLWithPath: directory + "/journal"))
      let journal = try VoteJournal(directory: directory, chainTag: tag)
      // The last append is a floor record of 24 + 56 bytes and a cosignature record of 24 + 48 bytes.
      let isFloorWhole = cut >= lengths[3] + 80, isCosignatureWhole = cut >= lengths[3] + 152
      #expect(journal.floorHeight == Height(isFloorWhole ? 5 : 4), "cut \(cut)")
      #expect(journal.cosignature?.size == (isCosignatureWhole ? 5 : 4), "cut \(cut)")
      #expect(journal.records.count == 8 + (isFloorWhole ? 1 : 0) + (isCosignatureWhole ? 1 : 0), "cut \(cut)")
      // What is appended behind a cut end is found again.
      try journal.append([floor(9)])
    }
    let reopened = try VoteJournal(directory: directory, chainTag: tag)
    #expect(reopened.floorHeight == Height(9))
  }

  @Test func aFlippedBitEndsTheReadingThere() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    do {
      let journal = try VoteJournal(directory: directory, chainTag: tag)
      try journal.append([floor(1), floor(2), floor(3)])
    }
    let path = URL(fileURLWithPath: directory + "/journal")
    let whole = try Data(contentsOf: path)
    for offset in stride(from: whole.count / 3, to: whole.count * 2 / 3, by: 7) {
      var damaged = whole
      damaged[offset] ^= 4
      try damaged.write(to: path)
      #expect(try VoteJournal(directory: directory, chainTag: tag).records.count == 1, "offset \(offset)")
    }
  }

  @Test func aGrownJournalIsRewrittenWithTheNewestPromises() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let journal = try VoteJournal(directory: directory, chainTag: tag)
    let batch = (1...2000).map { floor(UInt64($0)) } + [JournalRecord.cosignature(size: 7, root: .empty, seconds: 8)]
    var largest = 0
    for _ in 0..<40 {
      try journal.append(batch)
      largest = max(largest, try Data(contentsOf: URL(fileURLWithPath: directory + "/journal")).count)
    }
    #expect(largest <= VoteJournal.rewriteBytes)
    let reopened = try VoteJournal(directory: directory, chainTag: tag)
    #expect(reopened.floorHeight == Height(2000) && reopened.cosignature?.size == 7)
  }

  @Test func crc32cMatchesItsCheckValue() { #expect(CRC32C.checksum(Array("123456789".utf8).bytes) == 0xE306_9283) }
}

@Suite struct NodeOptionsTests {
  @Test func everyKeyIsKnownAndWrongValuesAreNamed() {
    for key in NodeOptions.keys {
      var options = NodeOptions(home: "x")
      do throws(NodeFailure) {
        try options.set(key, "?")
        Issue.record("\(key) accepts '?'")
      } catch {
        #expect(error.code == 78 && error.message.contains(key) && !error.message.contains("unknown key"), "\(error.message)")
      }
    }
    var options = NodeOptions(home: "x")
    #expect(throws: NodeFailure.self) { try options.set("api.listen_adr", "1") }
  }

  @Test func durationsAndSizesHaveUnits() {
    #expect(NodeOptions.duration("500ms") == 500 && NodeOptions.duration("30s") == 30_000 && NodeOptions.duration("7d") == 604_800_000)
    #expect(NodeOptions.duration("5") == nil && NodeOptions.duration("-1s") == nil && NodeOptions.duration("1.5s") == nil)
    #expect(NodeOptions.size("10MB") == 10_000_000 && NodeOptions.size("16MiB") == 16 << 20 && NodeOptions.size("12") == 12 && NodeOptions.size("x") == nil)
  }

  @Test func logLinesAreEscapedInEveryFormat() {
    let time = WallClock(seconds: 1_768_478_400, nanoseconds: 123_456_000)
    let fields = [("height", "12"), ("why", "a \"b\"\n")]
    #expect(Log.line(.text, time, .info, "node", "hello", fields) == "2026-01-15T12:00:00.123456Z INFO  node: hello height=12 why=\"a \\\"b\\\"\\n\"")
    #expect(
      Log.line(.json, time, .warn, "node", "x", fields)
        == "{\"ts\":\"2026-01-15T12:00:00.123456Z\",\"level\":\"WARN\",\"subsystem\":\"node\",\"msg\":\"x\",\"height\":12,\"why\":\"a \\\"b\\\"\\n\"}")
    #expect(Log.line(.journald, time, .error, "node", "x", []) == "<3>ERROR node: x")
    #expect(time.httpDate == "Thu, 15 Jan 2026 12:00:00 GMT")
  }
}
