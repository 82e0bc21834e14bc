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

  private static let segmentBytes = ConsensusLimit.journalSegmentBytesMin

  private func open(_ directory: String) throws -> VoteJournal { try VoteJournal(directory: directory, chainTag: tag, segmentBytes: Self.segmentBytes) }

  private func names(_ directory: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: directory).sorted() }

  @Test func recordsSurviveReopening() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var expected: [JournalRecord] = []
    for height in 1...5 as ClosedRange<UInt64> {
      let journal = try open(directory)
      #expect(journal.condition == (height == 1 ? .missing : .intact))
      #expect(journal.records == expected)
      let records = [floor(height), .cosignature(size: height, root: .empty, seconds: 100 + height)]
      try journal.append(records)
      try journal.acknowledge()
      expected += records
      #expect(journal.floorHeight == Height(height) && journal.cosignature?.size == height)
    }
    #expect(try names(directory) == ["LOCK", "journal-1"])
  }

  @Test func aTornLastBarrierIsCutAndWrittenOver() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    do {
      let journal = try open(directory)
      try journal.append([floor(1)])
      try journal.append([floor(2), floor(3)])
    }
    let path = URL(fileURLWithPath: directory + "/journal-1")
    let whole = try Data(contentsOf: path)
    // Records of 88 bytes after a head of 64: the third is torn at every byte.
    for cut in 64 + 176..<64 + 264 {
      var torn = whole
      for offset in cut..<64 + 264 { torn[offset] = 0 }
      try torn.write(to: path)
      let isWhole = torn == whole
      do {
        let journal = try open(directory)
        #expect(journal.condition == .intact && journal.floorHeight == Height(isWhole ? 3 : 2), "cut \(cut)")
        try journal.append([floor(9)])
      }
      #expect(try open(directory).floorHeight == Height(9), "cut \(cut)")
    }
  }

  @Test func aDamagedJournalIsKeptAsideByTheFirstAppend() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    do {
      let journal = try open(directory)
      try journal.append([floor(1), floor(2)])
      try journal.append([floor(3)])
    }
    let path = URL(fileURLWithPath: directory + "/journal-1")
    var damaged = try Data(contentsOf: path)
    damaged[64 + 40] ^= 1
    try damaged.write(to: path)
    do {
      let journal = try open(directory)
      guard case .damaged = journal.condition else {
        Issue.record("\(journal.condition)")
        return
      }
      #expect(journal.records.isEmpty)
      #expect(try names(directory) == ["LOCK", "journal-1"])
      try journal.append([.bound(epoch: Epoch(0), view: View(7))])
    }
    #expect(try names(directory) == ["LOCK", "damaged-1", "journal-1"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/damaged-1/journal-1")) == damaged)
    #expect(try open(directory).records == [.bound(epoch: Epoch(0), view: View(7))])
  }

  @Test func segmentsAreUsedAgain() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var journal: VoteJournal? = try open(directory)
    for height in 1...3000 as ClosedRange<UInt64> {
      try journal!.append([floor(height), .cosignature(size: height, root: .empty, seconds: height)])
      if height % 211 == 0 {
        journal = nil
        journal = try open(directory)
        #expect(journal!.floorHeight == Height(height) && journal!.cosignature?.seconds == height)
        #expect(try names(directory).count <= 4)
      }
    }
  }

  @Test func aSecondProcessAndAForeignChainAreRefused() throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    do {
      let journal = try open(directory)
      try journal.append([floor(1)])
      do {
        _ = try open(directory)
        Issue.record("opened twice")
      } catch let failure as NodeFailure { #expect(failure.code == 75) }
    }
    do {
      _ = try VoteJournal(directory: directory, chainTag: ChainTag(Bytes16(3, 3)), segmentBytes: Self.segmentBytes)
      Issue.record("opened for another chain")
    } catch { #expect(error.code == 78) }
    // Neither refusal has kept the lock, nor does a copy of the descriptor that somebody else still has.
    var journal: VoteJournal? = try open(directory)
    #expect(journal?.floorHeight == Height(1))
    let copies = Self.descriptors(of: directory + "/LOCK").map { dup($0) }
    defer { for copy in copies { close(copy) } }
    #expect(copies.count == 1)
    journal = nil
    #expect(try open(directory).floorHeight == Height(1))
  }

  /// Open descriptors of this process for a file.
  private static func descriptors(of path: String) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return names.filter { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)) == path }.compactMap { Int32($0) }
  }

  @Test func crc32cMatchesItsCheckValue() { #expect(CRC32C.checksum(Array("123456789".utf8).bytes) == 0xE306_9283) }
}
