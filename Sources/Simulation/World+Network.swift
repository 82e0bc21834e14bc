import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Replication

extension World {
  // MARK: Links

  mutating func connect(_ a: Int, _ b: Int) throws(Failure) {
    guard nodes[a].isUp, nodes[b].isUp, nodes[a].links[b] == nil else { return }
    // A connection needs both directions.
    guard !network.isCut(a, b), !network.isCut(b, a) else { return agenda.add(.connect(a, b), at: now.adding(milliseconds: random.between(50, 400))) }
    for (from, to) in [(a, b), (b, a)] {
      linkNumber += 1
      nodes[from].links[to] = PeerLink(linkNumber)
    }
    auditor.note(3, a, now.nanoseconds, [UInt8(truncatingIfNeeded: b)])
    for (from, to) in [(a, b), (b, a)] {
      guard let link = nodes[from].links[to] else { continue }
      let facts = PeerFacts(validator: nodes[to].shownKey, earliestBodyHeight: nodes[to].store.earliestBodyHeight)
      try act(from) { $0.peerUp(link, facts, now: $1, &$2) }
    }
  }

  /// Both ends learn that the connection is gone; what was under way on it is lost.
  mutating func dropLink(_ a: Int, _ b: Int) {
    for (from, to) in [(a, b), (b, a)] {
      guard let link = nodes[from].links[to] else { continue }
      nodes[from].links[to] = nil
      // A replica that hears of a lost peer may have effects; a failure in them shows at the next input.
      if nodes[from].isUp { _ = try? act(from) { $0.peerDown(link, now: $1, &$2) } }
    }
  }

  mutating func breakLink(_ a: Int, _ b: Int, milliseconds: UInt64) {
    guard a != b else { return }
    dropLink(a, b)
    agenda.add(.connect(a, b), at: now.adding(milliseconds: max(1, milliseconds)))
  }

  // MARK: Messages

  mutating func send(_ message: ReplicaMessage, _ destination: Destination, _ index: Int) throws(Failure) {
    let node = nodes[index]
    let peers: [Int]
    switch destination {
    case .all: peers = nodes.indices.filter { node.links[$0] != nil }
    case .peer(let link): peers = node.peer(of: link).map { [$0] } ?? []
    case .peers(let links): peers = links.compactMap { node.peer(of: $0) }
    }
    switch message {
    case .syncRequest(let from, let count, _): trace("node \(index) asks \(peers) for \(count) blocks from \(from.rawValue)")
    case .historyRequest(let from, let count, _, let anchor): trace("node \(index) asks \(peers) for \(count) blocks from \(from.rawValue) under \(anchor.rawValue)")
    case .history(let from, let history): trace("node \(index) gives \(peers) \(history?.blocks.count ?? 0) blocks without bodies from \(from.rawValue)")
    case .syncResponse(let from, let blocks, _): trace("node \(index) gives \(peers) \(blocks.count) blocks from \(from.rawValue)")
    default: break
    }
    if node.isHonest { try watch(message, index) }
    guard var liar = node.liar, let key = node.key else {
      let (type, bytes) = message.encoded()
      return transmit(type, bytes, from: index, to: peers)
    }
    var stage = Stage(key: key, chainTag: genesis.chainTag, others: nodes.indices.filter { $0 != index }, random: node.stageRandom)
    liar.outgoing(message, to: peers, &stage)
    node.liar = liar
    leave(stage, index)
  }

  /// Gives the peers of a node the events that they have room for.
  mutating func offerEvents(_ index: Int) throws(Failure) {
    nodes[index].replica?.gossipDue = .distantFuture
    for link in nodes[index].links.compactMap({ $0 }) {
      while let replica = nodes[index].replica, let records = replica.gossip(for: link, now: now) { try send(.events(records), .peer(link), index) }
    }
    guard let due = nodes[index].replica?.gossipDue, due != .distantFuture, !nodes[index].isWorkDue else { return }
    nodes[index].isWorkDue = true
    agenda.add(.work(node: index, incarnation: nodes[index].incarnation), at: max(due, now.adding(nanoseconds: 1)))
  }

  /// Sends what a liar made up.
  private mutating func leave(_ stage: Stage, _ index: Int) {
    nodes[index].stageRandom = stage.random
    for send in stage.sends {
      statistics.lies += 1
      switch send.line {
      case .message(let message):
        let (type, bytes) = message.encoded()
        transmit(type, bytes, from: index, to: send.to, delayMilliseconds: send.delayMilliseconds)
      case .raw(let type, let bytes): transmit(type, bytes, from: index, to: send.to, delayMilliseconds: send.delayMilliseconds)
      }
    }
  }

  private mutating func transmit(_ type: UInt8, _ bytes: [UInt8], from: Int, to peers: [Int], delayMilliseconds: UInt64 = 0) {
    for peer in peers {
      guard let link = nodes[peer].links[from], nodes[from].links[peer] != nil else { continue }
      for time in network.arrivals(from: from, to: peer, now: now, &random) {
        agenda.add(.deliver(to: peer, from: from, link: link, type: type, bytes), at: time.adding(milliseconds: delayMilliseconds))
      }
    }
  }

  mutating func deliver(_ to: Int, _ from: Int, _ link: PeerLink, _ type: UInt8, _ bytes: [UInt8]) throws(Failure) {
    let node = nodes[to]
    // A connection that was made anew does not carry what the old one lost.
    guard node.isUp, node.links[from] == link else { return }
    auditor.note(type, to, now.nanoseconds, bytes)
    let message: ReplicaMessage
    do throws(FormatError) {
      message = try ReplicaMessage(type: type, decoding: bytes.bytes, chainTag: genesis.chainTag)
    } catch {
      if nodes[from].isHonest { throw failureNow(.injustice, "node \(to) cannot read message \(type) of honest node \(from): \(error)") }
      return breakLink(to, from, milliseconds: 500)
    }
    if var liar = node.liar, let key = node.key {
      var stage = Stage(key: key, chainTag: genesis.chainTag, others: nodes.indices.filter { $0 != to }, random: node.stageRandom)
      liar.incoming(message, from: from, &stage)
      node.liar = liar
      leave(stage, to)
    }
    try act(to) { $0.received(message, from: link, now: $1, &$2) }
  }

  /// Looks at what an honest node says.
  private mutating func watch(_ message: ReplicaMessage, _ index: Int) throws(Failure) {
    let own = nodes[index].keys.map(\.publicKey)
    switch message {
    case .consensus(.vote(let vote)) where own.contains(vote.publicKey):
      trace("node \(index) says \(vote.vote.kind) \(vote.vote.epoch.rawValue)/\(vote.vote.view.rawValue)")
      try released(vote, hasBody: nodes[index].hasBody(of: vote))
    case .propose(let proposal, _, _):
      if own.contains(proposal.vote.publicKey) { try released(proposal.vote, hasBody: true) }
      for certificate in proposal.justification { try shown(certificate) }
    case .consensus(.certificate(let certificate)): try shown(certificate)
    case .syncResponse(_, _, let certificate?): try shown(certificate)
    case .history(_, let history?): try shown(history.certificate)
    case .cosignature(let cosignature):
      let header = chainLaws.header(ofSize: cosignature.size)
      try cosignatureLaws.released(cosignature, head: header, set: try set(of: header), node: index, now: milliseconds)
    case .boundaries(let boundaries):
      for boundary in boundaries { try shown(boundary.certificate) }
      try setLaws.shown(boundaries, now: milliseconds)
    default: break
    }
  }

  private mutating func released(_ vote: SignedVote, hasBody: Bool) throws(Failure) {
    try votes.released(vote, hasBody: hasBody, now: milliseconds)
    try setLaws.released(vote, now: milliseconds)
  }

  /// Every certificate is one of the set of its epoch.
  private mutating func shown(_ certificate: Certificate) throws(Failure) {
    try certificates.shown(certificate, set: try setLaws.set(of: certificate.vote.epoch, now: milliseconds), now: milliseconds)
  }

  // MARK: Events

  /// Where the story is one of a node that has missed the end, whoever is cut off from its peers is cut off from its clients too.
  private func isReachable(_ index: Int) -> Bool {
    nodes.indices.contains { $0 != index && !network.isCut(index, $0) && !network.isCut($0, index) }
  }

  mutating func submit() throws(Failure) {
    guard healed == nil, now.adding(milliseconds: scenario.quietMilliseconds) <= scenario.healsAt else { return }
    agenda.add(.submit, at: now.adding(nanoseconds: random.between(1, 2_000_000_000 / scenario.eventsPerSecond)))
    let index = Int(random.below(UInt64(scenario.nodes)))
    let node = nodes[index]
    guard let replica = node.replica, scenario.family != .idle || isReachable(index) else { return }
    let (record, id, statement) = workload.next(at: Timestamp(milliseconds: now.milliseconds), &random)
    let admission = replica.pool.admit(record.bytes, id: id, statement: statement, reactor: 0, now: now)
    guard case .accepted = admission else { return }
    statistics.events += 1
    if node.isHonest { node.admitted.append(id) }
    try act(index) { $0.collect(now: $1, &$2) }
  }
}
