import Audit
import Consensus
import Replication

/// Nullifies the views that it finalises, to one half of the others each.
struct NullifierAndFinaliser: Liar {
  /// Its own notarise votes, from which a late finalise vote is made.
  private var notarised: [Vote] = []

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    stage.send(message, to: peers)
    guard case .consensus(.vote(let vote)) = message else { return }
    let (even, odd) = stage.halves(peers)
    switch vote.vote.kind {
    case .notarise:
      notarised.append(vote.vote)
      if notarised.count > 16 { notarised.removeFirst() }
    case .finalise: stage.send(.consensus(.vote(stage.sign(Vote(nullify: vote.vote.view, epoch: vote.vote.epoch, chainTag: stage.chainTag)))), to: even)
    case .nullify:
      guard var late = notarised.last(where: { $0.view == vote.vote.view && $0.epoch == vote.vote.epoch }) else { return }
      late.kind = .finalise
      stage.send(.consensus(.vote(stage.sign(late))), to: odd)
    }
  }
}
