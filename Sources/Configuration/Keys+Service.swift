// Sections mempool, index, api, metrics, log, retention.
extension Key {
  static let mempool: [Key] = [
    Key("mempool.max_size", .integer(100...1_000_000, unit: "events"), .integer(100_000), "Pending events at most; beyond it submissions get 503."),
    Key("mempool.max_bytes", .size(1_000_000...64_000_000_000), .bytes(256_000_000), "Bytes of pending events at most; beyond it submissions get 503."),
    Key("mempool.event_ttl", .duration(60_000...604_800_000), .milliseconds(86_400_000), reloadable: true, "A pending event is dropped after this time; at most past_window_ms of the genesis."),
    Key("mempool.rebroadcast_interval", .duration(1000...600_000), .milliseconds(30_000), reloadable: true, "Pending events are told to peers again after this time."),
    Key("mempool.per_signer_percent", .integer(1...100, unit: "percent"), .integer(50), reloadable: true, "Share of the pool that one signer may fill."),
    Key("mempool.persist", .boolean, .boolean(true), reloadable: true, "Keep pending events over a clean stop."),
  ]

  static let index: [Key] = [
    Key("index.enabled", .boolean, .boolean(true), "Build the index behind the head."),
    Key("index.actor_index", .boolean, .boolean(true), "Index events by actor."),
    Key("index.resource_index", .boolean, .boolean(true), "Index events by resource."),
    Key("index.type_index", .boolean, .boolean(true), "Index events by type."),
    Key("index.time_index", .boolean, .boolean(true), "Index events by time."),
    Key("index.max_results", .integer(1...10_000), .integer(1000), reloadable: true, "Events of one page of results."),
  ]

  static let api: [Key] = [
    Key("api.enabled", .boolean, .boolean(true), "Serve the HTTP API."),
    Key("api.listen_addr", .address, .text("0.0.0.0:8080"), "Address of the API; port 0 picks a free one."),
    Key("api.max_connections", .integer(16...65_536), .integer(4096), "Open connections at most."),
    Key("api.max_body_size", .size(1000...1_000_000_000), .bytes(10_000_000), reloadable: true, "Bytes of one request body at most."),
    Key("api.request_timeout", .duration(1000...600_000), .milliseconds(30_000), reloadable: true, "A request must have arrived after this time."),
    Key("api.header_timeout", .duration(1000...600_000), .milliseconds(10_000), reloadable: true, "The head of a request must have arrived after this time."),
    Key("api.idle_timeout", .duration(1000...600_000), .milliseconds(60_000), reloadable: true, "A kept-alive connection is closed after this time without a request."),
    Key("api.drain_delay", .duration(0...300_000), .milliseconds(10_000), reloadable: true, "After a stop signal the node serves on for this long, not ready."),
    Key("api.drain_timeout", .duration(0...300_000), .milliseconds(20_000), reloadable: true, "Requests in work may take this long after drain_delay."),
    Key("api.drain_status", .integer(404...503), .integer(503), reloadable: true, "Status of /v1/ready while draining: 503 or 404."),
    Key("api.ready_max_lag", .integer(3...1_000_000, unit: "blocks"), .integer(10), reloadable: true, "Not ready above this lag, ready again at 2."),
    Key("api.gateway_signing", .boolean, .boolean(false), reloadable: true, "Accept unsigned JSON events, signed by gateway_key and marked so."),
    Key("api.gateway_key", .path(), .text(""), reloadable: true, "Private key of gateway_signing."),
    Key("api.ws_queue", .integer(16...65_536, unit: "messages"), .integer(1024), reloadable: true, "Messages queued for one WebSocket."),
    Key("api.trusted_proxies", .list(.network, countMax: 64), .list([]), reloadable: true, "Proxies whose X-Forwarded-For and PROXY v2 count."),
    Key("api.dashboard", .boolean, .boolean(true), reloadable: true, "Serve the page at / to this host."),
    Key("api.dashboard_public", .boolean, .boolean(false), reloadable: true, "Serve the page at / to everybody."),
    Key("api.auth.require_auth", .boolean, .boolean(false), reloadable: true, "Demand a token or key for all but health, ready and status."),
    Key("api.auth.public_peers", .boolean, .boolean(false), reloadable: true, "Serve /v1/peers beyond this host without a token."),
    Key("api.auth.jwt_secret_file", .path(), .text(""), reloadable: true, "File with the HS256 secret, at least 32 bytes; there is no default secret."),
    Key("api.auth.jwks_file", .path(), .text(""), reloadable: true, "File with EdDSA keys of token issuers."),
    Key("api.auth.jwt_audience", .text(bytesMax: 256), .text(""), reloadable: true, "Audience of tokens; empty: the chain id."),
    Key("api.auth.jwt_leeway", .duration(0...3_600_000), .milliseconds(60_000), reloadable: true, "Tolerance of the times in tokens."),
    Key("api.auth.api_keys_file", .path(), .text("config/api_keys.json"), reloadable: true, "Hashes of API keys; mode 0600."),
    Key("api.rate_limit.enabled", .boolean, .boolean(true), reloadable: true, "Limit requests per key, else per address."),
    Key("api.rate_limit.requests_per_minute", .integer(1...100_000_000), .integer(600), reloadable: true, "Requests per minute; a batch counts its events."),
    Key("api.rate_limit.burst_size", .integer(1...100_000_000), .integer(100), reloadable: true, "Requests at once after a rest."),
    Key("api.rate_limit.websocket_connections", .integer(1...65_536), .integer(5), reloadable: true, "WebSockets per key or address."),
    Key("api.cors.enabled", .boolean, .boolean(false), reloadable: true, "Answer browsers of other origins."),
    Key("api.cors.origins", .list(.origin, countMax: 64), .list([]), reloadable: true, "Origins that may read answers."),
    Key("api.tls.enabled", .boolean, .boolean(false), "Serve the API over TLS."),
    Key("api.tls.min_version", .word(["1.2", "1.3"]), .text("1.2"), "Oldest TLS version."),
    Key("api.tls.cert_file", .path(), .text(""), reloadable: true, "Certificate chain of the API; a bad file keeps the old one."),
    Key("api.tls.key_file", .path(), .text(""), reloadable: true, "Private key of cert_file."),
    Key("api.tls.client_ca_file", .path(), .text(""), reloadable: true, "Authorities of client certificates; empty: none are asked for."),
  ]

  static let metrics: [Key] = [
    Key("metrics.enabled", .boolean, .boolean(true), "Serve metrics."),
    Key("metrics.prometheus_addr", .address, .text("0.0.0.0:9090"), "Address of the metrics; 9090 is also Prometheus' own."),
    Key("metrics.path", .text(bytesMax: 128), .text("/metrics"), "Path of the metrics."),
    Key("metrics.detailed_histograms", .boolean, .boolean(false), reloadable: true, "Latency per route, with exemplars."),
  ]

  /// Parts of the node that log, and the only values of `subsystem`.
  public static let subsystems = ["node", "reactor", "peering", "consensus", "mempool", "ledger", "storage", "sync", "api", "validator", "maintenance"]
  public static let levels = ["trace", "debug", "info", "notice", "warn", "error"]
  private static let formats = ["text", "json", "logfmt", "journald"]

  static let log: [Key] =
    [Key("log.level", .word(levels), .text("info"), reloadable: true, "Least severe records.")]
    + subsystems.map { Key("log.levels.\($0)", .word(levels), nil, reloadable: true, "Least severe records of \($0); unset: log.level.") } + [
      Key("log.stderr", .boolean, .boolean(true), reloadable: true, "Write records to standard error."),
      Key("log.format", .word(["auto"] + formats), .text("auto"), reloadable: true, "Form of records on standard error; auto: journald where the journal reads, else text."),
      Key("log.file", .path(), .text("logs/moloch.log"), reloadable: true, "File of records; empty: none."),
      Key("log.file_level", .word(levels), nil, reloadable: true, "Least severe records of the file; unset: log.level."),
      Key("log.file_format", .word(formats), .text("text"), reloadable: true, "Form of records in the file."),
      Key("log.rate_limit", .integer(0...1_000_000, unit: "records/s"), .integer(20), reloadable: true, "Records per second of one place in the program; 0: no limit."),
      Key("log.rate_burst", .integer(1...1_000_000, unit: "records"), .integer(100), reloadable: true, "Records at once of one place after a rest."),
      Key("log.rotate", .word(["builtin", "external"]), .text("builtin"), reloadable: true, "Who rotates the file; external: logrotate and SIGHUP."),
      Key("log.rotate_size_mb", .integer(1...65_536, unit: "MB"), .integer(100), reloadable: true, "Size at which the file is rotated."),
      Key("log.rotate_keep", .integer(1...1000), .integer(14), reloadable: true, "Rotated files kept."),
      Key("log.rotate_compress", .boolean, .boolean(true), reloadable: true, "Compress rotated files from the second on."),
    ]

  static let retention: [Key] = [
    Key("retention.min_days", .integer(1...36_500, unit: "days"), nil, reloadable: true, "Bodies younger than this are never pruned; unset: nothing is."),
    Key("retention.auto_prune", .boolean, .boolean(false), reloadable: true, "Prune without being told."),
    Key("retention.auto_prune_interval", .duration(60_000...31_536_000_000), .milliseconds(86_400_000), reloadable: true, "Pause between prunings."),
    Key("retention.min_archive_peers", .integer(0...1000), .integer(2), reloadable: true, "Peers that must hold what is pruned."),
    Key("retention.legal_hold", .boolean, .boolean(false), reloadable: true, "Forbid pruning."),
    Key("retention.backfill", .boolean, .boolean(false), reloadable: true, "Fetch bodies below the checkpoint of the sync later."),
  ]
}
