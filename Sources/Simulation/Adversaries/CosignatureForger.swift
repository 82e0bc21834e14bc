import Ambient
import Audit
import Digests
import Replication

/// Cosigns another root to one half of the others, and says what it takes for the cosignatures of others before they do.
struct CosignatureForger: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .cosignature(let own) = message else { return stage.send(message, to: peers) }
    let (even, odd) = stage.halves(peers)
    stage.send(message, to: odd)
    var other = own
    other.root = SHA256.hash([UInt8(truncatingIfNeeded: stage.random.next())])
    stage.send(.cosignature(other), to: even)
    // Heads that nobody has reached, in the name of somebody else, with a signature that is none.
    for size in own.size + 1...own.size + 3 {
      var early = own
      early.size = size
      early.validator = Int(stage.random.below(4))
      stage.send(.cosignature(early), to: peers)
    }
  }
}
