import Foundation
import Testing

/// Rules and dashboard against the tools that read them, and against what a node exposes.
@Suite struct MonitoringTests {
  static let directory = ArtifactTests.docs.appendingPathComponent("monitoring")
  static let rules = ["alerts-guide.yml", "alerts.yml"]
  static let promtool = URL(fileURLWithPath: "/usr/bin/promtool")

  static func text(_ name: String) throws -> String { try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8) }

  static func alerts() throws -> [String] {
    try rules.flatMap { try text($0).split(separator: "\n").filter { $0.contains("- alert: ") }.map { String($0.split(separator: " ").last ?? "") } }
  }

  /// Rules, unit tests and whatever `change` makes of the rules, in a directory of their own.
  static func tested(_ change: (String) -> String = { $0 }) throws -> Command {
    let scratch = try ScratchDirectory()
    for name in rules { try change(text(name)).write(to: scratch.url.appendingPathComponent(name), atomically: true, encoding: .utf8) }
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Independent/alerts.test.yml")
    try FileManager.default.copyItem(at: tests, to: scratch.url.appendingPathComponent("alerts.test.yml"))
    return try Command.run(promtool, ["test", "rules", "alerts.test.yml"], directory: scratch.url)
  }

  @Test func promtoolAcceptsTheRules() throws {
    let checked = try Command.run(Self.promtool, ["check", "rules"] + Self.rules, directory: Self.directory)
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    #expect(checked.output.contains("6 rules found") && checked.output.contains("15 rules found"), "\(checked.output)")
    let configuration = try Command.run(Self.promtool, ["check", "config", "prometheus.yml"], directory: Self.directory)
    #expect(configuration.status == 0, "\(configuration.errors)")
  }

  @Test func everyAlertFiresAndDoesNotFireAsItsUnitTestSays() throws {
    let run = try Self.tested()
    #expect(run.status == 0, "\((run.output + run.errors).prefix(4000))")
  }

  /// The unit tests of the alerts would notice a rule that never fires and one that always does.
  @Test func theUnitTestsSeeEachRule() throws {
    let alerts = try Self.alerts()
    #expect(alerts.count == 21 && Set(alerts).count == 21)
    for expression in ["vector(1) > 2", "group by (instance, job) ({__name__=~\".+\"}) > 0"] {
      let run = try Self.tested { text in
        text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.contains("  expr: ") ? "        expr: \(expression)" : String($0) }.joined(separator: "\n")
      }
      #expect(run.status != 0)
      for alert in alerts { #expect((run.output + run.errors).contains("alertname: \(alert),"), "\(alert) may be '\(expression)' and nobody notices") }
    }
  }

  @Test func everyAlertHasASectionInTheRunbooks() throws {
    let runbooks = try Self.text("runbooks.md")
    for alert in try Self.alerts() { #expect(runbooks.contains("\n## \(alert)\n"), "\(alert)") }
    for line in try Self.text("alerts.yml").split(separator: "\n") where line.contains("runbook_url") {
      let link = line.split(separator: "\"")[1].split(separator: "#")
      #expect(FileManager.default.fileExists(atPath: CommandTests.root.path + "/" + link[0]), "\(line)")
      #expect(runbooks.lowercased().contains("\n## \(link[1])\n"), "\(line)")
    }
  }

  /// Queries of all panels.
  static func queries() throws -> [(panel: String, expression: String)] {
    let dashboard = try JSONSerialization.jsonObject(with: Data(text("grafana-dashboard.json").utf8)) as? [String: Any] ?? [:]
    let panels = dashboard["panels"] as? [[String: Any]] ?? []
    return panels.flatMap { panel in
      (panel["targets"] as? [[String: Any]] ?? []).map { ("\(panel["title"] ?? "")", $0["expr"] as? String ?? "") }
    }
  }

  @Test func theDashboardHasTheGuidesPanels() throws {
    let dashboard = try JSONSerialization.jsonObject(with: Data(Self.text("grafana-dashboard.json").utf8)) as? [String: Any] ?? [:]
    let titles = (dashboard["panels"] as? [[String: Any]] ?? []).map { "\($0["title"] ?? "")" }
    let wanted = [
      "Chain Health", "Block height over time", "Block production rate", "Finalization lag", "Network", "Peer connections", "Bandwidth usage", "Message rates",
      "Performance", "API latency percentiles", "Mempool depth", "Event throughput", "Resources", "CPU usage", "Memory usage", "Disk I/O",
    ]
    #expect(titles.filter { wanted.contains($0) } == wanted, "\(titles)")
    let consensus = try #require(titles.firstIndex(of: "Consensus"))
    #expect(
      titles[(consensus + 1)...] == ["Quorum margin", "Views", "Step duration p99", "Missed turns and votes", "Clock skew", "Synced write p99"], "\(titles)")
    let ids = (dashboard["panels"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? Int }
    #expect(Set(ids).count == titles.count)
  }

  /// A metric that no node has makes an empty panel or a rule that cannot fire.
  @Test func everyMetricOfRulesAndDashboardIsOneOfTheNode() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let exposed = try HTTPClient(port: node.metricsPort).get("/metrics").text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
      .map { String($0.split(separator: " ")[2]) }
    var expressions = try Self.queries().map { $0.expression }
    for name in Self.rules {
      expressions += try Self.text(name).split(separator: "\n").filter { $0.contains("expr: ") }.map { String($0.split(separator: ":", maxSplits: 1)[1]) }
    }
    var named = Set<String>()
    for expression in expressions {
      for match in expression.matches(of: /(moloch|process)_[a-z0-9_]+/) { named.insert(String(match.0).replacingOccurrences(of: "_bucket", with: "")) }
    }
    #expect(named.count > 30)
    for name in named.sorted() { #expect(exposed.contains(name), "\(name) is in rules or dashboard, and no metric of the node") }
    #expect(!exposed.contains("moloch_chain_heigth"), "a name that is no metric must be missed")
  }
}

/// A real Prometheus that scrapes real nodes.
final class PrometheusServer {
  let port: UInt16
  private let process = Process()
  private let scratch: ScratchDirectory

  /// Scrapes the metrics ports once a second, with the rules of `docs/monitoring`.
  /// - Parameter rule: what becomes of the text of the rules.
  init(scraping ports: [UInt16], rule change: (String) -> String = { $0 }) throws {
    scratch = try ScratchDirectory()
    for name in MonitoringTests.rules {
      try change(MonitoringTests.text(name)).write(to: scratch.url.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    port = try FreePort.three()[0]
    let targets = ports.map { "'127.0.0.1:\($0)'" }.joined(separator: ", ")
    try """
      global:
        scrape_interval: 1s
        evaluation_interval: 1s
      rule_files: [\(MonitoringTests.rules.map { "'\(scratch.url.path)/\($0)'" }.joined(separator: ", "))]
      scrape_configs:
        - job_name: 'moloch'
          static_configs:
            - targets: [\(targets)]

      """.write(to: scratch.url.appendingPathComponent("prometheus.yml"), atomically: true, encoding: .utf8)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/prometheus")
    process.arguments = [
      "--config.file=\(scratch.url.path)/prometheus.yml", "--storage.tsdb.path=\(scratch.url.path)/tsdb", "--web.listen-address=127.0.0.1:\(port)",
      "--enable-feature=exemplar-storage",
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// The `data` of an answer of the HTTP API; nil while the server does not answer with success.
  func data(_ target: String) -> [String: Any]? { answer(target) as? [String: Any] }

  func answer(_ target: String) -> Any? {
    // Long answers come in chunks, which the plain client of these tests does not read.
    guard let answer = try? Command.run(URL(fileURLWithPath: "/usr/bin/curl"), ["-sf", "http://127.0.0.1:\(port)\(target)"]), answer.status == 0 else { return nil }
    return (try? JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any])?["data"]
  }

  /// Values of a label of the exemplars of a series, in the last minutes.
  func exemplars(of series: String, label: String) -> [String] {
    let escaped = series.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "", now = Date().timeIntervalSince1970
    let rows = answer("/api/v1/query_exemplars?query=\(escaped)&start=\(now - 300)&end=\(now + 10)") as? [[String: Any]] ?? []
    return rows.flatMap { $0["exemplars"] as? [[String: Any]] ?? [] }.compactMap { ($0["labels"] as? [String: String])?[label] }
  }

  /// Samples of an instant query.
  func samples(_ expression: String) -> Int { series(expression)?.count ?? 0 }

  /// Labels of the series of an instant query; nil without an answer.
  func series(_ expression: String) -> [[String: String]]? {
    let escaped = expression.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    return (data("/api/v1/query?query=\(escaped)")?["result"] as? [[String: Any]])?.map { $0["metric"] as? [String: String] ?? [:] }
  }
}

extension MonitoringTests {
  /// Every panel shows something, every rule evaluates, nothing fires on a healthy network.
  @Test func prometheusScrapesANetworkAndEveryPanelHasData() throws {
    let cluster = try Cluster()
    try cluster.start()
    let prometheus = try PrometheusServer(scraping: cluster.members.map { $0.metricsPort })
    let client = try cluster[0].client()
    let records = try cluster.records()
    var open = try Self.queries()
    #expect(open.count > 25)
    // Each turn sends an event to a node and waits until it is final, which bounds the pace.
    func expect(_ what: String, until isDone: () throws -> Bool) throws {
      let deadline = Date(timeIntervalSinceNow: 300)
      while try !isDone() {
        guard Date() < deadline else { return _ = Issue.record("\(what)") }
        #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status < 300)
      }
    }
    try expect("every panel has data") {
      open = open.filter { prometheus.samples($0.expression) == 0 }
      return open.isEmpty
    }
    #expect(open.isEmpty, "without data: \(open)")
    // A scrape that takes a second fails, and so may what a busy machine is slow at; both pass.
    try expect("every node is scraped") { prometheus.samples("up{job=\"moloch\"} == 1") == 4 }
    var rules: [[String: Any]] = []
    try expect("no rule fires") {
      let groups = prometheus.data("/api/v1/rules")?["groups"] as? [[String: Any]] ?? []
      rules = groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }
      return rules.count == 21 && rules.allSatisfy { $0["health"] as? String == "ok" && $0["state"] as? String != "firing" }
    }
    #expect(rules.count == 21)
    for rule in rules {
      #expect(rule["health"] as? String == "ok", "\(rule["name"] ?? ""): \(rule["lastError"] ?? "")")
      #expect(rule["state"] as? String != "firing", "\(rule["name"] ?? "") fires")
    }
  }
}
