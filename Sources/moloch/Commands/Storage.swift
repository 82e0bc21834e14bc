import ArgumentParser
import JSON
import MolochNode

struct StorageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage", abstract: "What the chain's data takes on disk.", subcommands: [StorageStatsCommand.self])
}

/// Sizes of the data directories, bytes, and what they hold.
struct StorageStatistics {
  var chainBytes, mmrBytes, indexBytes, otherBytes, freeBytes, events, blocks: UInt64

  init?(_ json: StrictJSON) {
    guard let chain = json["chain_bytes"]?.unsigned, let mmr = json["mmr_bytes"]?.unsigned, let index = json["index_bytes"]?.unsigned,
      let other = json["other_bytes"]?.unsigned, let free = json["free_bytes"]?.unsigned, let events = json["events"]?.unsigned,
      let blocks = json["blocks"]?.unsigned
    else { return nil }
    (chainBytes, mmrBytes, indexBytes, otherBytes, freeBytes) = (chain, mmr, index, other, free)
    (self.events, self.blocks) = (events, blocks)
  }

  /// Chain, tree and index.
  var totalBytes: UInt64 { chainBytes + mmrBytes + indexBytes }

  /// Labels padded to 16 columns.
  var text: String {
    let lines = [
      ("Chain Data", Figures.bytes(chainBytes)), ("MMR Data", Figures.bytes(mmrBytes)), ("Index Data", Figures.bytes(indexBytes)),
      ("Total", Figures.bytes(totalBytes)), ("Events", Figures.grouped(events)), ("Blocks", Figures.grouped(blocks)),
      ("Other Data", Figures.bytes(otherBytes)), ("Disk Free", Figures.bytes(freeBytes)),
    ]
    return lines.map { label, value in "\(label):" + String(repeating: " ", count: 15 - label.utf8.count) + value }.joined(separator: "\n")
  }

  var json: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.storage.stats/1")
    json.key("chain_bytes"); json.number(chainBytes)
    json.key("mmr_bytes"); json.number(mmrBytes)
    json.key("index_bytes"); json.number(indexBytes)
    json.key("total_bytes"); json.number(totalBytes)
    json.key("other_bytes"); json.number(otherBytes)
    json.key("free_bytes"); json.number(freeBytes)
    json.key("events"); json.number(events)
    json.key("blocks"); json.number(blocks)
    json.endObject()
    return json.bytes
  }
}

struct StorageStatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "stats", abstract: "Print the sizes of the chain, the tree and the index.")
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let statistics = try statistics()
    Terminal.print(global.json ? String(decoding: statistics.json, as: UTF8.self) : statistics.text)
  }

  /// Asks the running node.
  private func statistics() throws(CommandFailure) -> StorageStatistics {
    let socket = try LoadedConfiguration(global).options.adminSocketPath
    let client = NodeClient(.unix(path: socket), timeoutMilliseconds: global.timeout.milliseconds)
    let answer: Answer
    do throws(CommandFailure) { answer = try client.get("/v1/admin/maintenance/stats") } catch {
      guard error.code == Exit.unreachable else { throw error }
      throw CommandFailure("node is not running: nobody listens on \(socket)", Exit.unreachable)
    }
    guard answer.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
    guard let statistics = StorageStatistics(try answer.json(from: client.endpoint)) else {
      throw CommandFailure("\(client.endpoint) answered without the figures of the storage", Exit.dataCorrupt)
    }
    return statistics
  }
}
