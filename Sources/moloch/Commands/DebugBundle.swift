import ArgumentParser
import Bytes
import Configuration
import Glibc
import JSON
import MolochNode

struct DebugCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "debug", abstract: "What helps to find a fault.", subcommands: [DebugBundleCommand.self])
}

struct DebugBundleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle", abstract: "Collect what a report of a fault needs in one tar file.",
    discussion: """
      Version, configuration in force with secrets left out, findings of doctor, the newest part of the logs, names and sizes of the data files and, when the node
      runs, its status, peers, view and metrics. No key, no vote journal, no event. The file has mode 0600 and at most 50 MB.
      """)

  @Argument(help: ArgumentHelp("The file to write, such as moloch.tar; it must not exist.", valueName: "file")) var file: String
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let bundle = try DebugBundle(global)
    try Files.create(file, bundle.archive.finished, mode: 0o600)
    guard !global.json else {
      var json = JSONWriter()
      json.beginObject()
      json.key("schema"); json.string("moloch.debug.bundle/1" as StaticString)
      json.key("file"); json.string(file)
      json.key("bytes"); json.number(UInt64(bundle.archive.finished.count))
      json.key("members")
      json.beginArray()
      for name in bundle.names { json.string(name) }
      json.endArray()
      json.endObject()
      return Terminal.print(String(decoding: json.bytes, as: UTF8.self))
    }
    Terminal.print("\(file): \(bundle.names.count) files, \(Figures.bytes(UInt64(bundle.archive.finished.count)))")
  }
}

/// The members of a bundle, gathered.
struct DebugBundle {
  /// Bytes of one log file that are taken, from its end.
  static let logBytesMax = 8 << 20
  /// Bytes of everything but the logs.
  static let factBytesMax = 16 << 20
  /// Log files that are taken, the newest first: three and the facts stay below 50 MB.
  static let logFilesMax = 3
  private static let fileNamesMax = 10_000

  private(set) var archive: TarArchive
  private(set) var names: [String] = []
  private var factBytes = 0

  init(_ global: GlobalOptions) throws(CommandFailure) {
    let loaded = try LoadedConfiguration(global)
    archive = TarArchive(time: SystemTime.unixMilliseconds() / 1000)
    add("version.txt", Release.line + "\n")
    add("config.txt", Self.configuration(loaded.settings))
    add("config-findings.txt", loaded.settings.findings.map { $0.text + "\n" }.joined())
    let client = NodeClient(.unix(path: loaded.options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
    let isRunning = askNode(client)
    add("doctor.txt", Examination(loaded.options, isRunning: isRunning).findings().map { "\($0.verdict.rawValue)  \($0.subject)  \($0.text)\n" }.joined())
    add("files.txt", Self.listing(loaded.options.dataPath))
    addLogs(loaded.settings.path("log.file", home: loaded.home))
  }

  private mutating func add(_ name: String, _ text: String) { add(name, Array(text.utf8)) }

  private mutating func add(_ name: String, _ bytes: [UInt8]) {
    let part = bytes.prefix(max(0, Self.factBytesMax - factBytes))
    factBytes += part.count
    archive.add("moloch-debug/" + name, Array(part))
    names.append(name)
  }

  /// Values in force and where they come from; a secret is only named.
  private static func configuration(_ settings: Settings) -> String {
    Key.table.map { "\($0.name) = \(Manual.shown($0, settings[$0.name].value))  # \(settings[$0.name].origin)\n" }.joined()
  }

  /// Adds what a running node says; without one, why there is nothing. Returns whether it answered.
  private mutating func askNode(_ client: NodeClient) -> Bool {
    let questions = [
      ("status.json", "/v1/status"), ("health.json", "/v1/health"), ("ready.json", "/v1/ready"), ("peers.json", "/v1/admin/peers"),
      ("validators.json", "/v1/validators"), ("consensus.json", "/v1/consensus/state"), ("evidence.json", "/v1/evidence"), ("governance.json", "/v1/governance"),
      ("storage.json", "/v1/admin/maintenance/stats"), ("genesis.json", "/v1/genesis"), ("metrics.txt", "/metrics"),
    ]
    for (position, (name, target)) in questions.enumerated() {
      do throws(CommandFailure) {
        let answer = try client.get(target, accept: "*/*")
        add(name, answer.body)
      } catch {
        add("node.txt", "\(target): \(error.message)\n")
        return position > 0
      }
    }
    return true
  }

  /// Paths below the data directory with their sizes; the vote journal is left out.
  private static func listing(_ data: String) -> String {
    var lines: [String] = []
    var queue = [""]
    while !queue.isEmpty, lines.count < fileNamesMax {
      let directory = queue.removeFirst()
      for (name, isDirectory, bytes) in entries(data + directory) {
        let path = "\(directory)/\(name)"
        if path == "/validator" { continue }
        if isDirectory { queue.append(path) } else { lines.append("\(bytes)  \(path.dropFirst())\n") }
      }
    }
    return lines.joined()
  }

  private static func entries(_ path: String) -> [(name: String, isDirectory: Bool, bytes: Int)] {
    // The path is lent to the call; the stream is closed below.
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var entries: [(name: String, isDirectory: Bool, bytes: Int)] = []
    while let entry = unsafe readdir(directory) {
      // The entry is valid until the next call; its name is a C string inside it.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      var status = stat()
      // The kernel fills the structure; the path is lent to the call.
      guard name != ".", name != "..", unsafe lstat(path + "/" + name, &status) == 0 else { continue }
      entries.append((name, status.st_mode & S_IFMT == S_IFDIR, Int(status.st_size)))
    }
    return entries.sorted { $0.name < $1.name }
  }

  /// Adds the end of the newest log files.
  private mutating func addLogs(_ path: String) {
    guard !path.isEmpty, let slash = path.lastIndex(of: "/") else { return }
    let name = String(path[path.index(after: slash)...])
    let files = Self.entries(String(path[..<slash])).filter { !$0.isDirectory && ($0.name == name || $0.name.hasPrefix(name + ".")) }.prefix(Self.logFilesMax)
    for file in files {
      guard let bytes = try? Files.read(String(path[...slash]) + file.name) else { continue }
      // The end of a compressed file is of no use without its beginning.
      if file.name.hasSuffix(".gz"), bytes.count > Self.logBytesMax { continue }
      archive.add("moloch-debug/logs/" + file.name, Array(bytes.suffix(Self.logBytesMax)))
      names.append("logs/" + file.name)
    }
  }
}
