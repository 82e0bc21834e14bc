import API
import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Reactor
import Replication

/// What runs on the reactor thread: hands sockets to the gate, time and events to the replica, and their effects to the storage thread.
final class NodeDriver: Driver {
  private enum Token { static let replica: UInt64 = 1, sweep: UInt64 = 2, second: UInt64 = 3, again: UInt64 = 4 }
  /// Where the node stands in its life.
  enum Stage { case opening, serving, draining(until: Instant), finishing(until: Instant), saving, ended }

  let gate: Gate
  private let home: NodeHome
  private let options: NodeOptions
  private let storage: StorageThread
  private let log: Log
  private let began = MonotonicClock.now()
  var audiences: [Audience] = []
  private(set) var stage = Stage.opening
  private(set) var failure: NodeFailure?
  /// The replica is there: the API may listen.
  private(set) var isOpen = false

  private var replica: Replica?
  private var effects: [ReplicaEffect] = []
  private var replicaTimer = TimerID.none
  private var acceptedSeen: UInt64 = 0
  private var isAgainArmed = false
  private var lastReport: Instant
  private var metrics = MetricsSnapshot()
  private var savedBytes = 0
  /// A signal came while the store was still being opened.
  private var stopsWhenOpen = false

  init(home: NodeHome, options: NodeOptions, gate: Gate, storage: StorageThread, log: Log, version: String) {
    self.home = home
    self.options = options
    self.gate = gate
    self.storage = storage
    self.log = log
    lastReport = began
    metrics.version = version
    metrics.mempoolCapacity = options.poolEventsMax
    gate.metricsText = { [unowned self] in exposition() }
  }

  func begin(_ loop: Loop) {
    arm(Token.sweep, APILimit.sweepMilliseconds, loop)
    arm(Token.second, 0, loop)
  }

  private func arm(_ token: UInt64, _ milliseconds: UInt64, _ loop: Loop) {
    // The few timers of the driver are far below the wheel's capacity.
    precondition(loop.setTimer(loop.now.adding(milliseconds: milliseconds), token: token) != nil)
  }

  private func times(_ loop: Loop) -> Times {
    Times(monotonic: loop.now, wall: Timestamp(milliseconds: WallClock.now().milliseconds))
  }

  // MARK: Sockets

  func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) {
    let audience = audiences[Int(listener.rawValue)]
    if audience != .metrics, case .serving = stage {} else if audience != .metrics, case .draining = stage {} else if audience != .metrics {
      return loop.abort(connection)
    }
    gate.accepted(connection, audience: audience, loop)
  }

  func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int { gate.received(connection, bytes, loop) }
  func inputEnded(_ connection: ConnectionID, _ loop: Loop) { gate.inputEnded(connection, loop) }
  func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) { gate.closed(connection) }

  // MARK: Time

  func timer(_ token: UInt64, _ loop: Loop) {
    switch token {
    case Token.replica:
      replicaTimer = .none
      replica?.timer(now: times(loop), &effects)
    case Token.sweep:
      gate.wallMilliseconds = WallClock.now().milliseconds
      gate.sweep(loop)
      advanceStage(loop)
      arm(Token.sweep, APILimit.sweepMilliseconds, loop)
    case Token.second:
      second(loop)
      arm(Token.second, 1000, loop)
    default: isAgainArmed = false
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
    if let replica {
      _ = replica.pool.expire(now: loop.now)
      gate.readiness.set(.mempoolFull, replica.pool.isFull, now: loop.now)
    }
  }

  func ticked(_ now: Instant, _ loop: Loop) {
    if gate.verifySome(loop), !isAgainArmed {
      isAgainArmed = true
      arm(Token.again, 0, loop)
    }
    if let replica {
      if gate.statistics.accepted != acceptedSeen {
        acceptedSeen = gate.statistics.accepted
        replica.collect(now: times(loop), &effects)
      } else if replica.hasWork {
        replica.collect(now: times(loop), &effects)
      }
      if replica.hasWork, !isAgainArmed {
        isAgainArmed = true
        arm(Token.again, 0, loop)
      }
      replica.pool.quiesce(reactor: 0)
    }
    perform(loop)
    for job in gate.reads {
      if !storage.post(.read(job)) {
        gate.answered(job, ReadResult(.failure(Refusal(.notReady, "the store is busy"))), loop)
      }
    }
    gate.reads.removeAll(keepingCapacity: true)
  }

  private func post(_ kind: StorageJob.Kind) {
    guard storage.post(kind) else { preconditionFailure("what the replica has under way is less than the places of the mailbox") }
  }

  /// Does what the replica asked for.
  private func perform(_ loop: Loop) {
    var index = 0
    while index < effects.count {
      switch effects[index] {
      case .persist(let blocks, let records, let height):
        post(.persist(blocks, records, height))
      case .journal(let records, let through): post(.journal(records, through: through))
      case .store(let block): post(.store(block))
      case .load(let query): post(.load(query))
      // A sole validator has no peers, no conflicts and nobody else's cosignatures.
      case .send, .checkpoint, .penalise: break
      case .evidence(let evidence): log.error("consensus", "conflicting votes", [("validator", "\(evidence.signer)")])
      case .halt(let reason):
        failure = NodeFailure(70, reason)
        stage = .ended
        loop.stop()
      case .setTimer(let instant):
        loop.cancelTimer(replicaTimer)
        replicaTimer = instant == .distantFuture ? .none : loop.setTimer(max(instant, loop.now), token: Token.replica) ?? .none
      case .final(let block):
        metrics.blocksCommitted += 1
        metrics.eventsCommitted += UInt64(block.ids.count)
        if let production = block.productionNanoseconds { metrics.blockTimeMilliseconds = (production + 500_000) / 1_000_000 }
        gate.final(block, loop)
        if block.header.eventCount > 0 {
          log.info(
            "consensus", "block final",
            [
              ("height", "\(block.header.height.rawValue)"), ("events", "\(block.header.eventCount)"),
              ("ms", "\((block.productionNanoseconds ?? 0) / 1_000_000)"),
            ])
        }
      }
      index += 1
    }
    effects.removeAll(keepingCapacity: true)
  }

  // MARK: The storage thread

  func woken(_ loop: Loop) {
    while let report = storage.reports.take() {
      lastReport = loop.now
      switch report.kind {
      case .opened(let store): open(store, loop)
      case .persisted(let height, let nanoseconds):
        metrics.commit.count += 1
        metrics.commit.nanoseconds += nanoseconds
        replica?.persisted(height, now: times(loop), &effects)
      case .journalSynced(let sequence): replica?.journalSynced(sequence, now: times(loop), &effects)
      case .stored(let hash): replica?.stored(hash, now: times(loop), &effects)
      case .loaded(let query, let answer): replica?.loaded(query, answer, now: times(loop), &effects)
      case .answered(let job, let result): gate.answered(job, result, loop)
      case .published(let publication): gate.published(publication, loop)
      case .pulse(let pulse):
        metrics.storage = pulse.statistics
        metrics.indexHeight = pulse.indexedHeight
        gate.surroundings.indexedHeight = pulse.indexedHeight
        gate.surroundings.proposedLastDay = pulse.proposedLastDay
        gate.surroundings.freeBytes = pulse.statistics.free
      case .stopped(let saved):
        savedBytes = saved
        stage = .ended
        loop.stop()
      case .failed(let failure):
        self.failure = failure
        stage = .ended
        loop.stop()
      }
    }
    perform(loop)
  }

  private func open(_ store: OpenedStore, _ loop: Loop) {
    var limits = PoolLimits()
    limits.eventsMax = options.poolEventsMax
    limits.bytesMax = options.poolBytesMax
    limits.recordBytesMax = gate.recordBytesMax
    limits.timeToLiveMilliseconds = min(options.poolTimeToLiveMilliseconds, home.genesis.parameters.pastWindow)
    var random = SystemRandomNumberGenerator()
    let pool = EventPool(limits: limits, seed: random.next())
    let machine = Machine.Options(chainTag: home.genesis.chainTag)
    let seed = Bytes32(random.next(), random.next(), random.next(), random.next())
    let replica = Replica(
      store.state, pool: pool, key: home.validatorKey, options: Replica.Options(machine: machine, origin: home.genesis.origin, seed: seed), now: loop.now)
    let restored = restore(store.pending, into: replica, loop)
    self.replica = replica
    gate.replica = replica
    replica.start(now: times(loop), &effects)
    replica.collect(now: times(loop), &effects)
    isOpen = true
    stage = .serving
    gate.readiness.set(.starting, false, now: loop.now)
    log.info(
      "ledger", "store open",
      [
        ("height", "\(replica.durable.header.height.rawValue)"), ("events", "\(replica.durable.header.treeSize)"), ("restored", "\(restored)"),
        ("ms", "\(loop.now.milliseconds(since: began))"),
      ])
    if stopsWhenOpen { save(loop) }
  }

  /// Admits again what the last clean stop saved, with every check that a client's record passes.
  private func restore(_ bytes: [UInt8], into replica: Replica, _ loop: Loop) -> Int {
    var offset = 0, count = 0
    while offset < bytes.count {
      let span = bytes.bytes
      guard let record = try? Record(parsing: span, at: offset) else {
        log.warn("mempool", "saved events end in a damaged record", [("offset", "\(offset)")])
        return count
      }
      let statement = record.entry.statement
      let isKnown = replica.isDecided(record.id, timestamp: statement.timestamp)
      let message = span.extracting(offset..<offset + Statement.byteCount)
      if !isKnown, statement.chainTag == home.genesis.chainTag, Verifier.isValid(record.entry.signature, over: message, by: statement.signer) {
        let admission = replica.pool.admit(
          span.extracting(offset..<offset + record.byteCount), id: record.id, statement: statement, reactor: 0, now: loop.now)
        if case .accepted = admission { count += 1 }
      }
      offset += record.byteCount
    }
    return count
  }

  // MARK: The end

  func signalled(_ signal: Int32, _ loop: Loop) {
    if signal == Signals.hangUp { return log.info("node", "nothing to reload") }
    switch stage {
    case .opening:
      // The storage thread is inside the store: the process may end only when it has closed it.
      stopsWhenOpen = true
    case .serving:
      log.info("node", "draining", [("signal", "\(signal)")])
      gate.beginDrain(loop)
      stage = .draining(until: loop.now.adding(milliseconds: options.drainDelayMilliseconds))
      advanceStage(loop)
    case .draining, .finishing:
      log.notice("node", "second signal: the drain is cut short")
      save(loop)
    case .saving, .ended: break
    }
  }

  private func advanceStage(_ loop: Loop) {
    if case .draining(let until) = stage, loop.now >= until {
      stage = .finishing(until: loop.now.adding(milliseconds: options.drainTimeoutMilliseconds))
    }
    if case .finishing(let until) = stage, gate.closeIdle(loop) == 0 || loop.now >= until { save(loop) }
  }

  /// Hands pending events to the storage thread, which saves them after the last block.
  private func save(_ loop: Loop) {
    guard let replica else {
      stage = .ended
      return loop.stop()
    }
    stage = .saving
    let pending = options.keepsPending ? replica.pool.pendingRecords() : []
    self.replica = nil
    if !storage.post(.stop(pending: pending)) {
      failure = NodeFailure(70, "the storage thread does not answer")
      loop.stop()
    }
  }

  func reportEnd() {
    let height = gate.replica?.durable.header.height.rawValue ?? 0
    log.info(
      "node", "shutdown complete",
      [
        ("height", "\(height)"), ("mempool_saved", "\(savedBytes)"), ("seconds", "\(MonotonicClock.now().milliseconds(since: began) / 1000)"),
      ])
  }

  private func exposition() -> [UInt8] {
    metrics.gate = gate.statistics
    metrics.isReady = gate.readiness.isReady
    if let replica = gate.replica {
      metrics.chainHeight = replica.durable.header.height.rawValue
      metrics.treeSize = replica.durable.header.treeSize
      metrics.mempoolSize = replica.pool.load.events
      metrics.mempoolBytes = replica.pool.load.bytes
    }
    metrics.checkpointSize = gate.surroundings.publication?.size ?? 0
    return metrics.text()
  }
}
