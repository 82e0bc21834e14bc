/// The HTTP API.
public struct APIMetrics: Sendable {
  /// All requests, microseconds.
  public let latency: Histogram
  /// By kind: http, ws.
  public let connections: Series<Gauge>
  public let isReady, isHealthy: Gauge
  public let rateLimited: Counter
  /// By reason; see `reasons`.
  public let rejected: Series<Counter>
  /// By percentile, of the last minute: p50, p90, p99, p999; absent when nobody asked anything.
  public let window: Series<Gauge>
  /// By route, method and class of status, nanoseconds.
  public let requests: Series<Histogram>

  /// Why a request was refused.
  public static let reasons = ["invalid", "unauthenticated", "forbidden", "not_found", "conflict", "too_large", "rate_limited", "unavailable"]
  /// Name of the family in detail.
  public static let requestsName = "moloch_api_request_duration_seconds"

  /// Upper bounds of the latency buckets, milliseconds.
  public static let latencyBoundsMilliseconds: [UInt64] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000]

  /// - Parameter requestSeries: route, method and class of status of each series.
  init(_ registry: inout Registry, requestSeries: [[String]]) {
    latency = registry.histogram(
      "moloch_api_latency_ms", "API response time in milliseconds.", .millisecondsOfMicroseconds, Self.latencyBoundsMilliseconds.map { $0 * 1000 })
    connections = registry.gauges("moloch_api_connections", "Open connections.", by: Registry.Label("kind", ["http", "ws"]))
    isReady = registry.gauge("moloch_ready", "1 when fit for traffic.")
    isHealthy = registry.gauge("moloch_healthy", "1 unless /v1/health answers 503.")
    rateLimited = registry.counter("moloch_api_rate_limited_total", "Requests refused by the rate limit.")
    rejected = registry.counters("moloch_api_rejected_total", "Requests answered with an error.", by: Registry.Label("reason", Self.reasons))
    window = registry.gauges(
      "moloch_api_latency_window_seconds", "API response time over the last minute.", .secondsOfNanoseconds,
      by: Registry.Label("percentile", ["p50", "p90", "p99", "p999"]))
    requests = registry.detail(
      Self.requestsName, "Response time by route, with metrics.detailed_histograms.", .secondsOfNanoseconds, Registry.spans, by: ["route", "method", "code"], series: requestSeries)
  }
}

/// The disk.
public struct StorageMetrics: Sendable {
  public let total, capacity, free: Gauge
  /// By component: chain, mmr, index, validator, other.
  public let components: Series<Gauge>
  /// Nanoseconds.
  public let commit: Histogram
  /// By file: chain, journal, tree; nanoseconds.
  public let fsync: Series<Histogram>
  public let indexHeight, indexLag, isReadOnly: Gauge
  /// Absent before the first backup.
  public let lastBackup: Gauge
  /// By cache: block, the one of the database; key, the decoded keys of signers.
  public let caches: Series<Gauge>
  /// By task, while it runs: compact, prune, verify, repair, scrub, backup; 0 to 1.
  public let maintenanceProgress: Series<Gauge>
  /// Lowest height whose bodies are here; absent before the store is open.
  public let earliestBodyHeight: Gauge
  /// Bytes that compaction is behind by, and compactions at work.
  public let compactionPending, compactionRunning: Gauge
  /// Absent before the first scrub.
  public let scrubAge: Gauge
  /// By component: chain, mmr, index, snapshots.
  public let integrityErrors: Series<Counter>
  /// Parts of the snapshot by what was done with them: written, served.
  public let snapshotParts: Series<Counter>
  /// The last block of the last part, and the bytes of all.
  public let snapshotHeight, snapshotBytes: Gauge

  init(_ registry: inout Registry) {
    total = registry.gauge("moloch_storage_bytes", "Allocated bytes of all files under the data directory.", .bytes)
    capacity = registry.gauge("moloch_storage_capacity", "Allocated bytes plus the free bytes of the file system.")
    free = registry.gauge("moloch_storage_free_bytes", "Free bytes of the file system.", .bytes)
    components = registry.gauges(
      "moloch_storage_component_bytes", "Allocated bytes by directory.", .bytes, by: Registry.Label("component", ["chain", "mmr", "index", "validator", "other"]))
    commit = registry.histogram("moloch_storage_commit_seconds", "Time of a durable commit: block and journal.", .secondsOfNanoseconds, Registry.spans)
    fsync = registry.histograms(
      "moloch_storage_fsync_seconds", "Time of a synced write.", .secondsOfNanoseconds, Registry.spans, by: Registry.Label("file", ["chain", "journal", "tree"]))
    indexHeight = registry.gauge("moloch_index_height", "Height up to which the index is built.")
    indexLag = registry.gauge("moloch_index_lag", "Blocks between the head and the index.")
    isReadOnly = registry.gauge("moloch_storage_read_only", "1 while the disk is too full to accept events.")
    lastBackup = registry.gauge("moloch_backup_last_success_timestamp_seconds", "Unix time of the last backup that was completed.", .secondsOfNanoseconds)
    caches = registry.gauges("moloch_cache_bytes", "Bytes in caches.", .bytes, by: Registry.Label("cache", ["block", "key"]))
    maintenanceProgress = registry.gauges(
      "moloch_maintenance_progress_ratio", "How far a task of maintenance is, while it runs.",
      by: Registry.Label("task", ["compact", "prune", "verify", "repair", "scrub", "backup"]))
    earliestBodyHeight = registry.gauge("moloch_earliest_body_height", "Lowest height whose event bodies are stored here.")
    compactionPending = registry.gauge("moloch_compaction_pending_bytes", "Estimated bytes that compaction has to rewrite.", .bytes)
    compactionRunning = registry.gauge("moloch_compaction_running", "Compactions at work.")
    scrubAge = registry.gauge("moloch_scrub_age_seconds", "Time since all data was last re-hashed.", .secondsOfNanoseconds)
    integrityErrors = registry.counters(
      "moloch_integrity_errors_total", "Stored values that are missing or not what they must be, each time one was met.",
      by: Registry.Label("component", ["chain", "mmr", "index", "snapshots"]))
    snapshotParts = registry.counters(
      "moloch_snapshot_parts_total", "Parts of the snapshot that were written, or served to nodes that sync from a checkpoint.",
      by: Registry.Label("action", ["written", "served"]))
    snapshotHeight = registry.gauge("moloch_snapshot_height", "Height of the last block in the parts of the snapshot.")
    snapshotBytes = registry.gauge("moloch_snapshot_bytes", "Bytes of the parts of the snapshot.", .bytes)
  }
}

/// The process.
public struct ProcessMetrics: Sendable {
  public let cpu: Counter
  /// By role; see `threadRoles`. Nanoseconds.
  public let threads: Series<Counter>
  public static let threadRoles = ["reactor", "storage", "verify", "rocksdb", "log", "other"]
  public let resident, virtual, openFiles, maxFiles, startTime: Gauge
  /// By loop: reactor0 to reactor31; nanoseconds.
  public let loopLag: Series<Histogram>
  /// By level.
  public let logRecords: Series<Counter>
  public let logDropped: Counter
  public let lastReloadSuccess, lastReloadTime: Gauge
  public let diskRead, diskWritten: Counter
  /// By listener: api, peer; Unix time in seconds.
  public let certificateExpiry: Series<Gauge>

  init(_ registry: inout Registry) {
    cpu = registry.counter("process_cpu_seconds_total", "User and system time.", .secondsOfNanoseconds)
    threads = registry.counters(
      "moloch_thread_cpu_seconds_total", "User and system time of the threads by what they do.", .secondsOfNanoseconds, by: Registry.Label("role", Self.threadRoles))
    resident = registry.gauge("process_resident_memory_bytes", "Resident memory.", .bytes)
    virtual = registry.gauge("process_virtual_memory_bytes", "Virtual memory.", .bytes)
    openFiles = registry.gauge("process_open_fds", "Open file descriptors.")
    maxFiles = registry.gauge("process_max_fds", "File descriptors that may be open.")
    startTime = registry.gauge("process_start_time_seconds", "Unix time at which the process started.", .secondsOfNanoseconds)
    // One reactor runs; more add their names here.
    loopLag = registry.histograms(
      "moloch_loop_lag_seconds", "How late a timer of an event loop fires.", .secondsOfNanoseconds, Registry.spans, by: Registry.Label("loop", ["reactor0"]))
    logRecords = registry.counters(
      "moloch_log_records_total", "Log records written.", by: Registry.Label("level", ["trace", "debug", "info", "notice", "warn", "error"]))
    logDropped = registry.counter("moloch_log_dropped_total", "Log records dropped because the writer was behind.")
    lastReloadSuccess = registry.gauge("moloch_config_last_reload_success", "1 when the last reload was accepted.")
    diskRead = registry.counter("moloch_process_disk_read_bytes_total", "Bytes that the process made the disk read.", .bytes)
    diskWritten = registry.counter("moloch_process_disk_written_bytes_total", "Bytes that the process made the disk write.", .bytes)
    certificateExpiry = registry.gauges(
      "moloch_tls_certificate_expiry_timestamp_seconds", "Unix time at which the certificate of a listener expires.", .secondsOfNanoseconds,
      by: Registry.Label("listener", ["api", "peer"]))
    lastReloadTime = registry.gauge("moloch_config_last_reload_timestamp_seconds", "Unix time of the last reload.", .secondsOfNanoseconds)
  }
}
