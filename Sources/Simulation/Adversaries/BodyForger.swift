import Ledger
import Replication

/// Gives one half of the others blocks with wrong bytes below the right header, in proposals and in answers.
struct BodyForger: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    let (victims, others) = stage.halves(peers)
    switch message {
    case .propose(let proposal, let header, .body(let body)) where !body.isEmpty:
      stage.send(message, to: others)
      stage.send(.propose(proposal, header, .body(Self.forged(body))), to: victims)
    case .block(let block) where !block.body.isEmpty:
      stage.send(message, to: others)
      if let wrong = try? Block(header: block.header, body: Self.forged(block.body)) { stage.send(.block(wrong), to: victims) }
    default: stage.send(message, to: peers)
    }
  }

  /// Another last byte, which belongs to the body of the last event or to its signature, or another chain in the first entry.
  private static func forged(_ body: [UInt8]) -> [UInt8] {
    var forged = body
    forged[body.count % 2 == 0 ? body.count - 1 : chainTagOffset] ^= 1
    return forged
  }

  /// Of the chain tag in a statement.
  static let chainTagOffset = 48
}
