import Ambient
import ArgumentParser
import Glibc
import JSON

struct LocalnetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "localnet", abstract: "A network of validators on this machine.", subcommands: [LocalnetUpCommand.self, LocalnetDownCommand.self, LocalnetStatusCommand.self, LocalnetFilesCommand.self])
}

/// Where the network is and which ports it has.
struct LocalnetOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Directory of the network.", valueName: "dir")) var dir = "moloch-localnet"
  @Option(help: ArgumentHelp("Added to the ports 8080, 9000 and 9090.", valueName: "k")) var baseOffset = 0

  func validate() throws {
    guard (-7000...40_000).contains(baseOffset) else { throw ValidationError("--base-offset is from -7000 to 40000") }
  }

  func existing() throws(CommandFailure) -> LocalnetPlan {
    let count = LocalnetPlan.homes(in: dir)
    guard count > 0 else { throw CommandFailure("\(dir) holds no network; 'moloch localnet up' makes one", Exit.inputMissing) }
    return LocalnetPlan(directory: dir, count: count, baseOffset: baseOffset, blockTime: LocalnetPlan.blockTime)
  }
}

struct LocalnetUpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Start validators on loopback, follow their logs, end them with Ctrl-C.",
    discussion: "Node i has its home in DIR/v<i>, its API on port 8079+i, peers on 8999+i, metrics on 9089+i. The same directory starts again with the same chain.")

  @Option(name: .short, help: ArgumentHelp("Number of validators, 1 to 31.", valueName: "count")) var n = 4
  @OptionGroup var network: LocalnetOptions
  @Option(help: ArgumentHelp("Milliseconds between blocks of a new chain.", valueName: "ms")) var blockTime = LocalnetPlan.blockTime
  @Flag(help: "Kill and restart nodes at random.") var faults = false
  @Option(help: "Seed of the faults; without it one is drawn and printed.") var seed: UInt64?
  @Option(help: ArgumentHelp("Least severe log records that are shown.", valueName: "level")) var logLevel = "info"
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard (1...31).contains(n) else { throw ValidationError("-n is from 1 to 31") }
    guard (10...60_000).contains(blockTime) else { throw ValidationError("--block-time is from 10 to 60000") }
  }

  func run() throws {
    let plan = LocalnetPlan(directory: network.dir, count: n, baseOffset: network.baseOffset, blockTime: blockTime)
    try plan.prepare()
    var generator: SeededGenerator?
    if faults {
      var entropy = SystemRandomNumberGenerator()
      let seed = seed ?? entropy.next() >> 32
      global.note("faults: --seed \(seed)")
      generator = SeededGenerator(seed: seed)
    }
    var supervisor = LocalnetSupervisor(
      plan: plan, program: "/proc/self/exe", followsLogs: !global.quiet, logLevel: logLevel, faults: generator, terminal: global.terminal)
    let isJSON = global.json
    try supervisor.run { Terminal.print(isJSON ? Self.json(plan) : Self.welcome(plan)) }
  }

  private static func welcome(_ plan: LocalnetPlan) -> String {
    var lines = ["\(plan.count) validators are running in \(plan.directory):", ""]
    for index in 0..<plan.count { lines.append("  \(plan.name(index))  API http://\(plan.api(index))  metrics http://\(plan.metrics(index))/metrics") }
    lines += [
      "", "Try, in another terminal:",
      "  curl http://\(plan.api(0))/v1/status",
      "  moloch event submit bench-data/cloudtrail.ndjson --home \(plan.home(0)) --url http://\(plan.api(0)) --wait",
      "  moloch validator status --home \(plan.home(0))",
      "Ctrl-C stops them; the same command starts them again with the same chain.",
    ]
    return lines.joined(separator: "\n")
  }

  private static func json(_ plan: LocalnetPlan) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema")
    json.string("moloch.localnet/1" as StaticString)
    json.key("nodes")
    json.beginArray()
    for index in 0..<plan.count {
      json.beginObject()
      for (key, value) in [
        ("name", plan.name(index)), ("home", plan.home(index)), ("api", "http://\(plan.api(index))"), ("metrics", "http://\(plan.metrics(index))/metrics"),
      ] {
        json.key(key)
        json.string(value)
      }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }
}

struct LocalnetDownCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "down", abstract: "End the network of a directory that runs in another terminal.")
  @OptionGroup var network: LocalnetOptions
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let plan = try network.existing()
    guard let text = try? Files.read(plan.pidPath), let pid = pid_t(String(decoding: text, as: UTF8.self).filter { !$0.isNewline }), pid > 1, kill(pid, 0) == 0
    else {
      throw CommandFailure("no network is running in \(network.dir)", Exit.no)
    }
    kill(pid, SIGTERM)
    let deadline = SystemTime.monotonicMilliseconds() + max(global.timeout.milliseconds, 70_000)
    while Files.exists(plan.pidPath) && kill(pid, 0) == 0 {
      guard SystemTime.monotonicMilliseconds() < deadline else { throw CommandFailure("process \(pid) does not end", Exit.temporary) }
      SystemTime.sleep(milliseconds: 20)
    }
    guard global.json else { return global.note("the network of \(network.dir) has ended") }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.localnet.down/1" as StaticString)
    json.key("directory"); json.string(network.dir)
    json.key("pid"); json.number(UInt64(pid))
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

struct LocalnetStatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "status", abstract: "Height, peers and pending events of every node.")
  @OptionGroup var network: LocalnetOptions
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let plan = try network.existing()
    let nodes = (0..<plan.count).map { (name: plan.name($0), api: plan.api($0), status: status(of: plan.api($0))) }
    if global.json { Self.printJSON(nodes) } else { Terminal.print(Self.table(Self.rows(nodes))) }
    guard nodes.allSatisfy({ $0.status?["state"]?.string == "live" }) else { throw Exit.no }
  }

  private typealias Node = (name: String, api: String, status: StrictJSON?)

  /// What a node that answers says of itself; the state of the others is `down`.
  private static func printJSON(_ nodes: [Node]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.localnet.status/1" as StaticString)
    json.key("nodes")
    json.beginArray()
    for node in nodes {
      json.beginObject()
      json.key("name"); json.string(node.name)
      json.key("api"); json.string("http://" + node.api)
      json.key("state"); json.string(node.status.map { $0["state"]?.string ?? "unknown" } ?? "down")
      for name in ["head_height", "head_hash", "peer_count", "mempool_size"] {
        json.key(name)
        MaintenanceConsole.write(node.status?[name], &json)
      }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  private static func rows(_ nodes: [Node]) -> [[String]] {
    var rows: [[String]] = [["NODE", "API", "STATE", "HEIGHT", "HEAD", "PEERS", "PENDING"]]
    for node in nodes {
      guard let status = node.status else {
        rows.append([node.name, node.api, "down", "-", "-", "-", "-"])
        continue
      }
      func text(_ name: String) -> String { status[name]?.unsigned.map(Figures.grouped) ?? status[name]?.string ?? "-" }
      rows.append([node.name, node.api, text("state"), text("head_height"), String(text("head_hash").prefix(12)), text("peer_count"), text("mempool_size")])
    }
    return rows
  }

  private func status(of address: String) -> StrictJSON? {
    guard let endpoint = try? Endpoint(url: "http://" + address) else { return nil }
    let client = NodeClient(endpoint, timeoutMilliseconds: min(2000, global.timeout.milliseconds))
    guard let answer = try? client.get("/v1/status"), answer.status == 200 else { return nil }
    return try? answer.json(from: endpoint)
  }

  private static func table(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.indices.map { $0 == row.count - 1 ? row[$0] : row[$0] + String(repeating: " ", count: widths[$0] - row[$0].count) }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
