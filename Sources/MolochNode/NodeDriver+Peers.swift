import API
import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import PeerWire
import Peering
import Reactor
import Replication

extension NodeDriver {
  /// Hands what peers said and did to the replica.
  func takePeeringEvents(_ loop: Loop) {
    guard !network.events.isEmpty else { return }
    let events = network.events
    network.events.removeAll(keepingCapacity: true)
    for event in events {
      switch event {
      case .up(let link, let facts):
        log.info("peering", "peer connected", [("peer", facts.peer.text), ("direction", facts.direction.rawValue), ("height", "\(facts.headHeight)")])
        let known = Replication.PeerFacts(
          validator: facts.validator, head: Height(facts.headHeight), earliestBodyHeight: Height(facts.earliestBodyHeight),
          speaksVersion2: facts.protocolVersion >= ReplicaMessageType.historyProtocol, speaksVersion3: facts.protocolVersion >= ReplicaMessageType.partsProtocol)
        replica?.peerUp(PeerLink(link.rawValue), known, now: times(loop), &effects)
      case .received(let link, let type, let bytes): received(type, bytes, link, loop)
      case .tooLong(let link, let type, let byteCount, let max):
        log.error(
          "peering", "a message is too long to be sent: the connection ends",
          [("link", "\(link.rawValue)"), ("type", "\(type)"), ("bytes", "\(byteCount)"), ("max", "\(max)")])
      case .down(let link, let peer, let reason):
        log.info("peering", "peer gone", [("peer", peer.text), ("reason", reason.name)])
        replica?.peerDown(PeerLink(link.rawValue), now: times(loop), &effects)
      case .refused(let rejection):
        log.notice(
          "peering", "handshake refused",
          [("peer", rejection.peer?.text ?? "-"), ("address", rejection.address.map { "\($0)" } ?? "-"), ("reason", rejection.reason.name), ("detail", rejection.text)])
      }
    }
  }

  private func received(_ type: MessageType, _ bytes: [UInt8], _ link: LinkID, _ loop: Loop) {
    let message: ReplicaMessage
    do { message = try ReplicaMessage(type: type.rawValue, decoding: bytes.bytes, chainTag: home.genesis.chainTag) } catch {
      log.warn("peering", "unreadable message", [("link", "\(link.rawValue)"), ("type", "\(type)"), ("error", "\(error)")])
      return network.penalise(link, .ban, "unreadable message of type \(type)", loop)
    }
    if case .consensus(.status(let status)) = message { network.noteHead(link, height: status.finalHeight.rawValue) }
    guard !isReadOnly else { return }
    replica?.received(message, from: PeerLink(link.rawValue), now: times(loop), &effects)
  }

  func send(_ message: ReplicaMessage, _ destination: Destination, _ loop: Loop) {
    let (type, bytes) = message.encoded()
    switch destination {
    case .all: network.sendAll(MessageType(rawValue: type), bytes, loop)
    case .peer(let link): network.send(MessageType(rawValue: type), bytes, to: LinkID(rawValue: link.rawValue), loop)
    case .peers(let links): for link in links { network.send(MessageType(rawValue: type), bytes, to: LinkID(rawValue: link.rawValue), loop) }
    }
  }

  /// Sends peers the events that they have room for.
  func offerEvents(_ loop: Loop) {
    guard let replica, replica.hasGossip else { return }
    replica.gossipDue = .distantFuture
    for link in network.linksWithRoomForEvents {
      guard let records = replica.gossip(for: PeerLink(link.rawValue), now: loop.now) else { continue }
      send(.events(records), .peer(PeerLink(link.rawValue)), loop)
    }
    if replica.gossipDue != .distantFuture { comeBack(at: replica.gossipDue, loop) }
  }

  /// What Hello and Ping say of this node, and whom the network treats as validators.
  func announce(_ replica: Replica, _ loop: Loop) {
    let head = replica.durable
    network.setHead(
      HeadFacts(
        height: head.header.height.rawValue, hash: head.hash.bytes, epoch: replica.machine.epoch.rawValue, view: replica.machine.view.rawValue,
        earliestBodyHeight: gate.surroundings.earliestBodyHeight))
    let set = replica.chain.validators
    if let key = replica.key, gate.validatorKey != key.publicKey {
      log.notice("consensus", "another validator key votes from here on", [("key", "\(key.publicKey)"), ("epoch", "\(replica.machine.epoch.rawValue)")])
      gate.validatorKey = key.publicKey
      // With the set that the new key is in, the peers that vote in it are kept and dialled for ever.
      network.setValidators(set.validators.map { ValidatorPower(key: $0.publicKey, power: $0.power) })
      network.setValidatorKey(key, loop)
    }
    if announcedSet != set {
      network.setValidators(set.validators.map { ValidatorPower(key: $0.publicKey, power: $0.power) })
      logSet(set, before: announcedSet, height: head.header.height.next)
      announcedSet = set
    }
    logApprovedSets(replica)
    warnOfUnknownProtocol(replica)
  }

  /// Syncing and lag, as readiness and metrics show them.
  func note(_ facts: SyncFacts, _ loop: Loop) {
    gate.surroundings.peerCount = network.count
    gate.surroundings.sync = facts
    gate.readiness.set(.syncing, facts.isSyncing, now: loop.now)
    if let lag = facts.lag { gate.readiness.set(.lag, gate.readiness.reasons.contains(.lag) ? lag > 2 : lag > options.readyLagMax, now: loop.now) }
  }
}
