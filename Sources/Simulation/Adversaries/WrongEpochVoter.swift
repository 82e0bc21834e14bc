import Audit
import Bytes
import Consensus
import Replication

/// Votes in other views and epochs than it is in, and for another chain.
struct WrongEpochVoter: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .consensus(.vote(let vote)) = message else { return stage.send(message, to: peers) }
    var other = vote.vote
    switch stage.random.below(4) {
    case 0: other.epoch = Epoch(other.epoch.rawValue + 1)
    case 1: other.epoch = Epoch(other.epoch.rawValue - min(1, other.epoch.rawValue))
    case 2: other.view = View(other.view.rawValue + stage.random.between(1, 12))
    default: other.chainTag = ChainTag(Bytes16(stage.random.next(), stage.random.next()))
    }
    stage.send(.consensus(.vote(stage.sign(other))), to: peers)
    if stage.random.below(2) == 0 { stage.send(message, to: peers) }
  }
}
