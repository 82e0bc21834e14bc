import ArgumentParser
import Audit
import Configuration
import MolochNode

/// The configuration of a home as a command finds it: file, environment, command line.
struct LoadedConfiguration {
  let home: String
  let path: String
  let settings: Settings
  private let layers: Layers

  /// Reads the layers. A file that `--config` names must be there; that of a home may be missing.
  /// - Throws: 66 for a missing file, 64 for a `--set` that is not KEY=VALUE.
  init(_ global: GlobalOptions, _ node: NodeRunOptions? = nil, home: Home? = nil, isDevelopment: Bool = false, allowsUnknown: Bool = false) throws(CommandFailure) {
    let directory = home ?? global.directory
    self.home = directory.path
    path = directory.configurationPath
    var layers = Layers()
    layers.isDevelopment = isDevelopment
    layers.environment = Terminal.environment()
    layers.allowsUnknown = allowsUnknown || node?.allowUnknownConfig ?? false
    if let node { layers.commandLine = try node.commandLine() }
    self.layers = layers
    if global.config != nil || Files.exists(path) { layers.file = (path, try Files.read(path)) }
    settings = Self.settings(layers, home: directory.path)
  }

  /// The layers together, looked at beside the genesis of the home, where there is one that can be read, and beside the memory of the host.
  private static func settings(_ layers: Layers, home: String) -> Settings {
    var settings = Settings(layers)
    let path = settings.path("node.genesis_file", home: home)
    if Files.exists(path), let text = try? Files.read(path), let genesis = try? Genesis(json: text) {
      settings.check(chainID: genesis.chainID, pastWindowMilliseconds: genesis.parameters.pastWindow, genesis: path)
    }
    let memory = HostMemory()
    settings.check(memory: memory.bytes, source: memory.source)
    return settings
  }

  /// What the node is told, whatever is wrong with it: for commands that only look for paths.
  var options: NodeOptions {
    var options = NodeOptions(home: home, configuration: path, settings: settings) { [layers, path, home] in
      var again = layers
      do throws(CommandFailure) {
        if Files.exists(path) { again.file = (path, try Files.read(path)) }
      } catch {
        again.fault = error.message
      }
      return Self.settings(again, home: home)
    }
    options.commit = Release.commit
    return options
  }

  /// What the node is told. Errors are printed, as `validate-config` does, and end the command with 78.
  func checked() throws -> NodeOptions {
    guard settings.hasErrors else { return options }
    let shown = settings.findings.filter { $0.severity == .error }
    for finding in shown.prefix(ConfigurationLimit.findings) { Terminal.note(finding.text) }
    Terminal.note(Finding.summary(shown))
    throw Exit.configuration
  }

  /// The configuration of a node that starts. A failure is also told in a record, as one is after the log is there.
  static func starting(_ global: GlobalOptions, _ node: NodeRunOptions, home: Home? = nil, isDevelopment: Bool) throws -> NodeOptions {
    let loaded: Self
    do throws(CommandFailure) { loaded = try Self(global, node, home: home, isDevelopment: isDevelopment) } catch {
      if error.code != Exit.usage { Node.reportRefusal(error.message, code: error.code.rawValue, settings: nil) }
      throw error
    }
    do { return try loaded.checked() } catch {
      let first = loaded.settings.findings.first { $0.severity == .error }
      Node.reportRefusal(first?.message ?? "\(error)", place: first?.place ?? "", code: Exit.configuration.rawValue, settings: loaded.settings)
      throw error
    }
  }
}
