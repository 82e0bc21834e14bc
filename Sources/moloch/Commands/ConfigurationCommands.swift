import ArgumentParser
import Bytes
import Configuration
import JSON

struct ValidateConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate-config", abstract: "Check the configuration: every error and warning at once.",
    discussion: "Ends with 0 when a node would start with it, with 78 when not.")

  @OptionGroup var global: GlobalOptions
  @Flag(help: "Take unknown keys for warnings.") var allowUnknownConfig = false

  func run() throws {
    let loaded = try LoadedConfiguration(global, allowsUnknown: allowUnknownConfig)
    guard Files.exists(loaded.path) else { throw CommandFailure("cannot read \(loaded.path): no such file", Exit.inputMissing) }
    let findings = loaded.settings.findings
    if global.json {
      printJSON(loaded.path, findings)
    } else {
      for finding in findings.prefix(ConfigurationLimit.findings) { Terminal.print(finding.text) }
      Terminal.print(findings.isEmpty ? "\(loaded.path) is valid" : Finding.summary(findings))
    }
    if loaded.settings.hasErrors { throw Exit.configuration }
  }

  private func printJSON(_ path: String, _ findings: [Finding]) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.validate-config/1" as StaticString)
    json.key("file"); json.string(path)
    json.key("findings")
    json.beginArray()
    for finding in findings {
      json.beginObject()
      json.key("severity"); json.string(finding.severity == .error ? "error" : "warning")
      json.key("message"); json.string(finding.message)
      json.key("place"); json.string(finding.place)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Look at the configuration.", subcommands: [ConfigShowCommand.self, ConfigExplainCommand.self, ConfigDiffCommand.self])
}

/// Keys that a command names: one, those of a section, or all.
enum KeySelection {
  static func keys(_ name: String?) throws(CommandFailure) -> [Key] {
    guard let name else { return Key.table }
    let keys = Key.table.filter { $0.name == name || $0.name.hasPrefix(name + ".") }
    guard keys.isEmpty else { return keys }
    let hint = Nearest.name(to: name, among: Key.table.map { $0.name }).map { ", did you mean '\($0)'?" } ?? ""
    throw CommandFailure("unknown key '\(name)'\(hint)", Exit.usage)
  }
}

struct ConfigShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Print the values in force: file, environment and defaults.",
    discussion: "Faults of the configuration are printed on standard error; the value below a wrong one is in force.")

  @Argument(help: "A key or section, for example api.rate_limit; all when missing.") var key: String?
  @Flag(help: "Print where each value comes from.") var origin = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let keys = try KeySelection.keys(key)
    let settings = try LoadedConfiguration(global).settings
    if !global.quiet {
      for finding in settings.findings where finding.severity == .error { Terminal.note(finding.text) }
    }
    if global.json { return printJSON(keys, settings) }
    let lines = keys.map { ($0, "\($0.name) = \(Manual.shown($0, settings[$0.name].value))") }
    let width = min(60, lines.map { $0.1.count }.max() ?? 0)
    for (key, line) in lines {
      guard origin else { Terminal.print(line); continue }
      Terminal.print(line + String(repeating: " ", count: max(2, width + 2 - line.count)) + "\(settings[key.name].origin)")
    }
  }

  private func printJSON(_ keys: [Key], _ settings: Settings) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.config.show/1" as StaticString)
    json.key("values")
    json.beginArray()
    for key in keys {
      let entry = settings[key.name]
      json.beginObject()
      json.key("key"); json.string(key.name)
      json.key("value"); Self.write(entry.value, of: key, &json)
      json.key("origin"); json.string("\(entry.origin)")
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  /// Spans of time in seconds and sizes in bytes, as plain numbers.
  static func write(_ value: Value?, of key: Key, _ json: inout JSONWriter) {
    if key.isSecret { return json.string("<redacted>" as StaticString) }
    switch value {
    case nil: json.raw(Array("null".utf8).bytes)
    case .boolean(let value): json.bool(value)
    case .integer(let value): json.number(value)
    case .bytes(let value): json.number(value)
    case .milliseconds(let value):
      let fraction = value % 1000
      json.raw(Array((fraction == 0 ? "\(value / 1000)" : "\(value / 1000)." + String(1000 + fraction).dropFirst()).utf8).bytes)
    case .text(let text): json.string(text)
    case .list(let items):
      json.beginArray()
      for item in items { json.string(item) }
      json.endArray()
    }
  }
}

struct ConfigExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "explain", abstract: "Say what a key means, what it accepts and what is in force.")

  @Argument(help: "A key or section, for example api.rate_limit.burst_size.") var key: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let keys = try KeySelection.keys(key)
    let settings = try LoadedConfiguration(global).settings
    if global.json { return printJSON(keys, settings) }
    Terminal.print(keys.map { Manual.explanation($0, settings[$0.name]) }.joined(separator: "\n\n"))
  }

  private func printJSON(_ keys: [Key], _ settings: Settings) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.config.explain/1" as StaticString)
    json.key("keys")
    json.beginArray()
    for key in keys {
      let entry = settings[key.name]
      json.beginObject()
      json.key("key"); json.string(key.name)
      json.key("text"); json.string(key.text)
      json.key("value"); ConfigShowCommand.write(entry.value, of: key, &json)
      json.key("origin"); json.string("\(entry.origin)")
      json.key("default"); ConfigShowCommand.write(key.standard, of: key, &json)
      json.key("accepts"); json.string(key.shape)
      json.key("environment"); json.string(key.variable)
      json.key("reloadable"); json.bool(key.isReloadable)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

struct ConfigDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Print the keys whose values differ between two configuration files.",
    discussion: """
      The files alone count, without the environment; a key that a file does not set has its default. Ends with 0 when all values are the same, with 2 when
      not.
      """)

  @Argument(help: ArgumentHelp("A configuration file.", valueName: "file")) var first: String
  @Argument(help: ArgumentHelp("Another one.", valueName: "file")) var second: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let (before, after) = (try Self.settings(first), try Self.settings(second))
    let changed = Key.table.filter { before[$0.name].value != after[$0.name].value }
    if global.json {
      printJSON(changed, before, after)
    } else {
      for key in changed {
        Terminal.print("- \(key.name) = \(Manual.shown(key, before[key.name].value))   \(before[key.name].origin)")
        Terminal.print("+ \(key.name) = \(Manual.shown(key, after[key.name].value))   \(after[key.name].origin)")
      }
    }
    if !changed.isEmpty { throw Exit.no }
  }

  /// - Throws: 66 for a file that is not there, 78 for one that no node would start with.
  private static func settings(_ path: String) throws -> Settings {
    guard Files.exists(path) else { throw CommandFailure("cannot read \(path): no such file", Exit.inputMissing) }
    var layers = Layers()
    layers.file = (path, try Files.read(path))
    let settings = Settings(layers)
    guard settings.hasErrors else { return settings }
    for finding in settings.findings.filter({ $0.severity == .error }).prefix(ConfigurationLimit.findings) { Terminal.note(finding.text) }
    throw Exit.configuration
  }

  private func printJSON(_ keys: [Key], _ before: Settings, _ after: Settings) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.config.diff/1" as StaticString)
    json.key("changes")
    json.beginArray()
    for key in keys {
      json.beginObject()
      json.key("key"); json.string(key.name)
      json.key("first"); json.string(Manual.shown(key, before[key.name].value))
      json.key("second"); json.string(Manual.shown(key, after[key.name].value))
      json.endObject()
    }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
