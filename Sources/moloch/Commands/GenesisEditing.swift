import ArgumentParser
import Audit
import Bytes
import Digests
import Ed25519
import JSON
import MolochNode

/// A genesis file before its chain begins: each command leaves a whole file that a node takes.
extension GenesisCommand {
  /// Checks what was put together and writes it.
  /// - Throws: 64 for a part that a genesis cannot have.
  static func write(_ path: String, _ text: [UInt8], replacing: Bool, _ schema: StaticString, _ global: GlobalOptions) throws(CommandFailure) {
    let genesis: Genesis
    do { genesis = try Genesis(json: text) } catch { throw CommandFailure(error.faults.map { $0.message }.joined(separator: "; "), Exit.usage) }
    if replacing { try Files.replace(path, text) } else { try Files.create(path, text, mode: 0o644) }
    let (validators, signers) = (genesis.validators.validators.count, genesis.signers.records.count)
    guard global.json else {
      return Terminal.print(
        "\(path): chain \(genesis.chainID), \(validators) \(validators == 1 ? "validator" : "validators"), "
          + "\(signers) registered \(signers == 1 ? "signer" : "signers")\nHash: \(genesis.hash.hex)")
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    json.key("hash"); json.string(genesis.hash.hex)
    json.key("chain_id"); json.string(genesis.chainID)
    json.key("validators"); json.number(UInt64(validators))
    json.key("signers"); json.number(UInt64(signers))
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  /// The hash of the file names the chain: with data of the chain, or a vote journal for it, the file is what it is.
  /// - Throws: 73 for the genesis of a home that has either.
  static func checkUnused(_ path: String, _ global: GlobalOptions) throws(CommandFailure) {
    let file = Home.absolute(path), options = try LoadedConfiguration(global).options
    var places: [String] = []
    if file == Home.absolute(options.genesisPath) { places.append(options.dataPath) }
    let standard = "/config/genesis.json"
    if file.hasSuffix(standard) { places.append(file.dropLast(standard.count) + "/data") }
    for data in places where Files.exists(data + "/FORMAT") || Files.exists(data + "/validator") {
      throw CommandFailure("\(path) is in use by \(data): its hash names that chain; nothing was written", Exit.wouldOverwrite)
    }
  }

  /// The file with other members; what they do not name stays.
  static func text(_ genesis: Genesis, validators: [Validator]? = nil, signers: [SignerRecord]? = nil) -> [UInt8] {
    Genesis.text(
      chainID: genesis.chainID, timestamp: genesis.timestamp, domain: genesis.domain, validators: validators ?? genesis.validators.validators,
      parameters: genesis.parameters, signers: signers ?? genesis.signers.records)
  }
}

struct GenesisCreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Write the genesis file of a new chain with its first validator.",
    discussion: """
      'genesis add-validator' adds the others. Everybody compares 'genesis hash' before 'moloch init --genesis FILE' makes the homes: any change of the file is \
      another chain. What is not named has the default of the format. An existing file ends with 73.
      """)

  @Argument(help: "The genesis file; must not exist.") var file: String
  @Option(help: ArgumentHelp("Name of the chain: [a-z0-9][a-z0-9.-]{0,63}.", valueName: "id")) var chainID: String
  @Option(help: ArgumentHelp("Key of the first validator.", valueName: "key")) var key: KeyArgument
  @Option(help: ArgumentHelp("Its name, [a-z0-9.-].", valueName: "name")) var name: String
  @Option(help: ArgumentHelp("Its voting power.", valueName: "n")) var power: UInt64 = 1
  @Option(help: ArgumentHelp("First part of the name of the log, [a-z0-9.-].", valueName: "domain")) var domain = "moloch.internal"
  @Option(help: ArgumentHelp("Milliseconds between blocks, 10 to 60000.", valueName: "ms")) var blockTime: UInt32 = 1000
  @Option(help: ArgumentHelp("Blocks of an epoch, 1 to 1000000.", valueName: "n")) var epochLength: UInt32 = 100
  @Flag(help: "Only registered signers sign events, see 'genesis add-signer'.") var registeredOnly = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    var parameters = ChainParameters()
    parameters.blockTime = blockTime
    parameters.epochLength = epochLength
    parameters.signerMode = registeredOnly ? .registered : .any
    let validator = Validator(publicKey: key.key, cosignerKey: key.key, power: power, name: name)
    let text = Genesis.text(
      chainID: chainID, timestamp: Timestamp(milliseconds: SystemTime.unixMilliseconds()), domain: domain, validators: [validator], parameters: parameters, signers: [])
    try GenesisCommand.write(file, text, replacing: false, "moloch.genesis.create/1", global)
  }
}

struct GenesisAddValidatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-validator", abstract: "Add a validator to the genesis file of a chain that has not begun.",
    discussion: "Ends with 73 for a file that a data directory uses: there 'moloch validator propose-change' adds one.")

  @Argument(help: "The genesis file.") var file: String
  @Option(help: ArgumentHelp("Key of the validator.", valueName: "key")) var key: KeyArgument
  @Option(help: ArgumentHelp("Its name, [a-z0-9.-].", valueName: "name")) var name: String
  @Option(help: ArgumentHelp("Its voting power.", valueName: "n")) var power: UInt64 = 1
  @OptionGroup var global: GlobalOptions

  func run() throws {
    try GenesisCommand.checkUnused(file, global)
    let genesis = try GenesisCommand.read(file)
    let validator = Validator(publicKey: key.key, cosignerKey: key.key, power: power, name: name)
    let text = GenesisCommand.text(genesis, validators: genesis.validators.validators + [validator])
    try GenesisCommand.write(file, text, replacing: true, "moloch.genesis.add-validator/1", global)
  }
}

struct GenesisAddSignerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-signer", abstract: "Register a signer in the genesis file of a chain that has not begun.",
    discussion: "Ends with 73 for a file that a data directory uses: there 'moloch signer put' registers one.")

  @Argument(help: "The genesis file.") var file: String
  @Option(help: ArgumentHelp("Key of the signer.", valueName: "key")) var key: KeyArgument
  @Option(help: ArgumentHelp("Its name, [a-z0-9.-].", valueName: "name")) var name: String
  @Option(help: ArgumentHelp("First height at which it may sign.", valueName: "height")) var from: UInt64 = 0
  @Option(help: ArgumentHelp("First height at which it may not any more; 0: no end.", valueName: "height")) var to: UInt64 = 0
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard max(from, to) < ordinalLimit else { throw ValidationError("heights are below 2^53") }
  }

  func run() throws {
    try GenesisCommand.checkUnused(file, global)
    let genesis = try GenesisCommand.read(file)
    let signer = SignerRecord(key: key.key, validFrom: Height(from), validTo: Height(to), name: name)
    try GenesisCommand.write(
      file, GenesisCommand.text(genesis, signers: genesis.signers.records + [signer]), replacing: true, "moloch.genesis.add-signer/1", global)
    if genesis.parameters.signerMode == .any { global.note("any key signs on this chain: signers.mode is \"any\"") }
  }
}
