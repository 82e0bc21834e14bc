import Foundation
import Testing

/// `reload`, `drain`, `log level`: what an operator asks of a running node on its admin socket.
@Suite struct ControlCommandTests {
  static func json(_ command: Command) throws -> [String: Any] {
    (try JSONSerialization.jsonObject(with: Data(command.output.utf8)) as? [String: Any])?["result"] as? [String: Any] ?? [:]
  }

  @Test func reloadTakesAllOrNothingAndSaysWhatNeedsARestart() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    try FileManager.default.createDirectory(at: home.appendingPathComponent("config"), withIntermediateDirectories: true)
    let file = home.appendingPathComponent("config/node.toml")
    func write(_ text: String) throws { try text.write(to: file, atomically: true, encoding: .utf8) }
    try write("[node]\nname = \"one\"\n")
    let node = try NodeProcess(home: home)
    try write("[node]\nname = \"two\"\n[api.rate_limit]\nenabled = true\nrequests_per_minute = 60\nburst_size = 7\n[network]\nmax_peers = 9\n[storage]\ncache_size_mb = 64\n")
    let reloaded = try Command.moloch("reload", "--home", home.path)
    #expect(reloaded.status == 0, "\(reloaded.errors)")
    #expect(
      reloaded.output == """
        Reloaded:       node.name, network.max_peers, api.rate_limit.enabled, api.rate_limit.requests_per_minute, api.rate_limit.burst_size
        Needs restart:  storage.cache_size_mb

        """, "\(reloaded.output)")
    // What is said to be in force is: the answer carries the new limit.
    let client = try node.client()
    #expect(try client.get("/v1/genesis").fields["x-ratelimit-limit"] == "60")
    // One wrong value leaves the other one of the same file out.
    try write("[node]\nname = \"three\"\n[api]\nready_max_lag = 1\n[api.rate_limit]\nenabled = false\n")
    let rejected = try Command.moloch("reload", "--home", home.path)
    #expect(rejected.status == 78 && rejected.output.isEmpty, "\(rejected.output)\(rejected.errors)")
    #expect(rejected.errors.contains("api.ready_max_lag = 1 is not an integer from 3") && rejected.errors.contains("node.toml:4:"), "\(rejected.errors)")
    #expect(try client.get("/v1/genesis").fields["x-ratelimit-limit"] == "60", "the old limit is still in force")
    let metrics = try HTTPClient(port: node.metricsPort).get("/metrics").text
    #expect(metrics.contains("\nmoloch_config_last_reload_success 0\n"))
    // SIGHUP does the same.
    try write("[node]\nname = \"four\"\n[api.rate_limit]\nenabled = false\n")
    node.signal(SIGHUP)
    while try client.get("/v1/genesis").fields["x-ratelimit-limit"] != nil { usleep(10_000) }
    try node.logs("configuration reloaded name=four taken=node.name,network.max_peers,")
  }

  @Test func aKeyThatCannotBeReadRejectsTheReload() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let node = try NodeProcess(home: home)
    try FileManager.default.createDirectory(at: home.appendingPathComponent("config"), withIntermediateDirectories: true)
    try "[node]\nname = \"x\"\n[consensus]\nnext_validator_key = \"keys/none.key\"\n".write(to: home.appendingPathComponent("config/node.toml"), atomically: true, encoding: .utf8)
    let rejected = try Command.moloch("reload", "--home", home.path, "--json")
    #expect(rejected.status == 78, "\(rejected.output)\(rejected.errors)")
    let report = try Self.json(rejected)
    #expect(report["accepted"] as? Bool == false && (report["taken"] as? [Any])?.isEmpty == true)
    #expect("\(report["findings"] ?? "")".contains("next_validator_key"), "\(rejected.output)")
    try node.logs("configuration rejected", "next_validator_key")
    #expect(node.isRunning && !node.log.contains("configuration reloaded"))
  }

  @Test func withoutANodeTheCommandsSaySo() throws {
    let scratch = try ScratchDirectory()
    for command in [["reload"], ["drain"], ["log", "level", "debug"]] {
      let answer = try Command.run(NodeProcess.moloch, command + ["--home", scratch.url.path])
      #expect(answer.status == 69 && answer.errors.contains("admin.sock"), "\(command): \(answer.errors)")
    }
  }

  @Test func aDrainedNodeGoesOnWithoutRequestsUntilItIsCancelled() throws {
    let scratch = try ConfigurationTests.home("[api]\ndrain_delay = \"300s\"\n")
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    #expect(try client.get("/v1/ready").status == 200)
    let begun = try Command.moloch("drain", "--home", scratch.url.path)
    #expect(begun.status == 0 && begun.output == "State: draining\n", "\(begun.output)\(begun.errors)")
    let draining = try node.client().get("/v1/ready")
    #expect(draining.status == 503 && draining.text.contains("draining") && draining.fields["connection"] == "close", "\(draining.text)")
    // A drain of no time, from the file, is begun anew.
    try "[api]\ndrain_delay = \"0s\"\n".write(to: scratch.url.appendingPathComponent("config/node.toml"), atomically: true, encoding: .utf8)
    #expect(try Command.moloch("drain", "--cancel", "--home", scratch.url.path).output == "State: serving\n")
    #expect(try Command.moloch("reload", "--home", scratch.url.path).output.contains("api.drain_delay"))
    let waited = try Command.moloch("drain", "--wait", "--home", scratch.url.path)
    #expect(waited.status == 0 && waited.output == "State: drained\n", "\(waited.output)\(waited.errors)")
    #expect(throws: (any Error).self) { try node.client().get("/v1/status") }
    // The process, its admin socket and its metrics are there.
    let metrics = try HTTPClient(port: node.metricsPort).get("/metrics").text
    #expect(metrics.contains("\nmoloch_ready "), "the metrics of a drained node are served")
    try node.expectMetric("moloch_ready") { $0 == 0 }
    #expect(try Command.moloch("status", "--home", scratch.url.path).output.contains("State:          draining\n"))
    let cancelled = try Command.moloch("drain", "--cancel", "--home", scratch.url.path)
    #expect(cancelled.status == 0 && cancelled.output == "State: serving\n", "\(cancelled.output)\(cancelled.errors)")
    let records = try RecordMaker(try node.client(), key: .forTest())
    #expect(try node.client().post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    // Drained again, a stop waits for nothing.
    #expect(try Command.moloch("drain", "--wait", "--home", scratch.url.path).status == 0)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0 && node.log.contains("shutdown complete"), "\(node.log)")
  }

  @Test func aRequestInWorkIsFinishedByADrain() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    // An event that is not there is waited for as long as the request says: it ends with an answer, not with a broken connection.
    let (record, id) = try RecordMaker(client, key: .forTest()).next()
    #expect(try client.post("/v1/events", type: SubmissionTests.event, body: record).status == 202)
    #expect(try client.get("/v1/events/\(id)?wait=finalized").status == 200)
    #expect(try Command.moloch("drain", "--wait", "--home", scratch.url.path).output == "State: drained\n")
  }

  @Test func aLevelIsChangedForATimeAndForOneSubsystem() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let home = scratch.url.path
    func level(_ arguments: String...) throws -> Command { try Command.run(NodeProcess.moloch, ["log", "level"] + arguments + ["--home", home]) }
    #expect(try level("debugg").status == 64)
    let unknown = try level("sink=debug")
    #expect(unknown.status == 64 && unknown.errors.contains("'sink' is no subsystem: node, reactor"), "\(unknown.errors)")
    let changed = try level("node=error")
    #expect(changed.status == 0 && changed.output == "Level: error, subsystem: node until the next reload\n", "\(changed.output)\(changed.errors)")
    try node.logs("NOTICE node: log level changed new_level=error of=node")
    // The subsystem is silent, the others are not.
    let silent = node.log.count
    #expect(try Command.moloch("drain", "--home", home).status == 0)
    #expect(try Command.moloch("drain", "--cancel", "--home", home).status == 0)
    let timed = try level("info", "--for", "1s")
    #expect(timed.output == "Level: info, subsystem: all for 1 s\n", "\(timed.output)")
    // Whatever the two commands had logged would stand before this line.
    try node.logs("NOTICE node: log level changed new_level=info of=all")
    #expect(!node.log.dropFirst(silent).contains("drain"), "\(node.log.dropFirst(silent))")
    try node.logs("NOTICE node: log level reverted")
    #expect(try Command.moloch("drain", "--home", home).status == 0)
    // The level of the configuration is in force again.
    try node.logs("NOTICE node: draining by=command")
  }

  @Test func theCatalogueOfMetricsIsTheOneThatIsScraped() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "metrics.detailed_histograms=true"])
    let listed = try Command.moloch("metrics", "list", "--json")
    let rows = (try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [String: Any])?["metrics"] as? [[String: Any]] ?? []
    let scraped = try HTTPClient(port: node.metricsPort).get("/metrics").text
    let types = scraped.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { $0.dropFirst(7) }
    #expect(rows.map { "\($0["name"] ?? "") \($0["type"] ?? "")" } == types.map(String.init))
    for row in rows {
      let name = row["name"] as? String ?? ""
      let samples = scraped.split(separator: "\n").count { !$0.hasPrefix("#") && ($0.hasPrefix(name + " ") || $0.hasPrefix(name + "{") || $0.hasPrefix(name + "_bucket{") || $0.hasPrefix(name + "_sum") || $0.hasPrefix(name + "_count")) }
      #expect(samples <= row["samples_max"] as? Int ?? 0, "\(name) has \(samples) samples")
    }
    let text = try Command.moloch("metrics", "list")
    #expect(text.output.contains("moloch_chain_height") && text.output.hasPrefix("NAME "), "\(text.output.prefix(300))")
  }
}
