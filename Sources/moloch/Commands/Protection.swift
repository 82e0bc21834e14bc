import ArgumentParser
import Bytes
import Ed25519
import Glibc
import JSON
import MolochNode

struct ProtectionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "protection", abstract: "What the validator key has promised: export, import, reset. The node is stopped.",
    subcommands: [ProtectionExportCommand.self, ProtectionImportCommand.self, ProtectionResetCommand.self])

  static func home(_ global: GlobalOptions) throws -> NodeHome {
    let options = try LoadedConfiguration(global).checked()
    do throws(NodeFailure) { return try NodeHome(options) } catch { throw CommandFailure(error) }
  }

  static func print(_ schema: String, _ key: PublicKey, isJSON: Bool, _ text: String) {
    guard isJSON else { return Terminal.print(text) }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    json.key("public_key"); json.string("\(key)")
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

struct ProtectionExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write down how far the key has voted and cosigned.",
    discussion: "To move a validator: stop it, export --retire here, copy the key and the file, import there. A retired key is refused by this host for ever.")

  @Flag(help: "Never let the key sign here again.") var retire = false
  @Argument(help: "A new file.") var file: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let home = try ProtectionCommand.home(global)
    let protection: Protection
    do throws(NodeFailure) { protection = try Protection(of: home) } catch { throw CommandFailure(error) }
    if retire { try global.confirm("This host refuses \(protection.key) from now on, for ever") }
    // The file is there before the key is given up.
    try Files.create(file, protection.json + [0x0A], mode: 0o600)
    if retire { do throws(NodeFailure) { try Protection.retire(home) } catch { throw CommandFailure(error) } }
    ProtectionCommand.print(
      "moloch.validator.protection.export/1", protection.key, isJSON: global.json, "Exported \(protection.key)\(retire ? ", which is retired here" : "")")
  }
}

struct ProtectionImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Take over what the key has promised elsewhere.",
    discussion: "Promises only become more; the node votes above them at once.")

  @Argument(help: "A file of 'moloch validator protection export'.") var file: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let home = try ProtectionCommand.home(global)
    guard let protection = Protection(json: try Files.read(file)) else {
      throw CommandFailure("\(file) is no file of 'moloch validator protection export'", Exit.dataCorrupt)
    }
    do throws(NodeFailure) { try protection.raise(home) } catch { throw CommandFailure(error) }
    ProtectionCommand.print("moloch.validator.protection.import/1", protection.key, isJSON: global.json, "Imported \(protection.key)")
  }
}

struct ProtectionResetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reset", abstract: "Let a validator vote whose journal is lost, copied or in doubt, at your own risk.",
    discussion: """
      The node votes without asking others which votes it does not know of: a contradicting vote is evidence against the key. What the journal holds stays. Ends \
      with 2 for a journal that is intact and where it belongs. A halted validator is freed by 'protection import' alone.
      """)

  @Flag(name: .customLong("unsafe"), help: "Needed: say that no other copy of this key runs.") var isUnsafe = false
  @Option(help: ArgumentHelp("The validator key, in place of the question.", valueName: "key")) var key: KeyArgument?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    guard isUnsafe else { throw CommandFailure("the safe way is to start the node and let it listen; --unsafe goes on", Exit.usage) }
    let home = try ProtectionCommand.home(global)
    guard let own = home.validatorKey?.publicKey else { throw CommandFailure("consensus.validator is off: there is no journal to reset", Exit.configuration) }
    try confirm(own)
    let isReset: Bool
    do throws(NodeFailure) { isReset = try Protection.reset(home) } catch { throw CommandFailure(error) }
    guard isReset else { throw CommandFailure("the vote journal is intact and where it belongs: there is nothing to reset", Exit.no) }
    global.note("WARN: \(own) votes at the next start, whatever it may have voted that this journal does not know")
    ProtectionCommand.print("moloch.validator.protection.reset/1", own, isJSON: global.json, "Reset \(own)")
  }

  /// The operator names the key, so that nobody resets the wrong home.
  private func confirm(_ own: PublicKey) throws(CommandFailure) {
    var answer = key.map { "\($0.key)" }
    if answer == nil, isatty(STDIN_FILENO) == 1 {
      Terminal.note("This forgets every vote of \(own). Type the key to go on:")
      answer = readLine()
    }
    guard let answer else { throw CommandFailure("name the key with --key \(own)", Exit.usage) }
    guard answer == "\(own)" else { throw CommandFailure("the key of this home is \(own)", Exit.usage) }
  }
}
