/// Voting.
public struct ConsensusMetrics: Sendable {
  public let view: Gauge
  /// By outcome: finalised, nullified.
  public let views: Series<Counter>
  /// By step: propose, notarise, finalise; nanoseconds.
  public let steps: Series<Histogram>
  public let quorumMargin, isActive, isListening, power, clockSkew: Gauge
  public let proposed, doubleSignRefused, evidenceDropped: Counter
  /// By kind: proposal, vote.
  public let missed: Series<Counter>
  /// By kind: double_notarise, double_finalise, nullify_finalise.
  public let evidence: Series<Counter>

  init(_ registry: inout Registry) {
    view = registry.gauge("moloch_consensus_view", "Current view.")
    views = registry.counters("moloch_consensus_views_total", "Views whose block became final here by votes, and views that were nullified.", by: Registry.Label("outcome", ["finalised", "nullified"]))
    steps = registry.histograms(
      "moloch_consensus_step_duration_seconds", "Time of a step of a view: due until proposed, proposed until notarised, notarised until finalised.", .secondsOfNanoseconds, Registry.spans,
      by: Registry.Label("step", ["propose", "notarise", "finalise"]))
    quorumMargin = registry.gauge("moloch_consensus_quorum_margin", "Power heard from within 10 s, or connected while nothing is pending, less the quorum; negative: stalled.")
    isActive = registry.gauge("moloch_validator_active", "1 when this node votes.")
    isListening = registry.gauge("moloch_validator_listening", "1 while a validator listens before it votes.")
    power = registry.gauge("moloch_validator_power", "Voting power of this node.")
    proposed = registry.counter("moloch_validator_blocks_proposed_total", "Final blocks that this node proposed.")
    missed = registry.counters("moloch_validator_missed_total", "Turns and votes that this node missed.", by: Registry.Label("kind", ["proposal", "vote"]))
    doubleSignRefused = registry.counter("moloch_validator_double_sign_refused_total", "Signatures that the journal refused.")
    evidence = registry.counters(
      "moloch_evidence_total", "Proofs of misbehaviour seen.", by: Registry.Label("kind", ["double_notarise", "double_finalise", "nullify_finalise"]))
    evidenceDropped = registry.counter("moloch_evidence_dropped_total", "Proofs of misbehaviour that found no room.")
    clockSkew = registry.gauge("moloch_clock_skew_seconds", "Own clock less the median of the peers.", .secondsOfNanoseconds)
  }
}

/// Links to peers.
public struct NetworkMetrics: Sendable {
  /// Peers past the handshake, each key once.
  public let peerCount: Gauge
  /// By direction (in, out) and role (validator, api).
  public let peers: Series<Gauge>
  /// By direction.
  public let connects: Series<Counter>
  /// By reason.
  public let disconnects: Series<Counter>
  public let bans: Counter
  /// Nanoseconds.
  public let roundTrip: Histogram
  /// By direction and channel (consensus, sync, events, exchange).
  public let bytes: Series<Counter>
  /// By direction and type.
  public let messages: Series<Counter>
  /// By reason: full, rate, invalid.
  public let dropped: Series<Counter>
  /// By channel.
  public let queueBytes: Series<Gauge>

  init(_ registry: inout Registry, messageTypes: [String]) {
    let direction = Registry.Label("direction", ["in", "out"])
    let channel = Registry.Label("channel", ["consensus", "sync", "events", "exchange"])
    peerCount = registry.gauge("moloch_peer_count", "Peers past the handshake.")
    peers = registry.gauges("moloch_peers", "Peers by direction and role.", by: direction, Registry.Label("role", ["validator", "api"]))
    connects = registry.counters("moloch_peer_connects_total", "Handshakes that succeeded.", by: direction)
    disconnects = registry.counters(
      "moloch_peer_disconnects_total", "Links that ended.",
      by: Registry.Label("reason", ["shutdown", "version", "chain_mismatch", "full", "misbehaviour", "timeout", "duplicate", "requested", "other"]))
    bans = registry.counter("moloch_peer_bans_total", "Peers banned.")
    roundTrip = registry.histogram("moloch_peer_rtt_seconds", "Round trip of a ping.", .secondsOfNanoseconds, Registry.spans)
    bytes = registry.counters("moloch_network_bytes_total", "Bytes of messages.", .bytes, by: direction, channel)
    // Without types there is one that never counts, so that the family keeps its shape.
    messages = registry.counters(
      "moloch_network_messages_total", "Messages.", by: direction, Registry.Label("type", messageTypes.isEmpty ? ["other"] : messageTypes))
    dropped = registry.counters("moloch_network_dropped_total", "Messages dropped.", by: Registry.Label("reason", ["full", "rate", "invalid"]))
    queueBytes = registry.gauges("moloch_network_queue_bytes", "Bytes queued for peers.", .bytes, by: channel)
  }
}
