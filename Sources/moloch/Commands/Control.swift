import ArgumentParser
import Bytes
import Configuration
import JSON
import MolochNode

/// The running node's admin socket, for commands that need a node.
struct AdminDesk {
  let client: NodeClient

  init(_ global: GlobalOptions) throws(CommandFailure) {
    client = NodeClient(.unix(path: try LoadedConfiguration(global).options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
  }

  /// The JSON of an answer 200.
  /// - Throws: 64 for what the node finds malformed, 75 for what it cannot do now.
  func accepted(_ answer: Answer) throws(CommandFailure) -> StrictJSON {
    guard answer.status == 200 else { throw CommandFailure(NodeError(answer).message, answer.status == 400 ? Exit.usage : Exit.temporary) }
    return try answer.json(from: client.endpoint)
  }

  /// Prints the members of an answer below the name of their schema.
  func printJSON(_ schema: String, _ body: [UInt8]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    json.key("result"); json.raw(body.bytes)
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Have the running node read its configuration again and open its log anew.",
    discussion: """
      As SIGHUP does: all of it or nothing. Prints the keys that the node has taken and those that differ from its start and wait for a restart. A value that is
      wrong leaves everything as it is and ends with 78.
      """)

  @OptionGroup var global: GlobalOptions

  func run() throws {
    let desk = try AdminDesk(global)
    let answer = try desk.client.post("/v1/admin/reload", type: "application/json", [])
    let report = try desk.accepted(answer)
    if global.json { desk.printJSON("moloch.reload/1", answer.body) } else { printText(report) }
    if report["accepted"]?.value != .bool(true) { throw Exit.configuration }
  }

  private func printText(_ report: StrictJSON) {
    guard report["accepted"]?.value == .bool(true) else {
      for finding in report["findings"]?.array ?? [] { Terminal.note(finding["text"]?.string ?? "") }
      return Terminal.note("error: the configuration is rejected; the node goes on with the one it has")
    }
    func names(_ member: String) -> String {
      let keys = (report[member]?.array ?? []).compactMap { $0.string }
      return keys.isEmpty ? "none" : keys.joined(separator: ", ")
    }
    Terminal.print("Reloaded:       \(names("taken"))")
    Terminal.print("Needs restart:  \(names("needs_restart"))")
  }
}

struct DrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain", abstract: "Take the running node out of service without stopping it.",
    discussion: """
      /v1/ready turns at once and the node serves on for api.drain_delay, then finishes the requests in work and takes no more. It goes on voting and following
      the chain; a restart or --cancel brings it back. Its admin socket and its metrics stay.
      """)

  private static let pauseMilliseconds: UInt64 = 50

  @Flag(help: "Return when the node takes no more requests; ends with 75 when --timeout is over before.") var wait = false
  @Flag(help: "Take requests again.") var cancel = false
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard !(wait && cancel) else { throw ValidationError("--wait and --cancel contradict each other") }
  }

  func run() throws {
    let desk = try AdminDesk(global)
    let target = "/v1/admin/drain"
    var answer = cancel ? try desk.client.delete(target) : try desk.client.post(target, type: "application/json", [])
    var progress = try desk.accepted(answer)
    if wait {
      // Without a time of the caller's own the node's own times count, and something for the answer.
      let planned = (progress["drain_delay_ms"]?.unsigned ?? 0) + (progress["drain_timeout_ms"]?.unsigned ?? 0) + 5000
      let end = SystemTime.monotonicMilliseconds() + (global.timeLimit?.milliseconds ?? planned)
      while progress["state"]?.string == "draining" {
        guard SystemTime.monotonicMilliseconds() < end else { throw CommandFailure("the node still drains", Exit.temporary) }
        SystemTime.sleep(milliseconds: Self.pauseMilliseconds)
        answer = try desk.client.get(target)
        progress = try desk.accepted(answer)
      }
    }
    if global.json { return desk.printJSON("moloch.drain/1", answer.body) }
    Terminal.print("State: \(progress["state"]?.string ?? "unknown")")
  }
}

struct LogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "log", abstract: "What the running node logs.", subcommands: [LogLevelCommand.self])
}

struct LogLevelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "level", abstract: "Change the least severe level that the running node logs.",
    discussion: "For one subsystem or for all, until the next reload or, with --for, for a time. The change is itself logged.")

  @Argument(help: ArgumentHelp("trace, debug, info, notice, warn or error, for example debug or sync=debug.", valueName: "[subsystem=]level")) var level: String
  @Option(name: .customLong("for"), help: ArgumentHelp("Take it back after this time, for example 10m.", valueName: "duration")) var span: DurationArgument?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let parts = level.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { MaintenanceConsole.escaped(String($0)) }
    var target = "/v1/admin/log-level?level=\(parts[parts.count - 1])"
    if parts.count == 2 { target += "&subsystem=\(parts[0])" }
    if let span { target += "&for_ms=\(span.milliseconds)" }
    let desk = try AdminDesk(global)
    let answer = try desk.client.post(target, type: "application/json", [])
    let set = try desk.accepted(answer)
    if global.json { return desk.printJSON("moloch.log.level/1", answer.body) }
    let until = set["for_ms"]?.unsigned.map { " for \(Figures.duration(seconds: ($0 + 999) / 1000))" } ?? " until the next reload"
    Terminal.print("Level: \(set["level"]?.string ?? ""), subsystem: \(set["subsystem"]?.string ?? "")\(until)")
  }
}

struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "metrics", abstract: "What a node measures.", subcommands: [MetricsListCommand.self])
}

struct MetricsListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Print every metric of this release: name, type, unit, labels, and how many samples it can have.")

  @OptionGroup var global: GlobalOptions

  func run() {
    let rows = MetricsCatalogue.rows
    if global.json { return printJSON(rows) }
    var lines = [["NAME", "TYPE", "UNIT", "LABELS", "SAMPLES"]]
    for row in rows {
      lines.append([row.name, row.type, row.unit.isEmpty ? "-" : row.unit, row.labels.isEmpty ? "-" : row.labels.joined(separator: ","), "\(row.samplesMax)"])
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    for line in lines {
      Terminal.print(line.indices.map { $0 == line.count - 1 ? line[$0] : line[$0] + String(repeating: " ", count: widths[$0] - line[$0].count) }.joined(separator: "  "))
    }
  }

  private func printJSON(_ rows: [MetricsCatalogue.Row]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.metrics.list/1" as StaticString)
    json.key("metrics")
    json.beginArray()
    for row in rows {
      json.beginObject()
      for (name, value) in [("name", row.name), ("type", row.type), ("unit", row.unit), ("help", row.help)] {
        json.key(name)
        json.string(value)
      }
      json.key("labels")
      json.beginArray()
      for label in row.labels { json.string(label) }
      json.endArray()
      json.key("samples_max"); json.number(row.samplesMax)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
