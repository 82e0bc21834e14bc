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
}
