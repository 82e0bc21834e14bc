import Audit
import Digests
import Ed25519

/// No key of an honest validator ever signs conflicting votes, and no vote leaves before its record is on disk: across all restarts of the node.
struct VoteDiscipline {
  private struct Slot: Hashable {
    var key: PublicKey
    var epoch: Epoch
    var view: View
  }

  private struct Votes {
    var notarise: Vote?
    var nullify = false
    var finalise: Vote?
  }

  /// Looked up, never iterated.
  private var released: [Slot: Votes] = [:]
  private var durable: Set<SignedVote> = []
  /// Votes whose block has been on the node's disk. They may be said when it no longer is: the store was wiped, or another block of its height is final.
  private var held: Set<SignedVote> = []

  /// The vote was made, and goes to the journal.
  /// - Parameter hasBody: the block that it names is on the node's disk.
  mutating func made(_ vote: SignedVote, hasBody: Bool) { if hasBody { held.insert(vote) } }

  /// The vote's record is complete on the node's disk.
  mutating func recorded(_ vote: SignedVote) { durable.insert(vote) }

  /// An honest node has handed this own vote to the network.
  /// - Parameter hasBody: the block that it names is on the node's disk.
  mutating func released(_ vote: SignedVote, hasBody: Bool, now: UInt64) throws(Failure) {
    guard durable.contains(vote) else { throw Failure(kind: .earlyVote, milliseconds: now, detail: "\(Self.text(vote)) left before its record was on disk") }
    let slot = Slot(key: vote.publicKey, epoch: vote.vote.epoch, view: vote.vote.view)
    var votes = released[slot] ?? Votes()
    switch vote.vote.kind {
    case .notarise:
      if let other = votes.notarise, other != vote.vote { throw conflict(vote, "notarised \(other.blockHash) too", now) }
      votes.notarise = vote.vote
    case .nullify:
      if votes.finalise != nil { throw conflict(vote, "finalised the view before", now) }
      votes.nullify = true
    case .finalise:
      if votes.nullify { throw conflict(vote, "nullified the view before", now) }
      if let other = votes.finalise, other != vote.vote { throw conflict(vote, "finalised \(other.blockHash) too", now) }
      if hasBody { held.insert(vote) }
      guard held.contains(vote) else {
        throw Failure(kind: .earlyVote, milliseconds: now, detail: "\(Self.text(vote)) left before the block was on disk")
      }
      votes.finalise = vote.vote
    }
    released[slot] = votes
  }

  private func conflict(_ vote: SignedVote, _ what: String, _ now: UInt64) -> Failure {
    Failure(kind: .doubleVote, milliseconds: now, detail: "\(Self.text(vote)): the key \(what)")
  }

  static func text(_ vote: SignedVote) -> String {
    "\(vote.vote.kind) of epoch \(vote.vote.epoch.rawValue) view \(vote.vote.view.rawValue) height \(vote.vote.height.rawValue) by \(vote.publicKey)"
  }
}
