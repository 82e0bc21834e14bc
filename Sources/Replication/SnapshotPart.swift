public import Audit
import Bytes
import Digests
public import Ledger
import Merkle

/// A part of the snapshot that a node keeps for nodes that sync from a checkpoint: consecutive final blocks without their bodies in one file that never changes. A part has
/// blocks of one epoch and ends with a block that has a finality certificate of its own, so that it is a whole range of a sync.
///
/// File: magic (8), chain tag (16), height of the first block (8), blocks (4), length of the certificate (4), length of the blocks (8), certificate of the last
/// block, blocks as in the message `history`, SHA-256 of all bytes before it (32). Integers are big-endian.
public struct SnapshotPart: Sendable {
  private static let magic = Array("MOLPART1".utf8)
  private static let headBytes = 48

  public let first: Height
  public let count: Int
  /// The finality certificate of the last block, encoded.
  let certificate: [UInt8]
  /// The blocks, encoded.
  let blocks: [UInt8]

  public var last: Height { Height(first.rawValue + UInt64(count) - 1) }

  fileprivate init(first: Height, count: Int, certificate: [UInt8], blocks: [UInt8]) {
    (self.first, self.count, self.certificate, self.blocks) = (first, count, certificate, blocks)
  }

  /// The bytes of the file.
  public func encoded(chainTag: ChainTag) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headBytes + certificate.count + blocks.count + 32)
    bytes += Self.magic
    bytes.append(chainTag.bytes)
    bytes.append(bigEndian: first.rawValue)
    bytes.append(bigEndian: UInt32(count))
    bytes.append(bigEndian: UInt32(certificate.count))
    bytes.append(bigEndian: UInt64(blocks.count))
    bytes += certificate
    bytes += blocks
    bytes.append(SHA256.hash(bytes).bytes)
    return bytes
  }

  /// Reads a file. What its digest covers is what was written; whoever receives the blocks verifies them.
  /// - Throws: `.digestMismatch` for damage, `.badTag` for another format or chain, `.truncated`, `.trailingBytes`, `.outOfRange`.
  public init(file: [UInt8], chainTag: ChainTag) throws(FormatError) {
    let span = file.bytes
    guard span.byteCount >= Self.headBytes + 32 else { throw .truncated(needed: Self.headBytes + 32, got: span.byteCount) }
    let digested = span.byteCount - 32
    guard SHA256.hash(span.extracting(0..<digested)) == Digest(span, at: digested) else { throw .digestMismatch }
    let tag = Self.magic + chainTag.bytes.array
    guard span.extracting(0..<tag.count).elementsEqual(tag.bytes) else { throw .badTag }
    let (height, blocks) = (span.uint64(at: 24), Int(span.uint32(at: 32)))
    let (certificateBytes, blockBytes) = (Int(span.uint32(at: 36)), span.uint64(at: 40))
    guard (1..<ordinalLimit).contains(height), (1...ReplicationLimit.rangeBlocksMax).contains(blocks), certificateBytes <= ReplicationLimit.certificateBytesMax else {
      throw .outOfRange("head")
    }
    let begin = Self.headBytes + certificateBytes
    guard begin <= digested, blockBytes == UInt64(digested - begin) else { throw .outOfRange("length") }
    self.init(
      first: Height(height), count: blocks, certificate: [UInt8](copying: span.extracting(Self.headBytes..<begin)),
      blocks: [UInt8](copying: span.extracting(begin..<digested)))
  }

  /// What the certificate says is final: the last block.
  /// - Throws: what decoding a certificate throws.
  public func finalBlock(chainTag: ChainTag) throws(FormatError) -> Anchor {
    let vote = try Certificate(decoding: certificate.bytes, chainTag: chainTag).vote
    return Anchor(height: vote.height, hash: vote.blockHash)
  }

  /// The part as an answer to a request under `anchor`, for the message `history`.
  /// - Throws: `.damaged` when the history of the anchor cannot be read.
  public func proven<Store: LedgerStore>(under anchor: BlockHeader, in store: Store) throws(StoreError) -> ProvenPart {
    guard last < anchor.height else { return ProvenPart(part: self, anchor: anchor, proof: []) }
    do {
      return ProvenPart(part: self, anchor: anchor, proof: try InclusionProof.make(index: last.rawValue, size: anchor.height.rawValue, from: store.reader(of: .history)).hashes)
    } catch { throw .damaged("the history of block \(anchor.height.rawValue): \(error)") }
  }
}

/// A part with its proof: what `History` says in bytes that were encoded long ago.
public struct ProvenPart: Sendable {
  let part: SnapshotPart
  let anchor: BlockHeader
  let proof: [Digest]
}

/// Collects blocks for the next part.
public struct SnapshotPartBuilder: Sendable {
  /// What became of a block.
  public enum Step: Sendable {
    /// More blocks belong to the part.
    case open
    /// The part is complete; the next begins behind it.
    case complete(SnapshotPart)
    /// None of the blocks from this height on has a certificate of its own: they are in no part, and the next one begins behind them.
    case passed(from: Height)
  }

  private var first = Height(0)
  private var count = 0
  private var blocks: [UInt8] = []
  /// Up to the last block with a certificate.
  private var proven: (count: Int, byteCount: Int, certificate: [UInt8])?

  public init() {}

  /// Takes the next block; after anything but `.open` the builder is empty again.
  /// - Parameters:
  ///   - block: the block without its bodies, right behind the one before it.
  ///   - certificate: its own, encoded; nil without one.
  public mutating func add(_ block: Block, certificate: [UInt8]?, epochLength: UInt32) -> Step {
    if count == 0 { first = block.header.height }
    ReplicaMessage.append(abridged: block, to: &blocks)
    count += 1
    if let certificate { proven = (count, blocks.count, certificate) }
    let isLast = count == ReplicationLimit.rangeBlocksMax || block.header.height.rawValue % UInt64(epochLength) == 0
    let isLong = blocks.count >= ReplicationLimit.partBytesMin
    // With one more block of the largest size it would find no room in a message.
    let isFull = blocks.count + 8 * ReplicationLimit.rangeBlocksMax > ReplicationLimit.rangeBytesCarried - ReplicationLimit.blockBytesMax
    guard isLast || (isLong && certificate != nil) || isFull else { return .open }
    defer { self = SnapshotPartBuilder() }
    guard let proven else { return .passed(from: first) }
    return .complete(SnapshotPart(first: first, count: proven.count, certificate: proven.certificate, blocks: Array(blocks.prefix(proven.byteCount))))
  }
}
