public import Audit
import Bytes

/// One file of the journal: the id that its name gives, and its bytes.
public struct JournalSegment: Sendable {
  public var name: UInt64
  public var bytes: [UInt8]
  public init(name: UInt64, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}

/// What a journal's files turned out to hold.
public enum JournalOutcome: Sendable {
  /// There is no journal.
  case missing
  case intact(JournalReading)
  /// A promise that may have been relied upon is gone: this validator must recover before it votes (rule R14). The files are to be kept as they are.
  case damaged(String)
  /// The journal of another chain.
  case foreign(ChainTag)
}

/// An intact journal: every record that may have been relied upon, oldest first.
public struct JournalReading: Sendable {
  public var records: [JournalRecord]
  /// Goes on where the records end.
  public var writer: JournalWriter
  /// Bytes of this segment from this offset on are of a barrier that was torn: to be zeroed and synced before the writer is used. Nil when all is zero
  /// or stale there.
  public var torn: (segment: UInt64, offset: Int)?
  /// Files, by name, that hold nothing of the journal and can be used again or removed.
  public var spare: [UInt64]
  /// Name of the file of every segment that is in use, by ascending id; a recycled file that was not renamed in time has another name.
  public var names: [(segment: UInt64, name: UInt64)]
}

extension JournalOutcome {
  /// Reads the journal's files, in any order.
  ///
  /// The records are walked in order. At the first one that is not whole, its sequence number m is missing; if any whole record behind it says that m was
  /// on disk when it was written, a promise is damaged; else the barrier that m was in was never acknowledged, and its sectors may have landed in any
  /// order: it is torn and does not count.
  public init(reading files: [JournalSegment], chainTag: ChainTag, segmentBytes: Int = ConsensusLimit.journalSegmentBytes) {
    guard !files.isEmpty else {
      self = .missing
      return
    }
    var valid: [(head: JournalFormat.Head, file: Int)] = []
    var spare: [UInt64] = []
    for (index, file) in files.enumerated() {
      guard let (head, tag) = JournalFormat.head(file.bytes.bytes) else {
        spare.append(file.name)
        continue
      }
      guard tag == chainTag else {
        self = .foreign(tag)
        return
      }
      valid.append((head, index))
    }
    valid.sort { $0.head.id < $1.head.id }
    if let damage = Self.lostHead(files, newest: valid.last?.head.id ?? 0) {
      self = .damaged(damage)
      return
    }
    guard !valid.isEmpty else {
      self = .missing
      return
    }
    // Only the last run of consecutive ids counts: a segment repeats all promises of those before it.
    let first = valid.indices.reversed().first { $0 == 0 || valid[$0 - 1].head.id + 1 != valid[$0].head.id } ?? 0
    spare += valid[..<first].map { files[$0.file].name }
    var walk = JournalWalk(chainTag: chainTag, segmentBytes: segmentBytes)
    for (head, index) in valid[first...] {
      if let failure = walk.read(files[index], head) {
        self = .damaged(failure)
        return
      }
    }
    spare += walk.discarded
    self = .intact(
      JournalReading(records: walk.records, writer: walk.writer, torn: walk.torn, spare: spare.sorted(), names: walk.names))
  }

  /// A file named as a segment newer than all, whose head is gone and which holds records of that segment.
  private static func lostHead(_ files: [JournalSegment], newest: UInt64) -> String? {
    for file in files where file.name > newest && JournalFormat.head(file.bytes.bytes) == nil {
      let seed = JournalFormat.seed(file.name)
      var offset = JournalFormat.headBytes
      while offset + JournalFormat.recordHeadBytes <= file.bytes.count {
        if JournalFormat.record(file.bytes.bytes, at: offset, seed: seed) != nil { return "the head of segment \(file.name) is damaged" }
        offset += 8
      }
    }
    return nil
  }
}

/// The walk over the segments of a journal.
private struct JournalWalk {
  let chainTag: ChainTag
  let segmentBytes: Int
  var records: [JournalRecord] = []
  var writer: JournalWriter
  var names: [(segment: UInt64, name: UInt64)] = []
  var torn: (segment: UInt64, offset: Int)?
  var discarded: [UInt64] = []
  private var expected: UInt64?
  /// Sequence that is missing, once a record was not whole.
  private var missing: UInt64?

  init(chainTag: ChainTag, segmentBytes: Int) {
    self.chainTag = chainTag
    self.segmentBytes = segmentBytes
    writer = JournalWriter(chainTag: chainTag, segmentBytes: segmentBytes)
  }

  /// Reads one segment; returns what is damaged.
  mutating func read(_ file: JournalSegment, _ head: JournalFormat.Head) -> String? {
    let seed = JournalFormat.seed(head.id)
    let span = file.bytes.bytes
    if let missing {
      // The segment before ended early: only what this one acknowledges matters.
      discarded.append(file.name)
      return acknowledges(missing, span, from: JournalFormat.headBytes, seed) ? "record \(missing) is damaged" : nil
    }
    if let expected, head.firstSequence != expected { return "segment \(head.id) begins with record \(head.firstSequence), not \(expected)" }
    var sequence = head.firstSequence
    var offset = JournalFormat.headBytes
    var previous: UInt32 = 0
    var acknowledged: UInt64 = 0
    while let record = JournalFormat.record(span, at: offset, seed: seed), record.sequence == sequence, record.previous == previous {
      if record.code != 0 {
        guard let decoded = JournalRecord(code: record.code, payload: span.extracting(record.payload), chainTag: chainTag) else {
          return "record \(sequence) has the unknown type \(record.code): a newer program wrote it"
        }
        records.append(decoded)
        writer.remember(decoded)
      }
      (previous, acknowledged, offset) = (record.crc, record.acknowledged, record.end)
      sequence += 1
    }
    expected = sequence
    // Most of a segment in use is zero, and zeros acknowledge nothing.
    let isFollowed = hasNonzero(span, from: offset)
    if isFollowed, acknowledges(sequence, span, from: offset, seed) { return "record \(sequence) is damaged" }
    if sequence == head.firstSequence {
      // Not one record of a segment that comes into being with some.
      discarded.append(file.name)
      missing = sequence
      return nil
    }
    names.append((head.id, file.name))
    torn = isFollowed ? (head.id, offset) : nil
    var next = JournalWriter(
      chainTag: chainTag, segmentBytes: segmentBytes, segment: head.id, offset: offset, sequence: sequence - 1, previous: previous)
    for record in records { next.remember(record) }
    next.remember(acknowledgedOnDisk: acknowledged)
    writer = next
    return nil
  }

  /// Whether a whole record at or behind `offset` says that `sequence` was on disk.
  private func acknowledges(_ sequence: UInt64, _ span: RawSpan, from begin: Int, _ seed: UInt32) -> Bool {
    var offset = begin
    while offset + JournalFormat.recordHeadBytes <= span.byteCount {
      // Cheap refusals first: a zero or an older sequence cannot say so.
      if span.uint64(at: offset + 16) > sequence, span.uint64(at: offset + 24) >= sequence,
        let record = JournalFormat.record(span, at: offset, seed: seed), record.acknowledged >= sequence
      {
        return true
      }
      offset += 8
    }
    return false
  }

  private func hasNonzero(_ span: RawSpan, from begin: Int) -> Bool { begin < span.byteCount && !span.isZero(begin..<span.byteCount) }
}
