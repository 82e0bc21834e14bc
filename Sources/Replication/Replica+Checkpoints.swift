public import Audit
public import Consensus

extension Replica {
  /// The set of the height of a block that has lately become durable here; nil for older ones.
  public func validators(of header: BlockHeader) -> ValidatorSet? { cosignatures.set(of: header) }

  /// This validator has cosigned a tree head, and the record of it is synced in its journal. Size and time never decrease from one call to the next.
  public func cosigned(_ cosignature: Cosignature, now: Times, _ effects: inout [ReplicaEffect]) {
    cosignatures.addOwn(cosignature, head: durable.header.treeSize)
    if !peers.isEmpty { effects.append(.send(.cosignature(cosignature), to: .all)) }
    publish(&effects)
    finish(now, &effects)
  }

  func publish(_ effects: inout [ReplicaEffect]) {
    if let head = cosignatures.take() { effects.append(.checkpoint(head)) }
  }
}
