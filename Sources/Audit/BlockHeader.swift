public import Bytes
public import Digests
public import Ed25519

/// The 320-byte header of a block (ledger formats, section 4). Its SHA-256 is the block hash. The view is not part of it.
@frozen public struct BlockHeader: Hashable, Sendable, BitwiseCopyable {
  /// Length of the encoding, bytes.
  public static let byteCount = 320
  public static let tag = Bytes16(ascii: "moloch-block-v1\0")
  public static let version: UInt16 = 1

  public var eventCount: UInt32
  public var chainTag: ChainTag
  public var height: Height
  public var timestamp: Timestamp
  /// Leaves in the log up to and with this block.
  public var treeSize: UInt64
  public var parentHash: Digest
  /// Tree hash over the entries of this block alone.
  public var eventsRoot: Digest
  /// Tree hash over all entries up to `treeSize`.
  public var treeRoot: Digest
  /// Tree hash over the block hashes of heights 0 to `height` - 1.
  public var historyRoot: Digest
  public var validatorsHash: Digest
  public var nextValidatorsHash: Digest
  public var parametersHash: Digest
  public var proposer: PublicKey

  public init(
    eventCount: UInt32, chainTag: ChainTag, height: Height, timestamp: Timestamp, treeSize: UInt64, parentHash: Digest,
    eventsRoot: Digest, treeRoot: Digest, historyRoot: Digest, validatorsHash: Digest, nextValidatorsHash: Digest,
    parametersHash: Digest, proposer: PublicKey
  ) {
    self.eventCount = eventCount
    self.chainTag = chainTag
    self.height = height
    self.timestamp = timestamp
    self.treeSize = treeSize
    self.parentHash = parentHash
    self.eventsRoot = eventsRoot
    self.treeRoot = treeRoot
    self.historyRoot = historyRoot
    self.validatorsHash = validatorsHash
    self.nextValidatorsHash = nextValidatorsHash
    self.parametersHash = parametersHash
    self.proposer = proposer
  }

  /// Decodes the header at `offset`: tag, version, reserved bytes and ranges are checked, nothing else.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    guard Bytes16(span, at: offset) == Self.tag else { throw .badTag }
    guard span.uint16(at: offset + 16) == Self.version else { throw .outOfRange("version") }
    guard span.uint16(at: offset + 18) == 0 else { throw .reservedBits }
    eventCount = span.uint32(at: offset + 20)
    chainTag = ChainTag(Bytes16(span, at: offset + 24))
    height = Height(span.uint64(at: offset + 40))
    timestamp = Timestamp(rawValue: span.uint64(at: offset + 48))
    treeSize = span.uint64(at: offset + 56)
    guard height.rawValue < ordinalLimit else { throw .outOfRange("height") }
    guard timestamp.rawValue < ordinalLimit else { throw .outOfRange("timestamp_ms") }
    guard treeSize < ordinalLimit else { throw .outOfRange("tree_size") }
    guard UInt64(eventCount) <= treeSize else { throw .outOfRange("event_count") }
    parentHash = Digest(span, at: offset + 64)
    eventsRoot = Digest(span, at: offset + 96)
    treeRoot = Digest(span, at: offset + 128)
    historyRoot = Digest(span, at: offset + 160)
    validatorsHash = Digest(span, at: offset + 192)
    nextValidatorsHash = Digest(span, at: offset + 224)
    parametersHash = Digest(span, at: offset + 256)
    proposer = PublicKey(Bytes32(span, at: offset + 288))
  }

  /// Appends the 320 bytes.
  public func encode(into bytes: inout [UInt8]) {
    bytes.append(Self.tag)
    bytes.append(bigEndian: Self.version)
    bytes.append(zeros: 2)
    bytes.append(bigEndian: eventCount)
    bytes.append(chainTag.bytes)
    bytes.append(bigEndian: height.rawValue)
    bytes.append(bigEndian: timestamp.rawValue)
    bytes.append(bigEndian: treeSize)
    for digest in [parentHash, eventsRoot, treeRoot, historyRoot, validatorsHash, nextValidatorsHash, parametersHash] {
      bytes.append(digest.bytes)
    }
    bytes.append(proposer.bytes)
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    encode(into: &bytes)
    return bytes
  }

  /// SHA-256 of the encoding.
  public var hash: Digest { SHA256.hash(encoded) }

  /// Leaf index of the first event of this block.
  public var firstLeaf: LeafIndex { LeafIndex(treeSize - UInt64(eventCount)) }
}
