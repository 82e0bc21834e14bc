import Ambient
import Ambient
import Audit
import Digests
import Ed25519

extension VoteKind {
  /// Position in tables by kind.
  var slot: Int { Int(rawValue) - 1 }
}

/// The votes of one kind in one view: the first of each signer, and the power behind each different vote.
struct Ballot: Sendable {
  /// By validator index; empty until the first vote.
  private(set) var votes: [SignedVote?] = []
  private(set) var tallies: [(vote: Vote, power: UInt64)] = []
  /// Power behind all votes, whatever they name.
  private(set) var power: UInt64 = 0

  func vote(of signer: Int) -> SignedVote? { votes.isEmpty ? nil : votes[signer] }

  /// Records a verified vote, unless the signer has one already.
  mutating func record(_ vote: SignedVote, signer: Int, in set: ValidatorSet) {
    if votes.isEmpty { votes = Array(repeating: nil, count: set.count) }
    guard votes[signer] == nil else { return }
    votes[signer] = vote
    let added = set.validators[signer].power
    power += added
    if let index = tallies.firstIndex(where: { $0.vote == vote.vote }) { tallies[index].power += added } else { tallies.append((vote.vote, added)) }
  }

  /// The certificate of the first vote with at least this power.
  func certificate(power needed: UInt64, in set: ValidatorSet) -> Certificate? {
    guard let tally = tallies.first(where: { $0.power >= needed }) else { return nil }
    var signatures: [(index: Int, Signature)] = []
    for (index, vote) in votes.enumerated() where vote?.vote == tally.vote { if let vote { signatures.append((index, vote.signature)) } }
    return Certificate(vote: tally.vote, signatures: signatures, in: set)
  }

  mutating func forget() { self = Ballot() }
}

/// What this node knows of one view.
struct Round: Sendable {
  let view: View
  /// The leader's first proposal, and the wall clock when it came.
  var proposal: (proposal: Proposal, heard: Timestamp)?
  /// When the proposal came, and when the notarisation was there.
  var proposed: Instant?
  var notarised: Instant?
  /// The proposal can never be voted for.
  var isRefused = false
  /// By kind; own votes are in them only once they are synced.
  var ballots = [Ballot(), Ballot(), Ballot()]
  /// Own votes by kind, from the moment they are appended.
  var own: [SignedVote?] = [nil, nil, nil]
  private(set) var certificates: [Certificate?] = [nil, nil, nil]
  /// Validators whose contradiction in this view was reported.
  var accused: [Int] = []

  init(view: View) { self.view = view }

  var notarisation: Certificate? { certificates[VoteKind.notarise.slot] }
  var nullification: Certificate? { certificates[VoteKind.nullify.slot] }
  var finalisation: Certificate? { certificates[VoteKind.finalise.slot] }
  var ownNotarise: SignedVote? { own[VoteKind.notarise.slot] }
  var ownNullify: SignedVote? { own[VoteKind.nullify.slot] }
  var ownFinalise: SignedVote? { own[VoteKind.finalise.slot] }

  /// The certificate that names the view's block.
  var naming: Certificate? { finalisation ?? notarisation }

  mutating func set(_ certificate: Certificate) {
    let slot = certificate.vote.kind.slot
    certificates[slot] = certificates[slot] ?? certificate
  }

  func certificate(_ kind: VoteKind) -> Certificate? { certificates[kind.slot] }

  /// Votes of a view far behind are only memory: its certificates are what others may still need.
  mutating func forgetVotes() { for slot in 0..<3 { ballots[slot].forget() } }
}
