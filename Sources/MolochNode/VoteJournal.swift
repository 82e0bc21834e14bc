import Audit
import Bytes
import Consensus
import Glibc

/// The promises of this validator on disk: `data/validator/journal`, append-only records, synced before they count. It lies outside of what a resync deletes.
///
/// Record: length (4), CRC-32C of the rest (4), sequence (8), type (1), reserved (7), payload, padded with zeros to 8 bytes. The file is written anew, with
/// the newest floor, bound and cosignature, when it has grown past `rewriteBytes`: temporary file, sync, rename, sync of the directory.
final class VoteJournal {
  static let rewriteBytes = 4 << 20
  private static let headBytes = 24
  private static let payloadBytesMax = 1 << 16

  private let directory: String
  private var path: String { directory + "/journal" }
  private var file: Int32
  private var sequence: UInt64 = 0
  private var length = 0
  /// What was in the file when it was opened, oldest first.
  let records: [JournalRecord]
  private var floor: JournalRecord?
  private var bound: JournalRecord?
  private(set) var cosignature: (size: UInt64, seconds: UInt64)?
  private var cosignatureRecord: JournalRecord?

  /// Opens or creates the journal, and cuts a torn last write.
  init(directory: String, chainTag: ChainTag) throws(NodeFailure) {
    self.directory = directory
    // Paths are lent to the calls as C strings.
    guard unsafe mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw NodeFailure(74, "cannot create \(directory): errno \(errno)") }
    let file = unsafe open(directory + "/journal", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw NodeFailure(74, "cannot open \(directory)/journal: errno \(errno)") }
    let size = Int(lseek(file, 0, SEEK_END))
    var bytes = [UInt8](repeating: 0, count: size)
    // The kernel writes at most the buffer's length.
    let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
    guard got == size else { throw NodeFailure(74, "cannot read \(directory)/journal: errno \(errno)") }
    var found: [JournalRecord] = []
    var offset = 0
    while let (record, number, end) = Self.parse(bytes.bytes, at: offset, chainTag: chainTag) {
      found.append(record)
      sequence = number
      offset = end
    }
    records = found
    length = offset
    self.file = file
    guard ftruncate(file, offset) == 0 else { throw NodeFailure(74, "cannot cut \(directory)/journal: errno \(errno)") }
    for record in found { remember(record) }
  }

  deinit { close(file) }

  /// The newest height that this validator has helped to make final.
  var floorHeight: Height? { if case .floor(_, _, let height, _)? = floor { height } else { nil } }

  /// Appends the records with one write and one sync.
  func append(_ records: [JournalRecord]) throws(NodeFailure) {
    var bytes: [UInt8] = []
    for record in records {
      remember(record)
      encode(record, into: &bytes)
    }
    if length + bytes.count > Self.rewriteBytes { return try rewrite() }
    try write(bytes, to: file, at: length)
    length += bytes.count
    guard fdatasync(file) == 0 else { throw NodeFailure(74, "cannot sync \(path): errno \(errno)") }
  }

  private func remember(_ record: JournalRecord) {
    switch record {
    case .floor: floor = record
    case .bound: bound = record
    case .cosignature(let size, _, let seconds):
      cosignature = (size, seconds)
      cosignatureRecord = record
    case .vote, .certificate, .pledge: break
    }
  }

  private func rewrite() throws(NodeFailure) {
    var bytes: [UInt8] = []
    for record in [floor, bound, cosignatureRecord] { if let record { encode(record, into: &bytes) } }
    let temporary = path + ".new"
    // Paths are lent to the calls as C strings.
    let new = unsafe open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard new >= 0 else { throw NodeFailure(74, "cannot create \(temporary): errno \(errno)") }
    try write(bytes, to: new, at: 0)
    guard fsync(new) == 0, unsafe rename(temporary, path) == 0 else { throw NodeFailure(74, "cannot replace \(path): errno \(errno)") }
    let parent = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard parent >= 0, fsync(parent) == 0 else { throw NodeFailure(74, "cannot sync \(directory): errno \(errno)") }
    close(parent)
    close(file)
    file = new
    length = bytes.count
  }

  private func write(_ bytes: [UInt8], to file: Int32, at offset: Int) throws(NodeFailure) {
    // The array outlives the call.
    let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, offset) }
    guard written == bytes.count else { throw NodeFailure(74, "cannot write \(path): errno \(errno)") }
  }

  private func encode(_ record: JournalRecord, into bytes: inout [UInt8]) {
    sequence += 1
    let payload = record.payload
    var content: [UInt8] = []
    content.append(bigEndian: sequence)
    content.append(record.code)
    content.append(zeros: 7)
    content += payload
    bytes.append(bigEndian: UInt32(payload.count))
    bytes.append(bigEndian: CRC32C.checksum(content.bytes))
    bytes += content
    bytes.append(zeros: (8 - payload.count % 8) % 8)
  }

  private static func parse(_ span: RawSpan, at offset: Int, chainTag: ChainTag) -> (JournalRecord, UInt64, Int)? {
    guard span.byteCount - offset >= headBytes else { return nil }
    let length = Int(span.uint32(at: offset))
    guard length <= payloadBytesMax, span.byteCount - offset - headBytes >= length else { return nil }
    guard CRC32C.checksum(span.extracting(offset + 8..<offset + headBytes + length)) == span.uint32(at: offset + 4) else { return nil }
    let payload = span.extracting(offset + headBytes..<offset + headBytes + length)
    guard let record = JournalRecord(code: span.uint8(at: offset + 16), payload: payload, chainTag: chainTag) else { return nil }
    let end = offset + headBytes + length + (8 - length % 8) % 8
    return (record, span.uint64(at: offset + 8), min(end, span.byteCount))
  }
}

/// CRC-32C (Castagnoli), bit-reflected polynomial 0x82F63B78.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    var value = UInt32(index)
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    return value
  }

  static func checksum(_ bytes: RawSpan) -> UInt32 {
    var crc = ~UInt32(0)
    for offset in 0..<bytes.byteCount { crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes.uint8(at: offset))) & 255)] }
    return ~crc
  }
}
