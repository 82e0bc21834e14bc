public import Ambient

/// Whether a load balancer should send traffic here: a set of reasons against it, each held for at least five seconds.
public struct Readiness: Sendable {
  public enum Reason: String, Sendable, CaseIterable {
    case starting, syncing, lag
    case mempoolFull = "mempool_full"
    case readOnly = "read_only"
    case draining
  }

  /// A reason lasts at least this long, so that a balancer sees it.
  public static let holdMilliseconds: UInt64 = 5000

  private struct Entry: Sendable {
    var isActive = false
    var since = Instant.zero
    /// The cause is gone; the reason ends when it was held long enough.
    var isLeaving = false
  }

  private var entries = [Entry](repeating: Entry(), count: Reason.allCases.count)

  public init() {}

  /// A node that starts is not ready. The reason `starting` is exempt from the hold: nothing was promised before.
  public init(startingAt now: Instant) { set(.starting, true, now: now) }

  public var isReady: Bool { !entries.contains { $0.isActive } }
  public var reasons: [Reason] { Reason.allCases.filter { entries[index($0)].isActive } }

  /// Reports whether the cause of `reason` holds now. Returns true when the set of reasons changed.
  @discardableResult public mutating func set(_ reason: Reason, _ holds: Bool, now: Instant) -> Bool {
    let slot = index(reason)
    if holds {
      entries[slot].isLeaving = false
      guard !entries[slot].isActive else { return false }
      entries[slot] = Entry(isActive: true, since: now)
      return true
    }
    guard entries[slot].isActive else { return false }
    entries[slot].isLeaving = true
    return settle(now: now)
  }

  /// Ends the reasons whose cause is gone and whose time has passed. Call it about once a second. Returns true when one ended.
  @discardableResult public mutating func settle(now: Instant) -> Bool {
    var changed = false
    for reason in Reason.allCases {
      let slot = index(reason)
      let held = reason == .starting || now.milliseconds(since: entries[slot].since) >= Self.holdMilliseconds
      if entries[slot].isActive && entries[slot].isLeaving && held {
        entries[slot] = Entry()
        changed = true
      }
    }
    return changed
  }

  private func index(_ reason: Reason) -> Int {
    switch reason {
    case .starting: 0
    case .syncing: 1
    case .lag: 2
    case .mempoolFull: 3
    case .readOnly: 4
    case .draining: 5
    }
  }
}
