public import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Merkle

/// The type byte of a message on the wire.
public enum ReplicaMessageType {
  /// The machine's own messages.
  public static let consensus: ClosedRange<UInt8> = 16...22
  public static let propose: UInt8 = 17
  static let certificate: UInt8 = 18, witness: UInt8 = 22
  public static let cosignature: UInt8 = 23
  public static let evidence: UInt8 = 24
  public static let getBlock: UInt8 = 32
  public static let block: UInt8 = 33
  public static let getEvents: UInt8 = 34
  public static let blockEvents: UInt8 = 35
  public static let syncRequest: UInt8 = 36
  public static let syncResponse: UInt8 = 37
  public static let getBoundaries: UInt8 = 38
  public static let boundaries: UInt8 = 39
  /// The version of the peers' protocol from which on the two following types are understood, and the third.
  public static let historyProtocol: UInt16 = 2
  public static let historyRequest: UInt8 = 40
  public static let history: UInt8 = 41
  /// A `syncResponse` in which bodies are missing.
  public static let partialRange: UInt8 = 42
  /// The version from which on the two following types are understood.
  public static let partsProtocol: UInt16 = 3
  public static let getParts: UInt8 = 43
  public static let parts: UInt8 = 44
  public static let events: UInt8 = 48
  public static let eventsTaken: UInt8 = 49

  /// Longest encoding of a type, bytes; nil for a type that does not exist. Whoever reassembles messages refuses what is longer before it makes room.
  public static func byteCountMax(_ type: UInt8) -> Int? {
    switch type {
    // An id of 32 bytes stands for a record of 192 at least: by ids a block is never longer than whole.
    case propose: ReplicationLimit.proposalBytesMax + ReplicationLimit.blockBytesMax + 16
    case certificate, witness: ReplicationLimit.certificateBytesMax
    case consensus: 1024
    case cosignature: Cosignature.byteCount
    case evidence: ReplicationLimit.evidencePerMessage * Evidence.byteCount
    case getBlock: 32
    case block: ReplicationLimit.blockBytesMax
    case getEvents: 32 + 2 * ReplicationLimit.blockEventsMax
    case blockEvents: 32 + ReplicationLimit.blockBytesMax
    case syncRequest: 16
    // A range goes on beyond its limit until a block has a certificate of its own, as far as `rangeBytesCarried`.
    case syncResponse: 16 + ReplicationLimit.proposalBytesMax + ReplicationLimit.rangeBytesCarried + 4 * ReplicationLimit.rangeBlocksMax
    case historyRequest: 24
    case partialRange: 16 + ReplicationLimit.proposalBytesMax + ReplicationLimit.rangeBytesCarried + 8 * ReplicationLimit.rangeBlocksMax
    // Less than whole blocks would take: a block without bodies has 192 bytes and a bit for each event.
    case history:
      32 + BlockHeader.byteCount + ReplicationLimit.proposalBytesMax + 32 * TreeLimit.levels + ReplicationLimit.rangeBytesCarried + 8 * ReplicationLimit.rangeBlocksMax
    case getParts: 8
    case parts: 16 + 8 * ReplicationLimit.partsListed
    case getBoundaries: 8
    case boundaries: 8 + ReplicationLimit.boundariesMax * 32_768
    case events: ReplicationLimit.gossipBytesMax
    case eventsTaken: 8
    default: nil
    }
  }
}

/// Encodings; integers big-endian, lengths in bytes in parentheses.
///
/// | type | payload |
/// |---|---|
/// | propose 17 | length (4), proposal of the machine, header (320), kind (1): 1 ids, 2 body, reserved (3), then ids: count (4), ids (32 each), length (4), records; or body: length (4), body |
/// | cosignature 23 | size (8), root (32), validator (2), reserved (6), Unix seconds (8), signature (64) |
/// | evidence 24 | pieces (400 each): two signed votes |
/// | getBlock 32 | block hash (32) |
/// | block 33 | header (320), body |
/// | getEvents 34 | block hash (32), positions (2 each), ascending |
/// | blockEvents 35 | block hash (32), records |
/// | syncRequest 36 | height (8), blocks (4), bytes (4) |
/// | syncResponse 37 | height (8), blocks (4), length (4), certificate, then per block: length of the body (4), header (320), body |
/// | getBoundaries 38 | epoch (8) |
/// | boundaries 39 | count (4), reserved (4), then per boundary: header (320), lengths of certificate and set (4 each), certificate, set |
/// | historyRequest 40 | height (8), blocks (4), bytes (4), height of the anchor (8) |
/// | history 41 | height (8), blocks (4), hashes (4), length (4), reserved (4), header of the anchor (320), certificate, hashes of the proof (32 each), then per block: lengths of bits and body (4 each), header (320), bits of the records that are entries alone, body. Without blocks nothing follows the reserved bytes |
/// | partialRange 42 | like syncResponse, but per block as in history: redacted bodies are missing |
/// | getParts 43 | height (8) |
/// | parts 44 | height (8), count (4), reserved (4), heights (8 each), ascending |
/// | events 48 | records |
/// | eventsTaken 49 | bytes (8) |
extension ReplicaMessage {
  /// Type byte and payload.
  public func encoded() -> (type: UInt8, bytes: [UInt8]) {
    var bytes: [UInt8] = []
    switch self {
    case .consensus(let message):
      message.encode(into: &bytes)
      return (message.code, bytes)
    case .propose(let proposal, let header, let contents):
      Self.append(proposal, header, contents, to: &bytes)
      return (ReplicaMessageType.propose, bytes)
    case .getBlock(let hash): return (ReplicaMessageType.getBlock, hash.bytes.array)
    case .block(let block):
      bytes.reserveCapacity(BlockHeader.byteCount + block.body.count)
      block.header.encode(into: &bytes)
      bytes += block.body
      return (ReplicaMessageType.block, bytes)
    case .getEvents(let hash, let positions):
      bytes.append(hash.bytes)
      for position in positions { bytes.append(bigEndian: position) }
      return (ReplicaMessageType.getEvents, bytes)
    case .blockEvents(let hash, let records): return (ReplicaMessageType.blockEvents, hash.bytes.array + records)
    case .events(let records): return (ReplicaMessageType.events, records)
    case .eventsTaken(let count):
      bytes.append(bigEndian: count)
      return (ReplicaMessageType.eventsTaken, bytes)
    case .syncRequest(let height, let blocks, let size):
      bytes.append(bigEndian: height.rawValue)
      bytes.append(bigEndian: UInt32(blocks))
      bytes.append(bigEndian: UInt32(size))
      return (ReplicaMessageType.syncRequest, bytes)
    case .syncResponse(let height, let blocks, let certificate):
      let isWhole = blocks.allSatisfy(\.isWhole)
      Self.append(height, blocks, certificate?.encoded ?? [], isWhole: isWhole, to: &bytes)
      return (isWhole ? ReplicaMessageType.syncResponse : ReplicaMessageType.partialRange, bytes)
    case .historyRequest(let height, let blocks, let size, let anchor):
      bytes.append(bigEndian: height.rawValue)
      bytes.append(bigEndian: UInt32(blocks))
      bytes.append(bigEndian: UInt32(size))
      bytes.append(bigEndian: anchor.rawValue)
      return (ReplicaMessageType.historyRequest, bytes)
    case .history(let height, let history):
      Self.append(height, history, to: &bytes)
      return (ReplicaMessageType.history, bytes)
    case .part, .getParts, .parts: return encodedParts()
    case .getBoundaries(let epoch):
      bytes.append(bigEndian: epoch.rawValue)
      return (ReplicaMessageType.getBoundaries, bytes)
    case .boundaries(let boundaries):
      bytes.append(bigEndian: UInt32(boundaries.count))
      bytes.append(zeros: 4)
      for boundary in boundaries { Self.append(boundary, to: &bytes) }
      return (ReplicaMessageType.boundaries, bytes)
    case .cosignature(let cosignature):
      Self.append(cosignature, to: &bytes)
      return (ReplicaMessageType.cosignature, bytes)
    case .evidence(let pieces): return (ReplicaMessageType.evidence, pieces.flatMap(\.encoded))
    }
  }

  private static func evidence(_ span: RawSpan, _ chainTag: ChainTag) throws(FormatError) -> Self {
    let pieces = try Evidence.decodeAll(span)
    guard !pieces.isEmpty else { throw .truncated(needed: Evidence.byteCount, got: 0) }
    guard pieces.allSatisfy({ $0.first.vote.chainTag == chainTag }) else { throw .malformed("chain tag") }
    return .evidence(pieces)
  }

  private static func append(_ height: Height, _ blocks: [Block], _ certificate: [UInt8], isWhole: Bool, to bytes: inout [UInt8]) {
    bytes.append(bigEndian: height.rawValue)
    bytes.append(bigEndian: UInt32(blocks.count))
    bytes.append(bigEndian: UInt32(certificate.count))
    bytes += certificate
    for block in blocks {
      guard isWhole else {
        append(abridged: block, to: &bytes)
        continue
      }
      bytes.append(bigEndian: UInt32(block.body.count))
      block.header.encode(into: &bytes)
      bytes += block.body
    }
  }

  static func append(abridged block: Block, to bytes: inout [UInt8]) {
    bytes.append(bigEndian: UInt32(block.withheld.count))
    bytes.append(bigEndian: UInt32(block.body.count))
    block.header.encode(into: &bytes)
    bytes += block.withheld
    bytes += block.body
  }

  private static func append(_ height: Height, _ history: History?, to bytes: inout [UInt8]) {
    let certificate = history?.certificate.encoded ?? []
    bytes.append(bigEndian: height.rawValue)
    bytes.append(bigEndian: UInt32(history?.blocks.count ?? 0))
    bytes.append(bigEndian: UInt32(history?.proof.count ?? 0))
    bytes.append(bigEndian: UInt32(certificate.count))
    bytes.append(zeros: 4)
    guard let history else { return }
    history.anchor.encode(into: &bytes)
    bytes += certificate
    for hash in history.proof { bytes.append(hash.bytes) }
    for block in history.blocks { append(abridged: block, to: &bytes) }
  }

  private func encodedParts() -> (type: UInt8, bytes: [UInt8]) {
    var bytes: [UInt8] = []
    switch self {
    case .part(let height, let part):
      Self.append(height, part, to: &bytes)
      return (ReplicaMessageType.history, bytes)
    case .parts(let height, let ends):
      bytes.append(bigEndian: height.rawValue)
      bytes.append(bigEndian: UInt32(ends.count))
      bytes.append(zeros: 4)
      for end in ends { bytes.append(bigEndian: end.rawValue) }
      return (ReplicaMessageType.parts, bytes)
    case .getParts(let height):
      bytes.append(bigEndian: height.rawValue)
      return (ReplicaMessageType.getParts, bytes)
    default: preconditionFailure("a message about parts")
    }
  }

  private static func append(_ height: Height, _ proven: ProvenPart, to bytes: inout [UInt8]) {
    let part = proven.part
    bytes.reserveCapacity(32 + BlockHeader.byteCount + part.certificate.count + 32 * proven.proof.count + part.blocks.count)
    bytes.append(bigEndian: height.rawValue)
    bytes.append(bigEndian: UInt32(part.count))
    bytes.append(bigEndian: UInt32(proven.proof.count))
    bytes.append(bigEndian: UInt32(part.certificate.count))
    bytes.append(zeros: 4)
    proven.anchor.encode(into: &bytes)
    bytes += part.certificate
    for hash in proven.proof { bytes.append(hash.bytes) }
    bytes += part.blocks
  }

  private static func append(_ cosignature: Cosignature, to bytes: inout [UInt8]) {
    bytes.append(bigEndian: cosignature.size)
    bytes.append(cosignature.root.bytes)
    bytes.append(bigEndian: UInt16(cosignature.validator))
    bytes.append(zeros: 6)
    bytes.append(bigEndian: cosignature.seconds)
    bytes.append(cosignature.signature.bytes)
  }

  private static func append(_ boundary: Boundary, to bytes: inout [UInt8]) {
    let certificate = boundary.certificate.encoded
    boundary.header.encode(into: &bytes)
    bytes.append(bigEndian: UInt32(certificate.count))
    bytes.append(bigEndian: UInt32(boundary.nextSet.count))
    bytes += certificate
    bytes += boundary.nextSet
  }

  private static func append(_ proposal: Proposal, _ header: BlockHeader, _ contents: BlockContents, to bytes: inout [UInt8]) {
    var inner: [UInt8] = []
    Message.proposal(proposal).encode(into: &inner)
    bytes.append(bigEndian: UInt32(inner.count))
    bytes += inner
    header.encode(into: &bytes)
    switch contents {
    case .ids(let ids, let records):
      bytes.append(1)
      bytes.append(zeros: 3)
      bytes.append(bigEndian: UInt32(ids.count))
      for id in ids { bytes.append(id.digest.bytes) }
      bytes.append(bigEndian: UInt32(records.count))
      bytes += records
    case .body(let body):
      bytes.append(2)
      bytes.append(zeros: 3)
      bytes.append(bigEndian: UInt32(body.count))
      bytes += body
    }
  }

  /// Decodes the payload of a type, all of it. Every length is checked before room is made for what it announces.
  /// - Throws: `.outOfRange` for an unknown type or a length above its limit, `.truncated`, `.trailingBytes`, and what the parts throw.
  public init(type: UInt8, decoding span: RawSpan, chainTag: ChainTag) throws(FormatError) {
    guard let byteCountMax = ReplicaMessageType.byteCountMax(type) else { throw .outOfRange("type") }
    guard span.byteCount <= byteCountMax else { throw .outOfRange("length") }
    var reader = Reader(span)
    switch type {
    case ReplicaMessageType.propose: self = try Self.proposal(&reader, chainTag)
    case ReplicaMessageType.consensus: self = .consensus(try Message(decoding: span, type: type, chainTag: chainTag))
    case ReplicaMessageType.getBlock: self = .getBlock(try reader.digest())
    case ReplicaMessageType.block:
      self = .block(try Self.block(span))
    case ReplicaMessageType.evidence: self = try Self.evidence(span, chainTag)
    case ReplicaMessageType.getEvents:
      let hash = try reader.digest()
      self = .getEvents(block: hash, positions: try Self.positions(&reader))
    case ReplicaMessageType.blockEvents:
      let hash = try reader.digest()
      self = .blockEvents(block: hash, records: reader.rest())
    case ReplicaMessageType.events: self = .events([UInt8](copying: span))
    case ReplicaMessageType.eventsTaken: self = .eventsTaken(try reader.ordinal("bytes"))
    case ReplicaMessageType.syncRequest:
      let height = Height(try reader.ordinal("height"))
      let (blocks, size) = (try reader.count(max: ReplicationLimit.rangeBlocksMax), try reader.count(max: ReplicationLimit.rangeBytesMax))
      self = .syncRequest(from: height, blocksMax: blocks, bytesMax: size)
    case ReplicaMessageType.syncResponse, ReplicaMessageType.partialRange:
      self = try Self.range(&reader, isWhole: type == ReplicaMessageType.syncResponse, chainTag)
    case ReplicaMessageType.historyRequest:
      let height = Height(try reader.ordinal("height"))
      let (blocks, size) = (try reader.count(max: ReplicationLimit.rangeBlocksMax), try reader.count(max: ReplicationLimit.rangeBytesMax))
      self = .historyRequest(from: height, blocksMax: blocks, bytesMax: size, anchor: Height(try reader.ordinal("anchor")))
    case ReplicaMessageType.history: self = try Self.history(&reader, chainTag)
    case ReplicaMessageType.getParts: self = .getParts(from: Height(try reader.ordinal("height")))
    case ReplicaMessageType.parts: self = try Self.parts(&reader)
    case ReplicaMessageType.getBoundaries: self = .getBoundaries(from: Epoch(try reader.ordinal("epoch")))
    case ReplicaMessageType.boundaries: self = try Self.boundaries(&reader, chainTag)
    default: self = .cosignature(try Self.cosignature(&reader))
    }
    let isWhole = [ReplicaMessageType.block, ReplicaMessageType.events, ReplicaMessageType.evidence].contains(type)
    if !isWhole && !(ReplicaMessageType.consensus.contains(type) && type != ReplicaMessageType.propose) {
      try reader.finish()
    }
  }

  private static func proposal(_ reader: inout Reader, _ chainTag: ChainTag) throws(FormatError) -> Self {
    let length = try reader.count(max: ReplicationLimit.proposalBytesMax)
    let inner = try reader.take(length)
    let headerSpan = try reader.take(BlockHeader.byteCount)
    let header = try BlockHeader(decoding: headerSpan)
    guard case .proposal(let proposal) = try Message(decoding: inner, type: ReplicaMessageType.propose, chainTag: chainTag) else { throw .outOfRange("proposal") }
    guard BlockReference(header, hash: header.hash) == proposal.block else { throw .malformed("the header is not that of the vote") }
    let kind = try reader.byte()
    try reader.zeros(3)
    switch kind {
    case 1:
      let count = try reader.count(max: min(ReplicationLimit.blockEventsMax, Int(header.eventCount)))
      guard count == Int(header.eventCount) || count == 0 else { throw .outOfRange("ids") }
      let list = try reader.take(32 * count)
      let length = try reader.count(max: ReplicationLimit.blockBytesMax)
      let records = try reader.take(length)
      return .propose(proposal, header, .ids((0..<count).map { EventID(Digest(list, at: 32 * $0)) }, records: [UInt8](copying: records)))
    case 2:
      let count = try reader.count(max: ReplicationLimit.blockBytesMax)
      let body = try reader.take(count)
      return .propose(proposal, header, .body([UInt8](copying: body)))
    default: throw .outOfRange("contents")
    }
  }

  private static func block(_ span: RawSpan) throws(FormatError) -> Block {
    do { return try Block(decoding: span) } catch {
      if case .header(let format) = error { throw format }
      throw .malformed("the body is not the records of the header")
    }
  }

  private static func positions(_ reader: inout Reader) throws(FormatError) -> [UInt16] {
    guard reader.remaining > 0, reader.remaining % 2 == 0 else { throw .outOfRange("positions") }
    var positions: [UInt16] = []
    while reader.remaining > 0 {
      let position = try reader.uint16()
      if let last = positions.last, last >= position { throw .outOfRange("positions") }
      positions.append(position)
    }
    return positions
  }

  private static func range(_ reader: inout Reader, isWhole: Bool, _ chainTag: ChainTag) throws(FormatError) -> Self {
    let height = Height(try reader.ordinal("height"))
    let count = try reader.count(max: ReplicationLimit.rangeBlocksMax)
    let length = try reader.count(max: ReplicationLimit.proposalBytesMax)
    guard (count == 0) == (length == 0) else { throw .outOfRange("certificate") }
    guard count > 0 else { return .syncResponse(from: height, blocks: [], certificate: nil) }
    let encoded = try reader.take(length)
    let certificate = try Certificate(decoding: encoded, chainTag: chainTag)
    var blocks: [Block] = []
    for _ in 0..<count {
      guard isWhole else {
        blocks.append(try abridged(&reader))
        continue
      }
      let length = try reader.count(max: ReplicationLimit.blockBytesMax)
      let span = try reader.take(BlockHeader.byteCount + length)
      blocks.append(try block(span))
    }
    // There is one encoding of each range.
    guard isWhole || !blocks.allSatisfy(\.isWhole) else { throw .malformed("nothing is missing in a partial range") }
    return .syncResponse(from: height, blocks: blocks, certificate: certificate)
  }

  private static func abridged(_ reader: inout Reader) throws(FormatError) -> Block {
    let bitBytes = try reader.count(max: (ReplicationLimit.blockEventsMax + 7) / 8)
    let bodyBytes = try reader.count(max: ReplicationLimit.blockBytesMax)
    let head = try reader.take(BlockHeader.byteCount)
    let header = try BlockHeader(decoding: head)
    let bits = [UInt8](copying: try reader.take(bitBytes))
    let body = [UInt8](copying: try reader.take(bodyBytes))
    do { return try Block(header: header, body: body, withheld: bits) } catch { throw .malformed("the body is not the records of the header") }
  }

  private static func history(_ reader: inout Reader, _ chainTag: ChainTag) throws(FormatError) -> Self {
    let height = Height(try reader.ordinal("height"))
    let count = try reader.count(max: ReplicationLimit.rangeBlocksMax)
    let hashes = try reader.count(max: TreeLimit.levels)
    let length = try reader.count(max: ReplicationLimit.proposalBytesMax)
    try reader.zeros(4)
    guard count > 0 else {
      guard hashes == 0, length == 0 else { throw .outOfRange("certificate") }
      return .history(from: height, nil)
    }
    let head = try reader.take(BlockHeader.byteCount)
    let anchor = try BlockHeader(decoding: head)
    let encoded = try reader.take(length)
    let certificate = try Certificate(decoding: encoded, chainTag: chainTag)
    var proof: [Digest] = []
    for _ in 0..<hashes { proof.append(try reader.digest()) }
    var blocks: [Block] = []
    for _ in 0..<count { blocks.append(try abridged(&reader)) }
    return .history(from: height, History(anchor: anchor, blocks: blocks, certificate: certificate, proof: proof))
  }

  private static func parts(_ reader: inout Reader) throws(FormatError) -> Self {
    let from = Height(try reader.ordinal("height"))
    let count = try reader.count(max: ReplicationLimit.partsListed)
    try reader.zeros(4)
    var ends: [Height] = []
    for _ in 0..<count {
      let end = Height(try reader.ordinal("height"))
      guard end >= from, ends.last.map({ $0 < end }) ?? true else { throw .outOfRange("heights") }
      ends.append(end)
    }
    return .parts(from: from, ends: ends)
  }

  private static func boundaries(_ reader: inout Reader, _ chainTag: ChainTag) throws(FormatError) -> Self {
    let count = try reader.count(max: ReplicationLimit.boundariesMax)
    try reader.zeros(4)
    var boundaries: [Boundary] = []
    for _ in 0..<count {
      let head = try reader.take(BlockHeader.byteCount)
      let header = try BlockHeader(decoding: head)
      let certificateLength = try reader.count(max: ReplicationLimit.proposalBytesMax)
      let setLength = try reader.count(max: 24 + 136 * LedgerLimit.validators)
      let encoded = try reader.take(certificateLength)
      let certificate = try Certificate(decoding: encoded, chainTag: chainTag)
      let set = try reader.take(setLength)
      boundaries.append(Boundary(header: header, certificate: certificate, nextSet: [UInt8](copying: set)))
    }
    return .boundaries(boundaries)
  }

  private static func cosignature(_ reader: inout Reader) throws(FormatError) -> Cosignature {
    let size = try reader.ordinal("size")
    let root = try reader.digest()
    let validator = Int(try reader.uint16())
    guard validator < LedgerLimit.validators else { throw .outOfRange("validator") }
    try reader.zeros(6)
    let seconds = try reader.ordinal("seconds")
    let signature = try reader.take(64)
    return Cosignature(size: size, root: root, validator: validator, seconds: seconds, signature: Signature(signature, at: 0))
  }
}

/// Reads a payload from front to back.
private struct Reader: ~Escapable {
  private let span: RawSpan
  private var offset = 0

  @_lifetime(copy span)
  init(_ span: RawSpan) { self.span = span }

  var remaining: Int { span.byteCount - offset }

  @_lifetime(copy self)
  mutating func take(_ count: Int) throws(FormatError) -> RawSpan {
    guard count <= remaining else { throw .truncated(needed: count, got: remaining) }
    defer { offset += count }
    return span.extracting(offset..<offset + count)
  }

  mutating func byte() throws(FormatError) -> UInt8 { try take(1).uint8(at: 0) }
  mutating func uint16() throws(FormatError) -> UInt16 { try take(2).uint16(at: 0) }
  mutating func digest() throws(FormatError) -> Digest { Digest(try take(32), at: 0) }

  /// A 64-bit value below 2^53.
  mutating func ordinal(_ name: String) throws(FormatError) -> UInt64 {
    let value = try take(8).uint64(at: 0)
    guard value < ordinalLimit else { throw .outOfRange(name) }
    return value
  }

  /// A 32-bit count that is at most `max`.
  mutating func count(max: Int) throws(FormatError) -> Int {
    let value = Int(try take(4).uint32(at: 0))
    guard value <= max else { throw .outOfRange("length") }
    return value
  }

  mutating func zeros(_ count: Int) throws(FormatError) {
    guard try take(count).isZero(0..<count) else { throw .reservedBits }
  }

  mutating func rest() -> [UInt8] {
    defer { offset = span.byteCount }
    return [UInt8](copying: span.extracting(offset..<span.byteCount))
  }

  func finish() throws(FormatError) {
    guard remaining == 0 else { throw .trailingBytes(remaining) }
  }
}
