import ArgumentParser
import JSON
import MolochNode

struct MigrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Bring the data of a stopped node to the format of this program.",
    discussion: """
      The new data is made beside the old, which stays in data/pre-migrate-N/ until --finish; --rollback puts it back for the release before. An interrupted
      migration goes on when the command is run again. A start never migrates. Keys, configuration and data/validator are not touched.
      """)

  @Flag(help: "Print what would be done and change nothing.") var plan = false
  @Flag(help: "Delete the data of the format before.") var finish = false
  @Flag(help: "Put the data of the format before back.") var rollback = false
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard [plan, finish, rollback].count(where: { $0 }) < 2 else { throw ValidationError("--plan, --finish and --rollback exclude each other") }
  }

  func run() throws {
    let options = try LoadedConfiguration(global).checked()
    do {
      let migration = try Migration(options)
      if finish {
        if migration.isKept { try global.confirm("This deletes the data of format \(migration.current - 1), and the way back with it") }
        try migration.finish()
        return report(migration, "finished", migration.isKept ? "deleted the data of format \(migration.current - 1)" : "there was no data of an older format")
      }
      if rollback {
        try migration.rollBack()
        return report(migration, "rolled_back", "the data has format \(migration.current - 1) again: start the release that wrote it")
      }
      if plan { printPlan(migration) }
      guard migration.found < migration.current else {
        return report(migration, "current", "Data format: \(migration.current) (current). Nothing to migrate.")
      }
      guard !plan else { return report(migration, "planned", "nothing was changed") }
      for (name, text) in Self.steps(migration) { global.note("\(name):".padded(13) + text) }
      let named = try MaintenanceConsole.perform("Migrating", unit: "blocks", global) { (task) throws(NodeFailure) in try migration.run(options, task) }
      report(migration, "migrated", "Data format: \(migration.current). \(Figures.grouped(UInt64(named))) redacted events; moloch migrate --finish deletes data/pre-migrate-\(migration.found)/")
    } catch let failure as NodeFailure { throw CommandFailure(failure) }
  }

  /// What the release notes say, and what would be done.
  private func printPlan(_ migration: Migration) {
    guard !global.json else { return }
    Terminal.print("Release:".padded(24) + Release.version)
    for (name, text) in Release.notes { Terminal.print("\(name):".padded(24) + text) }
    guard migration.found < migration.current else { return }
    Terminal.print("")
    for (name, text) in Self.steps(migration) { Terminal.print("\(name):".padded(24) + text) }
  }

  private static func steps(_ migration: Migration) -> [(name: String, text: String)] {
    [
      ("Data format", "\(migration.found), this program has \(migration.current)"),
      ("Chain Data", "\(Figures.bytes(migration.chainBytes)), linked and not copied where the file system can"),
      ("Steps", "add the tables of redactions; delete the bodies that approved redactions name; keep the old data in data/pre-migrate-\(migration.found)/"),
      ("Time", "seconds, and longer by the blocks that data/index has not seen yet"),
    ]
  }

  private func writeRelease(_ json: inout JSONWriter) {
    json.key("release")
    json.beginObject()
    json.key("version"); json.string(Release.version)
    json.key("kind"); json.string(Release.kind.rawValue)
    json.key("protocol_min"); json.number(UInt64(Release.protocols.lowerBound))
    json.key("protocol_max"); json.number(UInt64(Release.protocols.upperBound))
    json.key("chain_protocol"); json.number(UInt64(Release.chainProtocolVersion))
    json.key("configuration"); json.string(Release.configurationChanges)
    json.endObject()
  }

  private func report(_ migration: Migration, _ outcome: StaticString, _ text: String) {
    guard global.json else { return Terminal.print(text) }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.migrate/1" as StaticString)
    json.key("outcome"); json.string(outcome)
    json.key("format_found"); json.number(UInt64(migration.found))
    json.key("format_current"); json.number(UInt64(migration.current))
    json.key("chain_bytes"); json.number(migration.chainBytes)
    if plan { writeRelease(&json) }
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
