import Replication

/// Speaks to a few only, and to others of them from time to time.
struct SelectiveSender: Liar {
  private var friends: [Int] = []
  private var left = 0

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    if left == 0 {
      var others = stage.others
      stage.random.shuffle(&others)
      friends = Array(others.prefix(max(1, others.count / 3)))
      left = Int(stage.random.between(20, 200))
    }
    left -= 1
    stage.send(message, to: peers.filter { friends.contains($0) })
  }
}
