import Ambient
import Replication

/// Sends bytes that are no message, and messages with a few bytes changed.
struct Garbler: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    stage.send(message, to: peers)
    guard stage.random.below(4) == 0 else { return }
    var (type, bytes) = message.encoded()
    switch stage.random.below(3) {
    case 0: bytes = (0..<stage.random.below(400)).map { _ in UInt8(truncatingIfNeeded: stage.random.next()) }
    case 1: if !bytes.isEmpty { bytes[Int(stage.random.below(UInt64(bytes.count)))] ^= UInt8(stage.random.between(1, 255)) }
    default: bytes.removeLast(Int(stage.random.below(UInt64(bytes.count + 1))))
    }
    if stage.random.below(8) == 0 { type = UInt8(stage.random.below(64)) }
    stage.sendRaw(type: type, bytes, to: peers)
  }
}
