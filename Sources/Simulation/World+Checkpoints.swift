import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Replication

// Cosignatures, as the driver of a node makes them: of final heads that are on disk, each behind its own record in the vote journal.
extension World {
  /// The newest final block with events in a node's store, and the set of its height.
  func newestHead(of node: SimulatedNode) -> (header: BlockHeader, validators: ValidatorSet)? {
    var height = node.store.head.height.rawValue
    while height > 0, let header = node.store.header(at: Height(height)) {
      if header.eventCount > 0, let set = try? node.store.validators(at: header.height, genesis: genesis.validators) { return (header, set) }
      height -= 1
    }
    return nil
  }

  /// The last cosignature in the journal of a starting node.
  func lastCosigned(_ records: [JournalRecord]) -> Cosignature.Mark? {
    #if MOLOCH_MUTANTS
      if options.mutant == .cosignaturesForgotten { return nil }
    #endif
    var last: Cosignature.Mark?
    for case .cosignature(let size, let root, let seconds) in records { last = (size, root, seconds) }
    return last
  }

  mutating func cosign(_ node: SimulatedNode, _ header: BlockHeader, _ set: ValidatorSet) {
    guard header.eventCount > 0, let key = node.keys.first(where: { set.index(of: $0.publicKey) != nil }), let index = set.index(of: key.publicKey)
    else { return }
    let checkpoint = Checkpoint(origin: genesis.origin, size: header.treeSize, root: header.treeRoot)
    guard let seconds = Cosignature.time(of: checkpoint, after: node.cosigned, now: node.wall(now).rawValue / 1000) else { return }
    let line = checkpoint.cosignature(key, name: "\(genesis.domain)/\(set.validators[index].name)", seconds: seconds)
    node.cosigned = (checkpoint.size, checkpoint.root, seconds)
    let cosignature = Cosignature(size: checkpoint.size, root: checkpoint.root, validator: index, seconds: seconds, signature: line.signature)
    appendJournal(node, [.cosignature(size: checkpoint.size, root: checkpoint.root, seconds: seconds)], .cosigned(cosignature))
  }

  /// The set of a block of the chain.
  func set(of header: BlockHeader?) throws(Failure) -> ValidatorSet {
    guard let header else { return genesis.validators }
    return try setLaws.set(of: genesis.parameters.epoch(of: header.height), now: milliseconds)
  }
}
