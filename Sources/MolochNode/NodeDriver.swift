import API
import Ambient
import Audit
import Bytes
import Configuration
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Metrics
import Peering
import Reactor
import Replication

/// What runs on the reactor thread: hands sockets to the gate and to the network of peers, time and events to the replica, and its effects to the
/// storage and journal threads and to the peers.
final class NodeDriver: Driver {
  /// Reads for peers that the storage thread has at a time; other places of its mailbox are left to clients.
  private static let loadsMax = StorageQueue.readsMax / 4
  private enum Token { static let replica: UInt64 = 1, sweep: UInt64 = 2, second: UInt64 = 3, again: UInt64 = 4 }
  /// Whom a listener serves.
  enum Listening { case gate(Audience), peers }
  /// Where the node stands in its life.
  enum Stage { case opening, serving, draining(until: Instant), finishing(until: Instant), drained, saving, ended }

  let gate: Gate
  let home: NodeHome
  var options: NodeOptions
  let storage: StorageThread
  let verification: VerificationThreads
  let network: Network
  /// Set once the loop exists, which its answers wake.
  var resolver: Resolver?
  let log: Log
  let began = MonotonicClock.now()
  var listening: [Listening] = []
  var stage = Stage.opening
  /// The drain under way ends with the process; otherwise the node stays and takes no requests.
  var isLeaving = false
  private(set) var failure: NodeFailure?
  /// The data directory is this process's own: the API may listen, and answers for liveness.
  private(set) var isClaimed = false
  /// The replica is there: everything is served.
  private(set) var isOpen = false

  private(set) var replica: Replica?
  /// Takes over from the validator key of the home with a set that names it.
  var nextValidatorKey: SigningKey?
  var effects: [ReplicaEffect] = []
  private(set) var journal: JournalThread?
  /// Validator set that the network was told of.
  var announcedSet: ValidatorSet?
  /// The newest approved change of the set that was logged.
  var loggedChange: EventID?
  /// The first epoch of an unknown version of the protocol, as the log says.
  var unknownEpoch: Epoch?
  /// Why the process ends when its peers have what it has, and when at the latest; nil while it has no reason to.
  var lingering: (reason: NodeFailure, until: Instant)?
  /// Heights of the newest tree heads, for their checkpoints.
  var newestHeads: [BlockHeader] = []
  private var replicaTimer = TimerID.none
  private var acceptedSeen: UInt64 = 0
  /// The next tick that was asked for.
  private var againTimer = TimerID.none
  private var againDue = Instant.distantFuture
  private var lastReport: Instant
  /// When the store was open.
  private(set) var opened: Instant
  var complaints = Watch()
  var backfilling = BackfillReport()
  private var missedVotes = DayCount()
  /// Reads for peers that the storage thread has.
  private var loadsUnderWay = 0
  let figures: Figures
  var supervision = Supervision()
  /// Turns of this loop with the replica in it.
  private(set) var turns: UInt64 = 0
  /// The disk is too full: the replica rests, nothing is written.
  private(set) var isReadOnly = false
  /// The replica's timer fired while it rested.
  private var owesTimer = false
  /// When the sweep should fire: what it is late by is the loop's lag.
  private var sweepDue = Instant.zero
  let reloading: Reloading
  /// Levels that an operator has changed at run time.
  var levelChanges: [LevelChange] = []
  /// When old bodies are looked for next; nil before the store is open and without `retention.auto_prune`.
  var nextPrune: Instant?
  private var savedBytes = 0
  /// A signal came while the store was still being opened.
  private var stopsWhenOpen = false

  init(
    home: NodeHome, options: NodeOptions, gate: Gate, storage: StorageThread, verification: VerificationThreads, network: Network, log: Log, figures: Figures
  ) {
    self.home = home
    self.options = options
    self.gate = gate
    self.storage = storage
    self.verification = verification
    self.network = network
    self.log = log
    lastReport = began
    opened = began
    self.figures = figures
    reloading = Reloading(options, chainTag: home.genesis.chainTag)
    nextValidatorKey = home.nextValidatorKey
    figures.metrics.mempool.capacity.set(options.poolEventsMax)
    gate.metricsText = { [unowned gate] isOpenMetrics in figures.text(gate, isOpenMetrics ? .openMetrics : .text, MonotonicClock.now()) }
    gate.peers = { [unowned self] command, loop in self.network.answer(command, loop) }
    gate.gzip = { Gzip.compress($0) }
    gate.node = { [unowned self] command, ticket, loop in self.obey(command, ticket, loop) }
  }

  func begin(_ loop: Loop) {
    armSweep(loop)
    arm(Token.second, 0, loop)
  }

  private func armSweep(_ loop: Loop) {
    sweepDue = loop.now.adding(milliseconds: APILimit.sweepMilliseconds)
    arm(Token.sweep, APILimit.sweepMilliseconds, loop)
  }

  private func arm(_ token: UInt64, _ milliseconds: UInt64, _ loop: Loop) {
    // The few timers of the driver are far below the wheel's capacity.
    precondition(loop.setTimer(loop.now.adding(milliseconds: milliseconds), token: token) != nil)
  }

  func times(_ loop: Loop) -> Times {
    Times(monotonic: loop.now, wall: Timestamp(milliseconds: WallClock.now().milliseconds))
  }

  // MARK: Sockets

  func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) {
    switch listening[Int(listener.rawValue)] {
    case .peers: network.accepted(connection, loop)
    case .gate(let audience):
      guard takes(audience), audience != .api || gate.statistics.connections < options.connections else { return loop.abort(connection) }
      gate.accepted(connection, audience: audience, loop)
    }
  }

  private func takes(_ audience: Audience) -> Bool {
    switch stage {
    case .opening, .serving, .draining: true
    case .finishing where !isLeaving, .drained: audience != .api
    default: audience == .metrics
    }
  }

  func connected(_ connection: ConnectionID, _ loop: Loop) { network.connected(connection, loop) }

  func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    network.owns(connection) ? network.received(connection, bytes, loop) : gate.received(connection, bytes, loop)
  }

  func inputEnded(_ connection: ConnectionID, _ loop: Loop) {
    network.owns(connection) ? network.inputEnded(connection, loop) : gate.inputEnded(connection, loop)
  }

  func sendDrained(_ connection: ConnectionID, _ loop: Loop) { if network.owns(connection) { network.sendDrained(connection, loop) } }

  func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) {
    network.owns(connection) ? network.closed(connection, reason, loop) : gate.closed(connection)
  }

  // MARK: Time

  func timer(_ token: UInt64, _ loop: Loop) {
    switch token {
    case Token.replica:
      replicaTimer = .none
      guard !isReadOnly else { return owesTimer = true }
      replica?.timer(now: times(loop), &effects)
    case Token.sweep:
      figures.metrics.process.loopLag[0].observe(loop.now.nanoseconds(since: sweepDue))
      gate.wallMilliseconds = WallClock.now().milliseconds
      gate.sweep(loop)
      // Nobody is dialled before there is a replica to tell: a link that came up earlier would stay unknown to it.
      if replica != nil { network.sweep(wall: gate.wallMilliseconds, loop) }
      endLingering(loop)
      advanceStage(loop)
      supervise(loop)
      armSweep(loop)
    case Token.second:
      second(loop)
      arm(Token.second, 1000, loop)
    default: (againTimer, againDue) = (.none, .distantFuture)
    }
  }

  private func second(_ loop: Loop) {
    let wall = WallClock.now()
    var surroundings = gate.surroundings
    gate.wallMilliseconds = wall.milliseconds
    surroundings.date = Array(wall.httpDate.utf8)
    surroundings.uptimeSeconds = loop.now.milliseconds(since: began) / 1000
    surroundings.storageSilenceMilliseconds = isOpen ? loop.now.milliseconds(since: lastReport) : 0
    gate.surroundings = surroundings
    figures.take(network)
    if let book = network.bookToSave(loop) { post(.peerBook(book), loop) }
    expireLevels(loop)
    pruneByItself(loop)
    if let replica {
      figures.metrics.mempool.expired.add(UInt64(replica.pool.expire(now: loop.now)))
      let age = replica.pool.statistics.oldest.map { Double(loop.now.milliseconds(since: $0)) / 1000 }
      figures.metrics.chain.finalityLag.set(age ?? 0)
      if let age { figures.metrics.mempool.oldestAge.set(age) } else { figures.metrics.mempool.oldestAge.clear() }
      gate.surroundings.oldestPendingSeconds = age.map { UInt64($0) }
      note(replica.syncFacts, loop)
      figures.take(replica, key: replica.key?.publicKey, now: loop.now)
      gate.surroundings.syncRate = figures.syncRate
      watch(replica, loop)
      missedVotes.note(total: replica.machine.outcomes.missedVotes, now: loop.now)
      gate.surroundings.missedVotesLastDay = missedVotes.value
      gate.readiness.set(.mempoolFull, replica.pool.isFull, now: loop.now)
    }
  }

  func ticked(_ now: Instant, _ loop: Loop) {
    verifySome(loop)
    if replica != nil { turns &+= 1 }
    if let replica, !isReadOnly {
      if gate.statistics.accepted != acceptedSeen {
        acceptedSeen = gate.statistics.accepted
        replica.collect(now: times(loop), &effects)
      } else if replica.hasWork {
        replica.collect(now: times(loop), &effects)
      }
      if replica.takesOffer() { verification.ring() }
      if replica.hasWork { comeBack(at: loop.now, loop) }
      replica.pool.quiesce(reactor: 0)
    }
    settle(loop)
    offerEvents(loop)
    network.ticked(loop)
    for job in gate.reads {
      if !storage.post(.read(job)) {
        gate.answered(job, ReadResult(.failure(Refusal(.notReady, "the store is busy"))), loop)
      }
    }
    gate.reads.removeAll(keepingCapacity: true)
  }

  /// Asks for another tick, not later than this.
  func comeBack(at instant: Instant, _ loop: Loop) {
    guard instant < againDue else { return }
    loop.cancelTimer(againTimer)
    againDue = instant
    // As in `arm`.
    guard let timer = loop.setTimer(max(instant, loop.now), token: Token.again) else { preconditionFailure("the driver's timers are few") }
    againTimer = timer
  }

  /// Checks signatures here, and rings for the helpers when some are theirs.
  private func verifySome(_ loop: Loop) {
    let batches = gate.statistics.batches, began = MonotonicClock.now()
    let isLeft = gate.verifySome(loop)
    let checked = gate.statistics.batches - batches
    if checked > 0 { figures.metrics.mempool.signatureVerification.observe(MonotonicClock.now().nanoseconds(since: began) / checked) }
    if gate.takesOffer() { verification.ring() }
    if isLeft { comeBack(at: loop.now, loop) }
  }

  /// Hands the storage thread what the chain or the node itself needs. The process ends when the disk keeps so much of that waiting that it finds no room.
  func post(_ kind: StorageJob.Kind, _ loop: Loop) {
    guard !storage.post(kind) else { return }
    fail(NodeFailure(74, "the disk of the data directory takes nothing: \(StorageQueue.writesMax) writes wait for it"), loop)
  }

  /// Reads for a peer, as far as there is room beside the reads of clients; beyond it the peer is told that there is nothing, and asks another one.
  func load(_ query: StoreQuery, _ loop: Loop) {
    guard loadsUnderWay < Self.loadsMax, storage.post(.load(query)) else { return replica?.loaded(query, query.nothing, now: times(loop), &effects) ?? () }
    loadsUnderWay += 1
  }

  /// Ends the process; the first reason is the one that is told.
  func fail(_ reason: NodeFailure, _ loop: Loop) {
    failure = failure ?? reason
    stage = .ended
    loop.stop()
  }

  /// Ends the process as a signal does, without a drain, and then with this reason.
  func end(_ reason: NodeFailure, _ loop: Loop) {
    failure = failure ?? reason
    save(loop)
  }

  func setReplicaTimer(_ instant: Instant, _ loop: Loop) {
    loop.cancelTimer(replicaTimer)
    replicaTimer = instant == .distantFuture ? .none : loop.setTimer(max(instant, loop.now), token: Token.replica) ?? .none
  }

  // MARK: The storage thread

  func woken(_ loop: Loop) {
    if let reading = reloading.take() { apply(reading, loop) }
    while let report = storage.reports.take() {
      lastReport = loop.now
      switch report.kind {
      case .claimed: isClaimed = true
      case .opened(let store, let blockTimes):
        gate.notePace(blockTimes)
        gate.surroundings.earliestBodyHeight = store.earliestBodyHeight.rawValue
        show(store.earliestEntry, loop)
        open(store, loop)
      case .persisted(let height, let floor, let nanoseconds):
        figures.metrics.storage.commit.observe(nanoseconds)
        persisted(height, floor, loop)
      case .stored(let hash): replica?.stored(hash, now: times(loop), &effects)
      case .filled(let result, let gap): filled(result, gap, loop)
      case .loaded(let query, let answer):
        loadsUnderWay -= 1
        replica?.loaded(query, answer, now: times(loop), &effects)
      case .answered(let job, let result): gate.answered(job, result, loop)
      case .pulse(let pulse):
        figures.take(pulse)
        gate.surroundings.isDiskLow = pulse.isDiskLow
        gate.surroundings.integrityDetail = pulse.integrityDetail
        rest(pulse.isReadOnly, loop)
        gate.surroundings.indexedHeight = pulse.indexedHeight
        let isPruned = gate.surroundings.earliestBodyHeight != pulse.earliestBodyHeight
        gate.surroundings.earliestBodyHeight = pulse.earliestBodyHeight
        if let floor = pulse.bodyFloor { replica?.knowBodies(earliest: Height(pulse.earliestBodyHeight), floor: floor) }
        // Whoever connects next hears it, also on an idle chain.
        if isPruned, let replica { announce(replica, loop) }
        // Who held less than this node at the handshake may hold less of what is pruned next.
        gate.surroundings.archivePeerCount = network.rows(loop).count { $0.link != nil && (1...pulse.earliestBodyHeight).contains($0.earliestBodyHeight) }
        if let entries = pulse.earliestEntry { show(entries, loop) }
        gate.surroundings.proposedLastDay = pulse.proposedLastDay
        gate.surroundings.freeBytes = pulse.statistics.free
      case .stopped(let saved):
        savedBytes = saved
        stage = .ended
        loop.stop()
      case .failed(let failure): fail(failure, loop)
      }
    }
    takeJournalReports(loop)
    gate.takeVerdicts(loop)
    if !isReadOnly { replica?.takeVerdicts(now: times(loop), &effects) }
    while let answer = resolver?.take() { network.resolved(answer.token, answer.addresses, loop) }
    settle(loop)
  }

  /// On a full disk the replica rests: it neither votes nor follows, as if the network were away, and takes part again when there is space.
  private func rest(_ isReadOnly: Bool, _ loop: Loop) {
    guard isReadOnly != self.isReadOnly else { return }
    self.isReadOnly = isReadOnly
    gate.surroundings.readOnlyReason = isReadOnly ? "the disk is too full: less than storage.min_free_mb is free" : nil
    gate.readiness.set(.readOnly, isReadOnly, now: loop.now)
    figures.metrics.storage.isReadOnly.set(isReadOnly)
    guard !isReadOnly else { return }
    if owesTimer { replica?.timer(now: times(loop), &effects) }
    owesTimer = false
    replica?.takeVerdicts(now: times(loop), &effects)
  }

  private func open(_ store: OpenedStore, _ loop: Loop) {
    var limits = PoolLimits()
    limits.eventsMax = options.poolEventsMax
    limits.bytesMax = options.poolBytesMax
    limits.recordBytesMax = gate.recordBytesMax
    limits.perSignerPercent = options.poolSignerPercent
    limits.timeToLiveMilliseconds = min(options.poolTimeToLiveMilliseconds, home.genesis.parameters.pastWindow)
    var random = SystemRandomNumberGenerator()
    let pool = EventPool(limits: limits, seed: random.next())
    pool.finality = figures.metrics.chain.eventFinality
    var machine = Machine.Options(chainTag: home.genesis.chainTag)
    options.apply(to: &machine)
    machine.nextKey = nextValidatorKey
    machine.nonce = Digest(Bytes32(random.next(), random.next(), random.next(), random.next()))
    let seed = Bytes32(random.next(), random.next(), random.next(), random.next())
    var settings = Replica.Options(machine: machine, origin: home.genesis.origin, seed: seed)
    settings.rangesInFlight = options.syncRequestsMax
    settings.signers = gate.signers
    let replica = Replica(store.state, pool: pool, key: home.validatorKey, options: settings, now: loop.now)
    replica.helpers = verification.records
    replica.restore(store.pending)
    if let file = store.journal {
      let journal = JournalThread(journal: file)
      do { try journal.start(waking: loop.waker) } catch { return fail(error, loop) }
      self.journal = journal
    }
    self.replica = replica
    newestHeads = store.state.newestHead.map { [$0.header] } ?? []
    gate.replica = replica
    replica.knowBodies(earliest: store.earliestBodyHeight, floor: store.bodyFloor)
    replica.looksForBodies = true
    replica.rebroadcastMilliseconds = options.poolRebroadcastMilliseconds
    replica.start(now: times(loop), &effects)
    replica.collect(now: times(loop), &effects)
    announce(replica, loop)
    if let doubt = store.doubt { report(doubt) }
    if let (header, set) = store.state.newestHead { cosign(header, set, loop) }
    isOpen = true
    opened = loop.now
    stage = .serving
    gate.readiness.set(.starting, false, now: loop.now)
    log.info(
      "ledger", "store open",
      [
        ("height", "\(replica.durable.header.height.rawValue)"), ("events", "\(replica.durable.header.treeSize)"),
        ("saved_event_bytes", "\(store.pending.count)"),
        ("ms", "\(loop.now.milliseconds(since: began))"),
      ])
    if stopsWhenOpen { save(loop) }
  }

  // MARK: The end

  func signalled(_ signal: Int32, _ loop: Loop) {
    if signal == Signals.hangUp {
      announceReload()
      _ = reloading.begin(waking: loop.waker, for: nil)
      return
    }
    announceStop()
    switch stage {
    case .opening:
      // The storage thread is inside the store: the process may end only when it has closed it.
      stopsWhenOpen = true
    case .serving:
      log.info("node", "draining", [("signal", "\(signal)")])
      isLeaving = true
      beginDrain(loop)
    case .draining where !isLeaving, .finishing where !isLeaving:
      log.info("node", "the drain ends with the process", [("signal", "\(signal)")])
      isLeaving = true
    case .drained: save(loop)
    case .draining, .finishing:
      log.notice("node", "second signal: the drain is cut short")
      save(loop)
    case .saving, .ended: break
    }
  }

  func beginDrain(_ loop: Loop) {
    gate.beginDrain(loop)
    stage = .draining(until: loop.now.adding(milliseconds: options.drainDelayMilliseconds))
    advanceStage(loop)
  }

  func advanceStage(_ loop: Loop) {
    if case .draining(let until) = stage, loop.now >= until {
      stage = .finishing(until: loop.now.adding(milliseconds: options.drainTimeoutMilliseconds))
    }
    guard case .finishing(let until) = stage, gate.closeIdle(loop, sparesAdmin: !isLeaving) == 0 || loop.now >= until else { return }
    guard !isLeaving else { return save(loop) }
    _ = gate.closeIdle(loop, sparesAdmin: true, abandons: true)
    stage = .drained
    log.notice("node", "drained: the node goes on and takes no requests", [("height", "\(replica?.durable.header.height.rawValue ?? 0)")])
  }

  /// Hands pending events to the storage thread, which saves them after the last block.
  private func save(_ loop: Loop) {
    guard let replica else {
      stage = .ended
      return loop.stop()
    }
    stage = .saving
    let pending = options.keepsPending ? replica.pool.pendingRecords() + replica.unrestored : []
    network.shutDown(loop)
    self.replica = nil
    // What finds no room was promised to nobody, and the process ends either way.
    try? journal?.post(.stop)
    if !storage.post(.stop(pending: pending)) {
      failure = NodeFailure(70, "the storage thread does not answer")
      loop.stop()
    }
  }

  /// Fields of the last record.
  var ending: Log.Fields {
    [
      ("height", "\(gate.replica?.durable.header.height.rawValue ?? 0)"), ("mempool_saved", "\(savedBytes)"),
      ("seconds", "\(MonotonicClock.now().milliseconds(since: began) / 1000)"),
    ]
  }
}
