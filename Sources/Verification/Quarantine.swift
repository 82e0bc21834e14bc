/// The sources that recently sent a bad signature. Fixed size: `Limits.offendersMax` places, searched in order.
struct Quarantine: ~Copyable {
  private struct Offender {
    var source: UInt64
    /// Offences since the source was last clean, at least 1.
    var strikes: UInt64
    /// End of the quarantine, nanoseconds.
    var end: UInt64

    var duration: UInt64 { Limits.quarantineNanosecondsMin << min(strikes - 1, Limits.quarantineDoublingsMax) }
    /// A source is forgotten when it has been out of quarantine for as long as it was in.
    func isForgotten(at now: UInt64) -> Bool { now >= end && now - end >= duration }
  }

  private var offenders: [Offender] = []

  init() { offenders.reserveCapacity(Limits.offendersMax) }

  /// True while signatures of the source are checked alone.
  func contains(_ source: UInt64, at now: UInt64) -> Bool {
    for offender in offenders where offender.source == source { return now < offender.end }
    return false
  }

  /// Sources that are in quarantine.
  func count(at now: UInt64) -> Int { offenders.count { now < $0.end } }

  /// Records a bad signature of the source. Several in one turn count once: a strike during quarantine only restarts it.
  mutating func strike(_ source: UInt64, at now: UInt64) {
    for index in offenders.indices where offenders[index].source == source {
      if offenders[index].isForgotten(at: now) {
        offenders[index].strikes = 1
      } else if now >= offenders[index].end {
        offenders[index].strikes += 1
      }
      offenders[index].end = now + offenders[index].duration
      return
    }
    var offender = Offender(source: source, strikes: 1, end: 0)
    offender.end = now + offender.duration
    if offenders.count < Limits.offendersMax {
      offenders.append(offender)
    } else {
      var first = 0
      for index in offenders.indices where offenders[index].end < offenders[first].end { first = index }
      offenders[first] = offender
    }
  }
}
