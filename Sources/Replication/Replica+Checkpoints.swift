import Ambient
import Audit
public import Consensus

extension Replica {
  /// This validator has cosigned a tree head, and the record of it is synced in its journal. Size and time never decrease from one call to the next.
  public func cosigned(_ cosignature: Cosignature, now: Times, _ effects: inout [ReplicaEffect]) {
    cosignatures.addOwn(cosignature, now: now.monotonic)
    if !peers.isEmpty { effects.append(.send(.cosignature(cosignature), to: .all)) }
    publish(&effects)
    finish(now, &effects)
  }

  /// A peer's cosignature. Who cosigns what this node has cosigned long ago was away then, and has missed it: nothing else would bring it until the next
  /// block with events.
  func receivedCosignature(_ cosignature: Cosignature, _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    let link = peers[index].link
    if cosignatures.add(cosignature, from: link, head: durable.header.treeSize) == .refused { effects.append(.penalise(link, .badSignature)) }
    if cosignature.size > peers[index].cosigned {
      peers[index].cosigned = cosignature.size
      if let (own, since) = cosignatures.own, own.size >= cosignature.size,
        now.monotonic.milliseconds(since: since) >= ReplicationLimit.cosignatureRepeatMilliseconds
      {
        effects.append(.send(.cosignature(own), to: .peer(link)))
      }
    }
    publish(&effects)
  }

  func publish(_ effects: inout [ReplicaEffect]) {
    if let head = cosignatures.take() { effects.append(.checkpoint(head)) }
  }
}
