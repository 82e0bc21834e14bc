import ArgumentParser
import Audit
import Bytes
import Configuration
import Digests
import Glibc
import JSON
import MolochNode

/// Options of the commands that run a node.
struct NodeRunOptions: ParsableArguments {
  @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set a key, for example api.listen_addr=127.0.0.1:9999.", valueName: "key=value"))
  var settings: [String] = []
  @Option(help: ArgumentHelp("Least severe log records: trace, debug, info, notice, warn, error.", valueName: "level")) var logLevel: String?
  @Option(help: ArgumentHelp("Peers to dial first, separated by commas.", valueName: "a,b")) var bootNodes: String?
  @Flag(help: "Vote with the home's validator key.") var validator = false
  @Flag(help: "Follow the chain and serve it, and pass submissions on to validators: no vote, whatever the file says, and no validator key.")
  var apiOnly = false
  @Flag(help: "Take unknown keys of the file for warnings: for the file of a newer version.") var allowUnknownConfig = false

  /// What the command line sets.
  func commandLine() throws(CommandFailure) -> [(key: String, text: String, flag: String)] {
    var set: [(key: String, text: String, flag: String)] = []
    for setting in settings {
      guard let equals = setting.firstIndex(of: "=") else { throw CommandFailure("--set \(setting): write KEY=VALUE", Exit.usage) }
      let key = String(setting[..<equals])
      set.append((key, String(setting[setting.index(after: equals)...]), "--set \(key)"))
    }
    if let logLevel { set.append(("log.level", logLevel, "--log-level")) }
    if let bootNodes { set.append(("network.boot_nodes", bootNodes, "--boot-nodes")) }
    guard !(validator && apiOnly) else { throw CommandFailure("--validator and --api-only contradict each other", Exit.usage) }
    if validator { set.append(("consensus.validator", "true", "--validator")) }
    if apiOnly { set.append(("consensus.validator", "false", "--api-only")) }
    return set
  }

  static func run(_ options: NodeOptions, started: (Node.Endpoints) -> Void) throws(CommandFailure) {
    do { try Node.run(options, started: started) } catch { throw CommandFailure(error) }
  }
}

extension CommandFailure {
  init(_ failure: NodeFailure) { self.init(failure.message, ExitCode(failure.code)) }
}

struct DevCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev", abstract: "Make a chain of your own and run a node for it.",
    discussion: "The home directory is ./moloch-dev unless --home names another; it is made when missing and used again when it is there. "
      + "Loopback only, no rate limits, a block every 100 ms while events are pending. --reset begins a new chain: it deletes the data, the vote journal and the "
      + "genesis of a home that this command has made; keys and configuration stay.")

  private static let chainID = "moloch-dev"

  @Flag(help: "Delete the chain of this home and begin a new one; asks, or takes --yes.") var reset = false
  @OptionGroup var global: GlobalOptions
  @OptionGroup var node: NodeRunOptions

  func run() throws {
    let directory = Home(home: global.home ?? (global.config == nil ? "moloch-dev" : nil), config: global.config)
    let home = directory.path
    let options = try LoadedConfiguration.starting(global, node, home: directory, isDevelopment: true)
    if reset, Files.exists(options.genesisPath) { try begin(anew: options) }
    if !Files.exists(options.genesisPath) {
      do {
        try NodeHome.found([NodeHome.Founder(options, name: "dev")], chainID: Self.chainID, blockTime: 100)
      } catch { throw CommandFailure(error) }
    }
    let isJSON = global.json
    try NodeRunOptions.run(options) { endpoints in
      if isJSON {
        var json = JSONWriter()
        json.beginObject()
        for (name, value) in [("schema", "moloch.dev/1"), ("home", home), ("api", endpoints.api), ("metrics", endpoints.metrics)] {
          json.key(name)
          json.string(value)
        }
        json.endObject()
        Terminal.print(String(decoding: json.bytes, as: UTF8.self))
      } else {
        Terminal.print(Self.welcome(home, endpoints))
      }
    }
  }

  /// Only what this command itself has made is deleted without a trace.
  private func begin(anew options: NodeOptions) throws(CommandFailure) {
    let genesis = try GenesisCommand.read(options.genesisPath)
    guard genesis.chainID == Self.chainID else {
      throw CommandFailure("\(options.genesisPath) is of the chain \(genesis.chainID): --reset deletes only a chain that moloch dev has made, \(Self.chainID)", Exit.usage)
    }
    try global.confirm("This deletes the chain in \(options.dataPath)")
    do { try NodeHome.reset(options) } catch { throw CommandFailure(error) }
  }

  private static func welcome(_ home: String, _ endpoints: Node.Endpoints) -> String {
    """
    The node is running. Home: \(home), API: \(endpoints.api), metrics: \(endpoints.metrics)

    Try, in another terminal:
      curl \(endpoints.api)/v1/status
      moloch event submit bench-data/cloudtrail.ndjson --home \(home) --url \(endpoints.api) --wait
      moloch verify bench-data/cloudtrail.ndjson.bundles/*.bundle --genesis \(home)/config/genesis.json
    Ctrl-C stops it; the same command starts it again with the same chain.
    """
  }
}

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "run", abstract: "Run the node of a home directory in the foreground.")

  @Flag(help: "Loopback only, no rate limits, no drain delay; other defaults as in 'moloch dev'.") var dev = false
  @OptionGroup var global: GlobalOptions
  @OptionGroup var node: NodeRunOptions

  func run() throws {
    try NodeRunOptions.run(try LoadedConfiguration.starting(global, node, isDevelopment: dev)) { _ in }
  }
}

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a home directory: configuration, keys, genesis, data directory, vote journal of a validator.",
    discussion: """
      Without --genesis a chain of one validator is made, which this home is. With it the home is one for that chain: a node that follows, and with --validator one \
      that votes once its key is in the set. Existing keys and an existing configuration are kept; an existing genesis is never replaced, and ends with 73 \
      unless it is the one of --genesis.

      A validator key gets its vote journal and the mark 'validator.key.used' here, once: a key that has the mark, or whose home has blocks, never gets a fresh journal.
      """)

  @Option(help: ArgumentHelp("Name of the chain: [a-z0-9][a-z0-9.-]{0,63}; with --genesis, what it must say.", valueName: "id")) var chainID: String?
  @Option(help: ArgumentHelp("Genesis file of a chain that there is.", valueName: "file")) var genesis: String?
  @Flag(help: "This home votes: implied without --genesis.") var validator = false
  @Option(help: ArgumentHelp("Milliseconds between blocks of a new chain, 10 to 60000; default 1000.", valueName: "ms")) var blockTime: UInt32?
  @Option(help: ArgumentHelp("Name of the node, and of the validator of a new chain, v1 by default.", valueName: "name")) var name: String?
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard chainID != nil || genesis != nil else { throw ValidationError("give --chain-id for a new chain, or --genesis for one that there is") }
    guard genesis == nil || blockTime == nil else { throw ValidationError("--block-time is for a new chain; that of --genesis has its own") }
  }

  func run() throws {
    let home = global.directory.path
    let isValidator = validator || genesis == nil
    let id: String
    do {
      if let genesis {
        let text = try Files.read(genesis)
        id = try GenesisCommand.read(genesis).chainID
        guard chainID ?? id == id else { throw CommandFailure("\(genesis) is the genesis of \(id), not of \(chainID ?? id)", Exit.usage) }
        try NodeHome.join(home, genesis: text, isValidator: isValidator)
      } else {
        id = chainID ?? ""
        try NodeHome.prepare(home)
      }
    } catch let failure as NodeFailure { throw CommandFailure(failure) }
    // Before the genesis of a new chain: an interrupted call is given again until that is there.
    if !Files.exists(home + "/config/node.toml") {
      let text = Manual.nodeFile([
        ("node.chain_id", .text(id)), ("node.name", .text(name ?? (genesis == nil ? "v1" : ""))), ("consensus.validator", .boolean(isValidator)),
      ])
      try Files.create(home + "/config/node.toml", Array(text.utf8), mode: 0o640)
    }
    if isValidator {
      let loaded = try LoadedConfiguration(global)
      if genesis == nil { try found(id, loaded) } else { try beginJournal(loaded) }
      if !loaded.settings.boolean("consensus.validator") { global.note("\(loaded.path) is kept as it is: set consensus.validator = true for a node that votes") }
    }
    if global.json { return try printJSON(home) }
    Terminal.print("Made \(home): config/node.toml, config/genesis.json, keys/, data/\nStart it with: moloch run --home \(home)")
  }

  private func found(_ id: String, _ loaded: LoadedConfiguration) throws(CommandFailure) {
    let founder = NodeHome.Founder(loaded.options, name: name ?? "v1")
    do { try NodeHome.found([founder], chainID: id, blockTime: blockTime ?? 1000) } catch { throw CommandFailure(error) }
  }

  private func beginJournal(_ loaded: LoadedConfiguration) throws {
    let beginning: Protection.Beginning
    do { beginning = try Protection.begin(loaded.options) } catch { throw CommandFailure(error) }
    if beginning == .lost {
      throw CommandFailure(
        "\(loaded.options.validatorKeyPath).used says that this key has voted, and its journal is gone or damaged: no fresh one is made. "
          + "Start the node, which listens first, or 'moloch validator protection reset --unsafe'", Exit.dataCorrupt)
    }
  }

  private func printJSON(_ home: String) throws(CommandFailure) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.init/1" as StaticString)
    json.key("home"); json.string(home)
    json.key("genesis_hash"); json.string(try GenesisCommand.read(home + "/config/genesis.json").hash.hex)
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
