import Audit
import Consensus
import Replication

/// Floods the others with votes for views that nobody is in.
struct FutureFlooder: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    stage.send(message, to: peers)
    guard case .consensus(.vote(let vote)) = message else { return }
    for step in 1...20 as ClosedRange<UInt64> {
      let view = View(vote.vote.view.rawValue + step * stage.random.between(1, 1000))
      stage.send(.consensus(.vote(stage.sign(Vote(nullify: view, epoch: vote.vote.epoch, chainTag: stage.chainTag)))), to: peers)
    }
  }
}
