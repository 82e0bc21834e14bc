import Replication

/// Proposes when everybody is about to give up.
struct LateProposer: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    if case .propose = message { return stage.send(message, to: peers, after: stage.random.between(100, 1000)) }
    stage.send(message, to: peers)
  }
}
