import Metrics
import Synchronization

/// What is known to be damaged: counted, logged, and kept for the health check until a verification finds nothing. Any thread.
final class Integrity: Sendable {
  /// Damages of one verification that are logged one by one.
  private static let logged = 20

  private let metrics: StorageMetrics
  private let log: Log
  private let state = Mutex<String?>(nil)

  init(metrics: StorageMetrics, log: Log) { (self.metrics, self.log) = (metrics, log) }

  /// The first damage that was found and is not repaired; nil while none is known.
  var detail: String? { state.withLock { $0 } }

  /// A value that was asked for is damaged.
  /// - Parameter component: `chain`, `mmr`, `index` or `snapshots`.
  func note(component: String, _ detail: String) {
    metrics.integrityErrors[component].add()
    log.error("storage", "integrity", [("component", component), ("detail", detail)])
    state.withLock { if $0 == nil { $0 = "\(component): \(detail)" } }
  }

  /// What was damaged is made again by itself.
  func healed(component: String, _ detail: String) {
    metrics.integrityErrors[component].add()
    log.error("storage", "integrity", [("component", component), ("detail", detail), ("fix", "it is written anew")])
  }

  /// A verification has read everything.
  func note(_ result: StoreVerification) {
    for (position, damage) in result.damages.enumerated() {
      let component = Self.component(damage.path)
      metrics.integrityErrors[component].add()
      guard position < Self.logged else { continue }
      let place = damage.offset.map { [("offset", "\($0)")] } ?? []
      log.error("maintenance", "integrity", [("path", damage.path)] + place + [("range", damage.range), ("grade", damage.isMinor ? "minor" : "major"), ("fix", damage.remedy)])
    }
    let first = result.damages.first.map { "\($0.path) \($0.range)" }
    let count = result.minorCount + result.majorCount
    state.withLock { $0 = first.map { "\(count) damaged, the first: \($0)" } }
  }

  private static func component(_ path: String) -> String { ["mmr", "index", "snapshots"].first { path.hasPrefix($0) } ?? "chain" }
}
