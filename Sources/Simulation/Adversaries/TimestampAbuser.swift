import Audit
import Replication

/// Proposes blocks of the past and of the future.
struct TimestampAbuser: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .propose(let proposal, var header, let contents) = message else { return stage.send(message, to: peers) }
    let time = header.timestamp.rawValue
    header.timestamp = Timestamp(milliseconds: stage.random.below(2) == 0 ? time + stage.random.between(400, 10_000_000) : time - stage.random.below(60_000))
    stage.send(.propose(stage.proposal(like: proposal, header: header), header, contents), to: peers)
  }
}
