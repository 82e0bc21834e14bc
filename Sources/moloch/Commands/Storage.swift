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
}

struct StorageStatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Print the sizes of the chain, the tree and the index, while the node runs or is stopped.",
    discussion: "With --json also what each table of the databases and each level of the trees takes. A stopped node's data is read under its lock and not changed.")
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = try MaintenanceConsole(global)
    let figures = try console.figures("stats") { (options) throws(NodeFailure) in try Maintenance.statistics(options) }
    guard let statistics = StorageStatistics(figures) else { throw CommandFailure("the node answered without the figures of the storage", Exit.dataCorrupt) }
    if global.json { console.printJSON("moloch.storage.stats/1", figures) } else { Terminal.print(statistics.text) }
  }
}
