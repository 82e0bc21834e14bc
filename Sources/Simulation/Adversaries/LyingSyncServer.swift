import Audit
import Ledger
import Replication

/// Answers those who catch up with useless, shortened and wrong ranges, or with bytes below true headers that are not theirs.
struct LyingSyncServer: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .syncResponse(let from, let blocks, let certificate) = message, !blocks.isEmpty else {
      if case .block = message, stage.random.below(2) == 0 { return }
      return stage.send(message, to: peers)
    }
    switch stage.random.below(6) {
    case 0: stage.send(.syncResponse(from: from, blocks: [], certificate: nil), to: peers)
    case 1: stage.send(.syncResponse(from: from, blocks: Array(blocks.dropLast()), certificate: certificate), to: peers)
    case 2: stage.send(.syncResponse(from: from, blocks: Array(blocks.dropFirst()), certificate: certificate), to: peers)
    case 3: stage.send(.syncResponse(from: Height(from.rawValue + 1), blocks: blocks, certificate: certificate), to: peers)
    case 4: stage.send(.syncResponse(from: from, blocks: blocks.reversed(), certificate: certificate), to: peers)
    case 5: if from.rawValue % 2 == 0, let lied = Self.forged(blocks) { stage.send(.syncResponse(from: from, blocks: lied, certificate: certificate), to: peers) }
    default: break
    }
  }

  /// The first event of the range is said to be of another chain.
  private static func forged(_ blocks: [Block]) -> [Block]? {
    guard let index = blocks.firstIndex(where: { !$0.body.isEmpty }) else { return nil }
    var (lied, body) = (blocks, blocks[index].body)
    body[BodyForger.chainTagOffset] ^= 1
    guard let block = try? Block(header: blocks[index].header, body: body, withheld: blocks[index].withheld) else { return nil }
    lied[index] = block
    return lied
  }
}
