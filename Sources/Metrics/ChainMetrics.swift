/// Blocks and the log.
public struct ChainMetrics: Sendable {
  /// Last final height; never lower than before in one life of the process.
  public let height: Gauge
  /// From the proposal to the durable commit of the last block, milliseconds.
  public let blockTime: Gauge
  public let startTime: Gauge
  public let treeSize: Gauge
  /// Both absent before the first checkpoint.
  public let checkpointSize: Gauge
  public let checkpointAge: Gauge
  public let blocksCommitted: Counter
  public let blockEvents: Histogram
  public let blockBytes: Histogram
  /// Nanoseconds.
  public let blockInterval, blockProduction, eventFinality: Histogram
  public let finalityLag: Gauge

  init(_ registry: inout Registry, version: String, commit: String, protocolVersion: String) {
    height = registry.gauge("moloch_chain_height", "Height of the last final block.")
    blockTime = registry.gauge("moloch_block_time_ms", "Milliseconds from proposal to durable commit of the last block.")
    let build = registry.gauges(
      "moloch_build_info", "Version of the program.", by: Registry.Label("version", [version]), Registry.Label("commit", [commit]),
      Registry.Label("protocol", [protocolVersion]))
    build[0].set(1)
    startTime = registry.gauge("moloch_start_time_seconds", "Unix time at which the node started.", .secondsOfNanoseconds)
    treeSize = registry.gauge("moloch_tree_size", "Leaves of the log.")
    checkpointSize = registry.gauge("moloch_checkpoint_size", "Leaves of the published checkpoint.")
    checkpointAge = registry.gauge("moloch_checkpoint_age_seconds", "Time since the published checkpoint was last cosigned.", .secondsOfNanoseconds)
    blocksCommitted = registry.counter("moloch_blocks_committed_total", "Blocks made final here.")
    blockEvents = registry.histogram("moloch_block_events", "Events of a block.", .none, Registry.counts)
    blockBytes = registry.histogram("moloch_block_bytes", "Bytes of the records of a block.", .bytes, Registry.sizes)
    blockInterval = registry.histogram("moloch_block_interval_seconds", "Time between the commits of two blocks.", .secondsOfNanoseconds, Registry.longSpans)
    blockProduction = registry.histogram("moloch_block_production_seconds", "Time from proposal to durable commit of a block.", .secondsOfNanoseconds, Registry.spans)
    eventFinality = registry.histogram("moloch_event_finality_seconds", "Time from acceptance here to finality of an event.", .secondsOfNanoseconds, Registry.spans)
    finalityLag = registry.gauge("moloch_finality_lag_seconds", "Age of the oldest accepted event that is not final, else 0.", .secondsOfNanoseconds)
  }
}

/// Keeping up with the network.
public struct SyncMetrics: Sendable {
  /// Blocks behind the highest certified tip.
  public let lag: Gauge
  public let isSyncing, targetHeight, blocksPerSecond, eta: Gauge

  init(_ registry: inout Registry) {
    lag = registry.gauge("moloch_sync_lag", "Blocks behind the highest tip that a certificate proves.")
    isSyncing = registry.gauge("moloch_syncing", "1 while the node catches up.")
    targetHeight = registry.gauge("moloch_sync_target_height", "Height of the highest tip that a certificate proves.")
    blocksPerSecond = registry.gauge("moloch_sync_blocks_per_second", "Blocks synced per second; only while syncing.")
    eta = registry.gauge("moloch_sync_eta_seconds", "Time until the tip is reached; only while syncing.", .secondsOfNanoseconds)
  }
}

/// Pending events.
public struct MempoolMetrics: Sendable {
  public let size, bytes, capacity, oldestAge: Gauge
  public let accepted, committed, expired: Counter
  public let rejected: Series<Counter>
  /// Nanoseconds of one batch.
  public let signatureVerification: Histogram
  public let signatureBatchSize: Histogram
  /// Look-ups of signers' keys for batches of submissions: hit, miss.
  public let signerKeys: Series<Counter>
  /// Of submissions and of peers' records: client, peer.
  public let signatureCombinations: Series<Counter>
  public let badSignatures: Series<Counter>
  public let quarantined: Series<Gauge>

  init(_ registry: inout Registry, rejections: [String]) {
    size = registry.gauge("moloch_mempool_size", "Pending events.")
    bytes = registry.gauge("moloch_mempool_bytes", "Bytes of pending records.", .bytes)
    capacity = registry.gauge("moloch_mempool_capacity", "Pending events that fit.")
    oldestAge = registry.gauge("moloch_mempool_oldest_event_age_seconds", "Age of the oldest pending event.", .secondsOfNanoseconds)
    accepted = registry.counter("moloch_events_accepted_total", "Events admitted.")
    committed = registry.counter("moloch_events_committed_total", "Events made final.")
    expired = registry.counter("moloch_events_expired_total", "Pending events dropped for their age.")
    rejected = registry.counters("moloch_events_rejected_total", "Events refused at admission.", by: Registry.Label("reason", rejections))
    signerKeys = registry.counters(
      "moloch_signer_keys_total", "Look-ups of signers' keys in the cache of decoded keys.", by: Registry.Label("result", ["hit", "miss"]))
    let origin = Registry.Label("source", ["client", "peer"])
    signatureCombinations = registry.counters(
      "moloch_signature_combinations_total", "Combinations computed for batches of signatures; one for a batch whose signatures are good.", by: origin)
    badSignatures = registry.counters("moloch_bad_signatures_total", "Signatures of records that were refused.", by: origin)
    quarantined = registry.gauges("moloch_signature_sources_quarantined", "Senders of bad signatures whose records are checked alone for a while.", by: origin)
    signatureVerification = registry.histogram(
      "moloch_signature_verify_seconds", "Time to check one batch of signatures of submissions.", .secondsOfNanoseconds, Registry.spans)
    signatureBatchSize = registry.histogram("moloch_signature_batch_size", "Signatures of one batch.", .none, Registry.counts)
  }
}
