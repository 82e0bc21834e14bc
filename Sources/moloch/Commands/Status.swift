import ArgumentParser
import Bytes
import JSON
import MolochNode

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "What the running node does.", discussion: "Ends with 2 unless the node is live. With --watch it goes on until Ctrl-C, a look a second; with --json each is a line.")

  @Option(help: "Ask this address instead of the home's admin socket.") var url: String?
  @Flag(help: "Look again every second.") var watch = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let endpoint = try url.map { url throws(CommandFailure) in try Endpoint(url: url) } ?? .unix(path: LoadedConfiguration(global).options.adminSocketPath)
    let client = NodeClient(endpoint, timeoutMilliseconds: global.timeout.milliseconds)
    let isScreen = watch && !global.json && Terminal.isScreen
    while true {
      let status = try look(client, endpoint, isScreen: isScreen)
      guard watch else {
        // Nodes that say only whether they sync are taken as live when they do not.
        guard status["state"]?.string ?? (status["syncing"]?.value == .bool(false) ? "live" : "syncing") == "live" else { throw Exit.no }
        return
      }
      SystemTime.sleep(milliseconds: Self.pauseMilliseconds)
      if !global.json, !isScreen { Terminal.print("") }
    }
  }

  private static let pauseMilliseconds: UInt64 = 1000

  private func look(_ client: NodeClient, _ endpoint: Endpoint, isScreen: Bool) throws -> StrictJSON {
    let answer = try client.get("/v1/status")
    guard answer.status == 200 else { throw CommandFailure("\(endpoint): \(NodeError(answer))", Exit.temporary) }
    let status = try answer.json(from: endpoint)
    if global.json {
      printJSON(answer.body)
    } else if isScreen {
      // The cursor goes home and each line is cleared behind its text: nothing flickers.
      Terminal.write("\u{1B}[H" + lines(status).map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J", to: 1)
    } else {
      Terminal.print(lines(status).joined(separator: "\n"))
    }
    return status
  }

  private func printJSON(_ body: [UInt8]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.status/1" as StaticString)
    json.key("status"); json.raw(body.bytes)
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  private func lines(_ status: StrictJSON) -> [String] {
    let members: [(String, String)] = [
      ("Chain", "chain_id"), ("State", "state"), ("Role", "role"), ("Height", "head_height"), ("Head Hash", "head_hash"), ("Events", "tree_size"),
      ("Mempool", "mempool_size"), ("Peers", "peer_count"), ("Sync Lag", "sync_lag"), ("Uptime", "uptime_seconds"), ("Version", "version"),
    ]
    return members.compactMap { label, name in
      guard let value = status[name], !value.isNull else { return nil }
      var text = value.unsigned.map { name == "uptime_seconds" ? Figures.duration(seconds: $0) : Figures.grouped($0) } ?? value.string ?? ""
      if name == "mempool_size", let age = status["mempool_oldest_age_seconds"]?.unsigned { text += ", the oldest for \(Figures.duration(seconds: age))" }
      return "\(label):" + String(repeating: " ", count: 15 - label.utf8.count) + text
    }
  }
}
