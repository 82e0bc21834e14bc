import Consensus
import JSON
import Mempool
import Replication

/// What `GET /v1/health` says: named checks, the worst of which is the whole. Only `failing` is answered with 503 and shown as `moloch_healthy` 0.
public struct Health: Sendable {
  public enum Status: Int, Sendable { case ok, degraded, failing }

  struct Check: Sendable {
    var name: StaticString
    var status: Status
    /// For people; empty when there is nothing to say.
    var detail: String
  }

  private(set) var checks: [Check] = []

  public var status: Status { checks.contains { $0.status == .failing } ? .failing : checks.contains { $0.status == .degraded } ? .degraded : .ok }

  fileprivate mutating func add(_ name: StaticString, _ status: Status, _ detail: String) { checks.append(Check(name: name, status: status, detail: detail)) }

  func write(_ json: inout JSONWriter) {
    json.beginObject()
    json.key("status")
    json.string(status.word)
    json.key("checks")
    json.beginArray()
    for check in checks {
      json.beginObject()
      json.key("name")
      json.string(check.name)
      json.key("status")
      json.string(check.status.word)
      json.key("detail")
      json.string(check.detail)
      json.endObject()
    }
    json.endArray()
    json.endObject()
  }
}

extension Health.Status {
  var word: StaticString {
    switch self {
    case .ok: "ok"
    case .degraded: "degraded"
    case .failing: "failing"
    }
  }
}

/// A check that warns, as the driver sees it: the node serves, and somebody should look.
public enum HealthWarning: Sendable, Equatable {
  /// The power of the validators heard from of late is less than a quorum.
  case noQuorum(heard: UInt64, quorum: UInt64)
  /// Pending work is there and nothing has become final for so long, milliseconds.
  case stalled(milliseconds: UInt64)
  /// Not even an empty block has become final for so long, milliseconds.
  case silent(milliseconds: UInt64)
  /// Own clock less the median of the peers, milliseconds.
  case skew(milliseconds: Int64)

  fileprivate var check: StaticString {
    switch self {
    case .noQuorum, .stalled, .silent: "consensus"
    case .skew: "clock"
    }
  }

  fileprivate var detail: String {
    switch self {
    case .noQuorum(let heard, let quorum): "no quorum: validators of power \(heard) are heard from, \(quorum) are needed"
    case .stalled(let milliseconds): "pending work has not become final for \(milliseconds / 1000) s"
    case .silent(let milliseconds): "no block has become final for \(milliseconds / 1000) s"
    case .skew(let milliseconds): "this clock is \(milliseconds.magnitude) ms \(milliseconds < 0 ? "behind" : "ahead of") those of the peers"
    }
  }
}

extension Gate {
  /// Storage that has said nothing for longer than this has stalled.
  private static let silenceMillisecondsMax: UInt64 = 5000

  /// Whether the node needs a restart or an operator, as of the last report of the driver.
  public var health: Health {
    let state = surroundings, silence = state.storageSilenceMilliseconds
    var health = Health()
    health.add(
      "storage", state.readOnlyReason != nil ? .failing : state.isDiskLow ? .degraded : .ok,
      state.readOnlyReason ?? (state.isDiskLow ? "disk space is low" : ""))
    health.add("integrity", state.integrityDetail != nil ? .failing : .ok, state.integrityDetail ?? "")
    health.add("loops", silence > Self.silenceMillisecondsMax ? .failing : .ok, "oldest tick \(silence) ms")
    if replica?.pool.isFull ?? false { health.add("mempool", .degraded, "the mempool is full") }
    switch replica.flatMap({ $0.machine.isMember ? $0.machine.standing : nil }) ?? .voting {
    case .voting: break
    case .listening: health.add("validator", .degraded, "it listens before it votes")
    case .halted: health.add("validator", .degraded, "halted: another instance votes with its key")
    }
    for warning in state.warnings { health.add(warning.check, .degraded, warning.detail) }
    return health
  }
}
