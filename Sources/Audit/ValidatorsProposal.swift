import Bytes
public import Digests
public import Ed25519

/// 0xF0: version (2), p (2), reserved (4), effective_epoch (8), base (32), complete next set, p acceptances (64 each).
public struct ValidatorsProposal: Hashable, Sendable {
  static let headByteCount = 48
  public var effectiveEpoch: Epoch
  /// The `validators_hash` that the proposal was written against.
  public var base: Digest
  public var next: ValidatorSet
  /// One per key of `next` that is not in the set of the proposal's height, ascending by key.
  public var acceptances: [Signature]

  public init(effectiveEpoch: Epoch, base: Digest, next: ValidatorSet, acceptances: [Signature]) {
    self.effectiveEpoch = effectiveEpoch
    self.base = base
    self.next = next
    self.acceptances = acceptances
  }

  init(decoding span: RawSpan) throws(FormatError) {
    guard span.byteCount >= Self.headByteCount else { throw .truncated(needed: Self.headByteCount, got: span.byteCount) }
    let count = Int(span.uint16(at: 2))
    guard count <= LedgerLimit.validators else { throw .outOfRange("p") }
    guard span.isZero(4..<8) else { throw .reservedBits }
    effectiveEpoch = Epoch(span.uint64(at: 8))
    guard effectiveEpoch.rawValue < ordinalLimit else { throw .outOfRange("effective_epoch") }
    base = Digest(span, at: 16)
    let first = Self.headByteCount + (try ValidatorSet.length(peeking: span, at: Self.headByteCount))
    try GovernanceAct.checkLength(span, first + 64 * count)
    next = try ValidatorSet(decoding: span.extracting(Self.headByteCount..<first))
    guard next.isRegistrable else { throw .malformed("a key of the next set is not registrable") }
    acceptances = (0..<count).map { Signature(span, at: first + 64 * $0) }
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.append(bigEndian: UInt16(acceptances.count))
    bytes.append(zeros: 4)
    bytes.append(bigEndian: effectiveEpoch.rawValue)
    bytes.append(base.bytes)
    bytes += next.encoded
    for signature in acceptances { bytes.append(signature.bytes) }
  }

  /// What a new key signs to accept its place, 176 bytes: `moloch-vpop-v1\0\0` (16), chain tag (16), effective_epoch (8), its record (136).
  public static func acceptanceMessage(_ validator: Validator, effectiveEpoch: Epoch, chainTag: ChainTag) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(Bytes16(ascii: "moloch-vpop-v1\0\0"))
    bytes.append(chainTag.bytes)
    bytes.append(bigEndian: effectiveEpoch.rawValue)
    validator.encode(into: &bytes)
    return bytes
  }

  /// Members of `next` whose key is not in `set`, ascending by key.
  public func newcomers(to set: ValidatorSet) -> [Validator] { next.validators.filter { set.index(of: $0.publicKey) == nil } }

  /// Whether exactly the newcomers to `set` accept.
  public func isAccepted(by set: ValidatorSet, chainTag: ChainTag) -> Bool {
    let newcomers = newcomers(to: set)
    guard newcomers.count == acceptances.count else { return false }
    for (validator, signature) in zip(newcomers, acceptances) {
      let message = Self.acceptanceMessage(validator, effectiveEpoch: effectiveEpoch, chainTag: chainTag)
      guard Verifier.isValid(signature, over: message.bytes, by: validator.publicKey) else { return false }
    }
    return true
  }
}
