public import Audit
public import Ed25519

/// Two votes of one signer, epoch and view that no honest validator sends both: two different notarise or two different finalise votes, or nullify and
/// finalise. Both carry accepted signatures. Notarise with nullify, or a finalise vote for another block than the notarised one, is no offence.
public struct Evidence: Hashable, Sendable {
  public var first: SignedVote
  public var second: SignedVote

  /// Nil when the two votes do not contradict each other. The signatures are the caller's to check.
  public init?(_ first: SignedVote, _ second: SignedVote) {
    let (a, b) = (first.vote, second.vote)
    guard first.publicKey == second.publicKey, a.chainTag == b.chainTag, a.epoch == b.epoch, a.view == b.view, a != b else { return nil }
    switch (a.kind, b.kind) {
    case (.notarise, .notarise), (.finalise, .finalise), (.nullify, .finalise), (.finalise, .nullify): break
    default: return nil
    }
    self.first = first
    self.second = second
  }

  public var signer: PublicKey { first.publicKey }

  /// The offence, as metrics and the API name it.
  public enum Offence: String, CaseIterable, Sendable {
    case doubleNotarise = "double_notarise"
    case doubleFinalise = "double_finalise"
    case nullifyFinalise = "nullify_finalise"
  }

  public var offence: Offence {
    switch (first.vote.kind, second.vote.kind) {
    case (.notarise, .notarise): .doubleNotarise
    case (.finalise, .finalise): .doubleFinalise
    default: .nullifyFinalise
    }
  }

  // MARK: File

  /// Length of the encoding, bytes: the two signed votes.
  public static let byteCount = 2 * SignedVote.byteCount

  public var encoded: [UInt8] { first.encoded + second.encoded }

  /// Decodes consecutive pieces of evidence, as `encoded` writes them.
  /// - Throws: `truncated` for a torn last piece, `malformed` for votes that do not contradict each other. Signatures are not verified.
  public static func decodeAll(_ span: RawSpan) throws(FormatError) -> [Evidence] {
    guard span.byteCount % byteCount == 0 else { throw .truncated(needed: byteCount, got: span.byteCount % byteCount) }
    var pieces: [Evidence] = []
    for offset in stride(from: 0, to: span.byteCount, by: byteCount) {
      let (first, second) = (try SignedVote(decoding: span, at: offset), try SignedVote(decoding: span, at: offset + SignedVote.byteCount))
      guard let evidence = Evidence(first, second) else { throw .malformed("votes that agree") }
      pieces.append(evidence)
    }
    return pieces
  }
}
