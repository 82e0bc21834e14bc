import Audit
import Bytes
import Consensus
import Digests
import Replication

/// Finalises the notarised block and another one.
struct DoubleFinaliser: Liar {
  /// Block of the newest proposals of others, by view.
  private var proposals: [(view: View, hash: Digest)] = []

  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage) {
    guard case .propose(let proposal, _, _) = message else { return }
    proposals.append((proposal.vote.vote.view, proposal.block.hash))
    if proposals.count > 32 { proposals.removeFirst() }
  }

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    stage.send(message, to: peers)
    guard case .consensus(.vote(let vote)) = message, vote.vote.kind != .nullify else { return }
    var other = vote.vote
    other.kind = .finalise
    other.blockHash = proposals.last { $0.hash != vote.vote.blockHash }?.hash ?? SHA256.hash(vote.vote.blockHash.bytes.array)
    stage.send(.consensus(.vote(stage.sign(other))), to: peers.filter { $0 % 2 == 1 })
  }
}
