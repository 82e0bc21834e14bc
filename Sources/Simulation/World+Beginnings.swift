import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Replication

// Nodes whose chain was deleted and that are told where to begin.
extension World {
  /// A checkpoint that a node has put together, as it serves it.
  struct Published {
    let height: UInt64
    let checkpoint: Checkpoint
    let lines: [SignatureLine]
  }

  /// Keeps a published checkpoint for those who begin from one.
  mutating func keep(_ head: CosignedHead) {
    guard scenario.family == .checkpoints, let header = chainLaws.header(ofSize: head.size), header.height.rawValue > published.last?.height ?? 0 else { return }
    let checkpoint = Checkpoint(origin: genesis.origin, size: head.size, root: head.root)
    let lines = head.cosignatures.map { cosignature in
      let validator = head.validators.validators[cosignature.validator]
      let key = VerifierKey(name: "\(genesis.domain)/\(validator.name)", type: .cosignature, key: validator.cosignerKey)
      return SignatureLine(key, seconds: cosignature.seconds, signature: cosignature.signature)
    }
    published.append(Published(height: header.height.rawValue, checkpoint: checkpoint, lines: lines))
  }

  mutating func begin(_ index: Int, from beginning: Beginning, downMilliseconds: UInt64) {
    let node = nodes[index]
    crash(index, downMilliseconds: downMilliseconds)
    node.isWiped = true
    node.isMisled = false
    node.beganFrom = nil
    node.store = store(of: node, from: beginning)
    statistics.beginnings += 1
  }

  /// An empty store that is told where to begin; with nothing to begin from, or while the chain is too young for the trick, that is genesis.
  private func store(of node: SimulatedNode, from beginning: Beginning) -> MemoryStore {
    // Above it, somebody has the bodies.
    let least = nodes.filter { $0.index != node.index }.map { $0.store.earliestBodyHeight.rawValue - 1 }.max() ?? 0
    let suitable = published.filter { $0.height >= max(1, least) }
    switch beginning {
    case .checkpoint(let back) where !suitable.isEmpty:
      let chosen = suitable[max(0, suitable.count - 1 - back)]
      node.beganFrom = Height(chosen.height)
      return MemoryStore(genesis: genesis.header, soughtCheckpoint: Self.note(chosen.checkpoint, chosen.lines))
    case .fewCosignatures where !suitable.isEmpty && scenario.nodes > 1:
      let chosen = suitable[suitable.count - 1]
      (node.isMisled, node.beganFrom) = (true, Height(chosen.height))
      return MemoryStore(genesis: genesis.header, soughtCheckpoint: Self.note(chosen.checkpoint, chosen.lines.dropLast()))
    case .forged where !suitable.isEmpty:
      let chosen = suitable[suitable.count - 1]
      (node.isMisled, node.beganFrom) = (true, Height(chosen.height))
      let other = Checkpoint(origin: chosen.checkpoint.origin, size: chosen.checkpoint.size, root: SHA256.hash(chosen.checkpoint.root.bytes.array))
      let liars = scenario.roles.map { (SigningKey(seed: Bytes32(UInt64($0.node) + 1, 2, 3, 4)), "\(genesis.domain)/v\($0.node + 1)") }
      return MemoryStore(genesis: genesis.header, soughtCheckpoint: Self.note(other, liars.map { other.cosignature($0.0, name: $0.1, seconds: 5) } + [other.logLine(Self.stranger)]))
    default: break
    }
    let back: UInt64 = if case .block(let blocks) = beginning { blocks } else { 0 }
    let height = max(1, least, chainLaws.height - min(chainLaws.height, back))
    guard let hash = chainLaws.hash(at: height) else { return MemoryStore(genesis: genesis.header) }
    node.beganFrom = Height(height)
    node.isMisled = beginning == .misread
    return MemoryStore(genesis: genesis.header, anchor: Anchor(height: Height(height), hash: node.isMisled ? SHA256.hash(hash.bytes.array) : hash))
  }

  private static let stranger = SigningKey(seed: Bytes32(9, 9, 9, 9))

  private static func note(_ checkpoint: Checkpoint, _ lines: some Sequence<SignatureLine>) -> [UInt8] {
    Array(checkpoint.note([checkpoint.logLine(stranger)] + lines).utf8)
  }

  /// An honest node has found the block of its checkpoint, or begins from a later one because that has no certificate of its own at its peers.
  mutating func adopted(_ anchor: Anchor, by node: SimulatedNode) throws(Failure) {
    statistics.adoptions += 1
    trace("node \(node.index) begins from block \(anchor.height.rawValue)")
    if node.isMisled { throw failureNow(.certificate, "node \(node.index) begins from a checkpoint without cosignatures of a quorum") }
    guard let told = node.beganFrom, chainLaws.hash(at: anchor.height.rawValue) == anchor.hash,
      anchor.height == told || anchor.height > told && (node.store.soughtCheckpoint == nil || node.hasAdopted)
    else { throw failureNow(.agreement, "node \(node.index) begins from \(anchor.height.rawValue):\(anchor.hash), which is not the block of its checkpoint") }
    node.hasAdopted = true
  }

  /// Bodies below it may go: everybody else has what lies below, or was told to begin above.
  func prunable(_ index: Int, keptBlocks kept: UInt64) -> Height {
    let head = nodes[index].store.head.height.rawValue
    let wanted = head - min(head, kept)
    guard scenario.family == .checkpoints else { return Height(wanted) }
    let others = nodes.filter { $0.index != index }
    let needed = others.map { max($0.store.head.height.rawValue, $0.beganFrom?.rawValue ?? 0) }.min() ?? head
    return Height(min(wanted, needed + 1, head))
  }

  /// Who was misled has taken nothing, and is told the right block.
  mutating func correctMisled() throws(Failure) {
    for node in nodes where node.isMisled && !node.isDead {
      if node.isHonest, node.store.head.height.rawValue > 0, node.store.anchor.map({ $0.height <= node.store.head.height }) ?? true {
        throw failureNow(.agreement, "node \(node.index) has gone beyond a false checkpoint to height \(node.store.head.height.rawValue)")
      }
      statistics.refusals += 1
      begin(node.index, from: .block(back: 3), downMilliseconds: 0)
    }
  }
}
