import Ambient
import Audit
import Consensus

/// The files of a vote journal on a simulated disk. A write counts once it is complete; a crash in the middle of it leaves some of its sectors.
struct JournalDisk {
  private static let sectorBytes = 512
  private let chainTag: ChainTag
  private var files: [UInt64: [UInt8]] = [:]

  init(chainTag: ChainTag) { self.chainTag = chainTag }

  /// Reads the journal as a starting node does, with the torn end zeroed.
  mutating func open() -> (records: [JournalRecord], writer: JournalWriter, condition: Condition) {
    let images = files.sorted { $0.key < $1.key }.map { JournalSegment(name: $0.key, bytes: $0.value) }
    switch JournalOutcome(reading: images, chainTag: chainTag, segmentBytes: SimulationLimit.journalSegmentBytes) {
    case .intact(let reading):
      if let torn = reading.torn { for offset in torn.offset..<SimulationLimit.journalSegmentBytes { files[torn.segment]![offset] = 0 } }
      for name in reading.spare { files[name] = nil }
      return (reading.records, reading.writer, .intact)
    case .missing: return ([], empty, .missing)
    case .damaged(let reason):
      files = [:]
      return ([], empty, .damaged(reason))
    case .foreign: preconditionFailure("a simulated disk holds one chain")
    }
  }

  enum Condition: Equatable { case intact, missing, damaged(String) }

  private var empty: JournalWriter { JournalWriter(chainTag: chainTag, segmentBytes: SimulationLimit.journalSegmentBytes) }

  /// The write is on disk.
  mutating func complete(_ write: JournalWrite, oldestKept: UInt64) {
    if write.opensSegment, let used = files.keys.min(), used < oldestKept { files[write.segment] = files.removeValue(forKey: used) }
    files[write.segment, default: [UInt8](repeating: 0, count: SimulationLimit.journalSegmentBytes)]
      .replaceSubrange(write.offset..<write.offset + write.bytes.count, with: write.bytes)
  }

  /// The node crashed while the write was under way: each sector landed or not. A new segment is there or not.
  mutating func tear(_ write: JournalWrite, oldestKept: UInt64, _ random: inout SeededGenerator) {
    guard !write.opensSegment else {
      if random.happens(500_000) { complete(write, oldestKept: oldestKept) }
      return
    }
    guard var bytes = files[write.segment] else { return }
    for sector in write.offset / Self.sectorBytes...(write.offset + write.bytes.count - 1) / Self.sectorBytes where random.happens(500_000) {
      let range = max(write.offset, sector * Self.sectorBytes)..<min(write.offset + write.bytes.count, (sector + 1) * Self.sectorBytes)
      bytes.replaceSubrange(range, with: write.bytes[range.lowerBound - write.offset..<range.upperBound - write.offset])
    }
    files[write.segment] = bytes
  }

  /// The directory was deleted.
  mutating func wipe() { files = [:] }
}
