// Sections node, runtime, network, consensus, storage.
extension Key {
  static let node: [Key] = [
    Key("node.chain_id", .text(bytesMax: 64), .text(""), "Name of the chain; when set, the node starts only with a genesis of this name."),
    Key("node.name", .text(bytesMax: 64), .text(""), reloadable: true, "Name of the node, shown to peers and in logs."),
    Key("node.data_dir", .path(), .text("data"), "Directory of the chain's data."),
    Key("node.genesis_file", .path(), .text("config/genesis.json"), "The genesis of the chain."),
    Key("node.key_file", .path(), .text("keys/node.key"), "Private key that names the node in the network; a mode wider than 0640 is refused."),
    Key("node.admin_socket", .path(bytesMax: 107), .text(""), "Unix socket of the node's own commands; empty: admin.sock in the data directory."),
  ]

  static let runtime: [Key] = [
    Key("runtime.io_backend", .word(["auto", "io_uring", "epoll"]), .text("auto"), "Kernel interface of the event loop; auto takes io_uring where the kernel allows it."),
    Key("runtime.reactors", .integer(0...32), .integer(0), "Threads that serve the API; 0: by the number of cores."),
    Key("runtime.verify_threads", .integer(0...16), .integer(0), "Threads that check signatures beside the reactors; 0: by the number of cores."),
    Key("runtime.pin_cores", .boolean, .boolean(false), "Bind each thread to a core."),
  ]

  static let network: [Key] = [
    Key("network.listen_addr", .address, .text("0.0.0.0:9000"), "Address for peers."),
    Key("network.external_addr", .multiaddress, .text(""), "Address that peers are told; empty: the one they see."),
    Key("network.boot_nodes", .list(.multiaddress, countMax: 64), .list([]), reloadable: true, "Peers that are dialled first, and again with growing pauses when they are lost."),
    Key("network.max_peers", .integer(1...1000), .integer(50), reloadable: true, "Peers at most; validators are admitted above it."),
    Key("network.min_peers", .integer(0...1000), .integer(8), reloadable: true, "Outbound links that are kept; at most max_peers."),
    Key("network.max_inbound_per_ip", .integer(1...1000), .integer(8), reloadable: true, "Inbound peers from one address."),
    Key("network.rate_limit_per_peer", .integer(1...1_000_000, unit: "messages/s"), .integer(1000), reloadable: true, "Messages of one peer; more are dropped and counted."),
    Key("network.ban_duration", .duration(1000...86_400_000), .milliseconds(600_000), reloadable: true, "First ban of a misbehaving peer; bans double to 24h."),
    Key("network.peer_exchange", .boolean, .boolean(true), reloadable: true, "Learn addresses from peers and tell them ours."),
    Key("network.connection_timeout", .duration(100...3_600_000), .milliseconds(10_000), reloadable: true, "A dial may take this long."),
    Key("network.handshake_timeout", .duration(100...3_600_000), .milliseconds(5000), reloadable: true, "A handshake may take this long."),
    Key("network.keepalive_interval", .duration(100...3_600_000), .milliseconds(30_000), reloadable: true, "Pause between pings."),
    Key("network.idle_timeout", .duration(100...3_600_000), .milliseconds(120_000), reloadable: true, "A silent peer is dropped after this time; more than twice keepalive_interval."),
    Key("network.max_concurrent_requests", .integer(1...256), .integer(4), reloadable: true, "Block requests in flight while syncing."),
    Key("network.message_buffer_size", .integer(16...65_536, unit: "messages"), .integer(100), "Messages queued for one peer."),
    Key("network.protocol_min", .integer(1...3), .integer(1), "Oldest version of the protocol between nodes that is spoken."),
    Key("network.protocol_max", .integer(1...3), .integer(3), "Newest version of the protocol between nodes that is spoken; lower to speak like an older release."),
    Key("network.sync_verify", .word(["full", "deferred"]), .text("full"), "Check the signatures of synced events at once or after."),
    Key("network.tls.enabled", .boolean, .boolean(true), "TLS 1.3 between peers; off only for tests."),
    Key("network.tls.verify_peers", .boolean, .boolean(true), "Check that a peer's certificate fits its id; off only for tests."),
    Key("network.tls.cert_file", .path(), .text(""), reloadable: true, "Certificate for peers; empty: self-signed from the node's key."),
    Key("network.tls.key_file", .path(), .text(""), reloadable: true, "Private key of cert_file."),
    Key("network.tls.ca_file", .path(), .text(""), reloadable: true, "Authorities that sign peers' certificates; empty: the peer id decides."),
  ]

  static let consensus: [Key] = [
    Key("consensus.validator", .boolean, .boolean(false), "Vote with validator_key; a key that is not in the set runs inactive, with a warning."),
    Key("consensus.validator_key", .path(), .text("keys/validator.key"), "Private key that votes; mode 0600."),
    Key("consensus.next_validator_key", .path(), .text(""), reloadable: true, "Private key that votes from the first height of its set."),
    Key("consensus.listen_window", .duration(10_000...3_600_000), .milliseconds(120_000), "How long a validator with doubtful marks listens before it votes."),
    Key("consensus.base_delay", .duration(10...300_000), .milliseconds(100), "Expected delay between validators; 500ms on a WAN."),
    Key("consensus.skip_timeout", .duration(10...300_000), .milliseconds(3000), "A silent leader is skipped after this time; 10s on a WAN."),
    Key("consensus.clock_ahead", .duration(10...300_000), .milliseconds(500), "A proposal may be this far ahead of the clock; 1s on a WAN."),
    Key("consensus.stale_base", .duration(10...300_000), .milliseconds(2000), "A proposal may be this far behind the clock; 4s on a WAN."),
  ]

  static let storage: [Key] = [
    Key("storage.cache_size_mb", .integer(8...1_048_576, unit: "MiB"), .integer(128), "Block cache, shared by all tables: more for faster reads."),
    Key("storage.write_buffer_size_mb", .integer(4...4096, unit: "MiB"), .integer(64), "Memory of one write buffer: more for faster writes."),
    Key("storage.max_open_files", .integer(64...1_000_000), .integer(10_000), "Table files held open."),
    Key("storage.compression", .word(["none", "snappy", "lz4", "zstd"]), .text("lz4"), "Compression of table files."),
    Key("storage.sync_writes", .boolean, .boolean(true), "Sync every block to the disk before it counts; false only with --dev."),
    Key("storage.min_free_mb", .integer(0...1_048_576, unit: "MiB"), .integer(1024), reloadable: true, "Below this the node turns read-only."),
    Key("storage.warn_free_percent", .integer(0...100, unit: "percent"), .integer(10), reloadable: true, "Below this the node warns every hour."),
    Key("storage.reserve_mb", .integer(0...65_536, unit: "MiB"), .integer(64), reloadable: true, "Space kept for the writes of a stop on a full disk."),
    Key("storage.background_jobs", .integer(1...16), .integer(2), "Threads of flushes and compactions."),
    Key("storage.maintenance_max_mbps", .integer(0...10_000, unit: "MB/s"), .integer(0), reloadable: true, "What backup, compaction, prune and verification go through in a second; 0: no limit."),
    Key("storage.snapshots", .boolean, .boolean(true), reloadable: true, "Keep immutable files of the blocks without their bodies for nodes that sync from a checkpoint: 192 bytes per event."),
    Key("storage.scrub_interval", .duration(0...31_536_000_000), .milliseconds(604_800_000), reloadable: true, "All data is re-hashed in this time; \"0s\": off, otherwise at least 1h."),
    Key("storage.scrub_max_mbps", .integer(1...1000, unit: "MB/s"), .integer(16), reloadable: true, "Read rate of the re-hashing."),
  ]
}
