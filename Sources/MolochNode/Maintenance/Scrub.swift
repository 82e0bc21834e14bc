import Ambient
import Audit
import CLinux
import Glibc
import Metrics
import RocksStore

/// How often and how fast all data is re-hashed.
struct ScrubPolicy: Sendable {
  /// 0: never.
  var intervalMilliseconds: UInt64
  var bytesPerSecond: UInt64
}

/// The re-hashing of all data beside the running node, again and again: of a state that is frozen by links, within a budget. Used by the storage thread.
struct Scrub {
  /// After a failure, or a time when the disk was low, this much passes before the next try.
  private static let pauseMilliseconds: UInt64 = 3_600_000

  private let home: NodeHome
  private let metrics: StorageMetrics
  private let integrity: Integrity
  private let log: Log
  private let budget: ByteBudget
  private var policy: ScrubPolicy
  private(set) var task: MaintenanceTask?
  private var nextTry = Instant.zero
  /// Unix seconds of the last one, or of the data's beginning.
  private var last: UInt64
  private var wasScrubbed: Bool

  init(home: NodeHome, policy: ScrubPolicy, metrics: StorageMetrics, integrity: Integrity, log: Log) {
    (self.home, self.policy, self.metrics, self.integrity, self.log) = (home, policy, metrics, integrity, log)
    budget = ByteBudget(bytesPerSecond: policy.bytesPerSecond)
    let mark = ScrubMark.seconds(data: home.data)
    wasScrubbed = mark != nil
    last = mark ?? Self.made(home.data + "/FORMAT") ?? UInt64(max(0, WallClock.now().seconds))
  }

  /// Unix seconds of the last change of a file, which of `FORMAT` is its making.
  private static func made(_ path: String) -> UInt64? {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    return unsafe stat(path, &status) == 0 ? UInt64(max(0, status.st_mtim.tv_sec)) : nil
  }

  mutating func take(_ policy: ScrubPolicy) {
    self.policy = policy
    budget.bytesPerSecond = policy.bytesPerSecond
    if policy.intervalMilliseconds == 0 { task?.cancel() }
  }

  /// About once a second: begins when it is time, and looks after the one under way.
  mutating func tick(_ store: RocksLedgerStore, isDiskLow: Bool) {
    let wall = UInt64(max(0, WallClock.now().seconds)), now = MonotonicClock.now()
    if let task {
      switch task.outcome {
      case .running:
        // The frozen state keeps tables on the disk that the store has given up.
        if isDiskLow { task.cancel() }
      case .done:
        (last, wasScrubbed) = (wall, true)
        do { try ScrubMark.set(data: home.data, seconds: wall) } catch { log.warn("maintenance", "the time of the scrub is not kept", [("reason", error.message)]) }
        self.task = nil
      case .failed(let failure):
        log.notice("maintenance", "scrub ended early", [("reason", failure.message)])
        nextTry = now.adding(milliseconds: Self.pauseMilliseconds)
        self.task = nil
      }
    }
    if wasScrubbed { metrics.scrubAge.set(wall - min(wall, last)) }
    guard task == nil, policy.intervalMilliseconds > 0, wall >= last + policy.intervalMilliseconds / 1000, !isDiskLow, now >= nextTry else { return }
    begin(store)
  }

  private mutating func begin(_ store: RocksLedgerStore) {
    let verification = FrozenVerification(home: home, level: .full, staging: home.data + "/scrub-staging")
    let task = MaintenanceTask("scrub", unit: "blocks", budget: budget)
    self.task = task
    do throws(NodeFailure) { try verification.freeze(store) } catch { return task.end(.failed(error)) }
    log.info("maintenance", "begun", [("task", "scrub"), ("height", "\(store.head.height.rawValue)")])
    task.start({ [integrity] (task) throws(NodeFailure) in
      let result = try verification.run(task)
      integrity.note(result)
      return result.json
    }) { [log] in
      if case .done = task.outcome { log.info("maintenance", "done", [("task", "scrub")]) }
    }
  }

  /// Ends what is under way; the store may be closed after that.
  func stop() {
    guard let task else { return }
    task.cancel()
    task.join()
  }
}
