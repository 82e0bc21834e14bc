import Ambient
import Audit
import Ed25519

/// Final blocks of the last 24 hours by proposer, counted by block time in whole minutes.
struct ProposalCount {
  static let spanMinutes: UInt64 = 1440
  private var minutes: [UInt64: [PublicKey: UInt64]] = [:]
  private(set) var totals: [PublicKey: UInt64] = [:]

  /// - Parameter wall: Unix milliseconds.
  static func isRecent(_ timestamp: Timestamp, wall: UInt64) -> Bool { timestamp.rawValue / 60_000 + spanMinutes > wall / 60_000 }

  mutating func note(_ proposer: PublicKey, _ timestamp: Timestamp) {
    minutes[timestamp.rawValue / 60_000, default: [:]][proposer, default: 0] += 1
    totals[proposer, default: 0] += 1
  }

  /// Forgets what is older than a day.
  mutating func expire(wall: UInt64) {
    for (minute, counts) in minutes where minute + Self.spanMinutes <= wall / 60_000 {
      for (proposer, count) in counts {
        let left = totals[proposer, default: 0] - count
        totals[proposer] = left == 0 ? nil : left
      }
      minutes[minute] = nil
    }
  }
}

/// How much a counter grew in the last 24 hours, in whole hours.
struct DayCount {
  private var hours: [(hour: UInt64, count: UInt64)] = []
  private var total: UInt64 = 0
  var value: UInt64 { hours.reduce(0) { $0 + $1.count } }

  /// - Parameter total: of the counter, which never falls.
  mutating func note(total: UInt64, now: Instant) {
    let hour = now.milliseconds / 3_600_000
    hours.removeAll { $0.hour + 24 <= hour }
    guard total > self.total else { return }
    if hours.last?.hour == hour { hours[hours.count - 1].count += total - self.total } else { hours.append((hour, total - self.total)) }
    self.total = total
  }
}
