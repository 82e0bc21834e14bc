import ArgumentParser
import JSON
import MolochNode

struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "Watch the running node: height, votes, peers, pending events, disk.",
    discussion: "Full screen on a terminal, until Ctrl-C; a line per look elsewhere.")

  @Option(help: ArgumentHelp("Pause between two looks.", valueName: "duration")) var interval = DurationArgument(milliseconds: 1000)
  @Option(help: ArgumentHelp("End after this many looks.", valueName: "n")) var count: Int?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let options = try LoadedConfiguration(global).options
    let client = NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
    var before: TopSight?
    var looks = 0
    while true {
      let sight = try TopSight(client)
      if global.json {
        Terminal.print(sight.json)
      } else if Terminal.isScreen {
        // The cursor goes home and each line is cleared behind its text: nothing flickers.
        Terminal.write("\u{1B}[H" + sight.lines(since: before, columns: global.terminal.columns).map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J", to: 1)
      } else {
        Terminal.print(sight.line(since: before))
      }
      before = sight
      looks += 1
      if let count, looks >= count { return }
      SystemTime.sleep(milliseconds: interval.milliseconds)
    }
  }
}

/// One look at a node.
struct TopSight {
  private let now = SystemTime.monotonicMilliseconds()
  private let wall = SystemTime.unixMilliseconds()
  private let status: StrictJSON
  private let peers: StrictJSON
  private let consensus: StrictJSON
  private let storage: StorageStatistics?

  init(_ client: NodeClient) throws(CommandFailure) {
    func ask(_ target: String) throws(CommandFailure) -> StrictJSON {
      let answer = try client.get(target)
      guard answer.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
      return try answer.json(from: client.endpoint)
    }
    status = try ask("/v1/status")
    peers = try ask("/v1/admin/peers")
    consensus = try ask("/v1/consensus/state")
    storage = StorageStatistics(try ask("/v1/admin/maintenance/stats"))
  }

  private func number(_ name: String) -> UInt64 { status[name]?.unsigned ?? 0 }
  private var state: String { status["state"]?.string ?? "unknown" }
  private var lag: String { status["sync_lag"]?.unsigned.map { Figures.grouped($0) } ?? "-" }

  /// Events per second since an earlier look; nil without one.
  private func rate(since before: TopSight?) -> UInt64? {
    guard let before, now > before.now else { return nil }
    let size = number("tree_size"), earlier = before.number("tree_size")
    return (size - min(size, earlier)) * 1000 / (now - before.now)
  }

  /// For pipes and logs.
  func line(since before: TopSight?) -> String {
    "\(state) height=\(number("head_height")) lag=\(lag) events=\(number("tree_size")) events_per_second=\(rate(since: before).map { "\($0)" } ?? "-") "
      + "pending=\(number("mempool_size")) peers=\(number("peer_count")) view=\(consensus["view"]?.unsigned ?? 0)"
  }

  /// The screen, each line shorter than `columns`.
  func lines(since before: TopSight?, columns: Int) -> [String] {
    let head = number("head_timestamp_ms"), age = wall - min(wall, head)
    var lines = [
      "\(status["chain_id"]?.string ?? "")  \(state)  \(status["role"]?.string ?? "")  version \(status["version"]?.string ?? "")  up \(Figures.duration(seconds: number("uptime_seconds")))",
      "",
      field("Height", "\(Figures.grouped(number("head_height")))  (\(age / 1000).\(age % 1000 / 100) s ago)  lag \(lag)"),
      field("Events", "\(Figures.grouped(number("tree_size"))) final  \(Figures.grouped(number("mempool_size"))) pending  \(rate(since: before).map { Figures.grouped($0) } ?? "-")/s"),
      field("Consensus", "view \(Figures.grouped(consensus["view"]?.unsigned ?? 0))  leader \(consensus["leader"]?["name"]?.string ?? "-")  " + votes),
      field("Disk", storage.map { "\(Figures.bytes($0.totalBytes + $0.otherBytes)) used  \(Figures.bytes($0.freeBytes)) free" } ?? "-"),
      "",
      "VALIDATOR             HEARD        LAST VOTE",
    ]
    for validator in consensus["validators"]?.array ?? [] {
      let heard = validator["heard_ms_ago"]?.unsigned ?? 0
      lines.append(
        Self.padded(validator["name"]?.string ?? "", 20) + "  " + Self.padded("\(heard / 1000).\(heard % 1000 / 100) s", 11) + "  "
          + Figures.grouped(validator["last_vote_height"]?.unsigned ?? 0))
    }
    let connected = peers["peers"]?.array ?? []
    lines += ["", "PEER                  ADDRESS                 HEIGHT       IN         OUT"]
    for peer in connected {
      let id = peer["peer_id"]?.string ?? "", place = (peer["multiaddr"]?.string ?? "-").split(separator: "/")
      lines.append(
        Self.padded(id.count > 15 ? "\(id.prefix(10))…\(id.suffix(4))" : id, 20) + "  " + Self.padded(place.count >= 4 ? "\(place[1]):\(place[3])" : "-", 22) + "  "
          + Self.padded(Figures.grouped(peer["head_height"]?.unsigned ?? 0), 11) + "  " + Self.padded(Figures.bytes(peer["bytes_in"]?.unsigned ?? 0), 9) + "  "
          + Figures.bytes(peer["bytes_out"]?.unsigned ?? 0))
    }
    return lines.map { String($0.prefix(columns - 1)) }
  }

  /// `notarise 3/4  finalise 2/4`: power that voted in this view, of all.
  private var votes: String {
    let total = consensus["total_power"]?.unsigned ?? 0
    return ["notarise", "nullify", "finalise"].map { "\($0) \(consensus["votes"]?[$0]?["power"]?.unsigned ?? 0)/\(total)" }.joined(separator: "  ")
  }

  private func field(_ label: String, _ text: String) -> String { Self.padded(label, 11) + text }
  private static func padded(_ text: String, _ width: Int) -> String { text.count < width ? text + String(repeating: " ", count: width - text.count) : String(text.prefix(width)) }

  var json: String {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.top/1" as StaticString)
    json.key("state"); json.string(state)
    for name in ["head_height", "tree_size", "mempool_size", "peer_count", "uptime_seconds"] {
      json.key(name)
      json.number(number(name))
    }
    json.key("view"); json.number(consensus["view"]?.unsigned ?? 0)
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }
}
