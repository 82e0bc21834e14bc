import API
import Audit
import Bytes
import JSON
import Ledger
import Metrics
import RocksStore

/// Long work beside the storage thread: one piece at a time, on a thread of its own. Used by the storage thread.
final class MaintenanceDesk {
  /// What the metric of progress knows.
  private static let tasks = ["compact", "prune", "verify", "repair", "scrub", "backup"]

  private let home: NodeHome
  private let log: Log
  private var task: MaintenanceTask?
  private var compaction: Compaction?
  private var eraser: (task: MaintenanceTask, erasure: BodyErasure)?
  private var erasing: Compaction?
  private let metrics: StorageMetrics
  let integrity: Integrity
  private var scrub: Scrub
  private(set) var policies: StoragePolicies
  /// Of everything but the scrub, which has its own.
  private let budget: ByteBudget
  /// A deep prune whose entries go between the blocks; its work begins when they are gone.
  private var sweeping: (task: MaintenanceTask, work: Maintenance.Work)?
  /// Damage keeps a deep prune from its end, until the next start.
  private var isSweepStuck = false
  /// What the last stop has cut off is under way again, or was nothing.
  private var isResumed = false

  init(home: NodeHome, policies: StoragePolicies, metrics: StorageMetrics, integrity: Integrity, log: Log) {
    (self.home, self.policies, self.metrics, self.integrity, self.log) = (home, policies, metrics, integrity, log)
    budget = ByteBudget(bytesPerSecond: policies.maintenanceBytesPerSecond)
    scrub = Scrub(home: home, policy: policies.scrub, metrics: metrics, integrity: integrity, log: log)
  }

  /// A task of an operator is under way.
  var isWorking: Bool { if let task, case .running = task.outcome { true } else { false } }

  /// What a reload has changed.
  func take(_ policies: StoragePolicies) {
    self.policies = policies
    budget.bytesPerSecond = policies.maintenanceBytesPerSecond
    scrub.take(policies.scrub)
  }

  /// About once a second.
  /// - Parameter isDiskLow: no table is kept on the disk for a scrub then, and no compaction, which needs room, is taken up again.
  func tick(_ store: RocksLedgerStore, isDiskLow: Bool) {
    for name in Self.tasks {
      let ratio = metrics.maintenanceProgress[name], current = [task, scrub.task].compactMap { $0 }.first { $0.name == name }
      if let current, case .running = current.outcome, current.total > 0 { ratio.set(Double(current.done) / Double(current.total)) } else { ratio.clear() }
    }
    if !isResumed, !isDiskLow { resume(store) }
    scrub.tick(store, isDiskLow: isDiskLow)
  }

  /// `POST backup`, `POST compact`, `POST prune`, `POST verify`, `POST repair`: begins. `POST cancel`: ends it soon. `GET progress`: how far the last one is.
  /// - Throws: 74 after a write to the chain has failed: the process must end.
  func answer(_ request: MaintenanceRequest, _ store: RocksLedgerStore) throws(NodeFailure) -> Result<Answer, Refusal> {
    guard request.isCommand else {
      guard request.verb == "progress" else { return .failure(Refusal(.notFound, "no such maintenance verb")) }
      guard let task else { return .failure(Refusal(.notFound, "nothing was begun")) }
      return .success(Answer(.json, Self.json(task)))
    }
    if request.verb == "cancel" { return cancel() }
    if let task, case .running = task.outcome { return .failure(Refusal(.conflict, "'\(task.name)' is under way")) }
    switch request.verb {
    case "verify":
      guard let level = StoreVerification.Level(rawValue: request.level ?? "full") else { return .failure(Refusal(.invalidRequest, "'level' is quick, full or deep")) }
      begin(verification: FrozenVerification(home: home, level: level, staging: home.data + "/verify-staging"), store)
    case "backup":
      guard let target = request.directory else { return .failure(Refusal(.invalidRequest, "'dir' is missing")) }
      begin(backup: Backup(home: home, target: target, base: request.base), store)
    case "compact": beginCompaction(store, budget: request.megabytesPerSecond.map { ByteBudget(megabytesPerSecond: $0) } ?? budget)
    case "repair":
      guard !request.parts.isEmpty else { return .failure(Refusal(.invalidRequest, "'parts' names mmr, index or snapshots")) }
      try begin(repair: DerivedRepair(home: home, parts: request.parts), store)
    case "prune":
      guard let pruning = request.pruning else { return .failure(Refusal(.invalidRequest, "'before_height' is missing")) }
      try begin(
        Pruning(
          before: pruning.before, isDryRun: pruning.isDryRun, isForced: pruning.isForced, isDeep: pruning.isDeep, archivePeers: pruning.archivePeers,
          policy: policies.retention), store)
    default: return .failure(Refusal(.notFound, "no such maintenance verb"))
    }
    guard let task else { return .failure(Refusal(.internalError, "nothing was begun")) }
    return .success(Answer(.json, Self.json(task)))
  }

  /// Takes bodies that redactions have deleted out of the files, on a thread of its own beside whatever else is under way. Called about once a second.
  func erase(_ store: RocksLedgerStore) throws(NodeFailure) {
    if let (task, erasure) = eraser {
      if case .running = task.outcome { return }
      task.join()
      eraser = nil
      do {
        // What was not erased to the end is erased again.
        if case .done = task.outcome { try store.finish(erasure) }
      } catch { throw StorageSession.failure(error, home) }
    }
    guard let erasure = store.erasure else { return }
    let task = MaintenanceTask("erase", unit: "blocks")
    eraser = (task, erasure)
    erasing = store.bodyCompaction
    let work: @Sendable (MaintenanceTask) throws(NodeFailure) -> [UInt8] = { _ throws(NodeFailure) in
      do { try erasure.run() } catch { throw NodeFailure(74, "\(error)") }
      return []
    }
    task.start(work) { [log] in
      switch task.outcome {
      case .failed(let failure): log.error("maintenance", "failed", [("task", task.name), ("reason", failure.message)])
      case .done, .running: log.info("maintenance", "redacted bodies are out of the files")
      }
    }
  }

  /// The chain is frozen here, between two commits; the rest goes on beside them.
  private func begin(backup: Backup, _ store: RocksLedgerStore) {
    let task = MaintenanceTask("backup", unit: "bytes", budget: budget)
    do throws(NodeFailure) {
      begin(try Maintenance.backup(backup, store), task, nil)
    } catch {
      task.end(.failed(error))
      self.task = task
    }
  }

  private func begin(verification: FrozenVerification, _ store: RocksLedgerStore) {
    let task = MaintenanceTask("verify", unit: "blocks", budget: budget)
    do throws(NodeFailure) {
      try verification.freeze(store)
      begin({ [integrity] (task) throws(NodeFailure) in
        let result = try verification.run(task)
        integrity.note(result)
        return result.json
      }, task, nil)
    } catch {
      task.end(.failed(error))
      self.task = task
    }
  }

  /// - Throws: 74 when a file of the index cannot be moved or made: the node has none then.
  private func begin(repair: DerivedRepair, _ store: RocksLedgerStore) throws(NodeFailure) {
    // What is over must not hold the index open.
    task?.join()
    compaction = nil
    let task = MaintenanceTask("repair", unit: "blocks", budget: budget)
    do throws(NodeFailure) {
      try repair.begin(store)
      begin({ [integrity] (task) throws(NodeFailure) in try repair.run(task, integrity) }, task, nil)
    } catch {
      if error.code == 74 { throw error }
      task.end(.failed(error))
      self.task = task
    }
  }

  /// Ends what is under way: verification and backup leave nothing, what a compaction has rewritten counts, a prune has its bodies deleted already.
  private func cancel() -> Result<Answer, Refusal> {
    guard let task, case .running = task.outcome else { return .failure(Refusal(.notFound, "nothing is under way")) }
    task.cancel()
    // The entries go on to be deleted: they count as gone already.
    if let sweeping {
      self.sweeping = nil
      sweeping.task.end(.failed(NodeFailure(75, "interrupted")))
    }
    compaction?.interrupt()
    task.join()
    compaction?.allow()
    if compaction != nil { CompactionMark.clear(data: home.data) }
    log.notice("maintenance", "interrupted", [("task", task.name)])
    return .success(Answer(.json, Self.json(task)))
  }

  /// Prunes as far as the policy allows, without being told. Nothing happens while something else is under way.
  func prune(archivePeers: Int, _ store: RocksLedgerStore) throws(NodeFailure) {
    if let task, case .running = task.outcome { return }
    do throws(NodeFailure) {
      guard let pruning = try Pruning(automatic: store, home.genesis, policies.retention, archivePeers: archivePeers, wall: WallClock.now().milliseconds) else { return }
      try begin(pruning, store)
      if let task, case .failed(let failure) = task.outcome { log.warn("maintenance", "nothing is pruned", [("reason", failure.message)]) }
    } catch {
      if error.code == 74 { throw error }
      log.warn("maintenance", "nothing is pruned", [("reason", error.message)])
    }
  }

  /// The bodies are gone between two commits; their space comes back beside them.
  private func begin(_ pruning: Pruning, _ store: RocksLedgerStore) throws(NodeFailure) {
    let task = MaintenanceTask("prune", unit: "bytes", budget: budget)
    do throws(NodeFailure) {
      let work = try pruning.begin(store, data: home.data, genesis: home.genesis, wall: WallClock.now().milliseconds)
      if !pruning.isDryRun { log.notice("maintenance", "bodies pruned", [("earliest_body_height", "\(store.earliestBodyHeight.rawValue)")]) }
      if pruning.isDryRun { return begin(work, task, nil) }
      mark(.prune)
      if store.isSweeping {
        logBegin(of: task)
        (self.task, sweeping) = (task, (task, work))
        return
      }
      begin(work, task, store.prunedCompaction)
    } catch {
      if error.code == 74 { throw error }
      task.end(.failed(error))
      self.task = task
    }
  }

  /// Goes on with what a deep prune deletes, a block at a time, also after a start that finds it cut off. Returns whether more is left.
  /// - Throws: 74 after a failed write.
  func sweep(_ store: RocksLedgerStore) throws(NodeFailure) -> Bool {
    guard store.isSweeping, !isSweepStuck else { return false }
    do throws(StoreError) {
      if try store.sweepOn() { return true }
    } catch {
      guard case .damaged(let detail) = error else { throw StorageSession.failure(error, home) }
      isSweepStuck = true
      integrity.note(component: "chain", detail)
      if let sweeping { sweeping.task.end(.failed(NodeFailure(65, "data is damaged: \(detail)"))) }
      sweeping = nil
      return false
    }
    log.notice("maintenance", "entries pruned", [("earliest_entry_height", "\(store.earliestEntryHeight.rawValue)")])
    if let (task, work) = sweeping {
      sweeping = nil
      begin(work, task, store.prunedCompaction)
    }
    return false
  }

  private func beginCompaction(_ store: RocksLedgerStore, budget: ByteBudget) {
    mark(.compact)
    begin(Maintenance.compaction(store.compaction, data: home.data), MaintenanceTask("compact", unit: "bytes", budget: budget), store.compaction)
  }

  private func mark(_ kind: CompactionMark.Kind) {
    do { try CompactionMark.set(data: home.data, kind) } catch {
      log.warn("maintenance", "a compaction that is cut off will not be taken up again", [("reason", error.message)])
    }
  }

  /// Begins again what a stop or a crash has cut off.
  private func resume(_ store: RocksLedgerStore) {
    if let task, case .running = task.outcome { return }
    // What a compaction gives back must be deleted first.
    if store.isSweeping, !isSweepStuck { return }
    isResumed = true
    guard let kind = CompactionMark.kind(data: home.data) else { return }
    log.notice("maintenance", "a compaction that was cut off begins again", [("task", kind.rawValue)])
    switch kind {
    case .compact: beginCompaction(store, budget: budget)
    case .prune:
      let compaction = store.prunedCompaction
      begin(Maintenance.compaction(compaction, data: home.data), MaintenanceTask("prune", unit: "bytes", budget: budget), compaction)
    }
  }

  private func begin(_ work: @escaping @Sendable (MaintenanceTask) throws(NodeFailure) -> [UInt8], _ task: MaintenanceTask, _ compaction: Compaction?) {
    self.task = task
    self.compaction = compaction
    logBegin(of: task)
    let isCompaction = compaction != nil
    task.start(work) { [log, data = home.data] in
      switch task.outcome {
      case .failed(let failure): log.error("maintenance", "failed", [("task", task.name), ("reason", failure.message)])
      case .done, .running:
        if isCompaction { CompactionMark.clear(data: data) }
        log.info("maintenance", "done", [("task", task.name)])
      }
    }
  }

  private func logBegin(of task: MaintenanceTask) { log.info("maintenance", "begun", [("task", task.name), ("mbps", "\(task.megabytesPerSecond)")]) }

  /// Ends what is under way; the store may be closed after that.
  func stop() {
    scrub.stop()
    if let eraser {
      if case .running = eraser.task.outcome { erasing?.interrupt() }
      eraser.task.join()
    }
    task?.cancel()
    if let sweeping { sweeping.task.end(.failed(NodeFailure(75, "interrupted"))) }
    sweeping = nil
    if let task, case .running = task.outcome { compaction?.interrupt() }
    task?.join()
    (eraser, erasing, compaction) = (nil, nil, nil)
  }

  private static func json(_ task: MaintenanceTask) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("task"); json.string(task.name)
    json.key("unit"); json.string(task.unit)
    json.key("done"); json.number(task.done)
    json.key("total"); json.number(task.total)
    json.key("state")
    switch task.outcome {
    case .running: json.string("running" as StaticString)
    case .done(let result):
      json.string("done" as StaticString)
      json.key("result"); json.raw(result.bytes)
    case .failed(let failure):
      json.string("failed" as StaticString)
      json.key("error"); json.string(failure.message)
      json.key("exit_code"); json.number(Int(failure.code))
    }
    json.endObject()
    return json.bytes
  }
}
