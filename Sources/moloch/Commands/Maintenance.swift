import ArgumentParser
import JSON
import MolochNode

struct MaintenanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maintenance", abstract: "Look after the data of a node.", subcommands: [
      MaintenanceVerifyCommand.self, MaintenanceRepairCommand.self, MaintenanceCompactCommand.self,
      MaintenancePruneCommand.self,
    ])
}

struct MaintenanceRepairCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair", abstract: "Build damaged tree files and index of a stopped node anew from the chain.",
    discussion: """
      Verifies first, prints the plan and asks; the damaged files move to data/damaged-<unix time>/. Damage in the chain itself is not cured here: it ends with 65, and
      a backup or a resync from peers helps.
      """)

  @Flag(help: "Print the plan and change nothing.") var dryRun = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let options = try LoadedConfiguration(global).checked()
    let damages: [StoreVerification.Damage]
    do { damages = try StoreVerification(options, level: .deep) { _, _ in }.damages } catch { throw CommandFailure(error) }
    for damage in damages { Terminal.print(damage.line) }
    guard !damages.isEmpty else { return Terminal.print("nothing to repair") }
    let repair = StoreRepair(damages)
    guard repair.major.isEmpty else {
      throw CommandFailure("the chain itself is damaged: restore a backup (moloch backup restore) or resync; nothing was changed", Exit.dataCorrupt)
    }
    Terminal.print("plan: move \(repair.directories.joined(separator: " and ")) to data/damaged-<unix time>/, then build anew from chain/")
    guard !dryRun else { return }
    guard global.yes else { throw CommandFailure("repair changes data: repeat with --yes", Exit.usage) }
    var bar = ProgressBar("Repairing", total: 0, unit: "blocks", terminal: global.terminal, isQuiet: global.quiet)
    let place: String
    do { place = try repair.run(options) { done, _ in bar.update(done) } } catch { throw CommandFailure(error) }
    Terminal.print("repaired; the damaged files are in \(place)")
  }
}

struct MaintenanceCompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact", abstract: "Give back the space of what was deleted or overwritten, while the node runs or is stopped.",
    discussion: "Blocks go on. It may be interrupted at any point: what was rewritten so far counts.")

  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = try MaintenanceConsole(global)
    let result = try console.run("compact", label: "Compacting") { (options) throws(NodeFailure) in try Maintenance.compact(options) }
    guard !global.json else { return console.printJSON("moloch.maintenance.compact/1", result) }
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    for (label, name) in [("Chain Data", "chain_bytes"), ("Index Data", "index_bytes")] {
      Terminal.print("\(label):" + String(repeating: " ", count: 15 - label.count) + "\(Figures.bytes(number(name + "_before"))) before, \(Figures.bytes(number(name))) after")
    }
  }
}

extension StoreVerification.Damage {
  /// `DAMAGED  mmr/level-03   offset 81,920   nodes 2560..2815   minor   what helps`
  var line: String {
    let place = offset.map { ["offset \(Figures.grouped($0))"] } ?? []
    return "DAMAGED  " + ([path] + place + [range, isMinor ? "minor" : "major", remedy]).joined(separator: "   ")
  }
}

struct MaintenancePruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Delete the bodies of old blocks, while the node runs or is stopped.",
    discussion: """
      Needs retention.min_days. Entries, headers, certificates, governance events, trees and index stay, so that proofs are still served and verify. Exit codes:
      2 too few peers hold the bodies (--force), 64 the height is too high, 77 legal hold, 78 no retention policy.
      """)

  @Option(help: ArgumentHelp("Blocks below this height lose their bodies.", valueName: "n")) var beforeHeight: UInt64
  @Flag(help: "Print what would be freed and change nothing.") var dryRun = false
  @Flag(help: "Delete also what too few peers hold.") var force = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = try MaintenanceConsole(global)
    let query = "before_height=\(beforeHeight)&dry_run=\(dryRun)&force=\(force)"
    let result = try console.run("prune", query, label: "Pruning") { (options) throws(NodeFailure) in
      try Maintenance.prune(options, before: beforeHeight, isDryRun: dryRun, isForced: force)
    }
    guard !global.json else { return console.printJSON("moloch.maintenance.prune/1", result) }
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    let earliest = Figures.grouped(number("earliest_body_height"))
    Terminal.print((dryRun ? "Would prune:" : "Pruned:").padded(15) + "\(Figures.grouped(number("blocks"))) blocks, bodies from height \(earliest) on stay")
    guard dryRun else {
      return Terminal.print("Chain Data:".padded(15) + "\(Figures.bytes(number("chain_bytes_before"))) before, \(Figures.bytes(number("chain_bytes"))) after")
    }
    for (label, bytes) in [("Chain Data:", number("body_bytes")), ("MMR Data:", 0), ("Index Data:", 0)] {
      Terminal.print(label.padded(15) + "\(Figures.bytes(bytes)) would be freed")
    }
  }
}

struct MaintenanceVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check the data of a stopped node.",
    discussion: """
      Level quick reads every block, which checks the sums of the tables, and the root of the tree; full also headers, certificates and every node of the tree;
      deep also signatures, bodies and the index. Exit codes: 0 clean, 65 damaged, 75 the node is running.
      """)

  @Option(help: ArgumentHelp("How much is checked: quick, full (default) or deep.", valueName: "level"), transform: Self.level)
  var level = StoreVerification.Level.full
  @Option(help: ArgumentHelp("Check this directory, such as a copy, instead of the node's data.", valueName: "dir")) var dataDir: String?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    var bar = ProgressBar("Verifying", total: 0, unit: "blocks", terminal: global.terminal, isQuiet: global.quiet)
    var isSized = false
    let options = try LoadedConfiguration(global).checked()
    let result: StoreVerification
    do {
      result = try StoreVerification(options, level: level, data: dataDir.map { Home.absolute($0) }) { done, total in
        if !isSized { bar = ProgressBar("Verifying", total: total, unit: "blocks", terminal: global.terminal, isQuiet: global.quiet) }
        isSized = true
        bar.update(done)
      }
    } catch {
      throw CommandFailure(error)
    }
    bar.finish(result.blocks)
    if global.json {
      printJSON(result)
    } else {
      for damage in result.damages { Terminal.print(damage.line) }
      let unlisted = result.minorCount + result.majorCount - UInt64(result.damages.count)
      if unlisted > 0 { Terminal.print("and \(Figures.grouped(unlisted)) more") }
      let (blocks, events) = (Figures.grouped(result.blocks), Figures.grouped(result.events))
      let took = Figures.duration(seconds: (result.milliseconds + 500) / 1000)
      Terminal.print(
        "checked \(blocks) blocks, \(events) events, \(Figures.bytes(result.bytes)) in \(took): \(result.minorCount) minor, \(result.majorCount) major")
    }
    if !result.damages.isEmpty { throw Exit.dataCorrupt }
  }

  private static func level(_ name: String) throws -> StoreVerification.Level {
    guard let level = StoreVerification.Level(rawValue: name) else { throw ValidationError("'\(name)' is not one of quick, full, deep") }
    return level
  }

  private func printJSON(_ result: StoreVerification) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.maintenance.verify/1" as StaticString)
    json.key("level"); json.string(level.rawValue)
    let members: [(StaticString, UInt64)] = [
      ("blocks", result.blocks), ("events", result.events), ("bytes", result.bytes), ("ms", result.milliseconds), ("minor", result.minorCount),
      ("major", result.majorCount),
    ]
    for (name, value) in members {
      json.key(name)
      json.number(value)
    }
    json.key("damages")
    json.beginArray()
    for damage in result.damages {
      json.beginObject()
      json.key("path"); json.string(damage.path)
      if let offset = damage.offset {
        json.key("offset")
        json.number(offset)
      }
      json.key("range"); json.string(damage.range)
      json.key("grade"); json.string(damage.isMinor ? "minor" : "major")
      json.key("remedy"); json.string(damage.remedy)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

extension String {
  /// Filled with spaces up to a column.
  fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
