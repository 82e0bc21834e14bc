import Bytes
public import Digests

/// Why a handoff does not lead from a trusted set to the next one.
public enum HandoffError: Error, Hashable, Sendable {
  /// `validators_hash` of the header is not the hash of the trusted set.
  case otherSet(expected: Digest, found: Digest)
  /// The header is not the last of its epoch.
  case insideEpoch
  case certificate(CertificateError)
  case malformedCertificate(FormatError)
  /// `next_validators_hash` of the header is not the hash of the next set, or there is no change.
  case otherNext(expected: Digest, found: Digest)
}

/// A change of the validator set: the block that hands over, its finality certificate, the complete next set (ledger formats, section 8).
public struct Handoff: Sendable {
  public var header: BlockHeader
  /// Encoded.
  public var certificate: [UInt8]
  public var next: ValidatorSet

  public init(header: BlockHeader, certificate: [UInt8], next: ValidatorSet) {
    self.header = header
    self.certificate = certificate
    self.next = next
  }

  /// Checks the step from `set`, which is trusted, to `next`. The epoch is checked when its length is known.
  public func verify(from set: ValidatorSet, epochLength: UInt32?) throws(HandoffError) {
    guard set.hash == header.validatorsHash else { throw .otherSet(expected: set.hash, found: header.validatorsHash) }
    if let epochLength, epochLength > 0 {
      guard header.height.rawValue % UInt64(epochLength) == 0 else { throw .insideEpoch }
    }
    let decoded: Certificate
    do { decoded = try Certificate(decoding: certificate.bytes, chainTag: header.chainTag) } catch { throw .malformedCertificate(error) }
    do { try decoded.verifyFinality(of: header, in: set, epochLength: epochLength) } catch { throw .certificate(error) }
    guard next.hash == header.nextValidatorsHash, next.hash != set.hash else { throw .otherNext(expected: header.nextValidatorsHash, found: next.hash) }
  }
}
