import Audit
import Bytes
import Consensus

/// The last check in front of the journal: a vote that contradicts an earlier one of the same journal is not written, and so never leaves.
///
/// The machine makes no such vote; this is what remains if it did. Votes of at most `viewsMax` views above the floor are remembered; what is older than
/// those is refused.
struct VoteGuard {
  static let viewsMax = 4096

  /// By ascending (epoch, view): the vote of each kind.
  private var views: [(place: Bound, votes: [Vote?])] = []
  /// Nothing at or below it is taken.
  private var floor = Bound(epoch: Epoch(0), view: View(0))

  init(_ records: [JournalRecord]) { for record in records { note(record) } }

  /// Takes over what is written, or is about to be.
  mutating func note(_ record: JournalRecord) {
    switch record {
    case .vote(let signed):
      let vote = signed.vote, place = Bound(epoch: vote.epoch, view: vote.view)
      guard place > floor else { return }
      let index = position(place)
      if index == views.count || views[index].place != place { views.insert((place, [nil, nil, nil]), at: index) }
      views[index].votes[Self.slot(vote.kind)] = views[index].votes[Self.slot(vote.kind)] ?? vote
      if views.count > Self.viewsMax { raise(views[0].place) }
    case .floor(let epoch, let view, _, _), .bound(let epoch, let view): raise(Bound(epoch: epoch, view: view))
    case .certificate, .recovering, .voted, .cosignature: break
    }
  }

  /// Why a vote must not be written; nil when it may.
  func objection(_ vote: Vote) -> String? {
    let place = Bound(epoch: vote.epoch, view: vote.view), name = "\(vote.kind) in epoch \(vote.epoch.rawValue), view \(vote.view.rawValue)"
    guard place > floor else { return "\(name) is not above what it has promised" }
    let index = position(place)
    guard index < views.count, views[index].place == place else { return nil }
    if let own = views[index].votes[Self.slot(vote.kind)] { return own == vote ? nil : "\(name) is not the vote that it has made there" }
    switch vote.kind {
    case .notarise: return nil
    case .nullify: return views[index].votes[Self.slot(.finalise)] == nil ? nil : "\(name) would contradict its finalise vote"
    case .finalise: return views[index].votes[Self.slot(.nullify)] == nil ? nil : "\(name) would contradict its nullify vote"
    }
  }

  private mutating func raise(_ place: Bound) {
    floor = max(floor, place)
    views.removeFirst(views.firstIndex { $0.place > floor } ?? views.count)
  }

  private func position(_ place: Bound) -> Int {
    // The newest views are the ones that are asked for.
    var index = views.count
    while index > 0, views[index - 1].place >= place { index -= 1 }
    return index
  }

  private static func slot(_ kind: VoteKind) -> Int { Int(kind.rawValue) - 1 }
}
