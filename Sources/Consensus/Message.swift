public import Audit
import Bytes
public import Digests
public import Ed25519

/// One connected peer, numbered by the driver; a number is never used again in the life of a process.
@frozen public struct PeerLink: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public init(_ value: UInt64) { rawValue = value }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What the machine knows of a block, 112 bytes: hash (32), parent hash (32), height (8), timestamp (8), proposer (32). The contents stay with the driver.
public struct BlockReference: Hashable, Sendable, BitwiseCopyable {
  /// Length of the encoding, bytes.
  public static let byteCount = 112

  public var hash: Digest
  public var parentHash: Digest
  public var height: Height
  public var timestamp: Timestamp
  public var proposer: PublicKey

  public init(hash: Digest, parentHash: Digest, height: Height, timestamp: Timestamp, proposer: PublicKey) {
    self.hash = hash
    self.parentHash = parentHash
    self.height = height
    self.timestamp = timestamp
    self.proposer = proposer
  }

  /// Decodes the 112 bytes at `offset`. Whether they are those of a header with this hash is for whoever holds the header to check.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    hash = Digest(span, at: offset)
    parentHash = Digest(span, at: offset + 32)
    height = Height(span.uint64(at: offset + 64))
    timestamp = Timestamp(milliseconds: span.uint64(at: offset + 72))
    proposer = PublicKey(Bytes32(span, at: offset + 80))
    guard height.rawValue < ordinalLimit else { throw .outOfRange("height") }
    guard timestamp.rawValue < ordinalLimit else { throw .outOfRange("timestamp") }
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(hash.bytes)
    bytes.append(parentHash.bytes)
    bytes.append(bigEndian: height.rawValue)
    bytes.append(bigEndian: timestamp.rawValue)
    bytes.append(proposer.bytes)
  }
}

/// A leader's proposal: its notarise vote, the block that it names, and why others may build there: the certificate of the parent view and the
/// nullifications of the views between, newest first, at most `ConsensusLimit.justificationCertificates`.
///
/// Encoding: vote (200), block reference (112), number of certificates (2), reserved (6), then each certificate with its length (4) in front.
public struct Proposal: Hashable, Sendable {
  public var vote: SignedVote
  public var block: BlockReference
  public var justification: [Certificate]

  public init(vote: SignedVote, block: BlockReference, justification: [Certificate] = []) {
    self.vote = vote
    self.block = block
    self.justification = justification
  }

  static let headByteCount = SignedVote.byteCount + BlockReference.byteCount + 8

  /// Decodes the proposal that fills `span`. The vote names the block; signatures are not verified.
  public init(decoding span: RawSpan, chainTag: ChainTag) throws(FormatError) {
    guard span.byteCount >= Self.headByteCount else { throw .truncated(needed: Self.headByteCount, got: span.byteCount) }
    vote = try SignedVote(decoding: span)
    block = try BlockReference(decoding: span, at: SignedVote.byteCount)
    guard vote.vote.kind == .notarise, vote.vote.blockHash == block.hash, vote.vote.height == block.height else { throw .malformed("vote and block differ") }
    let count = Int(span.uint16(at: Self.headByteCount - 8))
    guard count <= ConsensusLimit.justificationCertificates else { throw .outOfRange("certificates") }
    guard span.isZero(Self.headByteCount - 6..<Self.headByteCount) else { throw .reservedBits }
    var certificates: [Certificate] = []
    var offset = Self.headByteCount
    for _ in 0..<count {
      guard span.byteCount - offset >= 4 else { throw .truncated(needed: 4, got: span.byteCount - offset) }
      let length = Int(span.uint32(at: offset))
      offset += 4
      guard length <= span.byteCount - offset else { throw .truncated(needed: length, got: span.byteCount - offset) }
      let certificate = span.extracting(offset..<offset + length)
      certificates.append(try Certificate(decoding: certificate, chainTag: chainTag))
      offset += length
    }
    guard offset == span.byteCount else { throw .trailingBytes(span.byteCount - offset) }
    justification = certificates
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes += vote.encoded
    block.encode(into: &bytes)
    bytes.append(bigEndian: UInt16(justification.count))
    bytes.append(zeros: 6)
    for certificate in justification {
      let encoded = certificate.encoded
      bytes.append(bigEndian: UInt32(encoded.count))
      bytes += encoded
    }
  }
}

/// Where a peer says it stands, 88 bytes: epoch (8), view (8), whether it is bound (1), whether it holds events (1), reserved (6), epoch and view of the bound (16; zero without),
/// final height (8), final hash (32), wall clock (8). A claim: it steers whom to ask and is never believed.
public struct PeerStatus: Hashable, Sendable {
  /// Length of the encoding, bytes.
  public static let byteCount = 88

  public var epoch: Epoch
  public var view: View
  /// Votes at or below this are not made by the sender (rule R14).
  public var bound: Bound?
  public var finalHeight: Height
  public var finalHash: Digest
  public var wall: Timestamp
  /// Events wait at the sender for a block.
  public var hasEvents: Bool

  public init(epoch: Epoch, view: View, bound: Bound?, finalHeight: Height, finalHash: Digest, wall: Timestamp, hasEvents: Bool = false) {
    self.epoch = epoch
    self.view = view
    self.bound = bound
    self.finalHeight = finalHeight
    self.finalHash = finalHash
    self.wall = wall
    self.hasEvents = hasEvents
  }

  public init(decoding span: RawSpan) throws(FormatError) {
    guard span.byteCount >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount) }
    guard span.byteCount == Self.byteCount else { throw .trailingBytes(span.byteCount - Self.byteCount) }
    epoch = Epoch(span.uint64(at: 0))
    view = View(span.uint64(at: 8))
    guard span.uint8(at: 16) <= 1, span.uint8(at: 17) <= 1, span.isZero(18..<24) else { throw .reservedBits }
    if span.uint8(at: 16) == 1 {
      bound = Bound(epoch: Epoch(span.uint64(at: 24)), view: View(span.uint64(at: 32)))
    } else {
      guard span.isZero(24..<40) else { throw .reservedBits }
      bound = nil
    }
    hasEvents = span.uint8(at: 17) == 1
    finalHeight = Height(span.uint64(at: 40))
    finalHash = Digest(span, at: 48)
    wall = Timestamp(milliseconds: span.uint64(at: 80))
    let ordinals = [epoch.rawValue, view.rawValue, bound?.epoch.rawValue ?? 0, bound?.view.rawValue ?? 0, finalHeight.rawValue, wall.rawValue]
    guard ordinals.allSatisfy({ $0 < ordinalLimit }) else { throw .outOfRange("status") }
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: epoch.rawValue)
    bytes.append(bigEndian: view.rawValue)
    bytes.append(bound == nil ? 0 : 1)
    bytes.append(hasEvents ? 1 : 0)
    bytes.append(zeros: 6)
    bytes.append(bigEndian: bound?.epoch.rawValue ?? 0)
    bytes.append(bigEndian: bound?.view.rawValue ?? 0)
    bytes.append(bigEndian: finalHeight.rawValue)
    bytes.append(finalHash.bytes)
    bytes.append(bigEndian: wall.rawValue)
  }
}

/// An epoch and a view, ordered; a validator makes no vote at or below its bound.
@frozen public struct Bound: Hashable, Comparable, Sendable, BitwiseCopyable {
  public var epoch: Epoch
  public var view: View
  public init(epoch: Epoch, view: View) {
    self.epoch = epoch
    self.view = view
  }
  public static func < (a: Self, b: Self) -> Bool { a.epoch != b.epoch ? a.epoch < b.epoch : a.view < b.view }
}

/// What machines say to each other. A block's contents travel beside the proposal, and blocks and sync have messages of their own, one layer up.
public enum Message: Hashable, Sendable {
  case vote(SignedVote)
  case proposal(Proposal)
  case certificate(Certificate)
  /// Asks for what is certified about a view: the answer is a finalisation at or above it, or its notarisation and nullification.
  case getCertificate(Epoch, View)
  case status(PeerStatus)
  /// Asks for a witness with this fresh nonce (rule R14).
  case witnessRequest(Digest)
  case witness(Witness)

  /// Type code of the message on the wire.
  public var code: UInt8 {
    switch self {
    case .vote: 16
    case .proposal: 17
    case .certificate: 18
    case .getCertificate: 19
    case .status: 20
    case .witnessRequest: 21
    case .witness: 22
    }
  }

  /// Appends the message without its type code.
  public func encode(into bytes: inout [UInt8]) {
    switch self {
    case .vote(let vote): bytes += vote.encoded
    case .proposal(let proposal): proposal.encode(into: &bytes)
    case .certificate(let certificate): bytes += certificate.encoded
    case .getCertificate(let epoch, let view):
      bytes.append(bigEndian: epoch.rawValue)
      bytes.append(bigEndian: view.rawValue)
    case .status(let status): status.encode(into: &bytes)
    case .witnessRequest(let nonce): bytes.append(nonce.bytes)
    case .witness(let witness): witness.encode(into: &bytes)
    }
  }

  /// Decodes a message that fills `span`: exact length, ranges and reserved bytes. Signatures are not verified.
  public init(decoding span: RawSpan, type: UInt8, chainTag: ChainTag) throws(FormatError) {
    switch type {
    case 16:
      guard span.byteCount <= SignedVote.byteCount else { throw .trailingBytes(span.byteCount - SignedVote.byteCount) }
      self = .vote(try SignedVote(decoding: span))
    case 17: self = .proposal(try Proposal(decoding: span, chainTag: chainTag))
    case 18: self = .certificate(try Certificate(decoding: span, chainTag: chainTag))
    case 19:
      guard span.byteCount >= 16 else { throw .truncated(needed: 16, got: span.byteCount) }
      guard span.byteCount == 16 else { throw .trailingBytes(span.byteCount - 16) }
      let (epoch, view) = (span.uint64(at: 0), span.uint64(at: 8))
      guard epoch < ordinalLimit, view < ordinalLimit else { throw .outOfRange("view") }
      self = .getCertificate(Epoch(epoch), View(view))
    case 20: self = .status(try PeerStatus(decoding: span))
    case 21:
      guard span.byteCount >= 32 else { throw .truncated(needed: 32, got: span.byteCount) }
      guard span.byteCount == 32 else { throw .trailingBytes(span.byteCount - 32) }
      self = .witnessRequest(Digest(span, at: 0))
    case 22: self = .witness(try Witness(decoding: span, chainTag: chainTag))
    default: throw .outOfRange("type")
    }
  }
}
