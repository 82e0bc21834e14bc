import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool

extension Replica {
  /// What the pool holds, for the pacing.
  private var pending: Input {
    let statistics = pool.statistics
    let blockBytes = Int(chain.parameters.blockBytesMax)
    // Where blocks wait for finality, there is no hurry to propose the next, which would hold little or nothing.
    let fills =
      (statistics.proposable >= Int(chain.parameters.eventsPerBlockMax) || statistics.proposableBytes >= blockBytes * 3 / 4)
      && tree.nodes.allSatisfy { tree.byteCount(upTo: $0.hash) <= (ReplicationLimit.unfinalBlocksMax - 1) * blockBytes }
    // What a block holds that will not become final by itself waits too, for a block that decides against it or on top of it.
    let isStranded = tree.nodes.contains { $0.held.count > 0 && !machine.isUnderWay($0.hash) }
    return .pendingChanged(hasEvents: statistics.proposable > 0 || isStranded, fillsBlock: fills, isUrgent: awaitsEpoch)
  }

  /// An approved change is to come into force soon: the blocks up to its epoch do not wait for events.
  private var awaitsEpoch: Bool {
    let governance = chain.tip.governance
    guard !governance.scheduled.isEmpty else { return false }
    let last = chain.parameters.epoch(of: chain.tip.header.height.next).rawValue + ReplicationLimit.urgentEpochs
    return governance.scheduled.contains { $0.effectiveEpoch.rawValue <= last }
  }

  func reportPending(_ now: Times, _ effects: inout [ReplicaEffect]) { step(pending, now, &effects) }

  /// Gives the machine an input, and does what it asks for until it asks for nothing more. Answers that arise meanwhile wait for their turn.
  func step(_ input: Input, _ now: Times, _ effects: inout [ReplicaEffect]) {
    inputs.append(input)
    guard !isStepping else { return }
    isStepping = true
    var wanted: [Effect] = []
    var next = 0
    while next < inputs.count {
      wanted.removeAll(keepingCapacity: true)
      machine.step(inputs[next], now: now, &wanted)
      next += 1
      for effect in wanted { perform(effect, now, &effects) }
    }
    if let height = machine.certifiedHeight, height > sync.certified ?? Height(0) { sync.certify(height) }
    inputs.removeAll(keepingCapacity: true)
    isStepping = false
  }

  private func perform(_ effect: Effect, _ now: Times, _ effects: inout [ReplicaEffect]) {
    switch effect {
    case .append(let record, let sequence):
      // Sole voter: the certificate in the store's batch is the durable form of its votes (see the header of this target).
      if machine.isSole { return step(.journalSynced(sequence), now, &effects) }
      records.append(record)
      recordsEnd = sequence
    case .send(let message, let destination, _):
      guard !peers.isEmpty, mayLeave(message) else { return }
      if case .proposal(let proposal) = message { return send(proposal, to: destination, now, &effects) }
      effects.append(.send(.consensus(message), to: destination))
    case .build(let view, let parent, let timestamp):
      if decided.count >= ReplicationLimit.blocksInFlight {
        deferredBuild = (machine.epoch, view, parent, timestamp)
      } else {
        step(.built(view, assemble(parent, timestamp, now)), now, &effects)
        step(pending, now, &effects)
      }
    case .validate(let block): validate(block, now, &effects)
    case .storeBody(let block): storeBody(block, now, &effects)
    case .fetch(let hash, _, let sources): fetch(hash, from: sources, now, &effects)
    case .requestSync(let height, _):
      sync.aim(at: height, now: now.monotonic)
      synchronise(now, &effects)
    case .setTimer(let instant): machineDeadline = instant
    case .commit(let blocks, let certificate): commit(blocks, certificate, now, &effects)
    case .evidence(let found):
      // After a restart, or from a peer, the same votes may be seen again.
      keepEvidence(found, from: nil, &effects)
      relayEvidence(now, &effects)
    case .penalise(let peer, let fault): effects.append(.penalise(peer, fault))
    // Nothing is voted on in an epoch whose rules this program does not know; `persisted` says so once its first height is the next.
    case .enterEpoch: if unknownProtocol == nil { step(.epochOpened(epochFacts), now, &effects) }
    case .standing(let change): effects.append(.standing(change))
    case .halt(let contradiction): effects.append(.halt("\(contradiction)"))
    }
  }

  /// The version of the protocol of the next height, when this program does not know it.
  var unknownProtocol: UInt32? { Self.unknownProtocol(after: chain.tip) }

  static func unknownProtocol(after tip: ChainTip) -> UInt32? {
    let version = tip.governance.parameters.protocolVersion
    return version > ProtocolVersion.newest ? version : nil
  }

  /// The facts of the epoch of the next height.
  var epochFacts: EpochFacts {
    EpochFacts(
      epoch: chain.parameters.epoch(of: chain.tip.header.height.next), set: chain.validators, parameters: chain.parameters, boundary: boundary,
      boundaryCertificate: boundaryCertificate)
  }

  /// What a sole validator has signed leaves when it is on disk, inside a finality certificate: until then nobody has seen anything that it promised.
  private func mayLeave(_ message: Message) -> Bool {
    guard machine.isSole else { return true }
    switch message {
    case .vote, .proposal: return false
    case .certificate(let certificate): return certificate.vote.kind == .finalise && certificate.vote.height <= durable.header.height
    case .getCertificate, .status, .witnessRequest, .witness: return true
    }
  }

  /// A sole validator's block is on disk: whoever follows hears of it, and asks for what is missing.
  func announce(_ block: BlockCommit, _ effects: inout [ReplicaEffect]) {
    guard machine.isSole, !peers.isEmpty, let certificate = try? Certificate(decoding: block.certificate.bytes, chainTag: chain.chainTag) else { return }
    effects.append(.send(.consensus(.certificate(certificate)), to: .all))
  }

  // MARK: Blocks

  func assemble(_ parent: BlockReference, _ timestamp: Timestamp, _ now: Times) -> BlockReference? {
    guard let tip = tip(of: parent.hash), let key else { return nil }
    let parameters = chain.parameters
    // What may become final by one certificate must find room in one message of a sync (see `ReplicationLimit.unfinalBlocksMax`).
    let room = ReplicationLimit.unfinalBlocksMax * Int(parameters.blockBytesMax) - tree.byteCount(upTo: parent.hash)
    var proposal = spareProposals.popLast() ?? Mempool.Proposal()
    let time = timestamp.rawValue
    let earliest = time > parameters.pastWindow ? time - parameters.pastWindow : 0
    pool.propose(
      eventsMax: Int(parameters.eventsPerBlockMax), bytesMax: max(0, min(Int(parameters.blockBytesMax), room)),
      timestamps: Timestamp(milliseconds: earliest)...Timestamp(milliseconds: time + parameters.futureWindow), into: &proposal)
    guard let built = pool.block(of: &proposal, on: tip, of: chain, timestamp: timestamp, proposer: key.publicKey) else {
      release(proposal)
      return nil
    }
    insert(BlockTree.Node(candidate: built, held: proposal, began: now.monotonic, storage: .absent))
    return BlockReference(built.block)
  }

  private func storeBody(_ block: BlockReference, _ now: Times, _ effects: inout [ReplicaEffect]) {
    // A sole validator writes the body together with the certificate, one synced write per block.
    if machine.isSole { return step(.bodyDurable(block.hash), now, &effects) }
    guard let node = tree[block.hash] else { return }
    switch node.storage {
    case .stored: step(.bodyDurable(block.hash), now, &effects)
    case .writing: break
    case .absent:
      tree.setStorage(.writing, of: block.hash)
      effects.append(.store(node.candidate.block))
    }
  }

  /// Applies blocks that a certificate has made final and hands them to the disk.
  private func commit(_ blocks: [BlockReference], _ certificate: Certificate, _ now: Times, _ effects: inout [ReplicaEffect]) {
    guard !isAstray else { return }
    var nodes: [BlockTree.Node] = []
    // A sync may have applied the first of them already.
    for block in blocks where block.height > chain.tip.header.height {
      guard let node = tree.take(block.hash) else { preconditionFailure("the machine commits blocks that were found valid here") }
      nodes.append(node)
    }
    let height = apply(nodes.map { ($0.candidate, $0.held, $0.storage != .absent, $0.began) }, certificate, now, &effects)
    // The chain state has moved on. A sole validator goes on at once: what waits for the disk is the answer to the clients.
    if machine.isSole { step(.applied(height), now, &effects) }
  }

  /// Makes consecutive candidates on the head final. Returns the height of the last.
  @discardableResult
  func apply(
    _ blocks: [(candidate: Candidate, held: Mempool.Proposal, isStored: Bool, began: Instant?)], _ certificate: Certificate,
    _ now: Times, _ effects: inout [ReplicaEffect]
  ) -> Height {
    guard let last = blocks.last else { return chain.tip.header.height }
    if let anchor = sync.anchor, let other = blocks.first(where: { $0.candidate.block.header.height == anchor.height })?.candidate.block, other.hash != anchor.hash {
      isAstray = true
      effects.append(.halt("the final block at height \(anchor.height.rawValue) is \(other.hash); the checkpoint that this store begins from is \(anchor.hash)"))
      return chain.tip.header.height
    }
    var commits: [BlockCommit] = []
    for block in blocks {
      let isLast = block.candidate.block.hash == last.candidate.block.hash
      // The set of the block's height: applying it may bring the next one.
      let validators = chain.validators
      let commit = chain.apply(block.candidate, certificate: isLast ? certificate.encoded : [], isStored: block.isStored)
      commits.append(commit)
      decided.append(Decided(commit: commit, validators: validators, held: block.held, began: block.began))
    }
    // Losers are let go before the winners leave the pool: an event that both hold must not be put back.
    for loser in tree.prune(head: chain.tip.hash) { release(loser.held) }
    arrivals.removeAll { $0.header.map { $0.height <= chain.tip.header.height } ?? false }
    let header = chain.tip.header
    if chain.parameters.isLastOfEpoch(header.height) {
      (boundary, boundaryCertificate) = (chain.tip.hash, certificate)
      boundaries.reached(chain.parameters.epoch(of: header.height.next), chain.validators)
    }
    sync.applied(header.height, now: now.monotonic)
    let floor = JournalRecord.floor(epoch: certificate.vote.epoch, view: certificate.vote.view, height: header.height, blockHash: chain.tip.hash)
    effects.append(.persist(commits, FloorRecord(floor, isAwaited: machine.isSole), header.height))
    return header.height
  }
}
