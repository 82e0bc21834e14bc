import Audit
import Bytes
import Consensus
import Digests
import Replication

/// Votes for two blocks of a view.
struct DoubleNotariser: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .consensus(.vote(let vote)) = message, vote.vote.kind == .notarise else { return stage.send(message, to: peers) }
    let (even, odd) = stage.halves(peers)
    var other = vote.vote
    other.blockHash = SHA256.hash(vote.vote.blockHash.bytes.array)
    stage.send(message, to: even)
    stage.send(.consensus(.vote(stage.sign(other))), to: odd)
    if stage.random.below(2) == 0 { stage.send(message, to: odd) }
  }
}
