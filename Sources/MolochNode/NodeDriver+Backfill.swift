import API
import Ambient
import Audit
import Ledger
import Reactor
import Replication

/// What was said of bodies that are fetched later.
struct BackfillReport {
  static let pauseMilliseconds: UInt64 = 10_000
  var isUnderWay = false
  /// When the next line about progress is due.
  var next = Instant.zero
}

extension NodeDriver {
  /// The storage thread has looked for missing bodies, or has written some.
  func filled(_ result: BackfillResult, _ gap: BodyGap, _ loop: Loop) {
    gate.surroundings.earliestBodyHeight = gap.earliest.rawValue
    replica?.filled(result, gap, now: times(loop), &effects)
    let heights = [("earliest_body_height", "\(gap.earliest.rawValue)"), ("target_height", "\(gap.floor.rawValue)")]
    let isWanted = gap.earliest > gap.floor
    if isWanted, !backfilling.isUnderWay {
      log.info("sync", "bodies below the checkpoint are fetched", heights)
      backfilling = BackfillReport(isUnderWay: true, next: loop.now.adding(milliseconds: BackfillReport.pauseMilliseconds))
    } else if isWanted, loop.now >= backfilling.next {
      backfilling.next = loop.now.adding(milliseconds: BackfillReport.pauseMilliseconds)
      let state = replica?.backfillFacts.map { "\($0.state.rawValue)" } ?? "-"
      log.info("sync", "bodies below the checkpoint", heights + [("state", state)])
    } else if !isWanted, backfilling.isUnderWay {
      backfilling.isUnderWay = false
      log.info("sync", "bodies below the checkpoint are complete", heights)
    }
    if result == .written, !isWanted, gap.heights != nil { log.debug("sync", "bodies that a peer had withheld are here", heights) }
  }
}
