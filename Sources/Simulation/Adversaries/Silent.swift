import Replication

/// Takes part in nothing.
struct Silent: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {}
}
