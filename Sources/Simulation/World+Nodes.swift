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
    guard !node.isUp else { return }
    let (records, writer, condition) = node.journal.open()
    if case .damaged(let reason) = condition { throw failureNow(.durability, "node \(index) takes its intact journal for damaged: \(reason)") }
    node.writer = writer
    node.incarnation += 1
    node.jobs = []
    node.timerGeneration += 1
    node.effectsToCrash = nil
    node.admitted = []
    let head = node.store.head
    if node.isHonest {
      try chainLaws.reopened(head: head.height.rawValue, hash: head.hash, node: index, isWiped: node.isWiped, now: milliseconds)
    }
    node.isWiped = false
    let isLost = condition == .missing && node.hasVoted
    let replica = makeReplica(node, records: records, hasLostJournal: isLost)
    node.replica = replica
    node.hasVoted = true
    trace("node \(index) starts at height \(head.height.rawValue)\(isLost ? " without its journal" : "")")
    auditor.note(1, index, now.nanoseconds, [])
    try act(index) { $0.start(now: $1, &$2) }
    for other in nodes.indices where other != index && nodes[other].isUp { agenda.add(.connect(index, other), at: now.adding(milliseconds: random.between(1, 100))) }
  }

  private func makeReplica(_ node: SimulatedNode, records: [JournalRecord], hasLostJournal: Bool) -> Replica {
    var limits = PoolLimits()
    limits.eventsMax = 4000
    limits.bytesMax = 16 << 20
    limits.perSignerPercent = 100
    var random = SeededGenerator(seed: scenario.seed ^ UInt64(node.index) << 32 ^ UInt64(node.incarnation))
    do {
      let restored = try RestoredState(
        store: node.store, genesis: genesis, records: records, hasLostJournal: hasLostJournal, seed: random.next())
      var machine = Machine.Options(chainTag: genesis.chainTag, parameters: genesis.parameters)
      machine.baseDelayMilliseconds = scenario.baseDelayMilliseconds
      return Replica(
        restored: restored, pool: EventPool(limits: limits, seed: random.next()), key: node.key, options: Replica.Options(machine: machine),
        seed: Bytes32(random.next(), random.next(), random.next(), random.next()), now: node.times(now))
    } catch { preconditionFailure("the simulated store holds what was put into it: \(error)") }
  }

  /// The process ends here and now.
  mutating func crash(_ index: Int, downMilliseconds: UInt64) {
    let node = nodes[index]
    guard node.isUp else { return }
    statistics.crashes += 1
    trace("node \(index) crashes")
    auditor.note(2, index, now.nanoseconds, [])
    if let first = node.jobs.first { tear(node, first) }
    node.jobs = []
    node.replica = nil
    node.writer = nil
    node.incarnation += 1
    node.effectsToCrash = nil
    node.admitted = []
    for other in nodes.indices where node.links[other] != nil { dropLink(index, other) }
    agenda.add(.start(node: index), at: now.adding(milliseconds: max(1, downMilliseconds)))
  }

  /// What was being written when the process ended is there in part; what waited behind it is not.
  private mutating func tear(_ node: SimulatedNode, _ job: SimulatedNode.DiskJob) {
    switch job {
    case .journal(let write, let records, _, let oldest):
      if random.happens(300_000) {
        node.journal.complete(write, oldestKept: oldest)
        record(records)
      } else {
        node.journal.tear(write, oldestKept: oldest, &random)
        // What of it landed binds the node, and so may be said again after a restart.
        record(records)
      }
    case .store(let block): if random.happens(500_000) { apply { () throws(StoreError) in try node.store.store(block) } }
    case .persist(let commits, _): if random.happens(500_000) { apply { () throws(StoreError) in try node.store.commit(commits) } }
    case .load: break
    }
  }

  private func apply(_ body: () throws(StoreError) -> Void) {
    do throws(StoreError) { try body() } catch { preconditionFailure("the simulated store refuses a write: \(error)") }
  }

  private mutating func record(_ records: [JournalRecord]) {
    for record in records { if case .vote(let vote) = record { votes.recorded(vote) } }
  }

  // MARK: Effects

  /// Gives the replica an input and performs what it asks for.
  mutating func act(_ index: Int, _ body: (Replica, Times, inout [ReplicaEffect]) -> Void) throws(Failure) {
    guard let replica = nodes[index].replica else { return }
    var effects: [ReplicaEffect] = []
    body(replica, nodes[index].times(now), &effects)
    for effect in effects {
      if let left = nodes[index].effectsToCrash {
        if left == 0 { return crash(index, downMilliseconds: nodes[index].downMillisecondsAfterCrash) }
        nodes[index].effectsToCrash = left - 1
      }
      try perform(effect, index)
    }
  }

  private mutating func perform(_ effect: ReplicaEffect, _ index: Int) throws(Failure) {
    let node = nodes[index]
    switch effect {
    case .journal(let records, let through): appendJournal(node, records, through)
    case .store(let block): enqueue(node, .store(block))
    case .persist(let commits, let records, let height):
      if node.isHonest { for commit in commits { try chainLaws.persisted(commit, node: index, now: milliseconds) } }
      enqueue(node, .persist(commits, height))
      if !records.isEmpty { appendJournal(node, records, nil) }
    case .send(let message, let destination): try send(message, destination, index)
    case .load(let query): enqueue(node, .load(query))
    case .setTimer(let instant):
      node.timerGeneration += 1
      if instant != .distantFuture {
        agenda.add(.timer(node: index, incarnation: node.incarnation, generation: node.timerGeneration), at: max(instant, now.adding(nanoseconds: 1)))
      }
    case .final(let block):
      guard node.isHonest else { return }
      trace("node \(index) reports height \(block.header.height.rawValue)")
      try chainLaws.reported(block.header, block.hash, node: index, now: milliseconds)
    case .evidence: statistics.evidence += 1
    case .penalise(let link, let fault):
      guard let peer = node.peer(of: link) else { return }
      trace("node \(index) penalises node \(peer) for \(fault)")
      if node.isHonest && nodes[peer].isHonest { throw failureNow(.injustice, "node \(index) finds node \(peer) guilty of \(fault)") }
      breakLink(index, peer, milliseconds: 1000)
    case .halt(let reason):
      if node.isHonest { throw failureNow(.halt, "node \(index) halts: \(reason)") }
      crash(index, downMilliseconds: 500)
    }
  }

  // MARK: Disk

  private mutating func appendJournal(_ node: SimulatedNode, _ records: [JournalRecord], _ through: UInt64?) {
    guard let write = node.writer?.append(records), let oldest = node.writer?.oldestKept else { return }
    // Jobs are done one after the other, each a barrier of its own.
    node.writer?.synced()
    enqueue(node, .journal(write, records: records, through: through, oldestKept: oldest))
  }

  private mutating func enqueue(_ node: SimulatedNode, _ job: SimulatedNode.DiskJob) {
    node.jobs.append(job)
    if node.jobs.count == 1 { schedule(node) }
  }

  private mutating func schedule(_ node: SimulatedNode) {
    let microseconds = random.between(50, 900) * node.diskFactor
    agenda.add(.disk(node: node.index, incarnation: node.incarnation), at: now.adding(nanoseconds: microseconds * 1000))
  }

  mutating func diskDone(_ index: Int) throws(Failure) {
    let node = nodes[index]
    guard !node.jobs.isEmpty else { return }
    let job = node.jobs.removeFirst()
    if !node.jobs.isEmpty { schedule(node) }
    switch job {
    case .journal(let write, let records, let through, let oldest):
      node.journal.complete(write, oldestKept: oldest)
      record(records)
      if let through { try act(index) { $0.journalSynced(through, now: $1, &$2) } }
    case .store(let block):
      apply { () throws(StoreError) in try node.store.store(block) }
      let hash = block.hash
      try act(index) { $0.stored(hash, now: $1, &$2) }
    case .persist(let commits, let height):
      apply { () throws(StoreError) in try node.store.commit(commits) }
      node.admitted.removeAll { chainLaws.heights[$0] != nil }
      try act(index) { $0.persisted(height, now: $1, &$2) }
    case .load(let query):
      let answer: StoreAnswer
      do throws(StoreError) { answer = try query.answer(from: node.store) } catch { preconditionFailure("the simulated store cannot be read: \(error)") }
      try act(index) { $0.loaded(answer, now: $1, &$2) }
    }
  }
}
