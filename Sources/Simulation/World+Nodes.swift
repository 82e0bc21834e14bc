import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Merkle
import Replication

extension World {
  // MARK: Life of a node

  mutating func start(_ index: Int) throws(Failure) {
    let node = nodes[index]
    guard !node.isUp, !node.isDead else { return }
    var (records, writer, condition) = node.journal.open()
    if condition == .missing, !node.hasVoted {
      // A new key: the journal comes into being before anything is signed, and the mark beside the key follows it.
      records = [.floor(epoch: Epoch(0), view: View(0), height: Height(0), blockHash: genesis.header.hash)]
      node.journal.complete(writer.append(records), oldestKept: writer.oldestKept)
      writer.synced()
      condition = .intact
    }
    if case .damaged(let reason) = condition { throw failureNow(.durability, "node \(index) takes its intact journal for damaged: \(reason)") }
    node.writer = writer
    node.incarnation += 1
    node.jobs = [[], []]
    node.timerGeneration += 1
    node.isWorkDue = false
    if case .recovery = node.trap?.moment {} else { node.trap = nil }
    node.admitted = []
    let head = node.store.head
    if node.isHonest {
      try chainLaws.reopened(
        head: head.height.rawValue, hash: head.hash, certificate: node.store.certificate(at: head.height), node: index, isWiped: node.isWiped, now: milliseconds)
    }
    node.isWiped = false
    node.hasAdopted = false
    let isLost = condition == .missing
    let replica = makeReplica(node, records: records, hasLostJournal: isLost)
    node.replica = replica
    node.shownKey = replica.key?.publicKey
    node.hasVoted = true
    trace("node \(index) starts at height \(head.height.rawValue)\(isLost ? " without its journal" : "")")
    auditor.note(1, index, now.nanoseconds, [])
    node.cosigned = lastCosigned(records)
    cosignatureLaws.started(index)
    try act(index) { $0.start(now: $1, &$2) }
    if let (header, set) = newestHead(of: node) { cosign(node, header, set) }
    for other in nodes.indices where other != index && nodes[other].isUp { agenda.add(.connect(index, other), at: now.adding(milliseconds: random.between(1, 100))) }
  }

  private func makeReplica(_ node: SimulatedNode, records: [JournalRecord], hasLostJournal: Bool) -> Replica {
    var limits = PoolLimits()
    limits.eventsMax = 4000
    limits.bytesMax = 16 << 20
    limits.perSignerPercent = 100
    var random = SeededGenerator(seed: scenario.seed ^ UInt64(node.index) << 32 ^ UInt64(node.incarnation))
    do {
      let head = node.store.head
      let tree = try MountainRange(size: head.treeSize, from: node.store.reader(of: .entries))
      let history = try MountainRange(size: head.height.rawValue, from: node.store.reader(of: .history))
      let governance = try node.store.governance(from: GovernanceState(genesis: genesis))
      var chain = Chain(tip: ChainTip(header: head, tree: tree, history: history, governance: governance), seed: random.next())
      try node.store.restoreWindow(of: &chain)
      var machine = Machine.Options(chainTag: genesis.chainTag)
      machine.baseDelayMilliseconds = scenario.baseDelayMilliseconds
      machine.skipTimeoutMilliseconds = scenario.skipTimeoutMilliseconds
      machine.signatures = signatures
      machine.nextKey = node.nextKey
      #if MOLOCH_MUTANTS
        machine.mutant = self.options.mutant
      #endif
      var state = try RestoredState(chain: chain, journal: hasLostJournal ? .lost : .records(records), from: node.store)
      state.newestHead = newestHead(of: node)
      let seed = Bytes32(random.next(), random.next(), random.next(), random.next())
      let options = Replica.Options(machine: machine, origin: genesis.origin, seed: seed)
      let replica = Replica(state, pool: EventPool(limits: limits, seed: random.next()), key: node.key, options: options, now: now)
      replica.rebroadcastMilliseconds = scenario.rebroadcastMilliseconds
      return replica
    } catch { preconditionFailure("the simulated store holds what was put into it: \(error)") }
  }

  /// The process ends here and now.
  mutating func crash(_ index: Int, downMilliseconds: UInt64) {
    let node = nodes[index]
    guard node.isUp else { return }
    statistics.crashes += 1
    trace("node \(index) crashes")
    auditor.note(2, index, now.nanoseconds, [])
    for line in node.jobs { if let first = line.first { tear(node, first) } }
    node.jobs = [[], []]
    node.floors = []
    node.replica = nil
    node.writer = nil
    node.incarnation += 1
    node.admitted = []
    for other in nodes.indices where node.links[other] != nil { dropLink(index, other) }
    if !node.isDead { agenda.add(.start(node: index), at: now.adding(milliseconds: max(1, downMilliseconds))) }
  }

  /// What was being written when the process ended is there in part; what waited behind it is not.
  private mutating func tear(_ node: SimulatedNode, _ job: SimulatedNode.DiskJob) {
    switch job {
    case .journal(let write, let records, let oldest, _):
      if random.happens(min(300_000, scenario.landing)) { node.journal.complete(write, oldestKept: oldest) } else { node.journal.tear(write, oldestKept: oldest, &random) }
      // What of it landed binds the node, and so may be said after a restart.
      record(records, node)
    case .store(let block): if random.happens(scenario.landing) { apply { () throws(StoreError) in try node.store.store(block) } }
    case .persist(let commits, _, _):
      guard random.happens(scenario.landing) else { break }
      apply { () throws(StoreError) in try node.store.commit(commits) }
      loseCertificate(node)
      // A failure in it shows when the node comes back with this head.
      if node.isHonest { try? decided(commits, node.index) }
    case .adopt(let anchor): if random.happens(scenario.landing) { apply { () throws(StoreError) in try node.store.adopt(anchor) } }
    case .load: break
    }
  }

  /// The mutant `floorApartFromBlock`: the certificate of the head is a write of its own, and the crash came before it.
  private func loseCertificate(_ node: SimulatedNode) {
    #if MOLOCH_MUTANTS
      if options.mutant == .floorApartFromBlock { node.store.loseCertificate() }
    #endif
  }

  /// An honest node writes these blocks as final.
  private mutating func decided(_ commits: [BlockCommit], _ index: Int) throws(Failure) {
    for commit in commits {
      let isNew = commit.header.height.rawValue > chainLaws.height
      try chainLaws.persisted(commit, node: index, now: milliseconds)
      if isNew { try setLaws.extended(commit.block, now: milliseconds) }
    }
  }

  private func apply(_ body: () throws(StoreError) -> Void) {
    do throws(StoreError) { try body() } catch { preconditionFailure("the simulated store refuses a write: \(error)") }
  }

  private mutating func record(_ records: [JournalRecord], _ node: SimulatedNode) {
    for record in records {
      switch record {
      case .vote(let vote): votes.recorded(vote)
      case .cosignature(let size, let root, let seconds): cosignatureLaws.recorded(size: size, root: root, seconds: seconds, node: node.index)
      default: break
      }
    }
  }

  // MARK: Effects

  /// Gives the replica an input and performs what it asks for.
  mutating func act(_ index: Int, _ body: (Replica, Times, inout [ReplicaEffect]) -> Void) throws(Failure) {
    guard let replica = nodes[index].replica else { return }
    var effects: [ReplicaEffect] = []
    let node = nodes[index], wasRecovering = replica.machine.isRecovering
    body(replica, node.times(now), &effects)
    if node.noteView(replica.machine.epoch, replica.machine.view) {
      traceView(node, replica.machine)
      if node.isHonest { views.entered(replica.machine.epoch, replica.machine.view) }
    }
    if node.isHonest, statistics.steps % SimulationLimit.stepsPerMemoryCheck == 0 {
      let views = replica.machine.view.rawValue - min(replica.machine.view.rawValue, replica.machine.floor.view.rawValue)
      try memory.seen(replica.footprint, views: views, links: node.links.count { $0 != nil }, node: index, now: milliseconds)
    }
    if node.isHonest, (replica.unobtainable != nil) != node.isStranded {
      node.isStranded.toggle()
      statistics.stranded += node.isStranded ? 1 : 0
    }
    if node.isRestricted { node.isRestricted = !isFree(replica.machine) }
    for effect in effects {
      switch node.trap?.moment {
      case .effects(0): return spring(index)
      case .effects(let left): node.trap?.moment = .effects(left - 1)
      case .boundary, .handover: if isReached(node.trap, effect), random.below(2) == 0 { return spring(index) }
      case .vote, .recovery, nil: break
      }
      try perform(effect, index)
      switch (node.trap?.moment, effect) {
      case (.vote, .send(.propose, _)), (.vote, .send(.consensus(.vote), _)): return spring(index)
      case (.boundary, _), (.handover, _): if isReached(node.trap, effect) { return spring(index) }
      default: break
      }
    }
    if case .recovery(let milliseconds) = node.trap?.moment, wasRecovering, !replica.machine.isRecovering {
      agenda.add(.spring(node: index, incarnation: node.incarnation), at: now.adding(milliseconds: milliseconds + 1))
    }
    if replica.key?.publicKey != node.shownKey {
      node.shownKey = replica.key?.publicKey
      agenda.add(.rekey(node: index, incarnation: node.incarnation), at: now.adding(nanoseconds: 1))
    }
    try offerEvents(index)
    guard replica.hasWork, nodes[index].isUp, !nodes[index].isWorkDue else { return }
    nodes[index].isWorkDue = true
    agenda.add(.work(node: index, incarnation: nodes[index].incarnation), at: now.adding(nanoseconds: 200_000))
  }

  /// The effect is the one that the trap waits for: the end of an epoch, or of a set, goes to the disk.
  private func isReached(_ trap: SimulatedNode.Trap?, _ effect: ReplicaEffect) -> Bool {
    guard case .persist(let commits, _, let height) = effect else { return false }
    switch trap?.moment {
    case .boundary: return height.rawValue % UInt64(scenario.epochLength) == 0
    case .handover: return commits.contains { $0.nextSet != nil }
    default: return false
    }
  }

  private func traceView(_ node: SimulatedNode, _ machine: Machine) {
    trace("node \(node.index) enters view \(machine.epoch.rawValue)/\(machine.view.rawValue) led by \(machine.leader), back-off \(machine.viewFacts.backOff)")
  }

  /// Past the bound of its last recovery, and past the first view of the next epoch, which is barred too.
  private func isFree(_ machine: Machine) -> Bool {
    guard !machine.isRecovering else { return false }
    return machine.bound.map { Bound(epoch: Epoch($0.epoch.rawValue + 1), view: View(1)) < Bound(epoch: machine.epoch, view: machine.view) } ?? true
  }

  private mutating func perform(_ effect: ReplicaEffect, _ index: Int) throws(Failure) {
    let node = nodes[index]
    switch effect {
    case .journal(let records, let through): appendJournal(node, records, .synced(through))
    case .store(let block): enqueue(node, .store(block))
    case .persist(let commits, let floor, let height):
      // What several have signed is decided; what a sole validator has not written yet, nobody has seen.
      if node.isHonest, scenario.nodes > 1 { try decided(commits, index) }
      enqueue(node, .persist(commits, floor, height))
    case .send(let message, let destination): try send(message, destination, index)
    case .adopt(let anchor):
      if node.isHonest { try adopted(anchor, by: node) }
      enqueue(node, .adopt(anchor))
    case .load(let query): enqueue(node, .load(query))
    case .fill: preconditionFailure("simulated nodes look for no bodies")
    case .setTimer(let instant):
      node.timerGeneration += 1
      if instant != .distantFuture {
        agenda.add(.timer(node: index, incarnation: node.incarnation, generation: node.timerGeneration), at: max(instant, now.adding(nanoseconds: 1)))
      }
    case .final(let block):
      cosign(node, block.header, block.validators)
      guard node.isHonest else { return }
      trace("node \(index) reports height \(block.header.height.rawValue)")
      try chainLaws.reported(block.header, block.hash, node: index, now: milliseconds)
    case .evidence(_, _): statistics.evidence += 1
    // Without a listening window only rule R14 decides who signs.
    case .standing: preconditionFailure("a simulated validator has no listening window")
    case .checkpoint(let head):
      guard node.isHonest else { return }
      keep(head)
      let header = chainLaws.header(ofSize: head.size)
      try cosignatureLaws.published(head, head: header, set: try set(of: header), node: index, now: milliseconds)
    case .penalise(let link, let fault):
      guard let peer = node.peer(of: link) else { return }
      trace("node \(index) penalises node \(peer) for \(fault)")
      if node.isHonest && nodes[peer].isHonest { throw failureNow(.injustice, "node \(index) finds node \(peer) guilty of \(fault)") }
      breakLink(index, peer, milliseconds: 1000)
    case .unknownProtocol: preconditionFailure("simulated chains keep their version of the protocol")
    case .halt(let reason):
      if node.isHonest, !node.isMisled { throw failureNow(.halt, "node \(index) halts: \(reason)") }
      crash(index, downMilliseconds: 500)
    }
  }

  // MARK: Disk

  mutating func appendJournal(_ node: SimulatedNode, _ records: [JournalRecord], _ answer: SimulatedNode.DiskJob.Answer) {
    for record in records { if case .vote(let vote) = record { votes.made(vote, hasBody: node.hasBody(of: vote)) } }
    let records = node.floors + records
    node.floors = []
    guard let write = node.writer?.append(records), let oldest = node.writer?.oldestKept else { return }
    // The journal's jobs are done one after the other, each a barrier of its own.
    node.writer?.synced()
    enqueue(node, .journal(write, records: records, oldestKept: oldest, answer))
  }

  private mutating func enqueue(_ node: SimulatedNode, _ job: SimulatedNode.DiskJob) {
    node.jobs[job.line].append(job)
    if node.jobs[job.line].count == 1 { schedule(node, job.line) }
  }

  private mutating func schedule(_ node: SimulatedNode, _ line: Int) {
    let microseconds = random.between(50, 900) * node.diskFactors[line]
    agenda.add(.disk(node: node.index, incarnation: node.incarnation, line: line), at: now.adding(nanoseconds: microseconds * 1000))
  }

  mutating func diskDone(_ index: Int, _ line: Int) throws(Failure) {
    let node = nodes[index]
    guard !node.jobs[line].isEmpty else { return }
    let job = node.jobs[line].removeFirst()
    if !node.jobs[line].isEmpty { schedule(node, line) }
    switch job {
    case .journal(let write, let records, let oldest, let answer):
      node.journal.complete(write, oldestKept: oldest)
      record(records, node)
      switch answer {
      case .synced(let through): try act(index) { $0.journalSynced(through, now: $1, &$2) }
      case .persisted(let height): try persisted(node, height)
      case .cosigned(let cosignature): try act(index) { $0.cosigned(cosignature, now: $1, &$2) }
      }
    case .store(let block):
      apply { () throws(StoreError) in try node.store.store(block) }
      let hash = block.hash
      try act(index) { $0.stored(hash, now: $1, &$2) }
    case .persist(let commits, let floor, let height):
      apply { () throws(StoreError) in try node.store.commit(commits) }
      if node.isHonest { try decided(commits, index) }
      guard !floor.isAwaited else { return appendJournal(node, [floor.record], .persisted(height)) }
      node.floors = [floor.record]
      try persisted(node, height)
    case .adopt(let anchor): apply { () throws(StoreError) in try node.store.adopt(anchor) }
    case .load(let query):
      let answer: StoreAnswer
      do throws(StoreError) { answer = try node.store.load(query, epochLength: scenario.epochLength, chainTag: genesis.chainTag) } catch {
        preconditionFailure("the simulated store cannot be read: \(error)")
      }
      try act(index) { $0.loaded(query, answer, now: $1, &$2) }
    }
  }

  private mutating func persisted(_ node: SimulatedNode, _ height: Height) throws(Failure) {
    node.admitted.removeAll { chainLaws.heights[$0] != nil }
    try act(node.index) { $0.persisted(height, now: $1, &$2) }
  }
}
