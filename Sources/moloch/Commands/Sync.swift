import ArgumentParser
import Audit
import Bytes
import Digests
import JSON
import MolochNode

struct SyncCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Wait until the running node has caught up, or let a stopped one begin again from a checkpoint.",
    discussion: """
      --watch ends with 0 when the node is no longer syncing, and with 75 when --timeout has passed before; without one it waits for as long as it takes.

      --from-checkpoint empties data/chain, data/mmr and data/index of a stopped node; keys, configuration, data/validator and data/peers.json stay. The next start
      fetches the blocks up to the checkpoint without their bodies and without the check of signatures, because the hash commits to every byte of them, and the
      blocks above it in full. A proof bundle stands for the block that it proves from this node's genesis. A signed checkpoint (the note that
      /v1/checkpoint serves) names a tree: the running node looks for its block among those that it can prove final from genesis, and takes it when a quorum
      of the validators of that block has cosigned. An interrupted sync goes on at the next start.
      """)

  /// Shortest time that the node has for its answer to one look.
  private static let lookMilliseconds: UInt64 = 30_000

  @Flag(help: "Show how far the node is until it has caught up.") var watch = false
  @Option(help: ArgumentHelp("Begin again from this block, or from that of a proof bundle or of a signed checkpoint.", valueName: "height:hash|file")) var fromCheckpoint: String?
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard watch != (fromCheckpoint != nil) else {
      throw ValidationError("moloch sync --watch waits until the node has caught up; moloch sync --from-checkpoint HEIGHT:HASH begins a stopped node again")
    }
  }

  func run() throws {
    if let fromCheckpoint { return try begin(from: fromCheckpoint) }
    let options = try LoadedConfiguration(global).options
    // `--timeout` is for the sync: how long one look may take is another matter, and a slow one is late, not lost.
    let look = max(global.timeout.milliseconds, Self.lookMilliseconds)
    try SyncWatch(NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: look), global).run()
  }

  private func begin(from text: String) throws {
    let options = try LoadedConfiguration(global).checked()
    let beginning = try beginning(text, options)
    let start: CheckpointStart
    do { start = try CheckpointStart(options, from: beginning) } catch { throw CommandFailure(error) }
    let name = Self.name(beginning)
    global.note("plan: delete data/chain, data/mmr and data/index" + (start.height.map { " (height \(Figures.grouped($0)))" } ?? "") + ", begin from \(name)")
    if let (count, total, isQuorum) = start.cosigners {
      global.note("cosigned by \(count) of the \(total) validators of genesis" + (isQuorum ? "" : ", which are no quorum: the set of the block decides, when the node has followed it"))
    }
    try global.confirm("This deletes the chain of this node")
    do { try start.run(options) } catch { throw CommandFailure(error) }
    guard global.json else { return Terminal.print("the next start begins from \(name)") }
    Terminal.print(Self.json(beginning))
  }

  private static func name(_ beginning: CheckpointStart.Beginning) -> String {
    switch beginning {
    case .block(let height, let hash): "block \(height.rawValue):\(hash.hex)"
    case .checkpoint(let sought): "the block of the checkpoint of tree size \(Figures.grouped(sought.checkpoint.size)), root \(sought.checkpoint.root.hex)"
    }
  }

  private static func json(_ beginning: CheckpointStart.Beginning) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.sync.checkpoint/1" as StaticString)
    switch beginning {
    case .block(let height, let hash):
      json.key("height"); json.number(height.rawValue)
      json.key("hash"); json.string(hash.hex)
    case .checkpoint(let sought):
      json.key("height"); json.null()
      json.key("hash"); json.null()
      json.key("tree_size"); json.number(sought.checkpoint.size)
      json.key("tree_root"); json.string(sought.checkpoint.root.hex)
    }
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }

  /// `HEIGHT:HASH`, the block that a bundle proves, or a signed checkpoint, which names a tree.
  private func beginning(_ text: String, _ options: NodeOptions) throws -> CheckpointStart.Beginning {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count == 2, let height = UInt64(parts[0]) {
      guard height < ordinalLimit, let hash = Digest(hex: parts[1]) else {
        throw CommandFailure("--from-checkpoint \(text): the hash of a block has 64 hexadecimal digits", Exit.usage)
      }
      return .block(Height(height), hash)
    }
    let file = try Files.read(text)
    guard file.first == UInt8(ascii: "{") else {
      do { return .checkpoint(try CosignedCheckpoint(parsing: file)) } catch {
        throw CommandFailure("\(text) is neither a proof bundle nor a signed checkpoint: \(error)", Exit.dataCorrupt)
      }
    }
    var verification = OfflineVerification.Options()
    verification.trust = .genesis(try Files.read(options.genesisPath))
    let result = OfflineVerification(file: file, options: verification)
    guard result.exitCode == 0, let bundle = try? ProofBundle(json: file) else {
      let failed = result.checks.first { if case .fail = $0.outcome { true } else { false } }
      throw CommandFailure("\(text) does not prove a block from \(options.genesisPath)" + (failed.map { ": \($0.name)" } ?? ""), Exit.dataCorrupt)
    }
    return .block(bundle.header.height, bundle.header.hash)
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
