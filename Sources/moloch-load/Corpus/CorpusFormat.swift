import Audit
import Bytes
import Digests

/// The corpus file: pre-signed records, so that nothing is signed in the timed path.
///
/// | offset | length | field |
/// |---|---|---|
/// | 0 | 8 | magic `MLCORPUS` |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | reserved |
/// | 16 | 16 | chain tag |
/// | 32 | 8 | seed |
/// | 40 | 8 | count of records |
/// | 48 | 8 | first statement timestamp, Unix ms |
/// | 56 | 8 | last statement timestamp, Unix ms |
/// | 64 | 32 | SHA-256 of everything from offset 160 on |
/// | 96 | 32 | genesis hash |
/// | 128 | 32 | reserved |
/// | 160 | 48 each | index: offset in the file (8), length (4), reserved (4), event id (32) |
/// | behind | | the records |
struct CorpusHeader: Equatable {
  static let byteCount = 160
  static let indexStride = 48
  static let magic: UInt64 = 0x4D4C_434F_5250_5553
  static let version: UInt32 = 1

  var chainTag: ChainTag
  var seed: UInt64
  var count: UInt64
  var first: Timestamp
  var last: Timestamp
  var contentHash: Digest
  var genesisHash: Digest

  enum Violation: Error, CustomStringConvertible {
    case notACorpus, version(UInt32), truncated, hashMismatch
    var description: String {
      switch self {
      case .notACorpus: "not a corpus file: the magic is missing"
      case .version(let version): "corpus version \(version), this program reads version \(CorpusHeader.version)"
      case .truncated: "the file ends before the records that its header announces"
      case .hashMismatch: "the content does not have the hash of the header: the file is damaged"
      }
    }
  }

  init(chainTag: ChainTag, seed: UInt64, count: UInt64, first: Timestamp, last: Timestamp, contentHash: Digest, genesisHash: Digest) {
    self.chainTag = chainTag
    self.seed = seed
    self.count = count
    self.first = first
    self.last = last
    self.contentHash = contentHash
    self.genesisHash = genesisHash
  }

  init(decoding span: RawSpan) throws(Violation) {
    guard span.byteCount >= Self.byteCount, span.uint64(at: 0) == Self.magic else { throw .notACorpus }
    guard span.uint32(at: 8) == Self.version else { throw .version(span.uint32(at: 8)) }
    chainTag = ChainTag(Bytes16(span, at: 16))
    seed = span.uint64(at: 32)
    count = span.uint64(at: 40)
    first = Timestamp(milliseconds: span.uint64(at: 48))
    last = Timestamp(milliseconds: span.uint64(at: 56))
    contentHash = Digest(span, at: 64)
    genesisHash = Digest(span, at: 96)
    guard count <= UInt64((span.byteCount - Self.byteCount) / Self.indexStride) else { throw .truncated }
  }

  var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: Self.magic)
    bytes.append(bigEndian: Self.version)
    bytes.append(zeros: 4)
    bytes.append(chainTag.bytes)
    bytes.append(bigEndian: seed)
    bytes.append(bigEndian: count)
    bytes.append(bigEndian: first.rawValue)
    bytes.append(bigEndian: last.rawValue)
    bytes.append(contentHash.bytes)
    bytes.append(genesisHash.bytes)
    bytes.append(zeros: Self.byteCount - bytes.count)
    return bytes
  }
}

/// A corpus in memory: the header, and where each record lies.
struct Corpus {
  let header: CorpusHeader
  /// The whole file.
  let contents: [UInt8]

  init(contents: [UInt8]) throws(CorpusHeader.Violation) {
    header = try CorpusHeader(decoding: contents.bytes)
    self.contents = contents
    let hash = SHA256.hash(contents.bytes.extracting(CorpusHeader.byteCount..<contents.count))
    guard hash == header.contentHash else { throw .hashMismatch }
    for index in 0..<count where range(index).upperBound > contents.count || range(index).lowerBound < CorpusHeader.byteCount { throw .truncated }
  }

  var count: Int { Int(header.count) }

  /// Where record `index` lies in `contents`.
  func range(_ index: Int) -> Range<Int> {
    let slot = CorpusHeader.byteCount + index * CorpusHeader.indexStride
    let offset = Int(contents.bytes.uint64(at: slot) & (1 << 62 - 1))
    return offset..<offset + Int(contents.bytes.uint32(at: slot + 8))
  }

  func id(_ index: Int) -> EventID {
    EventID(Digest(contents.bytes, at: CorpusHeader.byteCount + index * CorpusHeader.indexStride + 16))
  }

  /// The parts of the file from records that are already signed.
  static func assemble(records: [[UInt8]], ids: [EventID], chainTag: ChainTag, genesisHash: Digest, seed: UInt64, first: Timestamp, last: Timestamp) -> [UInt8] {
    var content: [UInt8] = []
    var offset = CorpusHeader.byteCount + records.count * CorpusHeader.indexStride
    for (record, id) in zip(records, ids) {
      content.append(bigEndian: UInt64(offset))
      content.append(bigEndian: UInt32(record.count))
      content.append(zeros: 4)
      content.append(id.digest.bytes)
      offset += record.count
    }
    for record in records { content += record }
    let header = CorpusHeader(
      chainTag: chainTag, seed: seed, count: UInt64(records.count), first: first, last: last, contentHash: SHA256.hash(content),
      genesisHash: genesisHash)
    return header.encoded + content
  }
}
