import API
import Bytes
import Glibc

/// What the metrics say, collected by the reactor at a scrape.
struct MetricsSnapshot {
  var version = ""
  var chainHeight: UInt64?
  var treeSize: UInt64 = 0
  var checkpointSize: UInt64 = 0
  var peers = 0
  /// Nil until a certified tip is known.
  var syncLag: UInt64?
  var mempoolSize = 0
  var mempoolBytes = 0
  var mempoolCapacity = 0
  var blockTimeMilliseconds: UInt64?
  var blocksCommitted: UInt64 = 0
  var eventsCommitted: UInt64 = 0
  var commit = LatencyTotals()
  var storage: DirectoryStatistics?
  var indexHeight: UInt64 = 0
  var isReady = false
  var isHealthy = true
  var gate = GateStatistics()

  /// Count and sum of durable commits.
  struct LatencyTotals {
    var count: UInt64 = 0
    var nanoseconds: UInt64 = 0
  }

  /// Prometheus text format 0.0.4. Gauges without a value have no sample; the guide's eight metrics carry no label.
  func text() -> [UInt8] {
    var out: [UInt8] = []
    func metric(_ name: String, _ type: String, _ help: String, _ value: UInt64?, labels: String = "") {
      out += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n".utf8
      if let value { out += "\(name)\(labels) \(value)\n".utf8 }
    }
    metric("moloch_chain_height", "gauge", "Height of the last final block.", chainHeight)
    metric("moloch_peer_count", "gauge", "Peers past the handshake.", UInt64(peers))
    metric("moloch_mempool_size", "gauge", "Pending events.", UInt64(mempoolSize))
    metric("moloch_block_time_ms", "gauge", "Milliseconds from proposal to durable commit of the last block.", blockTimeMilliseconds)
    metric("moloch_sync_lag", "gauge", "Blocks behind the highest certified tip.", syncLag)
    histogram(&out)
    metric("moloch_storage_bytes", "gauge", "Allocated bytes of all files under data.", storage?.total)
    metric("moloch_storage_capacity", "gauge", "Allocated bytes plus the free bytes of the file system.", storage.map { $0.total + $0.free })
    metric("moloch_build_info", "gauge", "Version of the program.", 1, labels: "{version=\"\(version)\",commit=\"unknown\",protocol=\"1\"}")
    metric("moloch_tree_size", "gauge", "Leaves of the log.", treeSize)
    metric("moloch_checkpoint_size", "gauge", "Leaves of the published checkpoint.", checkpointSize)
    metric("moloch_blocks_committed_total", "counter", "Blocks made final here.", blocksCommitted)
    metric("moloch_events_accepted_total", "counter", "Events admitted.", gate.accepted)
    metric("moloch_events_committed_total", "counter", "Events made final.", eventsCommitted)
    out += "# HELP moloch_events_rejected_total Events refused at admission.\n# TYPE moloch_events_rejected_total counter\n".utf8
    for code in [ErrorCode.invalidEvent, .signerNotAllowed, .sequenceConflict, .eventTooLarge, .batchTooLarge, .mempoolFull, .storageFull, .notReady, .rateLimited] {
      let value = ErrorCode.allCases.firstIndex(of: code).map { gate.rejected[$0] } ?? 0
      out += "moloch_events_rejected_total{reason=\"\(code.rawValue)\"} \(value)\n".utf8
    }
    metric("moloch_mempool_bytes", "gauge", "Bytes of pending records.", UInt64(mempoolBytes))
    metric("moloch_mempool_capacity", "gauge", "Pending events that fit.", UInt64(mempoolCapacity))
    metric("moloch_signatures_verified_total", "counter", "Event signatures checked.", gate.signatures)
    metric("moloch_api_connections", "gauge", "Open connections.", UInt64(gate.connections), labels: "{kind=\"http\"}")
    metric("moloch_api_rate_limited_total", "counter", "Requests refused by the rate limit.", gate.rateLimited)
    metric("moloch_ready", "gauge", "1 when fit for traffic.", isReady ? 1 : 0)
    metric("moloch_healthy", "gauge", "1 when alive.", isHealthy ? 1 : 0)
    metric("moloch_index_height", "gauge", "Height up to which the index is built.", indexHeight)
    metric("moloch_index_lag", "gauge", "Blocks between the head and the index.", chainHeight.map { $0 - min($0, indexHeight) })
    metric("moloch_validator_active", "gauge", "1 when this node votes.", 1)
    out += "# HELP moloch_storage_commit_seconds Time of a durable commit.\n# TYPE moloch_storage_commit_seconds summary\n".utf8
    out += "moloch_storage_commit_seconds_sum \(Self.seconds(commit.nanoseconds))\nmoloch_storage_commit_seconds_count \(commit.count)\n".utf8
    components(&out)
    process(&out)
    return out
  }

  private func histogram(_ out: inout [UInt8]) {
    out += "# HELP moloch_api_latency_ms API response time in milliseconds.\n# TYPE moloch_api_latency_ms histogram\n".utf8
    var total: UInt64 = 0
    for (index, bound) in GateStatistics.latencyBoundsMilliseconds.enumerated() {
      total += gate.latencies[index]
      out += "moloch_api_latency_ms_bucket{le=\"\(bound)\"} \(total)\n".utf8
    }
    total += gate.latencies[GateStatistics.latencyBoundsMilliseconds.count]
    let sum = gate.latencySumMicroseconds
    out += "moloch_api_latency_ms_bucket{le=\"+Inf\"} \(total)\nmoloch_api_latency_ms_sum \(sum / 1000).\(Self.padded(sum % 1000, 3))\nmoloch_api_latency_ms_count \(total)\n".utf8
  }

  private func components(_ out: inout [UInt8]) {
    guard let storage else { return }
    out += "# HELP moloch_storage_component_bytes Allocated bytes by directory.\n# TYPE moloch_storage_component_bytes gauge\n".utf8
    for (name, value) in [("chain", storage.chain), ("mmr", storage.mmr), ("index", storage.index), ("validator", storage.validator), ("other", storage.other)] {
      out += "moloch_storage_component_bytes{component=\"\(name)\"} \(value)\n".utf8
    }
    out += "# HELP moloch_storage_free_bytes Free bytes of the file system.\n# TYPE moloch_storage_free_bytes gauge\nmoloch_storage_free_bytes \(storage.free)\n".utf8
  }

  private func process(_ out: inout [UInt8]) {
    var usage = rusage()
    // 0 is RUSAGE_SELF; the kernel fills the structure during the call.
    unsafe getrusage(0, &usage)
    let micros = UInt64(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + UInt64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    out += "# HELP process_cpu_seconds_total User and system time.\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total \(Self.seconds(micros * 1000))\n".utf8
    out += "# HELP process_max_resident_memory_bytes Peak resident memory.\n# TYPE process_max_resident_memory_bytes gauge\nprocess_max_resident_memory_bytes \(UInt64(usage.ru_maxrss) * 1024)\n".utf8
  }

  private static func seconds(_ nanoseconds: UInt64) -> String { "\(nanoseconds / 1_000_000_000).\(padded(nanoseconds % 1_000_000_000 / 1000, 6))" }

  private static func padded(_ value: UInt64, _ digits: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: digits - text.count) + text
  }
}
