import ArgumentParser
import Bytes
import JSON
import MolochNode

struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "Watch the running node: height, votes, latency, peers, pending events, disk, offenders.",
    discussion: """
      Full screen on a terminal, until Ctrl-C; a line per look elsewhere. Latencies are those of all requests of the last minute. Offenders are clients that were
      refused for their rate in the last ten minutes, and peers that are banned.
      """)

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
        Terminal.write("\u{1B}[H" + sight.lines(since: before, columns: global.output.columns).map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J", to: 1)
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
  private let load: StrictJSON
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
    load = try ask("/v1/admin/load")
    storage = StorageStatistics(try ask("/v1/admin/maintenance/stats"))
  }

  private func number(_ name: String) -> UInt64 { status[name]?.unsigned ?? 0 }
  private var state: String { status["state"]?.string ?? "unknown" }
  /// Milliseconds as the node writes them; nil when nobody asked anything in the last minute.
  private func latency(_ percentile: String) -> String? {
    switch load["api_latency_ms"]?[percentile]?.value {
    case .unsigned(let number): "\(number)"
    case .otherNumber(let text): text
    default: nil
    }
  }
  private var offenders: [StrictJSON] { load["offenders"]?.array ?? [] }
  private var banned: [StrictJSON] { (peers["known"]?.array ?? []).filter { $0["state"]?.string == "banned" } }
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
      + "pending=\(number("mempool_size")) peers=\(number("peer_count")) view=\(consensus["view"]?.unsigned ?? 0) "
      + "p50_ms=\(latency("p50") ?? "-") p99_ms=\(latency("p99") ?? "-") offenders=\(offenders.count + banned.count)"
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
      field("API", "p50 \(latency("p50") ?? "-") ms  p99 \(latency("p99") ?? "-") ms  (last minute)"),
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
      let place = (peer["multiaddr"]?.string ?? "-").split(separator: "/")
      lines.append(
        Self.padded(Self.short(peer["peer_id"]?.string ?? ""), 20) + "  " + Self.padded(place.count >= 4 ? "\(place[1]):\(place[3])" : "-", 22) + "  "
          + Self.padded(Figures.grouped(peer["head_height"]?.unsigned ?? 0), 11) + "  " + Self.padded(Figures.bytes(peer["bytes_in"]?.unsigned ?? 0), 9) + "  "
          + Figures.bytes(peer["bytes_out"]?.unsigned ?? 0))
    }
    return (lines + offenderLines).map { String($0.prefix(columns - 1)) }
  }

  private var offenderLines: [String] {
    guard !offenders.isEmpty || !banned.isEmpty else { return ["", "OFFENDER              none"] }
    return ["", "OFFENDER              WHAT"]
      + offenders.map {
        Self.padded($0["address"]?.string ?? "", 20) + "  \(Figures.grouped($0["refused"]?.unsigned ?? 0)) requests refused, "
          + "the last \(Figures.duration(seconds: ($0["last_refused_ms_ago"]?.unsigned ?? 0) / 1000)) ago"
      }
      + banned.map { Self.padded(Self.short($0["peer_id"]?.string ?? ""), 20) + "  banned" + ($0["last_failure"]?.string.map { " (\($0))" } ?? "") }
  }

  private static func short(_ id: String) -> String { id.count > 15 ? "\(id.prefix(10))…\(id.suffix(4))" : id }

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
    json.key("api_latency_ms")
    if let median = latency("p50"), let tail = latency("p99") {
      json.beginObject()
      json.key("p50"); json.raw(Array(median.utf8).bytes)
      json.key("p99"); json.raw(Array(tail.utf8).bytes)
      json.endObject()
    } else {
      json.null()
    }
    json.key("offenders")
    json.beginArray()
    for offender in offenders {
      json.beginObject()
      json.key("address"); json.string(offender["address"]?.string ?? "")
      json.key("refused"); json.number(offender["refused"]?.unsigned ?? 0)
      json.endObject()
    }
    json.endArray()
    json.key("banned_peers")
    json.beginArray()
    for peer in banned { json.string(peer["peer_id"]?.string ?? "") }
    json.endArray()
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }
}
