import Audit
import Bytes
import Digests

/// Layout of the vote journal, whose promises outlive every other file of a validator.
///
/// The journal is a row of segments of fixed size. A segment is named by its id (1, 2, ...) and has a head of 64 bytes; records follow without gap,
/// each a multiple of 8 bytes; zeros, or the stale records of a recycled segment, fill the rest.
///
/// | head: offset | length | field | record: offset | length | field |
/// |---|---|---|---|---|---|
/// | 0 | 16 | tag `moloch-jrnl-v1\0\0` | 0 | 4 | length of the payload |
/// | 16 | 16 | chain tag | 4 | 4 | CRC-32C of all that follows in the record, seeded with that of the segment id |
/// | 32 | 8 | segment id | 8 | 4 | CRC of the record before, 0 for the first of a segment |
/// | 40 | 8 | sequence of the first record | 12 | 1 | type, 0 for the empty record |
/// | 48 | 12 | reserved, zero | 13 | 3 | reserved, zero |
/// | 60 | 4 | CRC-32C of the 60 bytes before | 16 | 8 | sequence: 1, 2, 3, ... over all segments |
/// | | | | 24 | 8 | acknowledged: highest sequence known to be on disk when this record was written |
/// | | | | 32 | | payload, padded with zeros to a multiple of 8 |
enum JournalFormat {
  static let tag = Bytes16(ascii: "moloch-jrnl-v1\0\0")
  static let headBytes = 64
  static let recordHeadBytes = 32

  struct Head: Equatable {
    var id: UInt64
    var firstSequence: UInt64
  }

  static func encodeHead(_ head: Head, chainTag: ChainTag, into bytes: inout [UInt8]) {
    let begin = bytes.count
    bytes.append(tag)
    bytes.append(chainTag.bytes)
    bytes.append(bigEndian: head.id)
    bytes.append(bigEndian: head.firstSequence)
    bytes.append(zeros: 12)
    bytes.append(bigEndian: CRC32C.checksum(bytes.bytes.extracting(begin..<begin + 60)))
  }

  /// The head of a segment; nil when it is not whole. The chain is not compared.
  static func head(_ segment: RawSpan) -> (head: Head, chainTag: ChainTag)? {
    guard segment.byteCount >= headBytes, Bytes16(segment, at: 0) == tag, segment.isZero(48..<60) else { return nil }
    guard CRC32C.checksum(segment.extracting(0..<60)) == segment.uint32(at: 60) else { return nil }
    return (Head(id: segment.uint64(at: 32), firstSequence: segment.uint64(at: 40)), ChainTag(Bytes16(segment, at: 16)))
  }

  /// Where the CRCs of a segment begin: a record of an earlier use of the file does not verify.
  static func seed(_ segment: UInt64) -> UInt32 {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: segment)
    return CRC32C.checksum(bytes.bytes)
  }

  /// Length of a record with a payload of this length.
  static func recordBytes(payload: Int) -> Int { recordHeadBytes + (payload + 7) / 8 * 8 }

  /// Appends a record and returns its CRC.
  static func encodeRecord(
    code: UInt8, payload: [UInt8], sequence: UInt64, acknowledged: UInt64, previous: UInt32, seed: UInt32, into bytes: inout [UInt8]
  ) -> UInt32 {
    let begin = bytes.count
    bytes.append(bigEndian: UInt32(payload.count))
    bytes.append(bigEndian: UInt32(0))
    bytes.append(bigEndian: previous)
    bytes.append(code)
    bytes.append(zeros: 3)
    bytes.append(bigEndian: sequence)
    bytes.append(bigEndian: acknowledged)
    bytes += payload
    bytes.append(zeros: recordBytes(payload: payload.count) - recordHeadBytes - payload.count)
    let crc = CRC32C.checksum(bytes.bytes.extracting(begin + 8..<bytes.count), seed: seed)
    for byte in 0..<4 { bytes[begin + 4 + byte] = UInt8(truncatingIfNeeded: crc >> UInt32(24 - 8 * byte)) }
    return crc
  }

  /// One record as it lies in a segment.
  struct Parsed {
    var code: UInt8
    var payload: Range<Int>
    var sequence: UInt64
    var acknowledged: UInt64
    var previous: UInt32
    var crc: UInt32
    var end: Int
  }

  /// The record at `offset`; nil when no whole record with a matching CRC stands there.
  static func record(_ segment: RawSpan, at offset: Int, seed: UInt32) -> Parsed? {
    guard segment.byteCount - offset >= recordHeadBytes else { return nil }
    let length = Int(segment.uint32(at: offset))
    guard length <= ConsensusLimit.journalPayloadBytes, segment.byteCount - offset >= recordBytes(payload: length) else { return nil }
    let sequence = segment.uint64(at: offset + 16)
    guard sequence > 0, segment.isZero(offset + 13..<offset + 16) else { return nil }
    let end = offset + recordBytes(payload: length)
    let crc = segment.uint32(at: offset + 4)
    guard CRC32C.checksum(segment.extracting(offset + 8..<end), seed: seed) == crc else { return nil }
    return Parsed(
      code: segment.uint8(at: offset + 12), payload: offset + recordHeadBytes..<offset + recordHeadBytes + length, sequence: sequence,
      acknowledged: segment.uint64(at: offset + 24), previous: segment.uint32(at: offset + 8), crc: crc, end: end)
  }
}
