public import Digests
public import Ed25519
public import Bytes

@frozen public enum VoteKind: UInt8, Hashable, Sendable, BitwiseCopyable {
  case notarise = 1, nullify, finalise
}

/// The 104 bytes that a validator signs to vote.
///
/// | offset | length | field |
/// |---|---|---|
/// | 0 | 16 | tag `moloch-vote-v1\0\0` |
/// | 16 | 1 | kind |
/// | 17 | 7 | reserved, zero |
/// | 24 | 16 | chain tag |
/// | 40 | 8 | epoch |
/// | 48 | 8 | view |
/// | 56 | 8 | parent view; nullify: 0 |
/// | 64 | 8 | height; nullify: 0 |
/// | 72 | 32 | block hash; nullify: 0 |
@frozen public struct Vote: Hashable, Sendable, BitwiseCopyable {
  /// Length of the encoding, bytes.
  public static let byteCount = 104
  public static let tag = Bytes16(ascii: "moloch-vote-v1\0\0")

  public var kind: VoteKind
  public var chainTag: ChainTag
  public var epoch: Epoch
  public var view: View
  public var parentView: View
  public var height: Height
  public var blockHash: Digest

  public init(kind: VoteKind, chainTag: ChainTag, epoch: Epoch, view: View, parentView: View, height: Height, blockHash: Digest) {
    self.kind = kind
    self.chainTag = chainTag
    self.epoch = epoch
    self.view = view
    self.parentView = parentView
    self.height = height
    self.blockHash = blockHash
  }

  /// A vote to leave `view` without a block.
  public init(nullify view: View, epoch: Epoch, chainTag: ChainTag) {
    self.init(kind: .nullify, chainTag: chainTag, epoch: epoch, view: view, parentView: View(0), height: Height(0), blockHash: .zero)
  }

  /// Decodes the message at `offset`; a nullify vote has zero parent view, height and block hash.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    guard Bytes16(span, at: offset) == Self.tag else { throw .badTag }
    guard let kind = VoteKind(rawValue: span.uint8(at: offset + 16)) else { throw .outOfRange("kind") }
    guard span.isZero(offset + 17..<offset + 24) else { throw .reservedBits }
    self.kind = kind
    chainTag = ChainTag(Bytes16(span, at: offset + 24))
    epoch = Epoch(span.uint64(at: offset + 40))
    view = View(span.uint64(at: offset + 48))
    parentView = View(span.uint64(at: offset + 56))
    height = Height(span.uint64(at: offset + 64))
    blockHash = Digest(span, at: offset + 72)
    try checkRanges()
  }

  func checkRanges() throws(FormatError) {
    guard epoch.rawValue < ordinalLimit else { throw .outOfRange("epoch") }
    guard view.rawValue < ordinalLimit else { throw .outOfRange("view") }
    guard parentView.rawValue < ordinalLimit else { throw .outOfRange("parent view") }
    guard height.rawValue < ordinalLimit else { throw .outOfRange("height") }
    guard kind != .nullify || (parentView.rawValue == 0 && height.rawValue == 0 && blockHash == .zero) else { throw .reservedBits }
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes.append(Self.tag)
    bytes.append(kind.rawValue)
    bytes.append(zeros: 7)
    bytes.append(chainTag.bytes)
    encodeSubject(into: &bytes)
  }

  /// The 64 bytes that a certificate repeats: epoch, view, parent view, height, block hash.
  func encodeSubject(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: epoch.rawValue)
    bytes.append(bigEndian: view.rawValue)
    bytes.append(bigEndian: parentView.rawValue)
    bytes.append(bigEndian: height.rawValue)
    bytes.append(blockHash.bytes)
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    encode(into: &bytes)
    return bytes
  }
}

/// A vote with its author, 200 bytes: message (104), public key (32), signature (64).
@frozen public struct SignedVote: Hashable, Sendable, BitwiseCopyable {
  /// Length of the encoding, bytes.
  public static let byteCount = 200
  public var vote: Vote
  public var publicKey: PublicKey
  public var signature: Signature

  public init(vote: Vote, publicKey: PublicKey, signature: Signature) {
    self.vote = vote
    self.publicKey = publicKey
    self.signature = signature
  }

  public init(signing vote: Vote, with key: SigningKey) {
    self.init(vote: vote, publicKey: key.publicKey, signature: key.sign(vote.encoded.bytes))
  }

  /// Decodes the 200 bytes at `offset`. The signature is not verified.
  public init(decoding span: RawSpan, at offset: Int = 0) throws(FormatError) {
    guard offset >= 0, span.byteCount - offset >= Self.byteCount else { throw .truncated(needed: Self.byteCount, got: span.byteCount - offset) }
    vote = try Vote(decoding: span, at: offset)
    publicKey = PublicKey(Bytes32(span, at: offset + 104))
    signature = Signature(span, at: offset + 136)
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    vote.encode(into: &bytes)
    bytes.append(publicKey.bytes)
    bytes.append(signature.bytes)
    return bytes
  }

  /// Whether the signature is accepted.
  public func isAccepted(memory: SignatureMemory? = nil) -> Bool {
    Verifier.isValid(signature, over: vote.encoded.bytes, by: publicKey, memory: memory)
  }
}
