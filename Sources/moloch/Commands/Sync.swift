import ArgumentParser
import Bytes
import JSON
import MolochNode

struct SyncCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Wait until the running node has caught up.",
    discussion: "Ends with 0 when the node is no longer syncing, and with 75 when --timeout has passed before; without one it waits for as long as it takes.")

  @Flag(help: "Show how far the node is until it has caught up.") var watch = false
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard watch else { throw ValidationError("moloch sync --watch waits until the node has caught up") }
  }

  func run() throws {
    let options = try LoadedConfiguration(global).options
    try SyncWatch(NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds), global).run()
  }
}

/// Looks at a node until it has caught up.
private struct SyncWatch {
  private static let pauseMilliseconds: UInt64 = 200
  private static let plainMilliseconds: UInt64 = 10_000
  /// NDJSON has a line per second.
  private static let objectMilliseconds: UInt64 = 1000

  private let client: NodeClient
  private let global: GlobalOptions
  private let begin = SystemTime.monotonicMilliseconds()

  init(_ client: NodeClient, _ global: GlobalOptions) { (self.client, self.global) = (client, global) }

  func run() throws {
    let terminal = global.terminal
    let isDrawn = terminal.isInteractive && !global.quiet && !global.json
    let interval = global.json ? Self.objectMilliseconds : isDrawn ? Self.pauseMilliseconds : Self.plainMilliseconds
    // The first line comes at once: whoever waits sees that there is something to wait for.
    var due = begin
    while true {
      let answer = try client.get("/v1/status")
      let sight: SyncSight
      if answer.status == 200 {
        sight = SyncSight(try answer.json(from: client.endpoint))
      } else {
        let error = NodeError(answer)
        // The store is still opening.
        guard error.code == "NOT_READY" else { throw CommandFailure("\(client.endpoint): \(error)", Exit.temporary) }
        sight = .starting
      }
      let now = SystemTime.monotonicMilliseconds()
      let isLate = global.timeLimit.map { now - begin >= $0.milliseconds } ?? false
      let isLast = !sight.isSyncing || isLate
      if now >= due || isLast {
        due = now + interval
        if global.json {
          Terminal.print(sight.json)
        } else if isDrawn {
          Terminal.write("\r\(sight.line(columns: terminal.columns))\u{1B}[K" + (isLast ? "\n" : ""), to: 2)
        } else if sight.isSyncing {
          global.note(sight.line(columns: terminal.columns))
        }
      }
      if !sight.isSyncing {
        if !global.json { Terminal.print("Synced: height \(Figures.grouped(sight.height)), \(sight.peers) \(sight.peers == 1 ? "peer" : "peers")") }
        return
      }
      if isLate {
        let target = sight.target.map { Figures.grouped($0) } ?? "an unknown height"
        throw CommandFailure("not caught up after \((now - begin) / 1000) s: height \(Figures.grouped(sight.height)) of \(target)", Exit.temporary)
      }
      SystemTime.sleep(milliseconds: Self.pauseMilliseconds)
    }
  }
}

/// One look at a node that syncs.
private struct SyncSight {
  let height: UInt64
  /// The highest height that a certificate has named; nil before the first.
  let target: UInt64?
  let isSyncing: Bool
  let peers: UInt64
  private let state: String
  private let lag: UInt64?
  /// Blocks per second, and seconds; nil before there is a rate.
  private let rate, eta: Double?

  static let starting = SyncSight()

  private init() { (height, target, isSyncing, peers, state, lag, rate, eta) = (0, nil, true, 0, "starting", nil, nil, nil) }

  init(_ status: StrictJSON) {
    height = status["head_height"]?.unsigned ?? 0
    target = status["sync_target_height"]?.unsigned
    isSyncing = status["syncing"]?.value != .bool(false)
    peers = status["peer_count"]?.unsigned ?? 0
    state = status["state"]?.string ?? "unknown"
    lag = status["sync_lag"]?.unsigned
    (rate, eta) = (Self.number(status["sync"]?["blocks_per_second"]), Self.number(status["sync"]?["eta_seconds"]))
  }

  private static func number(_ value: StrictJSON?) -> Double? {
    switch value?.value {
    case .unsigned(let number): Double(number)
    case .otherNumber(let text): Double(text)
    default: nil
    }
  }

  func line(columns: Int) -> String {
    guard let target, target > 0 else { return "Syncing  height \(Figures.grouped(height)), the tip is not known yet  \(source)" }
    return ProgressBar.line(
      "Syncing", done: min(height, target), total: target, unit: "blocks", rate: UInt64(rate ?? 0), note: "  \(source)", columns: columns)
  }

  private var source: String { "from \(peers) \(peers == 1 ? "peer" : "peers")" }

  var json: String {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.sync/1" as StaticString)
    json.key("state"); json.string(state)
    json.key("syncing"); json.bool(isSyncing)
    json.key("head_height"); json.number(height)
    json.key("target_height")
    if let target { json.number(target) } else { json.null() }
    json.key("lag_blocks")
    if let lag { json.number(lag) } else { json.null() }
    json.key("blocks_per_second")
    if let rate { json.number(rate, decimals: 1) } else { json.null() }
    json.key("eta_seconds")
    if let eta { json.number(UInt64(eta)) } else { json.null() }
    json.key("peer_count"); json.number(peers)
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }
}
