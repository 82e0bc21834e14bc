import Replication

/// Says again what it and others said before.
struct Replayer: Liar {
  private var memory: [ReplicaMessage] = []
  private var next = 0

  private mutating func remember(_ message: ReplicaMessage) {
    if memory.count < 256 { memory.append(message) } else { memory[next % 256] = message }
    next += 1
  }

  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage) {
    remember(message)
    if stage.random.below(8) == 0 { stage.send(stage.random.pick(memory), to: [stage.random.pick(stage.others)]) }
  }

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    remember(message)
    stage.send(message, to: peers)
    if stage.random.below(4) == 0 { stage.send(stage.random.pick(memory), to: peers) }
  }
}
