extension Settings {
  /// Looks at values together: what cannot work is an error, what an operator should know is a warning.
  mutating func check() {
    func milliseconds(_ name: String) -> UInt64 { self.milliseconds(name) }
    if integer("network.min_peers") > integer("network.max_peers") {
      report(.error, "network.min_peers", "is more than network.max_peers = \(integer("network.max_peers"))")
    }
    if integer("network.protocol_min") > integer("network.protocol_max") {
      report(.error, "network.protocol_min", "is more than network.protocol_max = \(integer("network.protocol_max"))")
    }
    if milliseconds("network.idle_timeout") <= 2 * milliseconds("network.keepalive_interval") {
      report(.error, "network.idle_timeout", "is not more than twice network.keepalive_interval = \(shown("network.keepalive_interval"))")
    }
    if ![404, 503].contains(integer("api.drain_status")) { report(.error, "api.drain_status", "is neither 503 nor 404") }
    if (1..<3_600_000).contains(milliseconds("storage.scrub_interval")) { report(.error, "storage.scrub_interval", "is less than 1h; \"0s\" turns it off") }
    if !boolean("storage.sync_writes"), !isDevelopment {
      report(.error, "storage.sync_writes", "loses final blocks in a crash: it is for --dev only")
    }
    if !text("metrics.path").hasPrefix("/") || text("metrics.path").contains(where: { $0 == " " || $0 == "?" || $0 == "#" }) {
      report(.error, "metrics.path", "is no path such as /metrics")
    }
    if boolean("api.tls.enabled"), text("api.tls.cert_file").isEmpty || text("api.tls.key_file").isEmpty {
      report(.error, "api.tls.enabled", "needs api.tls.cert_file and api.tls.key_file")
    }
    if boolean("api.gateway_signing"), text("api.gateway_key").isEmpty { report(.error, "api.gateway_signing", "needs api.gateway_key") }
    checkListeners()
    checkEffect()
    checkAlerts()
  }

  /// Looks at what must fit the chain of the home.
  /// - Parameters:
  ///   - pastWindowMilliseconds: of its parameters.
  ///   - path: of the genesis file, for messages.
  public mutating func check(chainID: String, pastWindowMilliseconds: UInt64, genesis path: String) {
    let named = text("node.chain_id")
    if !named.isEmpty, named != chainID { report(.error, "node.chain_id", "\(path) is the genesis of \(chainID)") }
    // The default follows a shorter window.
    if self["mempool.event_ttl"].origin != .standard, milliseconds("mempool.event_ttl") > pastWindowMilliseconds {
      report(.error, "mempool.event_ttl", "is longer than past_window_ms = \(pastWindowMilliseconds) of \(path): no block could take such an event")
    }
  }

  /// What caches, write buffers and pools may take, bytes.
  public var cacheBytes: UInt64 {
    UInt64(integer("storage.cache_size_mb") + integer("storage.write_buffer_size_mb")) << 20 + UInt64(bytes("mempool.max_bytes"))
  }

  /// Warns when caches and pools are meant to take more than half of the memory.
  /// - Parameters:
  ///   - bytes: what the process may have.
  ///   - source: who says so, for the message.
  public mutating func check(memory bytes: UInt64, source: String) {
    guard bytes > 0, cacheBytes > bytes / 2 else { return }
    let largest = UInt64(integer("storage.cache_size_mb")) << 20 >= UInt64(self.bytes("mempool.max_bytes")) ? "storage.cache_size_mb" : "mempool.max_bytes"
    report(.warning, largest, "caches and pools may take \(cacheBytes >> 20) MiB, more than half of the \(bytes >> 20) MiB of \(source)")
  }

  private mutating func checkListeners() {
    let listeners = ["api.listen_addr", "metrics.prometheus_addr", "network.listen_addr"]
    for (index, name) in listeners.enumerated() {
      for other in listeners[..<index] where text(other) == text(name) && !text(name).hasSuffix(":0") {
        report(.error, name, "is the address of \(other) too")
      }
    }
    if boolean("api.enabled"), !Address.isLoopback(text("api.listen_addr")), !boolean("api.auth.require_auth"), !boolean("api.tls.enabled") {
      report(.warning, "api.listen_addr", "is open to other hosts without authentication or TLS")
    }
    if !boolean("network.tls.enabled"), !isDevelopment { report(.warning, "network.tls.enabled", "leaves the links between peers open: for tests only") }
  }

  /// A key that asks for protection which this release does not give is an error; another one without effect is a warning.
  private mutating func checkEffect() {
    for name in Key.protections where Key.isInert(name) && self[name].value == .boolean(true) {
      report(.error, name, "asks for protection that this release does not give")
    }
    for (position, key) in Key.table.enumerated() where Key.isInert(key.name) && !Key.protections.contains(key.name) {
      switch entries[position].origin {
      case .standard, .development: continue
      case .file, .environment, .commandLine: report(.warning, key.name, "has no effect in this release")
      }
    }
  }

  private mutating func checkAlerts() {
    if integer("mempool.max_size") <= 10_000 { report(.warning, "mempool.max_size", "MolochHighMempool (> 10000) can never fire") }
    let known = list("network.boot_nodes").count + 1
    if known < 4, !isDevelopment {
      report(.warning, "network.boot_nodes", "\(known) known \(known == 1 ? "node" : "nodes"), fewer than 4: MolochLowPeerCount (< 3) will fire")
    }
    let drain = milliseconds("api.drain_delay") + milliseconds("api.drain_timeout")
    if drain > 50_000 {
      report(.warning, "api.drain_timeout", "with api.drain_delay = \(shown("api.drain_delay")) is more than 50s: the shipped unit kills the node after 60s")
    }
  }

  /// A finding about the value of a key: `mempool.max_size = 10000: ...`, `network.min_peers = 60 is more than ...`.
  private mutating func report(_ severity: Finding.Severity, _ name: String, _ message: String) {
    let isSentence = message.hasPrefix("is ") || message.hasPrefix("has ") || message.hasPrefix("needs ") || message.hasPrefix("asks ")
    complain(severity, "\(name) = \(shown(name))\(isSentence ? " " : ": ")\(message)", self[name].origin.place)
  }

  private func shown(_ name: String) -> String { self[name].value?.toml ?? "unset" }
}

extension Key {
  /// Keys and sections that are read and checked, and change nothing yet. `docs/limits.md` lists the same; a test compares.
  public static let inert = [
    "runtime.reactors", "runtime.pin_cores", "network.sync_verify",
    "network.tls.verify_peers", "network.tls.cert_file", "network.tls.key_file", "network.tls.ca_file",
    "index", "api.gateway_signing", "api.gateway_key", "api.ws_queue", "api.dashboard",
    "api.dashboard_public", "api.auth", "api.rate_limit.websocket_connections", "api.tls",
  ]

  /// Switches on which somebody relies for safety.
  static let protections = ["api.auth.require_auth", "api.tls.enabled"]

  public static func isInert(_ name: String) -> Bool { inert.contains { name == $0 || name.hasPrefix($0 + ".") } }
}
