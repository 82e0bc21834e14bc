public import Audit
public import Bytes
public import Digests
public import Ed25519

/// A validator's signed word on where it stands, for a peer whose vote journal is lost (rule R14).
///
/// Signed, 80 bytes: tag `moloch-wtns-v1\0\0` (16), chain tag (16), nonce of the request (32), epoch (8), current view (8).
/// Encoding: those 80 bytes, public key (32), signature (64), then the certificate by which the sender entered its view, up to the end; nothing in the
/// first view of the chain.
public struct Witness: Hashable, Sendable {
  public static let tag = Bytes16(ascii: "moloch-wtns-v1\0\0")
  static let headByteCount = 176

  public var chainTag: ChainTag
  public var nonce: Digest
  public var epoch: Epoch
  public var view: View
  public var publicKey: PublicKey
  public var signature: Signature
  public var entry: Certificate?

  public init(nonce: Digest, epoch: Epoch, view: View, entry: Certificate?, chainTag: ChainTag, signing key: SigningKey) {
    self.chainTag = chainTag
    self.nonce = nonce
    self.epoch = epoch
    self.view = view
    self.entry = entry
    publicKey = key.publicKey
    signature = key.sign(Self.message(nonce, epoch, view, chainTag).bytes)
  }

  public init(decoding span: RawSpan, chainTag: ChainTag) throws(FormatError) {
    guard span.byteCount >= Self.headByteCount else { throw .truncated(needed: Self.headByteCount, got: span.byteCount) }
    guard Bytes16(span, at: 0) == Self.tag else { throw .badTag }
    guard Bytes16(span, at: 16) == chainTag.bytes else { throw .malformed("chain tag") }
    self.chainTag = chainTag
    nonce = Digest(span, at: 32)
    epoch = Epoch(span.uint64(at: 64))
    view = View(span.uint64(at: 72))
    guard epoch.rawValue < ordinalLimit, view.rawValue < ordinalLimit else { throw .outOfRange("view") }
    publicKey = PublicKey(Bytes32(span, at: 80))
    signature = Signature(span, at: 112)
    let rest = span.extracting(Self.headByteCount..<span.byteCount)
    entry = rest.byteCount == 0 ? nil : try Certificate(decoding: rest, chainTag: chainTag)
  }

  public func encode(into bytes: inout [UInt8]) {
    bytes += Self.message(nonce, epoch, view, chainTag)
    bytes.append(publicKey.bytes)
    bytes.append(signature.bytes)
    if let entry { bytes += entry.encoded }
  }

  /// Whether the signature is accepted.
  public var isAccepted: Bool {
    let message = Self.message(nonce, epoch, view, chainTag)
    return Verifier.isValid(signature, over: message.bytes, by: publicKey)
  }

  private static func message(_ nonce: Digest, _ epoch: Epoch, _ view: View, _ chainTag: ChainTag) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(tag)
    bytes.append(chainTag.bytes)
    bytes.append(nonce.bytes)
    bytes.append(bigEndian: epoch.rawValue)
    bytes.append(bigEndian: view.rawValue)
    return bytes
  }
}
