import API
import Audit
import Bytes
import JSON
import RocksStore

/// Long work beside the storage thread: one piece at a time, on a thread of its own. Used by the storage thread.
final class MaintenanceDesk {
  private let home: NodeHome
  private let log: Log
  private var task: MaintenanceTask?
  private var compaction: Compaction?
  private var eraser: (task: MaintenanceTask, erasure: BodyErasure)?
  private var erasing: Compaction?
  private let ended = Doorbell()
  var policy: RetentionPolicy

  init(home: NodeHome, policy: RetentionPolicy, log: Log) { (self.home, self.policy, self.log) = (home, policy, log) }

  /// `POST backup`, `POST compact`, `POST prune`: begins. `GET progress`: how far the last one is.
  /// - Throws: 74 after a write to the chain has failed: the process must end.
  func answer(_ request: MaintenanceRequest, _ store: RocksLedgerStore) throws(NodeFailure) -> Result<Answer, Refusal> {
    guard request.isCommand else {
      guard request.verb == "progress" else { return .failure(Refusal(.notFound, "no such maintenance verb")) }
      guard let task else { return .failure(Refusal(.notFound, "nothing was begun")) }
      return .success(Answer(.json, Self.json(task)))
    }
    if let task, case .running = task.outcome { return .failure(Refusal(.conflict, "'\(task.name)' is under way")) }
    switch request.verb {
    case "backup":
      guard let target = request.directory else { return .failure(Refusal(.invalidRequest, "'dir' is missing")) }
      begin(backup: Backup(home: home, target: target, base: request.base), store)
    case "compact": begin(Maintenance.compaction(store.compaction, data: home.data), MaintenanceTask("compact", unit: "families"), store.compaction)
    case "prune":
      guard let pruning = request.pruning else { return .failure(Refusal(.invalidRequest, "'before_height' is missing")) }
      try begin(
        Pruning(before: pruning.before, isDryRun: pruning.isDryRun, isForced: pruning.isForced, archivePeers: pruning.archivePeers, policy: policy), store)
    default: return .failure(Refusal(.notFound, "no such maintenance verb"))
    }
    guard let task else { return .failure(Refusal(.internalError, "nothing was begun")) }
    return .success(Answer(.json, Self.json(task)))
  }

  /// Takes bodies that redactions have deleted out of the files, on a thread of its own beside whatever else is under way. Called about once a second.
  func erase(_ store: RocksLedgerStore) throws(NodeFailure) {
    if let (task, erasure) = eraser {
      if case .running = task.outcome { return }
      eraser = nil
      do {
        // What was not erased to the end is erased again.
        if case .done = task.outcome { try store.finish(erasure) }
      } catch { throw StorageSession.failure(error, home) }
    }
    guard let erasure = store.erasure else { return }
    let task = MaintenanceTask("erase", unit: "blocks")
    eraser = (task, erasure)
    erasing = store.compaction
    let work: @Sendable (MaintenanceTask) throws(NodeFailure) -> [UInt8] = { _ throws(NodeFailure) in
      do { try erasure.run() } catch { throw NodeFailure(74, "\(error)") }
      return []
    }
    task.start(work) { [log, ended] in
      switch task.outcome {
      case .failed(let failure): log.error("maintenance", "failed", [("task", task.name), ("reason", failure.message)])
      case .done, .running: log.info("maintenance", "redacted bodies are out of the files")
      }
      ended.ring()
    }
  }

  /// The chain is frozen here, between two commits; the rest goes on beside them.
  private func begin(backup: Backup, _ store: RocksLedgerStore) {
    let task = MaintenanceTask("backup", unit: "bytes")
    do throws(NodeFailure) {
      begin(try Maintenance.backup(backup, store), task, nil)
    } catch {
      task.end(.failed(error))
      self.task = task
    }
  }

  /// The bodies are gone between two commits; their space comes back beside them.
  private func begin(_ pruning: Pruning, _ store: RocksLedgerStore) throws(NodeFailure) {
    let task = MaintenanceTask("prune", unit: "families")
    do throws(NodeFailure) {
      let work = try pruning.begin(store, data: home.data, genesis: home.genesis, wall: WallClock.now().milliseconds)
      if !pruning.isDryRun { log.notice("maintenance", "bodies pruned", [("earliest_body_height", "\(store.earliestBodyHeight.rawValue)")]) }
      begin(work, task, store.compaction)
    } catch {
      if error.code == 74 { throw error }
      task.end(.failed(error))
      self.task = task
    }
  }

  private func begin(_ work: @escaping @Sendable (MaintenanceTask) throws(NodeFailure) -> [UInt8], _ task: MaintenanceTask, _ compaction: Compaction?) {
    self.task = task
    self.compaction = compaction
    log.info("maintenance", "begun", [("task", task.name)])
    task.start(work) { [log, ended] in
      switch task.outcome {
      case .failed(let failure): log.error("maintenance", "failed", [("task", task.name), ("reason", failure.message)])
      case .done, .running: log.info("maintenance", "done", [("task", task.name)])
      }
      ended.ring()
    }
  }

  /// Ends what is under way; the store may be closed after that.
  func stop() {
    if let eraser {
      if case .running = eraser.task.outcome { erasing?.interrupt() }
      while case .running = eraser.task.outcome { _ = ended.wait(milliseconds: 100) }
      self.eraser = nil
    }
    guard let task else { return }
    task.cancel()
    if case .running = task.outcome { compaction?.interrupt() }
    while case .running = task.outcome { _ = ended.wait(milliseconds: 100) }
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
