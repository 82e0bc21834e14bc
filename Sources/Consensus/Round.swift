import Ambient
import Audit
import Digests
import Ed25519

/// What this node knows of one view.
struct Round: Sendable {
  enum BlockState: Sendable { case unknown, validating, valid, durable, invalid }

  let view: View
  var proposal: Proposal?
  var blockState = BlockState.unknown
  /// First vote of each signer, per kind; own ones only once they are synced.
  private(set) var votes: [[SignedVote?]]
  /// Own votes of this view, from the moment they are appended.
  var ownNotarise: SignedVote?
  var ownNullify: SignedVote?
  var ownFinalise: SignedVote?
  var notarisation: Certificate?
  var nullification: Certificate?
  var finalisation: Certificate?

  init(view: View, validators: Int) {
    self.view = view
    votes = Array(repeating: Array(repeating: nil, count: validators), count: 3)
  }

  /// The notarised block is known, valid and on disk: others may build on it.
  var isCertified: Bool {
    guard let certificate = finalisation ?? notarisation, let proposal, blockState == .durable else { return false }
    return certificate.vote.blockHash == proposal.block.hash
  }

  /// Records the first vote of a signer. Returns false when there was one already.
  mutating func record(_ vote: SignedVote, signer: Int) -> Bool {
    let kind = Int(vote.vote.kind.rawValue) - 1
    guard votes[kind][signer] == nil else { return false }
    votes[kind][signer] = vote
    return true
  }

  func certificate(for kind: VoteKind) -> Certificate? {
    switch kind {
    case .notarise: notarisation
    case .nullify: nullification
    case .finalise: finalisation
    }
  }

  mutating func set(_ certificate: Certificate) {
    switch certificate.vote.kind {
    case .notarise: notarisation = notarisation ?? certificate
    case .nullify: nullification = nullification ?? certificate
    case .finalise: finalisation = finalisation ?? certificate
    }
  }

  /// The certificate that the recorded votes of a kind form, if equal ones carry a quorum.
  func assembled(_ kind: VoteKind, in set: ValidatorSet) -> Certificate? {
    let cast = votes[Int(kind.rawValue) - 1]
    for candidate in cast {
      guard let candidate else { continue }
      var power: UInt64 = 0
      var signatures: [(index: Int, Signature)] = []
      for (index, vote) in cast.enumerated() {
        guard let vote, vote.vote == candidate.vote else { continue }
        power += set.validators[index].power
        signatures.append((index, vote.signature))
      }
      if set.isQuorum(power) { return Certificate(vote: candidate.vote, signatures: signatures, in: set) }
    }
    return nil
  }

  /// Power behind the votes of a kind, whatever they name.
  func power(_ kind: VoteKind, in set: ValidatorSet) -> UInt64 {
    var power: UInt64 = 0
    for (index, vote) in votes[Int(kind.rawValue) - 1].enumerated() where vote != nil { power += set.validators[index].power }
    return power
  }
}
