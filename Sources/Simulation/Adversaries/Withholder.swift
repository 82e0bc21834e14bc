import Replication

/// Shows its blocks to one node, votes with all, and gives nobody what is missing.
struct Withholder: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    switch message {
    case .propose: stage.send(message, to: peers.isEmpty ? [] : [stage.random.pick(peers)])
    case .block, .blockEvents, .syncResponse, .boundaries: break
    default: stage.send(message, to: peers)
    }
  }
}
