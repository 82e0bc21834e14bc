import Audit

/// The promises that a new segment repeats, so that an old one can be used again without losing any.
struct JournalStanding: Sendable, Equatable {
  private var floor: JournalRecord?
  private var bound: JournalRecord?
  private var cosignature: JournalRecord?
  /// Highest (epoch, view) with an own vote of each kind, by kind.
  private var voted: [JournalRecord?] = [nil, nil, nil]

  mutating func add(_ record: JournalRecord) {
    switch record {
    case .floor: floor = record
    // A bound ends the recovery; a recovery needs a new bound.
    case .bound, .recovering: bound = record
    case .cosignature: cosignature = record
    case .vote(let vote): raise(vote.vote.kind, vote.vote.epoch, vote.vote.view)
    case .voted(let kind, let epoch, let view): raise(kind, epoch, view)
    case .certificate: break
    }
  }

  private mutating func raise(_ kind: VoteKind, _ epoch: Epoch, _ view: View) {
    let index = Int(kind.rawValue) - 1
    if case .voted(_, let oldEpoch, let oldView)? = voted[index], (oldEpoch, oldView) >= (epoch, view) { return }
    voted[index] = .voted(kind, epoch: epoch, view: view)
  }

  /// At most six records.
  var records: [JournalRecord] { ([floor, bound] + voted + [cosignature]).compactMap { $0 } }
}
