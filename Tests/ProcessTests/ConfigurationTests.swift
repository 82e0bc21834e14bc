import Foundation
import Testing

/// The configuration as commands and a running node take it.
@Suite struct ConfigurationTests {
  static func home(_ configuration: String) throws -> ScratchDirectory {
    let scratch = try ScratchDirectory()
    try FileManager.default.createDirectory(at: scratch.url.appendingPathComponent("config"), withIntermediateDirectories: true)
    try configuration.write(to: scratch.url.appendingPathComponent("config/node.toml"), atomically: true, encoding: .utf8)
    return scratch
  }

  @Test func validateConfigPrintsEverythingAtOnce() throws {
    let scratch = try Self.home("[network]\nmax_peer = 100\n[storage]\ncompression = \"lz5\"\n[mempool]\nmax_size = 10000\n")
    let file = scratch.url.path + "/config/node.toml"
    let checked = try Command.moloch("validate-config", "--config", "node.toml", directory: scratch.url.appendingPathComponent("config"))
    #expect(checked.status == 78)
    #expect(
      checked.output.hasPrefix(
        """
        error: unknown key 'network.max_peer'                                    node.toml:2:1
            2 | max_peer = 100
              | ^^^^^^^^ did you mean 'max_peers'?
        error: storage.compression = "lz5" is not one of none, snappy, lz4, zstd   node.toml:4:15
        """), "\(checked.output)")
    #expect(checked.output.contains("warning: mempool.max_size = 10000: MolochHighMempool (> 10000) can never fire   node.toml:6:12"))
    #expect(checked.output.contains("2 errors, "))
    let run = try Command.moloch("run", "--home", scratch.url.path)
    #expect(run.status == 78 && run.errors.contains("\(file):2:1"), "\(run.errors)")
    let missing = try Command.moloch("validate-config", "--config", scratch.url.path + "/none.toml")
    #expect(missing.status == 66, "\(missing.errors)")
  }

  @Test func initWritesAFileThatIsValidAndFindsItsHome() throws {
    let scratch = try ScratchDirectory()
    let made = try Command.moloch("init", "--chain-id", "audit-1", "--home", scratch.url.path)
    #expect(made.status == 0, "\(made.errors)")
    let source = scratch.url.appendingPathComponent("src/deep")
    try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
    let checked = try Command.moloch("validate-config", directory: source)
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    let shown = try Command.run(
      NodeProcess.moloch, ["config", "show", "--origin"], directory: source, environment: ["MOLOCH_API_WS_QUEUE": "99"])
    let lines = shown.output.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ") }
    #expect(lines.contains { $0.hasPrefix("node.chain_id = \"audit-1\" file ") && $0.contains("config/node.toml:") }, "\(shown.output)")
    #expect(lines.contains("api.ws_queue = 99 env MOLOCH_API_WS_QUEUE") && lines.contains("api.idle_timeout = \"60s\" default") || lines.contains("api.idle_timeout = \"1m\" default"))
    let section = try Command.moloch("config", "show", "api.rate_limit", directory: source)
    #expect(section.output.split(separator: "\n").count == 4, "\(section.output)")
    let wrong = try Command.moloch("config", "show", "api.rate_limits", directory: source)
    #expect(wrong.status == 64 && wrong.errors.contains("unknown key"), "\(wrong.errors)")
    let explained = try Command.moloch("config", "explain", "api.drain_delay", directory: source)
    #expect(explained.output.contains("MOLOCH_API_DRAIN_DELAY") && explained.output.contains("by SIGHUP"))
  }

  @Test func theFileConfiguresTheNode() throws {
    let scratch = try Self.home("[api]\nmax_body_size = \"2kB\"\n[node]\ndata_dir = \"elsewhere\"\n[storage]\nmax_open_files = 5000\nwrite_buffer_size_mb = 96\ncompression = \"zstd\"\n")
    let node = try NodeProcess(home: scratch.url)
    let answer = try node.client().post("/v1/events/batch", type: SubmissionTests.events, body: [UInt8](repeating: 0, count: 2001))
    #expect(answer.status == 413, "\(answer.text)")
    #expect(FileManager.default.fileExists(atPath: scratch.url.path + "/elsewhere/chain/CURRENT"))
    let options = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path + "/elsewhere/chain").filter { $0.hasPrefix("OPTIONS-") }.max()
    let text = try String(contentsOfFile: scratch.url.path + "/elsewhere/chain/" + (try #require(options)), encoding: .utf8)
    #expect(text.contains("max_open_files=5000\n") && text.contains("write_buffer_size=100663296\n") && text.contains(" compression=kZSTD\n"), "\(text)")
    let status = try Command.moloch("status", "--home", scratch.url.path)
    #expect(status.status == 0, "\(status.errors)")
  }

  @Test func diffPrintsTheKeysThatDiffer() throws {
    let one = try Self.home("[network]\nmax_peers = 60\n[api]\nidle_timeout = \"60s\"\n"), other = try Self.home("[network]\nmax_peers = 70\n")
    let (first, second) = (one.url.path + "/config/node.toml", other.url.path + "/config/node.toml")
    let changed = try Command.moloch("config", "diff", first, second)
    #expect(changed.status == 2, "\(changed.output)\(changed.errors)")
    // The idle timeout of the first file is the default.
    #expect(changed.output == "- network.max_peers = 60   file \(first):2\n+ network.max_peers = 70   file \(second):2\n", "\(changed.output)")
    let same = try Command.moloch("config", "diff", first, first)
    #expect(same.status == 0 && same.output.isEmpty, "\(same.output)\(same.errors)")
    #expect(try Command.moloch("config", "diff", first, first + ".none").status == 66)
    let wrong = try Self.home("[network]\nmax_peer = 60\n")
    #expect(try Command.moloch("config", "diff", first, wrong.url.path + "/config/node.toml").status == 78)
  }

  @Test func aForeignChainNameIsRefused() throws {
    let scratch = try ScratchDirectory()
    #expect(try Command.moloch("init", "--chain-id", "audit-1", "--home", scratch.url.path).status == 0)
    let run = try Command.moloch("run", "--home", scratch.url.path, "--set", "node.chain_id=audit-2")
    #expect(run.status == 78 && run.errors.contains("audit-2") && run.errors.contains("audit-1"), "\(run.errors)")
  }

  /// What a start would refuse is refused by whoever looks before it, and by a reload.
  @Test func valuesThatDoNotFitTheChainAreFoundBeforeTheStart() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url), file = scratch.url.path + "/config/node.toml"
    for (text, fragment) in [
      ("[mempool]\nevent_ttl = \"3d\"\n", "mempool.event_ttl = \"3d\" is longer than past_window_ms = 86400000"),
      ("[node]\nchain_id = \"other\"\n", "is the genesis of moloch-dev"),
    ] {
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      let checked = try Command.moloch("validate-config", "--home", scratch.url.path)
      #expect(checked.status == 78 && checked.output.contains(fragment) && checked.output.contains("node.toml:2:"), "\(checked.output)\(checked.errors)")
      let reloaded = try Command.moloch("reload", "--home", scratch.url.path)
      #expect(reloaded.status == 78 && (reloaded.output + reloaded.errors).contains(fragment), "\(reloaded.output)\(reloaded.errors)")
    }
    try "[mempool]\nevent_ttl = \"24h\"\n".write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try Command.moloch("validate-config", "--home", scratch.url.path).status == 0)
    #expect(try Command.moloch("reload", "--home", scratch.url.path).status == 0)
    #expect(node.isRunning)
  }

  @Test func cachesBeyondHalfOfTheMemoryAreAWarning() throws {
    let scratch = try Self.home("[storage]\ncache_size_mb = 1048576\n")
    let checked = try Command.moloch("validate-config", "--home", scratch.url.path)
    let line = checked.output.split(separator: "\n").first { $0.contains("caches and pools may take") } ?? ""
    #expect(checked.status == 0 && line.hasPrefix("warning: storage.cache_size_mb = 1048576: ") && line.contains("node.toml:2:"), "\(checked.output)")
    let plain = try Self.home("[storage]\ncache_size_mb = 8\n[mempool]\nmax_bytes = \"1MB\"\n")
    #expect(try !Command.moloch("validate-config", "--home", plain.url.path).output.contains("caches and pools"))
  }
}
