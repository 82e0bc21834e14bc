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
    commandName: "repair", abstract: "Cure damaged data, while the node runs or is stopped.",
    discussion: """
      Verifies deeply first, prints the plan and asks; the damaged files go to data/damaged-<unix time>/. Tree files, index and parts of the snapshot are built anew from the chain, beside a
      running node, too. Damage in the chain itself ends with 65: a backup or a resync helps, or --from-peers with the node stopped, which keeps the blocks below the first
      damaged one; the next start syncs those above from peers, and checks them as every block from peers. Until then the node stands at a lower height than before.
      """)

  @Flag(help: "Print the plan and change nothing.") var dryRun = false
  @Flag(help: "Damaged parts of the chain come from peers at the next start.") var fromPeers = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let options = try LoadedConfiguration(global).checked()
    let console = try MaintenanceConsole(global)
    let verified = try console.run("verify", "level=deep", label: "Verifying") { (options) throws(NodeFailure) in try Maintenance.verify(options, level: .deep, data: nil) }
    let damages = (verified["damages"]?.array ?? []).map { StoreVerification.Damage($0) }
    for damage in damages { say(damage.line) }
    let repair = StoreRepair(damages)
    guard !damages.isEmpty else { return report("clean", verified, repair, "nothing to repair") }
    guard repair.major.isEmpty || fromPeers else {
      throw CommandFailure(
        "the chain itself is damaged: repair --from-peers, restore a backup (moloch backup restore) or resync; nothing was changed", Exit.dataCorrupt)
    }
    let isOnline = try console.isOnline()
    guard !isOnline || repair.major.isEmpty else {
      throw CommandFailure("the chain itself is damaged, and the node runs: stop it and repeat; nothing was changed", Exit.temporary)
    }
    say("plan: move \(repair.moved.joined(separator: ", ")) to data/damaged-<unix time>/, then build anew")
    if let height = repair.refetchedFrom { say("plan: blocks below \(Figures.grouped(height)) are kept, those from there on come from peers at the next start") }
    guard !dryRun else { return report("planned", verified, repair, nil) }
    try global.confirm("This replaces \(repair.moved.joined(separator: ", "))")
    let (place, height) = isOnline ? try beside(console, repair) : try offline(options, repair)
    report("repaired", verified, repair, place: place, height: height, "repaired at height \(Figures.grouped(height)); the damaged files are in \(place)")
    if isOnline, repair.directories.contains("index") { say("the index grows beside the work of the node: moloch_index_lag says how far it is behind") }
  }

  /// A line for people.
  private func say(_ line: String) { if !global.json { Terminal.print(line) } }

  /// The end: a line, or the object with what was found, planned and done.
  private func report(_ outcome: StaticString, _ verified: StrictJSON, _ repair: StoreRepair, place: String? = nil, height: UInt64? = nil, _ line: String?) {
    guard global.json else {
      if let line { Terminal.print(line) }
      return
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.maintenance.repair/1" as StaticString)
    json.key("outcome"); json.string(outcome)
    json.key("damages"); MaintenanceConsole.write(verified["damages"], &json)
    json.key("moved")
    json.beginArray()
    for name in repair.moved { json.string(name) }
    json.endArray()
    json.key("refetched_from")
    if let height = repair.refetchedFrom { json.number(height) } else { json.null() }
    json.key("place")
    if let place { json.string(place) } else { json.null() }
    json.key("height")
    if let height { json.number(height) } else { json.null() }
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  /// The running node does it, and verifies what it has done.
  private func beside(_ console: MaintenanceConsole, _ repair: StoreRepair) throws -> (place: String, height: UInt64) {
    let result = try console.run("repair", "parts=\((repair.directories + (repair.parts.isEmpty ? [] : ["snapshots"])).joined(separator: ","))", label: "Repairing") { (_) throws(NodeFailure) in
      throw NodeFailure(75, "the node has stopped meanwhile: repeat")
    }
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    let place = result["place"]?.string ?? ""
    guard number("minor") + number("major") == 0 else {
      throw CommandFailure("\(number("minor")) minor and \(number("major")) major damages are left; what was there is in \(place)", Exit.dataCorrupt)
    }
    return (place, number("height"))
  }

  private func offline(_ options: NodeOptions, _ repair: StoreRepair) throws -> (place: String, height: UInt64) {
    var bar = ProgressBar("Repairing", total: 0, unit: "blocks", terminal: global.terminal, isQuiet: global.quiet)
    do {
      return try repair.run(options) { done, _ in bar.update(done) }
    } catch { throw CommandFailure(error) }
  }
}

struct MaintenanceCompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact", abstract: "Give back the space of what was deleted or overwritten, while the node runs or is stopped.",
    discussion: """
      Blocks go on. It may be interrupted at any point: what was written anew so far counts. What a stop of the node cuts off is begun again by the next start.
      """)

  @Option(help: ArgumentHelp("Megabytes a second, on average; 0: no limit. Without it storage.maintenance_max_mbps.", valueName: "n")) var maxMbps: UInt64?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = try MaintenanceConsole(global)
    if let maxMbps, maxMbps > 10_000 { throw ValidationError("--max-mbps \(maxMbps) is more than 10000") }
    let result = try console.run("compact", maxMbps.map { "max_mbps=\($0)" } ?? "", label: "Compacting") { (options) throws(NodeFailure) in
      try Maintenance.compact(options, megabytesPerSecond: maxMbps)
    }
    guard !global.json else { return console.printJSON("moloch.maintenance.compact/1", result) }
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    for (label, name) in [("Chain Data", "chain_bytes"), ("Index Data", "index_bytes")] {
      Terminal.print("\(label):" + String(repeating: " ", count: 15 - label.count) + "\(Figures.bytes(number(name + "_before"))) before, \(Figures.bytes(number(name))) after")
    }
  }
}

/// `DAMAGED  mmr/level-03   offset 81,920   nodes 2560..2815   minor   what helps`
private func damageLine(_ path: String, _ offset: UInt64?, _ range: String, _ grade: String, _ remedy: String) -> String {
  let place = offset.map { ["offset \(Figures.grouped($0))"] } ?? []
  return "DAMAGED  " + ([path] + place + [range, grade, remedy]).joined(separator: "   ")
}

extension StoreVerification.Damage {
  var line: String { damageLine(path, offset, range, isMinor ? "minor" : "major", remedy) }

  /// One of the damages that a verification lists.
  fileprivate init(_ json: StrictJSON) {
    self.init(
      path: json["path"]?.string ?? "", offset: json["offset"]?.unsigned, range: json["range"]?.string ?? "", height: json["height"]?.unsigned,
      isMinor: json["grade"]?.string == "minor")
  }
}

struct MaintenancePruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Delete the bodies of old blocks, while the node runs or is stopped.",
    discussion: """
      Needs retention.min_days; asks before it deletes. Entries, headers, certificates, governance events, trees and index stay, so that proofs are still served and
      verify. With --deep the entries of blocks wholly below a multiple of 256 leaves and their rows of the index go, too: such an event is no longer found by its id, and whoever has its
      entry and leaf index still gets its proof. Nothing brings entries back but a backup or a new sync. Exit codes: 2 too few peers hold what goes (--force),
      64 the height is too high, 77 legal hold, 78 no retention policy.
      """)

  @Option(help: ArgumentHelp("Blocks below this height lose their bodies.", valueName: "n")) var beforeHeight: UInt64
  @Flag(help: "Delete also entries and their rows of the index.") var deep = false
  @Flag(help: "Print what would be freed and change nothing.") var dryRun = false
  @Flag(help: "Delete also what too few peers hold.") var force = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = try MaintenanceConsole(global)
    if !dryRun, !global.yes {
      // What the policy forbids is refused without a question.
      let plan = try prune(console, isDry: true)
      let entries = deep ? ", and \(Figures.grouped(plan["entries"]?.unsigned ?? 0)) entries with their rows of the index" : ""
      try global.confirm(
        "This deletes the bodies of \(Figures.grouped(plan["blocks"]?.unsigned ?? 0)) blocks for ever, \(Figures.bytes(plan["body_bytes"]?.unsigned ?? 0))\(entries)")
    }
    let result = try prune(console, isDry: dryRun)
    guard !global.json else { return console.printJSON("moloch.maintenance.prune/1", result) }
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    let earliest = Figures.grouped(number("earliest_body_height"))
    Terminal.print((dryRun ? "Would prune:" : "Pruned:").padded(15) + "\(Figures.grouped(number("blocks"))) blocks, bodies from height \(earliest) on stay")
    if deep {
      let leaf = Figures.grouped(number("earliest_entry_index")), height = Figures.grouped(number("earliest_entry_height"))
      Terminal.print("Entries:".padded(15) + "\(Figures.grouped(number("entries"))), those from leaf \(leaf) in block \(height) on stay")
    }
    guard dryRun else {
      Terminal.print("Chain Data:".padded(15) + "\(Figures.bytes(number("chain_bytes_before"))) before, \(Figures.bytes(number("chain_bytes"))) after")
      if deep { Terminal.print("Index Data:".padded(15) + "\(Figures.bytes(number("index_bytes_before"))) before, \(Figures.bytes(number("index_bytes"))) after") }
      return
    }
    var directories = [("Chain Data:", number("body_bytes") + number("entry_bytes")), ("MMR Data:", 0), ("Index Data:", number("index_row_bytes"))]
    if deep { directories.append(("Snapshots:", number("snapshot_bytes"))) }
    for (label, bytes) in directories {
      Terminal.print(label.padded(15) + "\(Figures.bytes(bytes)) would be freed")
    }
  }

  private func prune(_ console: MaintenanceConsole, isDry: Bool) throws(CommandFailure) -> StrictJSON {
    try console.run("prune", "before_height=\(beforeHeight)&dry_run=\(isDry)&force=\(force)&deep=\(deep)", label: "Pruning") { (options) throws(NodeFailure) in
      try Maintenance.prune(options, before: beforeHeight, isDryRun: isDry, isForced: force, isDeep: deep)
    }
  }
}

struct MaintenanceVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check the data of a node, while it runs or is stopped.",
    discussion: """
      Level quick reads every block, which checks the sums of the tables, and the root of the tree; full also headers, certificates and every node of the tree;
      deep also signatures, bodies and the index. A running node reads a state that is frozen for it and goes on; Ctrl-C ends the work. Nothing is changed.
      Exit codes: 0 clean, 65 damaged, 75 interrupted.
      """)

  @Option(help: ArgumentHelp("How much is checked: quick, full (default) or deep.", valueName: "level"), transform: Self.level)
  var level = StoreVerification.Level.full
  @Option(help: ArgumentHelp("Check this directory, such as a copy, instead of the node's data.", valueName: "dir")) var dataDir: String?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let directory = dataDir.map { Home.absolute($0) }
    _ = try LoadedConfiguration(global).checked()
    let console = try MaintenanceConsole(global)
    let begin = { (options: NodeOptions) throws(NodeFailure) in try Maintenance.verify(options, level: level, data: directory) }
    let result = directory == nil
      ? try console.run("verify", "level=\(level.rawValue)", label: "Verifying", offline: begin) : try console.here(label: "Verifying", begin)
    if global.json { console.printJSON("moloch.maintenance.verify/1", result) } else { printText(result) }
    if result["damages"]?.array?.isEmpty != true { throw Exit.dataCorrupt }
  }

  private static func level(_ name: String) throws -> StoreVerification.Level {
    guard let level = StoreVerification.Level(rawValue: name) else { throw ValidationError("'\(name)' is not one of quick, full, deep") }
    return level
  }

  private func printText(_ result: StrictJSON) {
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    let damages = result["damages"]?.array ?? []
    for damage in damages {
      func text(_ name: String) -> String { damage[name]?.string ?? "" }
      Terminal.print(damageLine(text("path"), damage["offset"]?.unsigned, text("range"), text("grade"), text("remedy")))
    }
    let unlisted = number("minor") + number("major") - UInt64(damages.count)
    if unlisted > 0 { Terminal.print("and \(Figures.grouped(unlisted)) more") }
    let took = Figures.duration(seconds: (number("ms") + 500) / 1000)
    Terminal.print(
      "checked \(Figures.grouped(number("blocks"))) blocks, \(Figures.grouped(number("events"))) events, \(Figures.bytes(number("bytes"))) in \(took): "
        + "\(number("minor")) minor, \(number("major")) major")
  }
}

extension String {
  /// Filled with spaces up to a column.
  func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
