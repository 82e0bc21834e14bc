import ArgumentParser
import JSON
import MolochNode

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Look for what keeps a node from running well; each finding comes with its fix.",
    discussion: """
      Looks at clock, limits, sysctls, memory, disk, keys, certificates, ports, boot nodes and backups of this host, and asks the node when it runs.
      Ends with 2 when something fails. With --watch it ends with 0 only if the height grew, the lag stayed at 10 or less and the node was ready throughout; with
      --json each look is a line then, and the verdict the last one.
      """)

  @Option(help: ArgumentHelp("Watch the running node for this long instead, for example 5m.", valueName: "duration")) var watch: DurationArgument?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let options = try LoadedConfiguration(global).options
    let client = NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
    if let watch { return try NodeWatch(client, global).run(milliseconds: watch.milliseconds) }
    let node = NodeState(client, options)
    let findings = Examination(options, isRunning: node != nil).findings() + (node?.findings ?? [Examination.Finding(.ok, "node", "not running")])
    if global.json { printJSON(findings) } else { for finding in findings { Terminal.print(text(finding)) } }
    let failures = findings.count { $0.verdict == .fail }, warnings = findings.count { $0.verdict == .warn }
    if !global.json { Terminal.print("\(findings.count) checks: \(failures) failed, \(warnings) \(warnings == 1 ? "warning" : "warnings")") }
    if failures > 0 { throw Exit.no }
  }

  private func text(_ finding: Examination.Finding) -> String {
    let terminal = global.output
    let word: String
    switch finding.verdict {
    case .ok: word = terminal.styled("ok  ", .green)
    case .warn: word = terminal.styled("WARN", .yellow)
    case .fail: word = terminal.styled("FAIL", .red)
    }
    let subject = finding.subject + String(repeating: " ", count: max(1, 10 - finding.subject.count))
    return "\(word)  \(subject)\(finding.text)" + (finding.fix.isEmpty ? "" : "\n                fix: \(finding.fix)")
  }

  private func printJSON(_ findings: [Examination.Finding]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.doctor/1" as StaticString)
    json.key("findings")
    json.beginArray()
    for finding in findings {
      json.beginObject()
      for (name, value) in [("verdict", finding.verdict.rawValue), ("subject", finding.subject), ("text", finding.text), ("fix", finding.fix)] {
        json.key(name)
        json.string(value)
      }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

/// What a running node says about itself and its peers.
private struct NodeState {
  let findings: [Examination.Finding]

  /// Nil when no node answers.
  init?(_ client: NodeClient, _ options: NodeOptions) {
    guard let answer = try? client.get("/v1/status"), answer.status == 200, let status = try? answer.json(from: client.endpoint) else { return nil }
    let peers = (try? client.get("/v1/admin/peers")).flatMap { try? $0.json(from: client.endpoint) }
    var findings = [Self.state(status)]
    if let peers { findings += Examination(options, isRunning: true).findings(Self.peers(peers)) }
    self.findings = findings
  }

  private static func state(_ status: StrictJSON) -> Examination.Finding {
    let state = status["state"]?.string ?? "unknown"
    let text = "\(state) at height \(status["head_height"]?.unsigned ?? 0), \(status["peer_count"]?.unsigned ?? 0) peers, lag \(status["sync_lag"]?.unsigned.map { "\($0)" } ?? "unknown")"
    switch state {
    case "live": return Examination.Finding(.ok, "node", text)
    case "read_only": return Examination.Finding(.fail, "node", text, fix: "free space on the disk of the data directory")
    default: return Examination.Finding(.warn, "node", text, fix: "wait; moloch status shows when it is live")
    }
  }

  private static func peers(_ json: StrictJSON) -> Examination.Peers {
    func absent(_ list: String, _ reason: String, _ address: String) -> [Examination.Peers.Absent] {
      (json[list]?.array ?? []).map { Examination.Peers.Absent($0["peer_id"]?.string ?? $0[address]?.string ?? "", $0[reason]?.string) }
    }
    return Examination.Peers(
      connected: (json["peers"]?.array ?? []).map { milliseconds($0["clock_skew_ms"]) }, known: absent("known", "last_failure", "multiaddr"),
      rejected: absent("rejected", "reason", "address"))
  }

  private static func milliseconds(_ value: StrictJSON?) -> Int64? {
    switch value?.value {
    case .unsigned(let number): Int64(exactly: number)
    case .negative(let number): number
    default: nil
    }
  }
}

/// Watches a node for some minutes after a restart.
private struct NodeWatch {
  private static let pauseMilliseconds: UInt64 = 1000
  private static let lagMax: UInt64 = 10

  private let client: NodeClient
  private let global: GlobalOptions

  init(_ client: NodeClient, _ global: GlobalOptions) { (self.client, self.global) = (client, global) }

  func run(milliseconds: UInt64) throws {
    let end = SystemTime.monotonicMilliseconds() + milliseconds
    var bar = ProgressBar("Watching", total: milliseconds / 1000, unit: "s", terminal: global.terminal, isQuiet: global.quiet)
    var first: UInt64?, last: UInt64 = 0, looks = 0
    var faults: [String] = []
    while true {
      let status = try client.get("/v1/status").json(from: client.endpoint)
      let ready = try client.get("/v1/ready")
      last = status["head_height"]?.unsigned ?? 0
      looks += 1
      first = first ?? last
      if global.json { printLook(status, isReady: ready.status == 200) }
      if ready.status != 200, !faults.contains("not ready") { faults.append("not ready") }
      if let lag = status["sync_lag"]?.unsigned, lag > Self.lagMax, !faults.contains("lag above \(Self.lagMax)") { faults.append("lag above \(Self.lagMax)") }
      let now = SystemTime.monotonicMilliseconds()
      // Growth is the difference of two looks, however long the first has taken.
      guard now < end || looks < 2 else { break }
      let left = end > now ? end - now : Self.pauseMilliseconds
      if !global.json { bar.update((milliseconds - min(left, milliseconds)) / 1000) }
      SystemTime.sleep(milliseconds: min(Self.pauseMilliseconds, left))
    }
    if !global.json { bar.finish(milliseconds / 1000) }
    if last <= first ?? 0 { faults.append("the height did not grow") }
    if global.json {
      printVerdict(first ?? 0, last, faults)
    } else {
      Terminal.print(faults.isEmpty ? "healthy: height \(first ?? 0) to \(last), ready throughout" : "not healthy: \(faults.joined(separator: ", "))")
    }
    if !faults.isEmpty { throw Exit.no }
  }

  private func printLook(_ status: StrictJSON, isReady: Bool) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.doctor.watch/1" as StaticString)
    for name in ["head_height", "sync_lag"] {
      json.key(name)
      MaintenanceConsole.write(status[name], &json)
    }
    json.key("ready"); json.bool(isReady)
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  private func printVerdict(_ first: UInt64, _ last: UInt64, _ faults: [String]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.doctor.verdict/1" as StaticString)
    json.key("healthy"); json.bool(faults.isEmpty)
    json.key("first_height"); json.number(first)
    json.key("last_height"); json.number(last)
    json.key("faults")
    json.beginArray()
    for fault in faults { json.string(fault) }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
