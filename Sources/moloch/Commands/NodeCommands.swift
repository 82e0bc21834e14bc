import ArgumentParser
import Bytes
import JSON
import MolochNode

/// Options of the commands that run a node.
struct NodeRunOptions: ParsableArguments {
  @Option(name: .customLong("set"), parsing: .singleValue, help: ArgumentHelp("Set an option, for example api.listen_addr=127.0.0.1:9999.", valueName: "key=value"))
  var settings: [String] = []
  @Option(help: ArgumentHelp("Least severe log records: trace, debug, info, notice, warn, error.", valueName: "level")) var logLevel: String?

  /// Environment first, then the command line.
  func apply(to options: inout NodeOptions) throws(CommandFailure) {
    do throws(NodeFailure) {
      for key in NodeOptions.keys {
        let name = "MOLOCH_" + key.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
        if let value = Terminal.environment(name) { try options.set(key, value) }
      }
      for setting in settings {
        guard let equals = setting.firstIndex(of: "=") else { throw NodeFailure(64, "--set \(setting): write KEY=VALUE") }
        try options.set(String(setting[..<equals]), String(setting[setting.index(after: equals)...]))
      }
      if let logLevel { try options.set("log.level", logLevel) }
    } catch {
      throw CommandFailure(error)
    }
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
      + "Loopback only, no rate limits, a block every 100 ms while events are pending.")

  @OptionGroup var global: GlobalOptions
  @OptionGroup var node: NodeRunOptions

  func run() throws {
    let home = global.home ?? "moloch-dev"
    var options = NodeOptions.dev(home: home)
    try node.apply(to: &options)
    if !Files.exists(NodeHome.genesisPath(home)) {
      do { try NodeHome.create(home, chainID: "moloch-dev", blockTime: 100, name: "dev") } catch { throw CommandFailure(error) }
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

  @OptionGroup var global: GlobalOptions
  @OptionGroup var node: NodeRunOptions

  func run() throws {
    var options = NodeOptions(home: global.directory.path)
    try node.apply(to: &options)
    try NodeRunOptions.run(options) { _ in }
  }
}

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a home directory: keys, genesis of one validator, data directory.",
    discussion: "Existing keys are kept; an existing genesis is never replaced.")

  @Option(help: ArgumentHelp("Name of the chain: [a-z0-9][a-z0-9.-]{0,63}.", valueName: "id")) var chainID: String
  @Option(help: ArgumentHelp("Milliseconds between blocks, 10 to 60000.", valueName: "ms")) var blockTime: UInt32 = 1000
  @Option(help: ArgumentHelp("Name of the validator.", valueName: "name")) var name: String = "v1"
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let home = global.directory.path
    do { try NodeHome.create(home, chainID: chainID, blockTime: blockTime, name: name) } catch { throw CommandFailure(error) }
    Terminal.print("Made \(home): config/genesis.json, keys/, data/\nStart it with: moloch run --home \(home)")
  }
}
