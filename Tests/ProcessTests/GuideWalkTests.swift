import Ed25519
import Foundation
import Testing

/// The commands of the operations guide from top to bottom, as they are printed, on one of four validators.
@Suite(.serialized) struct GuideWalkTests {
  /// One printed line and what it must do.
  struct Step {
    var section: String
    var printed: String
    var status: Int32 = 0
    /// A pattern that standard output, or the errors of a refused command, must hold.
    var shows = ""

    init(_ section: String, _ printed: String, status: Int32 = 0, shows: String = "") {
      (self.section, self.printed, self.status, self.shows) = (section, printed, status, shows)
    }
  }

  /// The peer that the guide abbreviates.
  static let peer = "12D3KooW..."
  private static let five = #"^Validator: active\nPublic Key: ed25519:[0-9a-f]{64}\nPower: 1\nBlocks Proposed \(24h\): \d+\nNext Slot: \d+ \(in \d+[smh]\)\n"#
  private static let six = #"^Chain Data:     [\d.]+ [kM]?B\nMMR Data:       [\d.]+ [kM]?B\nIndex Data:     [\d.]+ [kM]?B\nTotal:          [\d.]+ [kM]?B\nEvents:         \d+\nBlocks:         [\d,]+\n"#

  static let steps: [Step] = [
    Step("Monitoring", "journalctl -u moloch -n 100 --no-pager", shows: #"\d{4}-\d\d-\d\dT[\d:.]+Z INFO  ledger: store open "#),
    Step("Monitoring", #"journalctl -u moloch | grep -E "ERROR|WARN""#, shows: #"Z ERROR node: configuration rejected "#),
    Step("Monitoring", "journalctl -u moloch -f", shows: #"Z [A-Z]+ +[a-z]+: "#),
    Step("Monitoring", #"journalctl -u moloch --since "1 hour ago" > moloch_logs.txt"#),
    Step("Monitoring", "curl http://localhost:8080/v1/health", shows: #"^\{"status":"ok","checks":\["#),
    Step("Monitoring", "curl http://localhost:8080/v1/status | jq", shows: #"^\{\n  "chain_id": "moloch-guide",\n  "head_height": \d+,\n  "head_hash": "[0-9a-f]{64}",\n  "peer_count": 3,\n  "syncing": false,\n  "version": "1\.0\.0""#),
    Step("Maintenance tasks", "du -sh /opt/moloch/data/*", shows: #"/data/chain\n(.*\n)*.*/data/index\n(.*\n)*.*/data/mmr\n"#),
    Step("Maintenance tasks", "curl http://localhost:8080/v1/peers | jq", shows: #""peer_id": "12D3KooW(.*\n)*.*"count": 3"#),
    Step("Maintenance tasks", "sudo apt update && sudo apt upgrade", shows: "apt upgrade"),
    Step("Maintenance tasks", "ls -la /opt/moloch/logs/", shows: #" moloch\.log\n"#),
    Step("Common operations", #"./target/release/moloch peers add "/dns/peer.example.com/tcp/9000/p2p/12D3KooW...""#, shows: #"^Added peer 12D3KooW\w{44} \(/dns/peer\.example\.com/tcp/9000\)\n$"#),
    Step("Common operations", "./target/release/moloch peers list", shows: #"^PEER +ADDRESS +DIR +ROLE +STATE +HEIGHT +LAG +RTT +IN +OUT +UP +VERSION\n(.*\n)*.*peer\.example\.com:9000"#),
    Step("Common operations", #"./target/release/moloch peers remove "12D3KooW...""#, shows: #"^Removed peer 12D3KooW"#),
    Step("Common operations", "./target/release/moloch validator status", shows: five),
    Step("Common operations", "./target/release/moloch storage stats", shows: six),
    Step("Common operations", "./target/release/moloch maintenance compact", shows: #"^Chain Data: +[\d.]+ [kM]?B before, [\d.]+ [kM]?B after\n"#),
    Step("Common operations", "./target/release/moloch maintenance prune --before-height 1000000", status: 78, shows: #"retention\.min_days is not set"#),
    Step("Common operations", "sudo systemctl stop moloch"),
    Step("Common operations", "rm -rf /opt/moloch/data/chain/*"),
    Step("Common operations", "rm -rf /opt/moloch/data/mmr/*"),
    Step("Common operations", "rm -rf /opt/moloch/data/index/*"),
    Step("Common operations", "sudo systemctl start moloch"),
    Step("Common operations", #"watch -n 5 'curl -s http://localhost:8080/v1/status | jq "{height: .head_height, syncing: .syncing}"'"#, shows: #"^\{\n  "height": \d+,\n  "syncing": (true|false)\n\}\n$"#),
    Step("Common operations", "./target/release/moloch keygen --output /opt/moloch/keys/new/", shows: #"12D3KooW"#),
    Step("Incident response", "curl http://localhost:8080/v1/status | jq .peer_count", shows: #"^[0-3]\n$"#),
    Step("Incident response", "journalctl -u moloch -n 100 | grep ERROR", shows: #" ERROR "#),
    Step("Incident response", "./target/release/moloch maintenance compact", shows: #"Index Data: +[\d.]+ [kM]?B before"#),
    Step("Incident response", "chronyc tracking", shows: "chronyc tracking"),
    Step("Incident response", "sudo systemctl stop moloch"),
    Step("Incident response", "./target/release/moloch maintenance verify", shows: #"^checked [\d,]+ blocks, \d+ events, [\d.]+ [kM]B in \d+ s: 0 minor, 0 major\n$"#),
    Step("Incident response", "./target/release/moloch maintenance repair", shows: #"^nothing to repair\n$"#),
    Step("Upgrades", "cd /opt/moloch/src", shows: ""),
    Step("Upgrades", "git pull", shows: "git pull"),
    Step("Upgrades", "cargo build --release", shows: "cargo build --release"),
    Step("Upgrades", "sudo systemctl restart moloch"),
    Step("Upgrades", "curl http://localhost:8080/v1/status", shows: #"^\{"chain_id":"moloch-guide","head_height":\d+,"#),
    Step("Upgrades", "sudo systemctl stop moloch"),
    Step("Upgrades", "cp /opt/moloch/bin/moloch.backup /opt/moloch/bin/moloch"),
    Step("Upgrades", "sudo systemctl start moloch"),
    Step("Performance tuning", "sudo sysctl -p", shows: "sysctl -p"),
    Step("Runbooks", "curl http://localhost:8080/v1/status | jq .mempool_size", shows: #"^\d+\n$"#),
    Step("Runbooks", "curl http://localhost:8080/v1/health", shows: #""status":"ok""#),
    Step("Runbooks", "sudo systemctl disable moloch"),
    Step("Runbooks", "sudo systemctl stop moloch"),
    Step("Runbooks", "cp -r /opt/moloch/data /opt/moloch/data.incident-$(date +%s)"),
  ]

  @Test func theGuideIsWalked() throws {
    let cluster = try Cluster(chainID: "moloch-guide")
    let host = try GuideHost(cluster[0])
    for index in 1...3 { try cluster[index].start() }
    let started = try host.run("sudo systemctl start moloch")
    #expect(started.status == 0, "\(started.errors)")
    try cluster[1].finalise(12, of: try cluster.records())
    // Something for the one who greps for trouble: a rejected reload, and the file as it was.
    let file = host.member.file("config/node.toml"), good = try String(contentsOf: file, encoding: .utf8)
    try (good + "[mempool]\nevent_tll = \"1h\"\n").write(to: file, atomically: true, encoding: .utf8)
    #expect(try host.run("./target/release/moloch reload").status == 78)
    try good.write(to: file, atomically: true, encoding: .utf8)
    try host.status { $0["peer_count"] as? Int == 3 && ($0["state"] as? String) == "live" }
    let added = PeerID(try SigningKey.generate().publicKey).text
    for step in Self.steps {
      if step.printed.hasSuffix("validator status") { try host.status { ($0["state"] as? String) == "live" } }
      let line = step.printed.replacingOccurrences(of: Self.peer, with: added)
      let ran = try host.run(line)
      #expect(ran.status == step.status, "\(step.section): \(step.printed) ended with \(ran.status): \(ran.output.suffix(1000))\(ran.errors.suffix(1000))")
      let text = step.status == 0 ? ran.output : ran.errors
      #expect(step.shows.isEmpty || text.range(of: step.shows, options: .regularExpression) != nil, "\(step.section): \(step.printed) printed \(text.suffix(1500)), not \(step.shows)")
      // After the data was removed the node comes back to where the others are, without another start.
      if step.printed.hasPrefix("watch") { try host.status { ($0["state"] as? String) == "live" && $0["tree_size"] as? Int == 12 } }
    }
    try check(host)
  }

  /// What the lines have left behind.
  private func check(_ host: GuideHost) throws {
    let journal = try String(contentsOf: host.member.file("journal"), encoding: .utf8)
    let stops = journal.split(separator: "\n").filter { $0.contains("INFO  node: shutdown complete height=") }
    #expect(stops.count == 4, "every stop was a clean one: \(stops)")
    #expect(try String(contentsOf: host.member.file("src/moloch_logs.txt"), encoding: .utf8).contains("store open"))
    #expect(try String(contentsOf: host.member.file("enabled"), encoding: .utf8) == "disable\n")
    let copies = try FileManager.default.contentsOfDirectory(atPath: host.member.home.path).filter { $0.hasPrefix("data.incident-") }
    #expect(copies.count == 1)
    // What was kept for the investigation is complete.
    let verified = try host.run("./target/release/moloch maintenance verify --level deep --data-dir /opt/moloch/\(copies.first ?? "")")
    #expect(verified.status == 0 && verified.output.contains(" 12 events"), "\(verified.output)\(verified.errors)")
  }

  /// The commands below Recovery of `docs/deployment.md`, which the guide refers to.
  @Test func theRecoveryOfTheDeploymentPageBringsANodeBack() throws {
    let page = try String(contentsOf: ArtifactTests.docs.appendingPathComponent("deployment.md"), encoding: .utf8)
    let recovery = try #require(page.components(separatedBy: "## Recovery\n").last?.components(separatedBy: "```bash\n").last?.components(separatedBy: "```").first)
    let lines = recovery.split(separator: "\n").map(String.init)
    #expect(lines.count >= 8)
    let cluster = try Cluster(chainID: "moloch-recovery")
    let host = try GuideHost(cluster[0])
    for index in 1...3 { try cluster[index].start() }
    #expect(try host.run("sudo systemctl start moloch").status == 0)
    let records = try cluster.records()
    try cluster[1].finalise(5, of: records)
    try host.status { $0["tree_size"] as? Int == 5 && $0["state"] as? String == "live" }
    let backup = try host.run("mkdir -p /opt/moloch/data/backups && moloch backup create /opt/moloch/data/backups/before")
    #expect(backup.status == 0, "\(backup.errors)")
    let journal = try Data(contentsOf: host.member.file("keys/validator.key.used"))
    let (ids, height) = try cluster[1].finalise(7, of: records)
    for line in lines {
      let ran = try host.run(line)
      #expect(ran.status == 0, "\(line) ended with \(ran.status): \(ran.output.suffix(1000))\(ran.errors.suffix(1000))")
      if line.hasSuffix("--level deep") { #expect(ran.output.contains(" 5 events"), "the backup is what is there: \(ran.output)") }
    }
    try host.status { $0["tree_size"] as? Int ?? 0 >= 12 && $0["head_height"] as? Int ?? 0 >= height }
    for id in ids { #expect(try HTTPClient(port: host.member.apiPort).get("/v1/events/\(id)").json["status"] as? String == "finalized") }
    #expect(try Data(contentsOf: host.member.file("keys/validator.key.used")) == journal)
    #expect(try FileManager.default.contentsOfDirectory(atPath: host.member.home.path + "/data").contains { $0.hasPrefix("replaced-") })
  }

  /// The page of lines names each step, so that none is lost from it.
  @Test func everyStepIsInTheTable() {
    let lines = GuideTests.lines.flatMap { section in section.lines.map { (section.section, $0.text) } }
    for step in Self.steps { #expect(lines.contains { $0 == step.section && $1 == step.printed }, "\(step.section): \(step.printed)") }
  }
}

extension GuideHost {
  /// Waits until the node's status is as wanted.
  func status(_ accept: ([String: Any]) -> Bool) throws {
    let deadline = Date(timeIntervalSinceNow: 90)
    var last: [String: Any] = [:]
    while Date() < deadline {
      last = (try? HTTPClient(port: member.apiPort).get("/v1/status").json) ?? [:]
      if accept(last) { return }
      usleep(20_000)
    }
    throw NodeProcess.Failure(description: "status stayed \(last)\n\((try? String(contentsOf: member.file("journal"), encoding: .utf8))?.suffix(1500) ?? "")")
  }
}
