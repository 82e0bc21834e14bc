import ArgumentParser
import Audit
import Bytes
import Digests
import Ed25519
import JSON

struct GenesisCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "genesis", abstract: "Make, change and look at a genesis file.",
    subcommands: [
      GenesisCreateCommand.self, GenesisAddValidatorCommand.self, GenesisAddSignerCommand.self, GenesisShowCommand.self, GenesisHashCommand.self,
      GenesisVerifyCommand.self,
    ])

  /// What names a valid genesis.
  static func printJSON(_ schema: String, _ genesis: Genesis) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    json.key("hash"); json.string(genesis.hash.hex)
    json.key("chain_id"); json.string(genesis.chainID)
    json.key("validators"); json.number(UInt64(genesis.validators.validators.count))
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  /// Reads and checks a file; every fault is named by line and column.
  static func read(_ path: String) throws(CommandFailure) -> Genesis {
    let bytes = try Files.read(path)
    do { return try Genesis(json: bytes) } catch {
      throw CommandFailure(error.faults.map { "\($0.message)    \(path):\($0.line):\($0.column)" }.joined(separator: "\nerror: "), Exit.dataCorrupt)
    }
  }
}

struct GenesisHashCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "hash", abstract: "Print the hash that names the chain.")
  @Argument(help: "The genesis file.") var file: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let genesis = try GenesisCommand.read(file)
    if global.json { GenesisCommand.printJSON("moloch.genesis.hash/1", genesis) } else { Terminal.print(genesis.hash.hex) }
  }
}

struct GenesisVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "verify", abstract: "Check a genesis file; every fault is named by line and column.")
  @Argument(help: "The genesis file.") var file: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let genesis = try GenesisCommand.read(file)
    if global.json { return GenesisCommand.printJSON("moloch.genesis.verify/1", genesis) }
    global.note("\(file) is valid: chain \(genesis.chainID), \(genesis.validators.validators.count) validators")
  }
}

struct GenesisShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Print what a genesis file says.")
  @Argument(help: "The genesis file.") var file: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let genesis = try GenesisCommand.read(file)
    let parameters = genesis.parameters
    if global.json {
      var json = JSONWriter()
      json.beginObject()
      json.key("schema"); json.string("moloch.genesis.show/1" as StaticString)
      json.key("hash"); json.string(genesis.hash.hex)
      json.key("chain_tag"); json.string(genesis.chainTag.hex)
      json.key("origin"); json.string(genesis.origin)
      json.key("genesis"); json.raw(genesis.json.bytes)
      json.endObject()
      return Terminal.print(String(decoding: json.bytes, as: UTF8.self))
    }
    Terminal.print("Chain:          \(genesis.chainID)")
    Terminal.print("Hash:           \(genesis.hash)")
    Terminal.print("Chain Tag:      \(genesis.chainTag.hex)")
    Terminal.print("Origin:         \(genesis.origin)")
    Terminal.print("Block Time:     \(parameters.blockTime) ms, idle \(parameters.emptyBlockInterval) ms, epochs of \(parameters.epochLength) blocks")
    Terminal.print("Block Limits:   \(Figures.grouped(UInt64(parameters.eventsPerBlockMax))) events, \(Figures.bytes(UInt64(parameters.blockBytesMax)))")
    Terminal.print("Event Body:     up to \(Figures.bytes(UInt64(parameters.bodyBytesMax)))")
    Terminal.print("Signing Window: \(parameters.pastWindow / 1000) s back, \(parameters.futureWindow / 1000) s ahead")
    Terminal.print("Signers:        \(parameters.signerMode == .any ? "any key" : "\(genesis.signers.records.count) registered keys")")
    for validator in genesis.validators.validators {
      Terminal.print("Validator:      \(validator.publicKey) power \(validator.power) \(validator.name)")
    }
  }
}
