import ArgumentParser
import Bytes
import JSON
import MolochNode

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "What the running node does.", discussion: "Ends with 2 unless the node is live.")

  @Option(help: "Ask this address instead of the home's admin socket.") var url: String?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let endpoint = try url.map { url throws(CommandFailure) in try Endpoint(url: url) } ?? .unix(path: LoadedConfiguration(global).options.adminSocketPath)
    let client = NodeClient(endpoint, timeoutMilliseconds: global.timeout.milliseconds)
    let answer = try client.get("/v1/status")
    guard answer.status == 200 else { throw CommandFailure("\(endpoint): \(NodeError(answer))", Exit.temporary) }
    let status = try answer.json(from: endpoint)
    if global.json { printJSON(answer.body) } else { printText(status) }
    // Nodes that say only whether they sync are taken as live when they do not.
    guard status["state"]?.string ?? (status["syncing"]?.value == .bool(false) ? "live" : "syncing") == "live" else { throw Exit.no }
  }

  private func printJSON(_ body: [UInt8]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.status/1" as StaticString)
    json.key("status"); json.raw(body.bytes)
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  private func printText(_ status: StrictJSON) {
    let members: [(String, String)] = [
      ("Chain", "chain_id"), ("State", "state"), ("Role", "role"), ("Height", "head_height"), ("Head Hash", "head_hash"), ("Events", "tree_size"),
      ("Mempool", "mempool_size"), ("Peers", "peer_count"), ("Sync Lag", "sync_lag"), ("Uptime", "uptime_seconds"), ("Version", "version"),
    ]
    for (label, name) in members {
      guard let value = status[name], !value.isNull else { continue }
      let text = value.unsigned.map { name == "uptime_seconds" ? Figures.duration(seconds: $0) : Figures.grouped($0) } ?? value.string ?? ""
      Terminal.print("\(label):" + String(repeating: " ", count: 15 - label.utf8.count) + text)
    }
  }
}
