import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Testing

@testable import Consensus

/// The journal on a model of its files.
private struct JournalFiles {
  static let segmentBytes = ConsensusLimit.journalSegmentBytesMin
  static let tag = ChainTag(Bytes16(7, 9))
  var files: [UInt64: [UInt8]] = [:]
  var writer = JournalWriter(chainTag: tag, segmentBytes: segmentBytes)
  /// The last write, for tearing.
  var last: (write: JournalWrite, before: [UInt8])?

  mutating func perform(_ write: JournalWrite) {
    var bytes = files[write.segment] ?? [UInt8](repeating: 0, count: Self.segmentBytes)
    if write.opensSegment {
      // The oldest file that is not needed any more is used again, stale records and all.
      if let old = files.keys.sorted().first(where: { $0 < writer.oldestKept }) {
        bytes = files[old]!
        files[old] = nil
      }
    }
    last = (write, bytes)
    bytes.replaceSubrange(write.offset..<write.offset + write.bytes.count, with: write.bytes)
    files[write.segment] = bytes
    writer.synced()
  }

  mutating func append(_ records: [JournalRecord]) { perform(writer.append(records)) }
  mutating func acknowledge() { if let write = writer.acknowledgement() { perform(write) } }

  func read() -> JournalOutcome {
    JournalOutcome(reading: files.sorted { $0.key > $1.key }.map { JournalSegment(name: $0.key, bytes: $0.value) }, chainTag: Self.tag, segmentBytes: Self.segmentBytes)
  }
}

@Suite struct JournalTests {
  private static let key = SigningKey(seed: Bytes32(1, 2, 3, 4))

  private func vote(_ view: UInt64, _ kind: VoteKind = .notarise) -> JournalRecord {
    .vote(
      SignedVote(
        signing: kind == .nullify
          ? Vote(nullify: View(view), epoch: Epoch(0), chainTag: JournalFiles.tag)
          : Vote(kind: kind, chainTag: JournalFiles.tag, epoch: Epoch(0), view: View(view), parentView: View(view - 1), height: Height(view), blockHash: SHA256.hash([UInt8(view % 251)])),
        with: Self.key))
  }
  private func floor(_ height: UInt64) -> JournalRecord { .floor(epoch: Epoch(0), view: View(height), height: Height(height), blockHash: .empty) }

  private func intact(_ outcome: JournalOutcome, _ context: String = "") throws -> JournalReading {
    guard case .intact(let reading) = outcome else {
      Issue.record("\(context): \(outcome)")
      throw CancellationError()
    }
    return reading
  }

  @Test func everyRecordIsReadBackAndTheWriterGoesOn() throws {
    var journal = JournalFiles()
    guard case .missing = journal.read() else {
      _ = Issue.record("an empty directory has no journal")
      return
    }
    var expected: [JournalRecord] = []
    for view in 1...40 as ClosedRange<UInt64> {
      let records = [vote(view), vote(view, .finalise), floor(view), .cosignature(size: view, root: .empty, seconds: view), .bound(epoch: Epoch(0), view: View(view))]
      journal.append(records)
      expected += records
      if view % 7 == 0 { journal.acknowledge() }
      let reading = try intact(journal.read())
      #expect(reading.records == expected)
      #expect(reading.torn == nil)
      journal.writer = reading.writer
    }
  }

  @Test func aRestIsAcknowledgedOnce() throws {
    var journal = JournalFiles()
    #expect(!journal.writer.hasUnacknowledged)
    for view in 1...3 as ClosedRange<UInt64> {
      journal.append([vote(view)])
      #expect(journal.writer.hasUnacknowledged)
      journal.acknowledge()
      #expect(!journal.writer.hasUnacknowledged)
      #expect(journal.writer.acknowledgement() == nil)
    }
    // A barrier under way has nothing to acknowledge yet.
    _ = journal.writer.append([vote(4)])
    #expect(journal.writer.acknowledgement() == nil)
  }

  @Test func segmentsAreUsedAgainAndNoPromiseIsLost() throws {
    var journal = JournalFiles()
    for view in 1...2000 as ClosedRange<UInt64> {
      journal.append([vote(view), vote(view, view % 3 == 0 ? .nullify : .finalise), floor(view)])
      #expect(journal.files.count <= 3)
      guard view % 97 == 0 else { continue }
      let reading = try intact(journal.read())
      var standing = JournalStanding()
      for record in reading.records { standing.add(record) }
      let nullified = view / 3 * 3, finalised = view % 3 == 0 ? view - 1 : view
      var wanted: [JournalRecord] = [floor(view), .voted(.notarise, epoch: Epoch(0), view: View(view))]
      wanted.append(.voted(.nullify, epoch: Epoch(0), view: View(nullified)))
      wanted.append(.voted(.finalise, epoch: Epoch(0), view: View(finalised)))
      #expect(standing.records == wanted, "view \(view)")
    }
  }

  @Test func aTornBarrierIsForgottenWhateverSectorsLanded() throws {
    let seed = ProcessInfo.processInfo.environment["MOLOCH_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    var random = SeededGenerator(seed: seed)
    for round in 0..<200 {
      var journal = JournalFiles()
      for view in 1..<UInt64(2 + random.next() % 90) { journal.append([vote(view), floor(view)]) }
      let before = try intact(journal.read()).records
      journal.append((0..<12).map { vote(1000 + $0) })
      let (write, old) = try #require(journal.last)
      guard !write.opensSegment else { continue }
      // 512-byte sectors of the last barrier land or not, in any combination but all.
      var bytes = old
      var skipped = false
      for sector in write.offset / 512...(write.offset + write.bytes.count - 1) / 512 {
        let range = max(write.offset, sector * 512)..<min(write.offset + write.bytes.count, (sector + 1) * 512)
        if random.next() & 1 == 0 {
          bytes.replaceSubrange(range, with: write.bytes[range.lowerBound - write.offset..<range.upperBound - write.offset])
        } else { skipped = true }
      }
      guard skipped else { continue }
      journal.files[write.segment] = bytes
      let reading = try intact(journal.read(), "seed \(seed) round \(round)")
      // Whole records at the front of the torn barrier may be there: they promise nothing to anybody, and bind all the same.
      #expect(Array(reading.records.prefix(before.count)) == before, "seed \(seed) round \(round)")
      if let torn = reading.torn { for offset in torn.offset..<JournalFiles.segmentBytes { journal.files[torn.segment]![offset] = 0 } }
      journal.writer = reading.writer
      journal.append([floor(5000)])
      #expect(try intact(journal.read(), "seed \(seed) round \(round)").records == reading.records + [floor(5000)])
    }
  }

  @Test func anyFlippedBitBeforeTheAcknowledgedEndIsDamage() throws {
    let seed = ProcessInfo.processInfo.environment["MOLOCH_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    var random = SeededGenerator(seed: seed)
    var journal = JournalFiles()
    for view in 1...20 as ClosedRange<UInt64> { journal.append([vote(view), floor(view)]) }
    let end = try #require(journal.last).write.offset + (try #require(journal.last)).write.bytes.count
    journal.acknowledge()
    for _ in 0..<2000 {
      var damaged = journal
      let offset = JournalFormat.headBytes + Int(random.next() % UInt64(end - JournalFormat.headBytes))
      damaged.files[1]![offset] ^= 1 << UInt8(random.next() % 8)
      guard case .damaged = damaged.read() else {
        Issue.record("seed \(seed) offset \(offset): \(damaged.read())")
        return
      }
    }
    // The head too, since records of that segment are there.
    for offset in 0..<JournalFormat.headBytes {
      var damaged = journal
      damaged.files[1]![offset] ^= 0x20
      switch damaged.read() {
      case .damaged: break
      case .foreign where (16..<32).contains(offset): break
      default: Issue.record("head offset \(offset): \(damaged.read())")
      }
    }
  }

  @Test func damageOfAnOlderSegmentAndALostOneAreSeen() throws {
    var journal = JournalFiles()
    var view: UInt64 = 0
    while journal.writer.segment < 3 {
      view += 1
      journal.append([vote(view), floor(view)])
    }
    #expect(journal.files.keys.sorted() == [2, 3])
    var damaged = journal
    damaged.files[2]![JournalFormat.headBytes + 100] ^= 1
    guard case .damaged = damaged.read() else {
      _ = Issue.record("a damaged older segment")
      return
    }
    // Without the older segment the newer one still promises everything.
    var shortened = journal
    shortened.files[2] = nil
    var standing = JournalStanding()
    for record in try intact(shortened.read()).records { standing.add(record) }
    #expect(standing.records == [floor(view), .voted(.notarise, epoch: Epoch(0), view: View(view))])
  }

  @Test func aSegmentThatDidNotComeIntoBeingIsSpare() throws {
    var journal = JournalFiles()
    for view in 1...5 as ClosedRange<UInt64> { journal.append([vote(view)]) }
    journal.files[2] = [UInt8](repeating: 0, count: JournalFiles.segmentBytes)
    let reading = try intact(journal.read())
    #expect(reading.spare == [2] && reading.records.count == 5)
    // A recycled file that got its new head but not its new name.
    var renamed = JournalFiles()
    for view in 1...5 as ClosedRange<UInt64> { renamed.append([vote(view)]) }
    renamed.files = [9: renamed.files[1]!]
    #expect(try intact(renamed.read()).names.map(\.name) == [9])
  }

  @Test func anotherChainsJournalIsRefused() throws {
    var journal = JournalFiles()
    journal.append([floor(1)])
    let files = journal.files.map { JournalSegment(name: $0.key, bytes: $0.value) }
    guard case .foreign(let tag) = JournalOutcome(reading: files, chainTag: ChainTag(Bytes16(1, 1)), segmentBytes: JournalFiles.segmentBytes) else {
      _ = Issue.record("a foreign journal was read")
      return
    }
    #expect(tag == JournalFiles.tag)
  }

  @Test func payloadsOfEveryTypeSurviveTheirEncoding() throws {
    let certificate = Certificate(
      vote: Vote(nullify: View(4), epoch: Epoch(0), chainTag: JournalFiles.tag), signatures: [],
      in: try ValidatorSet([Validator(publicKey: Self.key.publicKey, cosignerKey: Self.key.publicKey, power: 1, name: "a")]))
    let records: [JournalRecord] = [
      vote(3), .certificate(certificate), floor(8), .bound(epoch: Epoch(2), view: View(5)), .recovering, .cosignature(size: 4, root: .empty, seconds: 9),
      .voted(.finalise, epoch: Epoch(1), view: View(77)),
    ]
    for record in records {
      #expect(JournalRecord(code: record.code, payload: record.payload.bytes, chainTag: JournalFiles.tag) == record)
      #expect(JournalRecord(code: record.code, payload: (record.payload + [0]).bytes, chainTag: JournalFiles.tag) == nil)
    }
  }
}
