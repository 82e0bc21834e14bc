import Digests
public import Ed25519
public import Bytes

/// Why a certificate is not valid for a set.
public enum CertificateError: Error, Hashable, Sendable {
  /// The certificate counts another number of validators than the set has.
  case setSize(expected: Int, found: Int)
  /// The signature of the validator at this index is not accepted.
  case badSignature(index: Int)
  /// Signed power that does not exceed two thirds of the total.
  case belowQuorum(power: UInt64, needed: UInt64)
  /// The certificate is not about this header: kind, height, block hash, epoch or chain tag differ, or the set is not the header's.
  case otherSubject(String)
}

/// A quorum of equal votes.
///
/// | offset | length | field |
/// |---|---|---|
/// | 0 | 16 | tag `moloch-cert-v1\0\0` |
/// | 16 | 8 | kind (1), reserved (7) |
/// | 24 | 64 | epoch, view, parent view, height, block hash |
/// | 88 | 2 | n, size of the set |
/// | 90 | 2 | s, number of signatures |
/// | 92 | 4 | reserved, zero |
/// | 96 | ceil(n/8) | bitmap: validator i is bit `i mod 8`, least significant first, of byte `i / 8` |
/// | ... | 64 s | signatures by ascending validator index |
///
/// The chain tag is not in the bytes: it comes from the chain that the certificate is read for.
public struct Certificate: Hashable, Sendable {
  public static let tag = Bytes16(ascii: "moloch-cert-v1\0\0")
  static let headByteCount = 96

  public let vote: Vote
  /// Validators of the set.
  public let setSize: Int
  public let bitmap: [UInt8]
  public let signatures: [Signature]

  /// Makes the certificate of votes that were verified. Traps when an index is outside the set or there twice.
  public init(vote: Vote, signatures: [(index: Int, Signature)], in set: ValidatorSet) {
    let sorted = signatures.sorted { $0.index < $1.index }
    var bitmap = [UInt8](repeating: 0, count: (set.count + 7) / 8)
    for (index, _) in sorted {
      precondition(index >= 0 && index < set.count && bitmap[index / 8] & (1 << UInt8(index % 8)) == 0, "one signature per validator of the set")
      bitmap[index / 8] |= 1 << UInt8(index % 8)
    }
    self.vote = vote
    setSize = set.count
    self.bitmap = bitmap
    self.signatures = sorted.map { $0.1 }
  }

  /// Decodes a whole certificate of the chain `chainTag`: exact length, reserved bytes, bitmap within the set and as many bits as signatures.
  public init(decoding span: RawSpan, chainTag: ChainTag) throws(FormatError) {
    guard span.byteCount >= Self.headByteCount else { throw .truncated(needed: Self.headByteCount, got: span.byteCount) }
    guard Bytes16(span, at: 0) == Self.tag else { throw .badTag }
    guard let kind = VoteKind(rawValue: span.uint8(at: 16)) else { throw .outOfRange("kind") }
    guard span.isZero(17..<24), span.isZero(92..<96) else { throw .reservedBits }
    vote = Vote(
      kind: kind, chainTag: chainTag, epoch: Epoch(span.uint64(at: 24)), view: View(span.uint64(at: 32)),
      parentView: View(span.uint64(at: 40)), height: Height(span.uint64(at: 48)), blockHash: Digest(span, at: 56))
    try vote.checkRanges()
    setSize = Int(span.uint16(at: 88))
    let count = Int(span.uint16(at: 90))
    guard setSize >= 1, setSize <= LedgerLimit.validators else { throw .outOfRange("n") }
    guard count <= setSize else { throw .outOfRange("s") }
    let first = Self.headByteCount + (setSize + 7) / 8
    let length = first + 64 * count
    guard span.byteCount >= length else { throw .truncated(needed: length, got: span.byteCount) }
    guard span.byteCount == length else { throw .trailingBytes(span.byteCount - length) }
    bitmap = [UInt8](copying: span.extracting(Self.headByteCount..<first))
    if setSize % 8 != 0, let last = bitmap.last, last >> UInt8(setSize % 8) != 0 { throw .malformed("bitmap bits beyond the set") }
    guard bitmap.reduce(0, { $0 + $1.nonzeroBitCount }) == count else { throw .malformed("bitmap and number of signatures differ") }
    signatures = (0..<count).map { Signature(span, at: first + 64 * $0) }
  }

  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headByteCount + bitmap.count + 64 * signatures.count)
    bytes.append(Self.tag)
    bytes.append(vote.kind.rawValue)
    bytes.append(zeros: 7)
    vote.encodeSubject(into: &bytes)
    bytes.append(bigEndian: UInt16(setSize))
    bytes.append(bigEndian: UInt16(signatures.count))
    bytes.append(zeros: 4)
    bytes.append(contentsOf: bitmap)
    for signature in signatures { bytes.append(signature.bytes) }
    return bytes
  }

  /// Indexes of the validators that signed, ascending.
  public var signers: [Int] { (0..<setSize).filter { bitmap[$0 / 8] >> UInt8($0 % 8) & 1 == 1 } }

  /// Size, quorum of power and every signature. The caller has made sure that `set` is the set of the certificate's epoch.
  public func verify(in set: ValidatorSet, memory: SignatureMemory? = nil) throws(CertificateError) {
    guard setSize == set.count else { throw .setSize(expected: set.count, found: setSize) }
    let signers = signers
    let power = signers.reduce(UInt64(0)) { $0 + set.validators[$1].power }
    guard 3 * power > 2 * set.totalPower else { throw .belowQuorum(power: power, needed: set.quorumPower) }
    let message = vote.encoded
    for (position, index) in signers.enumerated() {
      let key = set.validators[index].publicKey
      guard Verifier.isValid(signatures[position], over: message.bytes, by: key, memory: memory) else { throw .badSignature(index: index) }
    }
  }

  /// Whether this is a finality certificate of `header`: kind 3, its height, block hash, epoch and chain, by the set with `validators_hash`.
  /// The epoch is checked when the epoch length is known; a light client learns it only from genesis.
  public func verifyFinality(of header: BlockHeader, in set: ValidatorSet, epochLength: UInt32?) throws(CertificateError) {
    guard vote.kind == .finalise else { throw .otherSubject("kind") }
    guard vote.chainTag == header.chainTag else { throw .otherSubject("chain tag") }
    guard vote.height == header.height, header.height.rawValue > 0 else { throw .otherSubject("height") }
    guard vote.blockHash == header.hash else { throw .otherSubject("block hash") }
    guard set.hash == header.validatorsHash else { throw .otherSubject("validators_hash") }
    if let epochLength {
      guard epochLength > 0, vote.epoch.rawValue == (header.height.rawValue - 1) / UInt64(epochLength) else { throw .otherSubject("epoch") }
    }
    try verify(in: set)
  }
}
