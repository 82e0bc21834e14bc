import Audit
import Replication

/// Proposes two blocks in its view, one to each half of the others.
struct Equivocator: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .propose(let proposal, var header, let contents) = message else { return stage.send(message, to: peers) }
    let (even, odd) = stage.halves(peers)
    header.timestamp = Timestamp(milliseconds: header.timestamp.rawValue + 1)
    stage.send(message, to: even)
    stage.send(.propose(stage.proposal(like: proposal, header: header), header, contents), to: odd)
  }
}
