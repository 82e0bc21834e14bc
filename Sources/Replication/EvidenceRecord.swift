import Audit
import Consensus
import Ed25519

/// The evidence that a node keeps, at most `ReplicationLimit.evidenceMax` pieces, oldest first.
///
/// What is kept when there is too much: the oldest, and at least something of everybody. A piece that finds the record full is dropped, unless its signer
/// has fewer pieces than somebody else, also with this one; then the newest piece of the one who has most makes room. One piece is proof enough to remove a validator, so a
/// flood by one hides nothing that another has done.
struct EvidenceRecord: Sendable {
  enum Outcome: Sendable { case known, kept, dropped }

  private(set) var pieces: [Evidence]
  /// Pieces that found no room, or made it.
  private(set) var dropped: UInt64 = 0

  init(_ pieces: [Evidence]) { self.pieces = Array(pieces.prefix(ReplicationLimit.evidenceMax)) }

  mutating func add(_ piece: Evidence) -> Outcome {
    guard !holds(piece) else { return .known }
    if pieces.count >= ReplicationLimit.evidenceMax {
      dropped += 1
      guard let crowded = newestOfTheBusiest(), count(pieces[crowded].signer) > count(piece.signer) + 1 else { return .dropped }
      pieces.remove(at: crowded)
    }
    pieces.append(piece)
    return .kept
  }

  /// Whether the two votes are kept, whichever was seen first.
  func holds(_ piece: Evidence) -> Bool {
    pieces.contains { $0 == piece || $0.first == piece.second && $0.second == piece.first }
  }

  func count(_ signer: PublicKey) -> Int { pieces.count { $0.signer == signer } }

  private func newestOfTheBusiest() -> Int? {
    pieces.indices.max { a, b in
      let (countA, countB) = (count(pieces[a].signer), count(pieces[b].signer))
      return (countA, a) < (countB, b)
    }
  }
}
