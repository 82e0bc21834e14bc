import Audit
import Bytes
import Consensus
import Ed25519
import Replication

/// Sends votes and certificates with signatures that nobody made.
struct BadSigner: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    switch message {
    case .consensus(.vote(var vote)) where stage.random.below(3) == 0:
      vote.signature = Signature(Bytes64([UInt8](repeating: UInt8(stage.random.below(256)), count: 64))!)
      stage.send(.consensus(.vote(vote)), to: peers)
    case .consensus(.certificate(let certificate)) where stage.random.below(3) == 0:
      var bytes = certificate.encoded
      bytes[bytes.count - 1 - Int(stage.random.below(60))] ^= 1
      stage.sendRaw(type: 18, bytes, to: peers)
    default: stage.send(message, to: peers)
    }
  }
}
