/// Where the values of keys come from, lowest first.
public struct Layers: Sendable {
  /// `moloch dev`: loopback, no rate limits, no drain delay.
  public var isDevelopment = false
  /// The file's name for messages, and its text.
  public var file: (name: String, text: [UInt8])?
  /// Why the file could not be read; an error of the configuration.
  public var fault: String?
  /// The process's variables; those that do not begin with MOLOCH_ are passed over.
  public var environment: [(name: String, value: String)] = []
  /// What the command line sets, in its order; the last one of a key counts.
  public var commandLine: [(key: String, text: String, flag: String)] = []
  /// Unknown keys of the file are warnings: for a file of a newer version.
  public var allowsUnknown = false
  public init() {}
}

/// The value and origin of every key, and what is wrong with them.
public struct Settings: Sendable {
  /// Who set a value.
  public enum Origin: Sendable, Equatable, CustomStringConvertible {
    case standard, development
    case file(String, Place)
    case environment(String)
    case commandLine(String)

    public var description: String {
      switch self {
      case .standard: "default"
      case .development: "dev"
      case .file(let name, let place): "file \(name):\(place.line)"
      case .environment(let name): "env \(name)"
      case .commandLine: "cli"
      }
    }

    /// The place of a finding about the value.
    public var place: String {
      switch self {
      case .standard, .development: ""
      case .file(let name, let place): "\(name):\(place.line):\(place.column)"
      case .environment(let name): name
      case .commandLine(let flag): flag
      }
    }
  }

  public struct Entry: Sendable, Equatable {
    public var value: Value?
    public var origin: Origin
  }

  /// One per key of the table, in its order.
  public private(set) var entries: [Entry] = Key.table.map { Entry(value: $0.standard, origin: .standard) }
  /// Errors and warnings; the file's in the order of its text.
  public internal(set) var findings: [Finding] = []
  public private(set) var isDevelopment = false

  public var hasErrors: Bool { findings.contains { $0.severity == .error } }

  /// Merges the layers and checks the result.
  public init(_ layers: Layers) {
    isDevelopment = layers.isDevelopment
    if isDevelopment {
      for (name, value) in Self.development { set(name, value, .development) }
    }
    if let fault = layers.fault { complain(.error, fault, "") }
    if let file = layers.file { read(file.name, file.text, allowsUnknown: layers.allowsUnknown) }
    read(environment: layers.environment)
    for (key, text, flag) in layers.commandLine { read(key, text, flag: flag) }
    check()
  }

  /// What `--dev` changes in the defaults.
  static let development: [(String, Value)] = [
    ("api.listen_addr", .text("127.0.0.1:8080")), ("metrics.prometheus_addr", .text("127.0.0.1:9090")), ("network.listen_addr", .text("127.0.0.1:9000")),
    ("network.tls.enabled", .boolean(false)), ("consensus.validator", .boolean(true)), ("api.rate_limit.enabled", .boolean(false)),
    ("api.drain_delay", .milliseconds(0)), ("storage.reserve_mb", .integer(0)),
  ]

  private mutating func set(_ name: String, _ value: Value, _ origin: Origin) {
    guard let position = Key.position(of: name) else { preconditionFailure("\(name) is no key of the table") }
    entries[position] = Entry(value: value, origin: origin)
  }

  mutating func complain(_ severity: Finding.Severity, _ message: String, _ place: String, _ excerpt: Finding.Excerpt? = nil) {
    findings.append(Finding(severity: severity, message: message, place: place, excerpt: excerpt))
  }

  // MARK: The layers

  private mutating func read(_ name: String, _ text: [UInt8], allowsUnknown: Bool) {
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map { $0.last == "\r" ? String($0.dropLast()) : String($0) }
    var reading = FileReading(name: name, lines: lines, allowsUnknown: allowsUnknown)
    do throws(TOMLError) {
      reading.walk(try TOMLDocument.read(text), section: "")
    } catch {
      let place = error.place
      let source = place.line <= lines.count ? lines[place.line - 1] : ""
      complain(
        .error, error.message, "\(name):\(place.line):\(place.column)",
        Finding.Excerpt(line: place.line, column: place.column, width: 1, source: source, hint: ""))
    }
    findings += reading.findings
    for (position, value, place) in reading.values { entries[position] = Entry(value: value, origin: .file(name, place)) }
  }

  private mutating func read(environment: [(name: String, value: String)]) {
    let names = Key.table.map { $0.variable }
    for (name, value) in environment.filter({ $0.name.hasPrefix("MOLOCH_") && !Self.reserved.contains($0.name) }).sorted(by: { $0.name < $1.name }) {
      guard let position = names.firstIndex(of: name) else {
        let hint = Nearest.name(to: name, among: names).map { ", did you mean '\($0)'?" } ?? ""
        complain(.warning, "unknown variable '\(name)'\(hint)", name)
        continue
      }
      take(position, value, .environment(name))
    }
  }

  /// Variables that are no keys: of the commands.
  static let reserved = ["MOLOCH_HOME", "MOLOCH_URL"]

  private mutating func read(_ name: String, _ text: String, flag: String) {
    guard let position = Key.position(of: name) else {
      let parameter = name.split(separator: ".").last.map { Key.chainParameters.contains(String($0)) } ?? false
      let hint = Nearest.name(to: name, among: Key.table.map { $0.name }).map { ", did you mean '\($0)'?" } ?? ""
      return complain(.error, parameter ? Self.chainParameter(name) : "unknown key '\(name)'\(hint)", flag)
    }
    take(position, text, .commandLine(flag))
  }

  private mutating func take(_ position: Int, _ text: String, _ origin: Origin) {
    let key = Key.table[position]
    guard let value = key.value(text: text) else {
      var parts = [text]
      if case .list = key.kind { parts = text.split(separator: ",").map { String($0) } }
      return complain(.error, Self.refusal(key, quoted: Value.quoted(text), parts: parts), origin.place)
    }
    entries[position] = Entry(value: value, origin: origin)
  }

  static func refusal(_ key: Key, quoted: String, parts: [String]) -> String {
    if key.isSecret { return "\(key.name) is not \(key.expectation)" }
    let detail = key.detail(of: parts).map { ": \($0)" } ?? ""
    return "\(key.name) = \(quoted) is not \(key.expectation)\(detail)"
  }

  static func chainParameter(_ name: String) -> String { "'\(name)' is a parameter of the chain: it stands in genesis.json, the same for every node" }

  // MARK: Values

  public subscript(_ name: String) -> Entry {
    // Names come from the program, not from the operator.
    guard let position = Key.position(of: name) else { preconditionFailure("\(name) is no key of the table") }
    return entries[position]
  }

  public func boolean(_ name: String) -> Bool { if case .boolean(let value)? = self[name].value { value } else { preconditionFailure("\(name) is no boolean") } }
  public func integer(_ name: String) -> Int { if case .integer(let value)? = self[name].value { value } else { preconditionFailure("\(name) is no integer") } }
  public func milliseconds(_ name: String) -> UInt64 {
    if case .milliseconds(let value)? = self[name].value { value } else { preconditionFailure("\(name) is no duration") }
  }
  public func bytes(_ name: String) -> Int { if case .bytes(let value)? = self[name].value { value } else { preconditionFailure("\(name) is no size") } }
  public func text(_ name: String) -> String { if case .text(let value)? = self[name].value { value } else { preconditionFailure("\(name) is no text") } }
  public func list(_ name: String) -> [String] { if case .list(let value)? = self[name].value { value } else { preconditionFailure("\(name) is no list") } }
  /// The text of a key that may have no value.
  public func optionalText(_ name: String) -> String? { if case .text(let value)? = self[name].value { value } else { nil } }

  /// A path of the configuration as the system takes it: relative ones start at `home`. Empty stays empty.
  public func path(_ name: String, home: String) -> String {
    let path = text(name)
    return path.isEmpty || path.hasPrefix("/") ? path : home + "/" + path
  }

  // MARK: Reload

  /// Keys whose values differ: those that a running node takes, and those that wait for a restart.
  public func changes(to newer: Settings) -> (taken: [Key], waiting: [Key]) {
    var changes: (taken: [Key], waiting: [Key]) = ([], [])
    for (position, key) in Key.table.enumerated() where entries[position].value != newer.entries[position].value {
      if key.isReloadable { changes.taken.append(key) } else { changes.waiting.append(key) }
    }
    return changes
  }
}
