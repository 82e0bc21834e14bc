import Configuration
import Testing

/// Settings of a file's text.
func settings(
  _ text: String, environment: [(name: String, value: String)] = [], commandLine: [(key: String, text: String, flag: String)] = [], isDevelopment: Bool = false,
  allowsUnknown: Bool = false
) -> Settings {
  var layers = Layers()
  layers.isDevelopment = isDevelopment
  layers.file = ("node.toml", Array(text.utf8))
  layers.environment = environment
  layers.commandLine = commandLine
  layers.allowsUnknown = allowsUnknown
  return Settings(layers)
}

@Suite struct SettingsTests {
  /// Errors only: warnings about defaults are looked at by their own tests.
  static func errors(_ settings: Settings) -> [String] { settings.findings.filter { $0.severity == .error }.map { $0.text } }
  static func messages(_ settings: Settings) -> [String] { settings.findings.map { $0.message } }

  @Test func findingsHaveTheLayoutOfTheManual() {
    let text = """
      [node]
      name = "n"









      [network]
      # peers

      max_peer = 100







      [storage]
      compression = "lz5"







      [mempool]
      max_size = 10000
      """
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let found = settings(text).findings.map { $0.text }
    let line = lines.firstIndex { $0.hasPrefix("max_peer") }! + 1, value = lines.firstIndex { $0.hasPrefix("compression") }! + 1
    let size = lines.firstIndex { $0.hasPrefix("max_size") }! + 1
    #expect(
      found.contains(
        """
        error: unknown key 'network.max_peer'                                    node.toml:\(line):1
           \(line) | max_peer = 100
              | ^^^^^^^^ did you mean 'max_peers'?
        """))
    #expect(found.contains("error: storage.compression = \"lz5\" is not one of none, snappy, lz4, zstd   node.toml:\(value):15"))
    #expect(found.contains("warning: mempool.max_size = 10000: MolochHighMempool (> 10000) can never fire   node.toml:\(size):12"))
    #expect(Finding.summary(settings(text).findings.filter { $0.message.contains("max_peer'") || $0.message.contains("lz5") || $0.message.contains("MolochHigh") }) == "2 errors, 1 warning")
  }

  @Test func theCommandLineWinsOverTheEnvironmentOverTheFileOverTheDefault() {
    let file = "api.max_connections = 100\napi.ws_queue = 100\napi.max_body_size = \"1MB\""
    let result = settings(
      file, environment: [("MOLOCH_API_MAX_CONNECTIONS", "200"), ("MOLOCH_API_WS_QUEUE", "200")], commandLine: [("api.ws_queue", "300", "--set api.ws_queue")])
    #expect(Self.errors(result).isEmpty)
    #expect(result.integer("api.max_connections") == 200)
    #expect(result["api.max_connections"].origin == .environment("MOLOCH_API_MAX_CONNECTIONS"))
    #expect(result.integer("api.ws_queue") == 300)
    #expect("\(result["api.ws_queue"].origin)" == "cli")
    #expect(result.bytes("api.max_body_size") == 1_000_000)
    #expect("\(result["api.max_body_size"].origin)" == "file node.toml:3")
    #expect(result.milliseconds("api.idle_timeout") == 60_000)
    #expect(result["api.idle_timeout"].origin == .standard)
  }

  @Test func aWrongValueLeavesTheOneBelowInPlace() {
    let result = settings("api.max_connections = 100", environment: [("MOLOCH_API_MAX_CONNECTIONS", "many")])
    #expect(Self.errors(result) == ["error: api.max_connections = \"many\" is not an integer from 16 to 65536   MOLOCH_API_MAX_CONNECTIONS"])
    #expect(result.integer("api.max_connections") == 100)
  }

  @Test func allErrorsComeAtOnce() {
    let result = settings(
      """
      [api]
      max_connections = "4096"
      max_body_size = 10
      drain_delay = "6h"
      trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33"]
      enabled = 1
      rate_limit = true
      [netwrk]
      max_peers = 3
      """, environment: [("MOLOCH_LOG_LEVEL", "loud")], commandLine: [("log.formt", "text", "--set log.formt")])
    #expect(Self.errors(result).count == 9, "\(Self.errors(result).joined(separator: "\n"))")
    let all = Self.errors(result).joined(separator: "\n")
    #expect(all.contains("api.max_connections = \"4096\" is not an integer from 16 to 65536") && all.contains("node.toml:2:19"))
    #expect(all.contains("\"10.0.0.0/33\" is not one of the networks"))
    #expect(all.contains("'api.rate_limit' is a section"))
    #expect(all.contains("unknown section 'netwrk'") && all.contains("did you mean 'network'?"))
    #expect(all.contains("unknown key 'log.formt', did you mean 'log.format'?"))
  }

  @Test(arguments: ["consensus.block_time_ms = 100", "epoch_length = 5", "[mempool]\npast_window_ms = 5"])
  func parametersOfTheChainAreNamedAsSuch(_ text: String) throws {
    let errors = Self.errors(settings(text))
    #expect(errors.count == 1 && errors[0].contains("genesis.json"), "\(errors)")
  }

  @Test func unknownKeysOfANewerFileCanBeAllowed() {
    let text = "api.max_conections = 100\napi.max_connections = 17"
    #expect(settings(text).hasErrors)
    let allowed = settings(text, allowsUnknown: true)
    #expect(!allowed.hasErrors)
    #expect(allowed.findings.contains { $0.severity == .warning && $0.message == "unknown key 'api.max_conections'" })
    #expect(allowed.integer("api.max_connections") == 17)
  }

  @Test func unknownVariablesAreWarnings() {
    let result = settings("", environment: [("MOLOCH_API_LISTN_ADDR", "x"), ("MOLOCH_HOME", "/h"), ("PATH", "/bin")])
    let warnings = result.findings.filter { $0.message.hasPrefix("unknown variable") }
    #expect(warnings.map { $0.message } == ["unknown variable 'MOLOCH_API_LISTN_ADDR', did you mean 'MOLOCH_API_LISTEN_ADDR'?"])
    #expect(!result.hasErrors)
  }

  @Test func brokenTOMLIsShownWithItsLine() {
    let errors = Self.errors(settings("[api]\nenabled = tru\n"))
    #expect(errors.count == 1 && errors[0].contains("node.toml:2:") && errors[0].contains("    2 | enabled = tru"), "\(errors)")
  }

  @Test(arguments: [
    ("network.min_peers = 60", "network.min_peers = 60 is more than network.max_peers = 50"),
    ("network.idle_timeout = \"1m\"", "network.idle_timeout = \"1m\" is not more than twice"),
    ("api.drain_status = 500", "api.drain_status = 500 is neither 503 nor 404"),
    ("storage.scrub_interval = \"30m\"", "is less than 1h"),
    ("storage.sync_writes = false", "is for --dev only"),
    ("metrics.path = \"metrics\"", "is no path"),
    ("metrics.prometheus_addr = \"0.0.0.0:8080\"", "is the address of api.listen_addr too"),
    ("api.tls.enabled = true", "needs api.tls.cert_file"),
    ("api.auth.require_auth = true", "asks for protection that this release does not give"),
    ("api.gateway_signing = true", "needs api.gateway_key"),
  ])
  func valuesThatCannotWorkTogetherAreErrors(_ text: String, _ message: String) {
    let errors = Self.errors(settings(text))
    #expect(errors.contains { $0.contains(message) }, "\(errors)")
  }

  @Test(arguments: [
    ("", "is open to other hosts without authentication or TLS"), ("", "1 known node, fewer than 4"), ("mempool.max_size = 10000", "can never fire"),
    ("api.drain_delay = \"1m\"", "is more than 50s"), ("network.tls.enabled = false", "leaves the links between peers open"),
    ("api.ws_queue = 20", "has no effect in this release"),
  ])
  func whatAnOperatorShouldKnowIsAWarning(_ text: String, _ message: String) {
    let result = settings(text)
    #expect(!result.hasErrors, "\(Self.errors(result))")
    #expect(result.findings.contains { $0.severity == .warning && $0.message.contains(message) }, "\(Self.messages(result))")
  }

  @Test func developmentIsQuietAndOnLoopback() {
    let result = settings("", isDevelopment: true)
    #expect(result.findings.isEmpty, "\(Self.messages(result))")
    #expect(result.text("api.listen_addr") == "127.0.0.1:8080" && !result.boolean("api.rate_limit.enabled"))
    #expect(settings("api.rate_limit.enabled = true", isDevelopment: true).boolean("api.rate_limit.enabled"))
  }

  @Test(arguments: [
    ("/dns/boot.example.org/tcp/9000/p2p/12D3KooWQx000000000000000000000000000000000000000000", nil),
    ("/ip4/10.0.1.2/tcp/9000/p2p/ed25519:" + String(repeating: "0f", count: 32), nil),
    ("/ip6/fd00::1/tcp/9000/p2p/12D3KooWQx000000000000000000000000000000000000000000", nil),
    ("/ip4/10.0.1.256/tcp/9000/p2p/12D3KooWQx000000000000000000000000000000000000000000", "/ip4/10.0.1.256"),
    ("/udp/10.0.1.2/tcp/9000/p2p/x", "/udp is none of"), ("/dns/a/tcp/70000/p2p/x", "/tcp/70000 is no port"), ("/dns/a/tcp/9000", "/p2p/ID is missing"),
    ("/dns/a/tcp/9000/p2p/12D3", "/p2p/12D3 is neither"), ("10.0.0.1:9000", "begins with /dns/NAME"),
  ])
  func multiaddressesAreCheckedByComponent(_ text: String, _ fault: String?) {
    let errors = Self.errors(settings("network.boot_nodes = [\"\(text)\"]"))
    if let fault {
      #expect(errors.count == 1 && errors[0].contains(fault), "\(errors)")
    } else {
      #expect(errors.isEmpty, "\(errors)")
    }
  }

  @Test func aReloadTellsWhatWaitsForARestart() {
    let old = settings("api.idle_timeout = \"5s\"\napi.max_connections = 100"), new = settings("api.idle_timeout = \"6s\"\napi.max_connections = 101")
    let changes = old.changes(to: new)
    #expect(changes.taken.map { $0.name } == ["api.idle_timeout"])
    #expect(changes.waiting.map { $0.name } == ["api.max_connections"])
  }
}

@Suite struct ValueTests {
  @Test(arguments: [("500ms", 500 as UInt64?), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000), ("5", nil), ("-1s", nil), ("1.5s", nil), ("s", nil), ("99999999999s", nil)])
  func spansOfTime(_ text: String, _ milliseconds: UInt64?) {
    #expect(Value.milliseconds(text) == milliseconds)
    if let milliseconds { #expect(Value.duration(milliseconds) == text) }
  }

  @Test(arguments: [("10MB", 10_000_000 as Int?), ("16MiB", 16 << 20), ("64GB", 64_000_000_000), ("512B", 512), ("1kB", 1000), ("10", nil), ("10 MB", nil), ("MB", nil)])
  func sizes(_ text: String, _ bytes: Int?) {
    #expect(Value.bytes(text) == bytes)
    if let bytes { #expect(Value.size(bytes) == text) }
  }
}
