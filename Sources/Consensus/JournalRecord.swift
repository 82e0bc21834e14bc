public import Audit
import Bytes
public import Digests
import Ed25519

/// A promise that must be on disk before it counts: what the vote journal of a validator holds.
public enum JournalRecord: Sendable, Hashable {
  /// An own vote, 200 bytes.
  case vote(SignedVote)
  /// A certificate that let this node act.
  case certificate(Certificate)
  /// Finality reached on this node: nothing at or below (epoch, view) or height is voted on again.
  case floor(epoch: Epoch, view: View, height: Height, blockHash: Digest)
  /// Below this (epoch, view) the journal may have forgotten votes, so none is made.
  case bound(epoch: Epoch, view: View)
  /// The journal before this one is lost: nothing is voted on until a `bound` follows (rule R14). The first record of a journal, if it is there at all.
  case recovering
  /// Own votes of this kind reach up to this (epoch, view): the vote itself may lie in a segment that was used again.
  case voted(VoteKind, epoch: Epoch, view: View)
  /// A cosigned tree head: size, root, Unix seconds. Later cosignatures have a larger size and no earlier time.
  case cosignature(size: UInt64, root: Digest, seconds: UInt64)

  /// It shows that the journal's key has been in use, or was declared new.
  public var isPromise: Bool {
    switch self {
    case .vote, .voted, .bound, .recovering: true
    case .certificate, .floor, .cosignature: false
    }
  }

  /// Type byte of the encoding.
  public var code: UInt8 {
    switch self {
    case .vote: 1
    case .certificate: 2
    case .floor: 3
    case .bound: 4
    case .cosignature: 5
    case .voted: 6
    case .recovering: 7
    }
  }

  /// The payload, without the type.
  public var payload: [UInt8] {
    var bytes: [UInt8] = []
    switch self {
    case .vote(let vote): bytes = vote.encoded
    case .certificate(let certificate): bytes = certificate.encoded
    case .floor(let epoch, let view, let height, let hash):
      bytes.append(bigEndian: epoch.rawValue)
      bytes.append(bigEndian: view.rawValue)
      bytes.append(bigEndian: height.rawValue)
      bytes.append(hash.bytes)
    case .bound(let epoch, let view):
      bytes.append(bigEndian: epoch.rawValue)
      bytes.append(bigEndian: view.rawValue)
    case .recovering: break
    case .voted(let kind, let epoch, let view):
      bytes.append(bigEndian: UInt64(kind.rawValue))
      bytes.append(bigEndian: epoch.rawValue)
      bytes.append(bigEndian: view.rawValue)
    case .cosignature(let size, let root, let seconds):
      bytes.append(bigEndian: size)
      bytes.append(root.bytes)
      bytes.append(bigEndian: seconds)
    }
    return bytes
  }

  /// Decodes a payload. Returns nil for an unknown type or a payload that is not exactly of its type.
  public init?(code: UInt8, payload: RawSpan, chainTag: ChainTag) {
    switch code {
    case 1:
      guard payload.byteCount == SignedVote.byteCount, let vote = try? SignedVote(decoding: payload) else { return nil }
      self = .vote(vote)
    case 2:
      guard let certificate = try? Certificate(decoding: payload, chainTag: chainTag) else { return nil }
      self = .certificate(certificate)
    case 3:
      guard payload.byteCount == 56 else { return nil }
      self = .floor(
        epoch: Epoch(payload.uint64(at: 0)), view: View(payload.uint64(at: 8)), height: Height(payload.uint64(at: 16)),
        blockHash: Digest(payload, at: 24))
    case 4:
      guard payload.byteCount == 16 else { return nil }
      self = .bound(epoch: Epoch(payload.uint64(at: 0)), view: View(payload.uint64(at: 8)))
    case 5:
      guard payload.byteCount == 48 else { return nil }
      self = .cosignature(size: payload.uint64(at: 0), root: Digest(payload, at: 8), seconds: payload.uint64(at: 40))
    case 6:
      guard payload.byteCount == 24, let raw = UInt8(exactly: payload.uint64(at: 0)), let kind = VoteKind(rawValue: raw) else { return nil }
      self = .voted(kind, epoch: Epoch(payload.uint64(at: 8)), view: View(payload.uint64(at: 16)))
    case 7:
      guard payload.byteCount == 0 else { return nil }
      self = .recovering
    default: return nil
    }
  }
}
