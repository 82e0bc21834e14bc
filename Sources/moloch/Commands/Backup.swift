import ArgumentParser
import Digests
import JSON
import MolochNode

struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy the chain aside, check the copy, bring it back.",
    discussion: "A backup holds chain, tree, genesis, configuration and address book; never keys, never the validator's vote journal.",
    subcommands: [BackupCreateCommand.self, BackupVerifyCommand.self, BackupRestoreCommand.self])
}

struct BackupCreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a backup in an empty directory, while the node runs or is stopped.",
    discussion: """
      Table files are linked where the file system can. The manifest is written last: a directory without one is no backup. A running node writes the files, \
      not this command: under the shipped unit that is below data/, or in a directory of another ReadWritePaths, and never in /tmp.
      """)

  @Argument(help: "The directory; made when missing.", completion: .directory) var directory: String
  @Option(help: ArgumentHelp("Share unchanged files with this earlier backup.", valueName: "dir")) var incremental: String?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let desk = try MaintenanceConsole(global)
    let target = Home.absolute(directory), base = incremental.map { Home.absolute($0) }
    let query = "dir=\(MaintenanceConsole.escaped(target))" + (base.map { "&base=\(MaintenanceConsole.escaped($0))" } ?? "")
    let result = try desk.run("backup", query, label: "Backing up") { (options) throws(NodeFailure) in try Maintenance.backup(options, to: target, base: base) }
    // A running node writes the files itself, and may see other directories than this command does.
    guard Files.exists(target + "/manifest.json") else {
      throw CommandFailure(
        "the node has made the backup in its own view of \(target), and nothing is there: under systemd /tmp is private to the unit. "
          + "Name a directory that the unit writes, below data/ or one of its ReadWritePaths", Exit.inputOutput)
    }
    guard !global.json else { return desk.printJSON("moloch.backup.create/1", result) }
    func number(_ name: String) -> UInt64 { result[name]?.unsigned ?? 0 }
    Terminal.print(
      "backup of height \(Figures.grouped(number("height"))) in \(target): \(number("files")) files, \(Figures.bytes(number("bytes"))) "
        + "(\(Figures.bytes(number("shared_bytes"))) shared), commits waited \(number("pause_ms")) ms")
  }
}

struct BackupVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Hash every file of a backup again and compute its roots.", discussion: "Ends with 0 when all is well, with 65 when not.")

  @Argument(help: "The directory of the backup.", completion: .directory) var directory: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let source = Home.absolute(directory)
    let verification = try MaintenanceConsole.perform("Verifying", unit: "bytes", global) { (task) throws(NodeFailure) in try BackupVerification(source, task) }
    let manifest = verification.manifest
    if global.json {
      var json = JSONWriter()
      json.beginObject()
      json.key("schema"); json.string("moloch.backup.verify/1" as StaticString)
      json.key("height"); json.number(manifest.height)
      json.key("head_hash"); json.string(manifest.headHash.hex)
      json.key("damages")
      json.beginArray()
      for damage in verification.damages { json.string(damage) }
      json.endArray()
      json.endObject()
      Terminal.print(String(decoding: json.bytes, as: UTF8.self))
    } else {
      for damage in verification.damages { Terminal.print("DAMAGED  \(damage)") }
      let bytes = manifest.files.reduce(0) { $0 + $1.bytes }
      Terminal.print(
        "checked \(manifest.files.count) files, \(Figures.bytes(bytes)), height \(Figures.grouped(manifest.height)), head \(manifest.headHash): "
          + (verification.damages.isEmpty ? "intact" : "\(verification.damages.count) damaged"))
    }
    if !verification.damages.isEmpty { throw Exit.dataCorrupt }
  }
}

struct BackupRestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Put a backup in the place of a stopped node's chain.",
    discussion: """
      The backup is verified first. Existing keys, vote journal, configuration, genesis and address book stay as they are; the index is built again at the next
      start, and what came after the backup is fetched from peers.
      """)

  @Argument(help: "The directory of the backup.", completion: .directory) var directory: String
  @Flag(help: "Check everything and change nothing.") var dryRun = false
  @Flag(help: "Move data that is there to data/replaced-<unix time>/.") var replace = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let loaded = try LoadedConfiguration(global), options = loaded.options
    let source = Home.absolute(directory)
    let home = Home.absolute(loaded.home), data = Home.absolute(options.dataPath), genesis = Home.absolute(options.genesisPath)
    let restoration = try MaintenanceConsole.perform(dryRun ? "Verifying" : "Restoring", unit: "bytes", global) { [replace, dryRun] (task) throws(NodeFailure) in
      try BackupRestoration(source, home: home, data: data, genesisPath: genesis, replaces: replace, isDry: dryRun, task)
    }
    if global.json {
      var json = JSONWriter()
      json.beginObject()
      json.key("schema"); json.string("moloch.backup.restore/1" as StaticString)
      json.key("height"); json.number(restoration.height)
      json.key("dry_run"); json.bool(dryRun)
      json.key("replaced")
      if let replaced = restoration.replaced { json.string(replaced) } else { json.null() }
      json.endObject()
      return Terminal.print(String(decoding: json.bytes, as: UTF8.self))
    }
    if let replaced = restoration.replaced { global.note("the data that was there is in \(replaced)") }
    Terminal.print(
      dryRun
        ? "\(source) is intact and fits; height \(Figures.grouped(restoration.height)) would be restored"
        : "restored height \(Figures.grouped(restoration.height)) to \(options.dataPath)")
  }
}
