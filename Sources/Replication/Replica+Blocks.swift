import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool

/// Proposals in and out, and the blocks that are missing.
extension Replica {
  // MARK: Out

  /// A proposal leaves with its events, or with the ids of those that have had the time to be everywhere and the records of the others.
  func send(_ proposal: Consensus.Proposal, to destination: Destination, _ now: Times, _ effects: inout [ReplicaEffect]) {
    guard !peers.isEmpty, let node = tree[proposal.block.hash] else { return }
    effects.append(.send(.propose(proposal, node.header, contents(of: node, now.monotonic)), to: destination))
  }

  private func contents(of node: BlockTree.Node, _ now: Instant) -> BlockContents {
    let block = node.candidate.block
    // The positions of the pool's events are those of the block only if every one was pending when it was built.
    guard block.body.count > ReplicationLimit.compactBytesMin, node.held.count == node.candidate.ids.count else { return .body(block.body) }
    let place = settledPlace(now)
    let young = pool.positions(of: node.held) { event, admitted in
      let own = log.place(of: event)
      return own > 0 ? own > place : now.milliseconds(since: admitted) < ReplicationLimit.gossipLeadMilliseconds
    }
    guard 2 * young.count < node.held.count else { return .body(block.body) }
    var records: [UInt8] = []
    for position in young { records += block.body[block.offsets[position]..<block.offsets[position + 1]] }
    return .ids(node.candidate.ids, records: records)
  }

  // MARK: In

  func proposed(
    _ proposal: Consensus.Proposal, _ header: BlockHeader, _ contents: BlockContents, _ peer: PeerLink, _ now: Times, _ effects: inout [ReplicaEffect]
  ) {
    let hash = proposal.block.hash
    guard BlockReference(header, hash: header.hash) == proposal.block else { return effects.append(.penalise(peer, .malformed)) }
    var isAwaited = false
    // The machine takes a proposal from its leader alone, and so are its contents taken: anybody can repeat one with others.
    let isLeader = peers.contains { $0.link == peer && $0.validator == proposal.vote.publicKey }
    if isLeader, tree[hash] == nil, header.height > chain.tip.header.height {
      let index = arrival(hash, sources: [peer], now)
      if let index, arrivals[index].block == nil {
        isAwaited = arrivals[index].isWanted || arrivals[index].isFetched
        arrivals[index].header = header
        switch contents {
        case .ids(let ids, let records):
          arrivals[index].ids = ids
          arrivals[index].author = peer
          if !take(records, index) { effects.append(.penalise(peer, .malformed)) }
        case .body(let body):
          if let block = try? Block(header: header, body: body) {
            arrivals[index].block = block
            arrivals[index].sender = peer
          } else {
            effects.append(.penalise(peer, .malformed))
          }
        }
      }
    }
    // A proposal that is said again may bring what was asked for; the machine knows it and asks for nothing.
    if isAwaited, let index = arrivals.firstIndex(where: { $0.hash == hash }) {
      if arrivals[index].block == nil { assembleArrival(index) }
      if arrivals[index].block != nil { advance(hash, now, &effects) }
    }
    step(.received(.proposal(proposal), from: peer), now, &effects)
    // The machine takes one proposal of each view from its leader: what it has no use for is not kept.
    arrivals.removeAll { $0.hash == hash && !$0.isWanted && !$0.isFetched && !machine.knows(hash) }
  }

  /// The entry of a block that is on its way, made when it is missing; nil when the table is full.
  private func arrival(_ hash: Digest, sources: [PeerLink], _ now: Times) -> Int? {
    if let index = arrivals.firstIndex(where: { $0.hash == hash }) {
      for peer in sources where !arrivals[index].sources.contains(peer) { arrivals[index].sources.append(peer) }
      return index
    }
    guard arrivals.count < ReplicationLimit.arrivalsMax else { return nil }
    arrivals.append(Arrival(hash: hash, sources: sources, began: now.monotonic))
    return arrivals.count - 1
  }

  /// The machine wants a verdict.
  func validate(_ block: BlockReference, _ now: Times, _ effects: inout [ReplicaEffect]) {
    if tree[block.hash] != nil || block.hash == chain.tip.hash { return step(.validated(block.hash, .valid), now, &effects) }
    guard let index = arrival(block.hash, sources: [], now) else {
      // No room: the machine asks for the verdict again.
      let later = Timestamp(milliseconds: now.wall.rawValue + ReplicationLimit.askMilliseconds)
      return step(.validated(block.hash, .notBefore(later)), now, &effects)
    }
    arrivals[index].isWanted = true
    advance(block.hash, now, &effects)
  }

  /// The machine wants the bytes of a block that a certificate names.
  func fetch(_ hash: Digest, from sources: [PeerLink], _ now: Times, _ effects: inout [ReplicaEffect]) {
    if let node = tree[hash] { return step(.available(BlockReference(node.candidate.block)), now, &effects) }
    guard let index = arrival(hash, sources: sources, now) else { return }
    arrivals[index].isFetched = true
    advance(hash, now, &effects)
  }

  /// Goes on with a block as far as what is here allows.
  private func advance(_ hash: Digest, _ now: Times, _ effects: inout [ReplicaEffect]) {
    guard let index = arrivals.firstIndex(where: { $0.hash == hash }) else { return }
    if arrivals[index].block == nil { assembleArrival(index) }
    if arrivals[index].block == nil, !arrivals[index].ids.isEmpty, !backlog.isEmpty {
      // What is missing was probably sent before the proposal, and waits here for its verification.
      admitGossip(isNeeded: true, now, &effects)
      collectFresh(now)
      takeUnderWay(index)
      assembleArrival(index)
    }
    guard let block = arrivals[index].block else { return ask(index, now, &effects) }
    arrivals[index].deadline = .distantFuture
    if arrivals[index].isFetched, !arrivals[index].isAnnounced {
      arrivals[index].isAnnounced = true
      step(.available(BlockReference(block)), now, &effects)
    }
    // The machine asks for a verdict when the parent is valid.
    guard let again = arrivals.firstIndex(where: { $0.hash == hash }), arrivals[again].isWanted, let parent = tip(of: block.header.parentHash) else { return }
    judge(block, on: parent, again, now, &effects)
  }

  private func judge(_ block: Block, on parent: ChainTip, _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    let arrival = arrivals[index]
    let candidate: Candidate
    do {
      candidate = try chain.validate(block, on: parent, batch: &batch) { pool.isVerified($0, $1) }
    } catch {
      return refuse(error, index, now, &effects)
    }
    arrivals.remove(at: index)
    var held = spareProposals.popLast() ?? Mempool.Proposal()
    pool.hold(candidate.ids, in: &held)
    insert(BlockTree.Node(candidate: candidate, held: held, began: arrival.began, storage: .absent))
    step(.validated(arrival.hash, .valid), now, &effects)
  }

  /// Adds a block. When nothing becomes final for long, those that the machine has forgotten make room.
  func insert(_ node: BlockTree.Node) {
    if tree.nodes.count >= ReplicationLimit.candidatesMax {
      for forgotten in tree.drop(where: { !machine.knows($0) }) { release(forgotten.held) }
    }
    tree.insert(node)
  }

  /// A block fails a check: either its bytes are not those that its hash stands for, or the block itself is invalid.
  private func refuse(_ violation: BlockViolation, _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    let arrival = arrivals[index]
    let isForeign =
      switch violation {
      case .bodyLayout, .eventsRoot, .event(_, .format): true
      default: false
      }
    // Wrong bytes say nothing about the block, whoever sent them: a leader may give others the right ones. And an id does not cover the signature, so that
    // the pool's entry may differ from the proposed one. Asked for as a whole, the block shows what is true; when nobody has it, the view's timers end the wait.
    if isForeign {
      if arrival.ids.isEmpty, let sender = arrival.sender { effects.append(.penalise(sender, .malformed)) }
      arrivals[index].block = nil
      arrivals[index].ids = []
      arrivals[index].isAnnounced = false
      return ask(index, now, &effects)
    }
    arrivals.remove(at: index)
    if arrival.isWanted { step(.validated(arrival.hash, .invalid), now, &effects) }
  }

  // MARK: What is missing

  /// Puts a block together from its ids, when pool and answers have them all.
  private func assembleArrival(_ index: Int) {
    guard let header = arrivals[index].header, arrivals[index].ids.count == Int(header.eventCount) else { return }
    var body: [UInt8] = []
    for id in arrivals[index].ids {
      if pool.append(id, to: &body) { continue }
      guard let record = arrivals[index].records[id] else { return }
      body += record
    }
    arrivals[index].block = try? Block(header: header, body: body)
  }

  /// Asks for what is missing of a block: single events of the proposer first, then the whole block of one peer after the other.
  private func ask(_ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    let everybody = peers.map(\.link)
    let sources = arrivals[index].sources + peers.filter { $0.validator != nil }.map(\.link)
    let choices = sources.filter { everybody.contains($0) }
    guard !choices.isEmpty || !everybody.isEmpty else {
      arrivals[index].deadline = now.monotonic.adding(milliseconds: ReplicationLimit.askMillisecondsMax)
      return
    }
    let peer = choices.isEmpty ? everybody[arrivals[index].attempts % everybody.count] : choices[arrivals[index].attempts % choices.count]
    let hash = arrivals[index].hash
    let missing = arrivals[index].ids.indices.filter { pool.lookup(arrivals[index].ids[$0]) == nil && arrivals[index].records[arrivals[index].ids[$0]] == nil }
    if arrivals[index].attempts == 0, !missing.isEmpty {
      effects.append(.send(.getEvents(block: hash, positions: missing.map { UInt16($0) }), to: .peer(peer)))
    } else {
      effects.append(.send(.getBlock(hash), to: .peer(peer)))
    }
    arrivals[index].asked = peer
    arrivals[index].deadline = now.monotonic.adding(milliseconds: arrivals[index].patience)
    arrivals[index].attempts += 1
  }

  /// Asks other peers for what did not come in time.
  func askAgain(_ now: Times, _ effects: inout [ReplicaEffect]) {
    // What nobody has sent in so many attempts is given up: the machine asks for bytes again when it still needs them, but for a verdict only once.
    arrivals.removeAll { $0.attempts > 40 && $0.deadline <= now.monotonic && !($0.isWanted && machine.knows($0.hash)) }
    for index in arrivals.indices where arrivals[index].deadline <= now.monotonic { ask(index, now, &effects) }
  }

  func receivedBlock(_ block: Block, _ peer: PeerLink, _ now: Times, _ effects: inout [ReplicaEffect]) {
    guard let index = arrivals.firstIndex(where: { $0.hash == block.hash }), arrivals[index].block == nil else { return }
    arrivals[index].header = block.header
    arrivals[index].block = block
    arrivals[index].sender = peer
    arrivals[index].ids = []
    advance(block.hash, now, &effects)
  }

  func receivedEvents(_ hash: Digest, _ records: [UInt8], _ peer: PeerLink, _ now: Times, _ effects: inout [ReplicaEffect]) {
    guard let index = arrivals.firstIndex(where: { $0.hash == hash }), arrivals[index].block == nil, !arrivals[index].ids.isEmpty,
      arrivals[index].asked == peer || arrivals[index].author == peer
    else { return }
    guard take(records, index) else {
      // Who named the events contradicts itself. Of another the records may be right and the names wrong: the block as a whole shows what is true.
      if arrivals[index].author == peer { effects.append(.penalise(peer, .malformed)) }
      arrivals[index].ids = []
      return ask(index, now, &effects)
    }
    advance(hash, now, &effects)
  }

  /// Keeps records of a block that is put together from its ids. False when there are others among them.
  private func take(_ records: [UInt8], _ index: Int) -> Bool {
    guard !records.isEmpty else { return true }
    let wanted = Set(arrivals[index].ids)
    var offset = 0
    while offset < records.count {
      guard let record = try? Record(parsing: records.bytes, at: offset), wanted.contains(record.id) else { return false }
      arrivals[index].records[record.id] = Array(records[offset..<offset + record.byteCount])
      offset += record.byteCount
    }
    return true
  }

  // MARK: Answers

  func answerBlock(_ hash: Digest, _ peer: PeerLink, _ effects: inout [ReplicaEffect]) {
    if let node = tree[hash] { return effects.append(.send(.block(node.candidate.block), to: .peer(peer))) }
    if let block = decided.first(where: { $0.commit.hash == hash && $0.commit.block.isWhole }) { return effects.append(.send(.block(block.commit.block), to: .peer(peer))) }
    load(.block(hash, peer), &effects)
  }

  func answerEvents(_ hash: Digest, _ positions: [UInt16], _ peer: PeerLink, _ effects: inout [ReplicaEffect]) {
    guard let block = tree[hash]?.candidate.block ?? decided.first(where: { $0.commit.hash == hash && $0.commit.block.isWhole })?.commit.block else { return }
    var records: [UInt8] = []
    for position in positions {
      guard Int(position) < block.offsets.count - 1 else { return effects.append(.penalise(peer, .malformed)) }
      records += block.body[block.offsets[Int(position)]..<block.offsets[Int(position) + 1]]
    }
    effects.append(.send(.blockEvents(block: hash, records: records), to: .peer(peer)))
  }
}
