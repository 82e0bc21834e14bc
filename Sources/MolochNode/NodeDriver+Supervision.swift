import API
import Ambient
import Audit
import Consensus
import Ledger
import Mempool
import Peering
import Reactor
import Replication

/// What the supervisor is told, and when it was told last.
struct Supervision {
  let supervisor = Supervisor()
  var watchdog: Watchdog?
  var nextStatus = Instant.zero
  var nextExtension = Instant.zero

  static let statusMilliseconds: UInt64 = 5000
  /// While the node opens its store or saves, the supervisor is asked for this much more time, again and again.
  static let extensionMilliseconds: UInt64 = 10_000
  static let extensionMicroseconds = 30_000_000
}

extension NodeDriver {
  /// The node has recovered and listens. Whether it is in sync is another question.
  func announceReady(_ loop: Loop) {
    supervision.supervisor.tell("READY=1\nSTATUS=Serving")
    supervision.watchdog = supervision.supervisor.watchdogMilliseconds.map { Watchdog(milliseconds: $0, now: loop.now) }
  }

  func announceStop() { supervision.supervisor.tell("STOPPING=1\nSTATUS=Draining") }

  func announceReload() {
    supervision.supervisor.tell("RELOADING=1\nMONOTONIC_USEC=\(MonotonicClock.now().nanoseconds / 1000)")
  }

  /// With every sweep of the reactor.
  func supervise(_ loop: Loop) {
    switch stage {
    case .opening, .saving: extend(loop)
    case .serving, .draining, .finishing, .drained: break
    case .ended: return
    }
    if supervision.watchdog != nil {
      // The reactor's own turns count as well: a timer that fires says nothing of the loop around it.
      let beats = [turns, storage.pulse.count] + (journal.map { [$0.pulse.count] } ?? [])
      if supervision.watchdog?.isDue(now: loop.now, beats: beats) == true { supervision.supervisor.tell("WATCHDOG=1") }
    }
    guard let replica, loop.now >= supervision.nextStatus else { return }
    supervision.nextStatus = loop.now.adding(milliseconds: Supervision.statusMilliseconds)
    supervision.supervisor.tell("STATUS=" + statusLine(replica, loop))
  }

  private func extend(_ loop: Loop) {
    guard loop.now >= supervision.nextExtension else { return }
    let isFirst = supervision.nextExtension == .zero
    supervision.nextExtension = loop.now.adding(milliseconds: Supervision.extensionMilliseconds)
    supervision.supervisor.tell("EXTEND_TIMEOUT_USEC=\(Supervision.extensionMicroseconds)")
    if case .opening = stage, !isFirst { log.info("storage", "still opening the store", [("ms", "\(MonotonicClock.now().milliseconds(since: began))")]) }
  }

  /// `Height 12345 (1.2 s ago), validator active, peers 5, lag 0, mempool 17`, with what keeps requests away in front.
  private func statusLine(_ replica: Replica, _ loop: Loop) -> String {
    let age = figures.lastCommit.map { loop.now.milliseconds(since: $0) }.map { " (\($0 / 1000).\($0 % 1000 / 100) s ago)" } ?? ""
    let standing =
      switch replica.machine.standing {
      case .voting: "active"
      case .listening: "listening"
      case .halted: "halted"
      }
    let validator = home.validatorKey == nil ? "none" : replica.machine.isMember ? standing : "inactive"
    let lag = replica.syncFacts.lag.map { "\($0)" } ?? "unknown"
    let line = "Height \(replica.durable.header.height.rawValue)\(age), validator \(validator), peers \(network.count), lag \(lag), mempool \(replica.pool.load.events)"
    let obstacle =
      switch stage {
      case .draining, .finishing: "Draining. "
      case .drained: "Drained, no requests are taken. "
      case .opening, .serving, .saving, .ended: ""
      }
    return obstacle + (isReadOnly ? "Read-only, the disk is too full. " : "") + line
  }
}
