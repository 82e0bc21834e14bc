import Foundation
import Testing

/// What a running node exposes, and what its logs and reloads do.
@Suite struct MetricsTests {
  @Test func promtoolHasExactlyTheThreeRemarksOfTheGuidesNames() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    // The checkpoint is cosigned after the block is final.
    #expect(try client.get("/v1/checkpoint?min_size=1").status == 200)
    let metrics = try HTTPClient(port: node.metricsPort)
    let text = try metrics.get("/metrics")
    #expect(text.status == 200 && text.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    let file = scratch.url.appendingPathComponent("metrics.txt")
    try Data(text.body).write(to: file)
    let checked = try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", "promtool check metrics < \"$0\"", file.path])
    let remarks = (checked.output + checked.errors).split(separator: "\n")
    #expect(remarks.count == 3, "\(remarks.joined(separator: "\n"))")
    #expect(Set(remarks.compactMap { $0.split(separator: " ").first.map { String($0) } }) == ["moloch_peer_count", "moloch_block_time_ms", "moloch_api_latency_ms"], "\(remarks)")
    // An idle minute brings an empty block.
    for name in ["moloch_chain_height", "moloch_blocks_committed_total", "moloch_block_events_count"] {
      let value = text.text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Int($0.dropFirst(name.count + 1)) }
      #expect(value ?? 0 >= 1, "\(name)")
    }
    for name in ["moloch_peer_count 0\n", "moloch_sync_lag 0\n", "moloch_events_committed_total 1\n"] {
      #expect(text.text.contains("\n" + name), "\(name)")
    }
    for name in [
      "moloch_event_finality_seconds_count 1\n", "moloch_signature_batch_size_count 1\n", "moloch_storage_commit_seconds_count",
      "moloch_storage_fsync_seconds_count{file=\"chain\"}", "moloch_loop_lag_seconds_count{loop=\"reactor0\"}", "moloch_build_info{version=\"1.0.0\"",
      "moloch_api_latency_window_seconds{percentile=\"p999\"} ", "moloch_compaction_pending_bytes ", "moloch_compaction_running 0\n",
      "moloch_earliest_body_height 1\n", "moloch_checkpoint_age_seconds ", "process_open_fds ", "process_resident_memory_bytes ", "process_start_time_seconds ", "moloch_log_dropped_total 0\n",
    ] { #expect(text.text.contains("\n" + name), "\(name) is missing") }
    #expect(!text.text.contains("moloch_api_request_duration_seconds"), "details are off")
    let line = try Command.moloch("--version").output, version = try #require(line.firstMatch(of: /protocol (\d+)/)).1
    #expect(text.text.contains(",protocol=\"\(version)\"} 1\n"), "\(line)")
    // Every role but the last is a thread that lives; together they are the process, up to what it spent while this was read.
    func value(_ name: String) throws -> Double {
      let line = try #require(text.text.split(separator: "\n").first { $0.hasPrefix(name + " ") }, "\(name)")
      return try #require(Double(line.dropFirst(name.count + 1)))
    }
    let spent = try ["reactor", "storage", "verify", "rocksdb", "log", "other"].map { try value("moloch_thread_cpu_seconds_total{role=\"\($0)\"}") }
    let whole = try value("process_cpu_seconds_total")
    #expect(spent[0] > 0 && spent.reduce(0, +) <= whole + 0.05, "\(spent), \(whole)")
    let open = try metrics.get("/metrics", accept: "application/openmetrics-text;version=1.0.0")
    #expect(open.fields["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8" && open.text.hasSuffix("# EOF\n"))
  }

  @Test func theCacheOfSignersKeysIsMeasured() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    func bytes() throws -> Int? {
      let line = try HTTPClient(port: node.metricsPort).get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("moloch_cache_bytes{cache=\"key\"} ") }
      return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) }
    }
    #expect(try bytes() == 0)
    // A key takes its place when it is met again.
    let records = try RecordMaker(client, key: .forTest())
    for _ in 0..<3 { #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201) }
    let one = try #require(try bytes())
    #expect((1000...8000).contains(one), "\(one) bytes for one key")
  }

  @Test func stepsAndViewsOfTheConsensusAreMeasured() throws {
    let cluster = try Cluster(chainID: "moloch-steps")
    try cluster.start()
    let records = try cluster.records()
    let name = "moloch_consensus_step_duration_seconds", steps = ["propose", "notarise", "finalise"]
    let series = ["moloch_consensus_views_total{outcome=\"finalised\"}"] + steps.map { "\(name)_count{step=\"\($0)\"}" }
    // Who gets a block from a peer when it is final has no view for it: another block follows until everybody has taken part in enough of them.
    func lacking() throws -> [String] {
      try cluster.members.flatMap { member in try series.filter { try member.metric($0) ?? 0 < 4 }.map { "\(member.name) \($0)" } }
    }
    let deadline = Date(timeIntervalSinceNow: 180)
    repeat { try cluster[0].finalise(1, of: records) } while try !lacking().isEmpty && Date() < deadline
    let left = try lacking()
    #expect(left.isEmpty, "\(left)")
    for member in cluster.members {
      for step in steps {
        let count = try member.metric("\(name)_count{step=\"\(step)\"}") ?? 0, sum = try member.metric("\(name)_sum{step=\"\(step)\"}") ?? 0
        #expect(sum > 0 && sum < 60 * count, "\(member.name) \(step): \(sum) s in \(count) views")
      }
    }
  }

  /// With details the times stand by route, and a request's id leads from a bucket to its answer and its log lines. A real Prometheus takes them.
  @Test func detailsNameRoutesAndRequests() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "metrics.detailed_histograms=true"])
    let prometheus = try PrometheusServer(scraping: [node.metricsPort])
    let client = try node.client(), family = "moloch_api_request_duration_seconds"
    func ask(_ method: String, _ path: String, _ id: String) throws -> Int {
      try client.exchange(method, path, fields: [("X-Request-Id", id)], body: method == "POST" ? Array("x".utf8) : nil).status
    }
    let key = String(repeating: "0", count: 64)
    #expect(try ask("GET", "/v1/genesis", "first") == 200 && ask("HEAD", "/v1/genesis", "second") == 200)
    #expect(try ask("GET", "/v1/events/evt_\(key)", "absent") == 404 && ask("GET", "/v1/nothing", "lost") == 404 && ask("POST", "/v1/events", "wrong") >= 400)
    let text = try HTTPClient(port: node.metricsPort).get("/metrics").text
    for (labels, count) in [
      ("route=\"/v1/genesis\",method=\"GET\",code=\"2xx\"", 2), ("route=\"/v1/events/{id}\",method=\"GET\",code=\"4xx\"", 1),
      ("route=\"other\",method=\"other\",code=\"4xx\"", 1), ("route=\"/v1/events\",method=\"POST\",code=\"4xx\"", 1),
      ("route=\"/v1/genesis\",method=\"GET\",code=\"5xx\"", 0),
    ] { #expect(text.contains("\n\(family)_count{\(labels)} \(count)\n"), "\(labels)") }
    #expect(text.contains("\nmoloch_api_rejected_total{reason=\"not_found\"} 2\n") && !text.contains("request_id"))
    let open = try HTTPClient(port: node.metricsPort).get("/metrics", accept: "application/openmetrics-text;version=1.0.0").text
    #expect(open.contains(" # {request_id=\"second\"} "))
    let deadline = Date(timeIntervalSinceNow: 180)
    var found: [String] = []
    while found.isEmpty, Date() < deadline {
      found = prometheus.exemplars(of: "\(family)_bucket{route=\"/v1/genesis\"}", label: "request_id")
      usleep(50_000)
    }
    #expect(Set(found).isSubset(of: ["first", "second"]) && !found.isEmpty, "\(found)")
    // A scrape that takes a second fails; the next one does not.
    var isUp = false
    while !isUp, Date() < deadline {
      isUp = prometheus.samples("up{job=\"moloch\"} == 1") == 1
      usleep(50_000)
    }
    #expect(isUp)
  }

  @Test func metricsAnswerWhileTheNodeDrains() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "api.drain_delay=300s"])
    node.signal(SIGTERM)
    // A draining node closes each connection with its answer.
    let deadline = Date(timeIntervalSinceNow: 180)
    while try HTTPClient(port: node.metricsPort).get("/metrics").text.contains("\nmoloch_ready 1\n"), Date() < deadline { usleep(20_000) }
    let draining = try HTTPClient(port: node.metricsPort).get("/metrics")
    #expect(draining.status == 200 && draining.text.contains("\nmoloch_ready 0\n"))
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
  }

  @Test func aTakenMetricsPortNamesItsOwnerAndBothFixes() throws {
    let scratch = try ScratchDirectory(), other = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let address = "127.0.0.1:\(node.metricsPort)"
    let second = try Command.moloch("dev", "--home", other.url.path, "--json", "--set", "metrics.prometheus_addr=\(address)", "--set", "log.format=text")
    #expect(second.status == 75, "\(second.errors)")
    for part in [address, "process \(node.identifier) (moloch)", "metrics.prometheus_addr", "--web.listen-address"] {
      #expect(second.errors.contains(part), "\(part): \(second.errors)")
    }
    #expect(second.errors.split(separator: "\n").contains { $0.contains(" ERROR node: ") && $0.contains("fatal=true") }, "\(second.errors)")
  }

  @Test func sighupTakesANewFileAndReopensTheLog() throws {
    let scratch = try ConfigurationTests.home("[log]\nlevel = \"info\"\n")
    let file = scratch.url.appendingPathComponent("config/node.toml"), log = scratch.url.appendingPathComponent("logs/moloch.log")
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    func wait(_ what: String, until isDone: () -> Bool) throws {
      let deadline = Date(timeIntervalSinceNow: 180)
      while Date() < deadline {
        if isDone() { return }
        usleep(20_000)
      }
      Issue.record("\(what) did not come: \(node.log)")
    }
    func logged() -> String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }
    try wait("the first record of the file") { logged().contains("store open") }
    try FileManager.default.moveItem(at: log, to: log.appendingPathExtension("moved"))
    try "[log]\nlevel = \"info\"\n[api]\nmax_body_size = \"2kB\"\nmax_connections = 99\n".write(to: file, atomically: true, encoding: .utf8)
    node.signal(SIGHUP)
    try wait("the reload") { logged().contains("configuration reloaded name=\"\" taken=api.max_body_size needs_restart=api.max_connections") }
    let answer = try client.post("/v1/events/batch", type: SubmissionTests.events, body: [UInt8](repeating: 0, count: 2001))
    #expect(answer.status == 413, "\(answer.text)")
    try "[api]\nmax_body_size = \"2 kilo\"\nidle_timeout = \"1s\"\n".write(to: file, atomically: true, encoding: .utf8)
    node.signal(SIGHUP)
    try wait("the refusal") { logged().contains("configuration rejected") }
    #expect(logged().contains(" ERROR node: configuration rejected"), "\(logged())")
  }
}
