public import Audit
import Bytes

/// What must be written, and be on disk, before the records in it count.
public struct JournalWrite: Sendable, Equatable {
  /// Id of the segment.
  public var segment: UInt64
  public var offset: Int
  public var bytes: [UInt8]
  /// The segment is new: it comes into being with these bytes at offset 0, whole or not at all.
  public var opensSegment: Bool
}

/// Turns records into writes. One write is one barrier: the caller makes it durable and says so with `synced` before it asks for the next.
public struct JournalWriter: Sendable {
  private let chainTag: ChainTag
  /// Length of a segment, bytes.
  public let segmentBytes: Int
  /// Segment in use, 0 before the first record.
  public private(set) var segment: UInt64
  private var offset: Int
  /// Sequence of the last record.
  public private(set) var sequence: UInt64
  private var acknowledged: UInt64
  /// Sequence of the last record that says something: the empty ones that acknowledge need no acknowledgement.
  private var promised: UInt64
  private var previous: UInt32
  private var standing = JournalStanding()

  /// A journal without records.
  public init(chainTag: ChainTag, segmentBytes: Int = ConsensusLimit.journalSegmentBytes) {
    self.init(chainTag: chainTag, segmentBytes: segmentBytes, segment: 0, offset: 0, sequence: 0, previous: 0)
  }

  init(chainTag: ChainTag, segmentBytes: Int, segment: UInt64, offset: Int, sequence: UInt64, previous: UInt32) {
    precondition(segmentBytes % 8 == 0 && segmentBytes >= ConsensusLimit.journalSegmentBytesMin)
    self.chainTag = chainTag
    self.segmentBytes = segmentBytes
    self.segment = segment
    self.offset = offset
    self.sequence = sequence
    acknowledged = sequence
    promised = sequence
    self.previous = previous
  }

  /// Oldest segment whose records may still be needed; older ones can be used again. Everything a segment promises is repeated by its successor,
  /// and the votes and certificates of the one before are kept for those that ask.
  public var oldestKept: UInt64 { max(1, segment) - 1 }

  /// The next barrier: all records in one write.
  public mutating func append(_ records: [JournalRecord]) -> JournalWrite {
    defer { for record in records { standing.add(record) } }
    let payloads = records.map { ($0.code, $0.payload) }
    let length = payloads.reduce(0) { $0 + JournalFormat.recordBytes(payload: $1.1.count) }
    if segment > 0, offset + length <= segmentBytes { return write(payloads) }
    return open(standing.records.map { ($0.code, $0.payload) } + payloads)
  }

  /// The last barrier is on disk, and nothing on disk says so yet.
  public var hasUnacknowledged: Bool { segment > 0 && acknowledgedOnDisk < promised && promised <= acknowledged }

  /// The empty record that acknowledges the last barrier, when there is one to acknowledge.
  public mutating func acknowledgement() -> JournalWrite? {
    guard hasUnacknowledged else { return nil }
    guard offset + JournalFormat.recordHeadBytes <= segmentBytes else { return open(standing.records.map { ($0.code, $0.payload) }) }
    return write([(0, [])])
  }

  /// The last write is on disk.
  public mutating func synced() { acknowledged = sequence }

  /// The acknowledged sequence of the newest record; what lies above it would be taken for torn if it were damaged.
  private var acknowledgedOnDisk: UInt64 = 0

  private mutating func open(_ payloads: [(UInt8, [UInt8])]) -> JournalWrite {
    segment += 1
    offset = 0
    previous = 0
    var head: [UInt8] = []
    JournalFormat.encodeHead(.init(id: segment, firstSequence: sequence + 1), chainTag: chainTag, into: &head)
    let records = write(payloads)
    precondition(head.count + records.bytes.count <= segmentBytes, "a barrier fits into an empty segment")
    offset += head.count
    return JournalWrite(segment: segment, offset: 0, bytes: head + records.bytes, opensSegment: true)
  }

  private mutating func write(_ payloads: [(UInt8, [UInt8])]) -> JournalWrite {
    let seed = JournalFormat.seed(segment)
    var bytes: [UInt8] = []
    for (code, payload) in payloads {
      sequence += 1
      previous = JournalFormat.encodeRecord(
        code: code, payload: payload, sequence: sequence, acknowledged: acknowledged, previous: previous, seed: seed, into: &bytes)
      if code != 0 { promised = sequence }
    }
    acknowledgedOnDisk = acknowledged
    defer { offset += bytes.count }
    return JournalWrite(segment: segment, offset: offset, bytes: bytes, opensSegment: false)
  }

  /// Takes over what an opened journal says.
  mutating func remember(_ record: JournalRecord) { standing.add(record) }
  mutating func remember(acknowledgedOnDisk sequence: UInt64) { acknowledgedOnDisk = sequence }
}
