import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Replication

/// Answers those who begin from a checkpoint with ranges that are not what they should be: another entry, governance without its body, a certificate, a proof or a
/// header of its own making, too little, or nothing.
struct HistoryForger: Liar {
  mutating func outgoing(_ message: ReplicaMessage, to peers: [Int], _ stage: inout Stage) {
    guard case .history(let from, let history?) = message else { return stage.send(message, to: peers) }
    var lied = history
    switch stage.random.below(11) {
    case 0: return stage.send(.history(from: from, nil), to: peers)
    case 1: return
    case 2: if let index = lied.blocks.firstIndex(where: { !$0.body.isEmpty }) { lied.blocks[index] = Self.altered(lied.blocks[index], at: Statement.byteCount) }
    case 3: if let (index, block) = Self.withoutGovernance(lied.blocks) { lied.blocks[index] = block } else { lied.proof = [.empty] }
    case 4: lied.certificate = Self.certificate(lied.certificate, by: stage.key)
    case 5: lied.proof = lied.proof.isEmpty ? [.empty] : lied.proof.dropLast() + [.empty]
    case 6: lied.anchor.timestamp = Timestamp(milliseconds: lied.anchor.timestamp.rawValue + 1)
    case 7: lied.blocks.reverse()
    case 8: lied.blocks = lied.blocks.count > 1 ? Array(lied.blocks.dropLast()) : lied.blocks + lied.blocks
    case 9:
      let index = Int(stage.random.below(UInt64(lied.blocks.count)))
      lied.blocks[index] = Self.renamed(lied.blocks[index])
    default: break
    }
    stage.send(.history(from: from, lied), to: peers)
  }

  private static func block(_ header: BlockHeader, _ body: [UInt8], _ withheld: [UInt8]) -> Block? { try? Block(header: header, body: body, withheld: withheld) }

  private static func altered(_ old: Block, at offset: Int) -> Block {
    var body = old.body
    body[offset] ^= 1
    return block(old.header, body, old.withheld) ?? old
  }

  /// The same block with another time, and so another hash.
  private static func renamed(_ old: Block) -> Block {
    var header = old.header
    header.timestamp = Timestamp(milliseconds: header.timestamp.rawValue + 1)
    return block(header, old.body, old.withheld) ?? old
  }

  /// A block with a governance event that is said to have lost its body.
  private static func withoutGovernance(_ blocks: [Block]) -> (Int, Block)? {
    for (index, old) in blocks.enumerated() {
      let count = Int(old.header.eventCount)
      guard let position = (0..<count).first(where: { ContentType(rawValue: old.body[old.offsets[$0] + 17]).isGovernance }) else { continue }
      var bits = old.withheld.isEmpty ? [UInt8](repeating: 0, count: (count + 7) / 8) : old.withheld
      bits[position / 8] |= 1 << UInt8(position % 8)
      var body: [UInt8] = []
      for other in 0..<count {
        let end = other == position ? old.offsets[other] + Entry.byteCount : old.offsets[other + 1]
        body += old.body[old.offsets[other]..<end]
      }
      if let lied = block(old.header, body, bits) { return (index, lied) }
    }
    return nil
  }

  /// The same vote, signed by the liar as the only validator.
  private static func certificate(_ old: Certificate, by key: SigningKey) -> Certificate {
    guard let set = try? ValidatorSet([Validator(publicKey: key.publicKey, cosignerKey: key.publicKey, power: 1, name: "v")]) else { return old }
    return Certificate(vote: old.vote, signatures: [(0, key.sign(old.vote.encoded.bytes))], in: set)
  }
}
