import Audit
import Consensus
import Replication

/// Answers with certificates from long ago.
struct StaleCertificateServer: Liar {
  private var old: [Certificate] = []

  mutating func incoming(_ message: ReplicaMessage, from peer: Int, _ stage: inout Stage) {
    if case .consensus(.certificate(let certificate)) = message, old.count < 12 { old.append(certificate) }
    if case .consensus(.getCertificate) = message, !old.isEmpty { stage.send(.consensus(.certificate(stage.random.pick(old))), to: [peer]) }
  }

  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .consensus(.certificate) = message, !old.isEmpty else { return stage.send(message, to: peers) }
    stage.send(.consensus(.certificate(stage.random.pick(old))), to: peers)
  }
}
