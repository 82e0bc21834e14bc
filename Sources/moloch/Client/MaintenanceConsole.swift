import ArgumentParser
import Bytes
import JSON
import MolochNode

/// Long work for a command: the running node does it and is asked how far it is; a stopped one is looked after here, under its lock.
struct MaintenanceConsole {
  private static let pollMilliseconds: UInt64 = 100

  private let options: NodeOptions
  private let client: NodeClient
  private let global: GlobalOptions

  init(_ global: GlobalOptions) throws(CommandFailure) {
    self.global = global
    options = try LoadedConfiguration(global).options
    client = NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
  }

  /// - Parameters:
  ///   - verb: of `/v1/admin/maintenance/`, with `query`.
  ///   - offline: begins the same work here.
  /// - Returns: the figures of the finished work.
  func run(_ verb: String, _ query: String = "", label: String, offline: (NodeOptions) throws(NodeFailure) -> MaintenanceTask) throws(CommandFailure) -> StrictJSON {
    let target = "/v1/admin/maintenance/\(verb)" + (query.isEmpty ? "" : "?" + query)
    // Before the node is asked: somebody who leaves while it begins leaves the work behind otherwise.
    let interrupt = Interrupt()
    let begun: Answer
    do throws(CommandFailure) { begun = try client.post(target, type: "application/json", []) } catch {
      guard error.code == Exit.unreachable else { throw error }
      interrupt.end()
      return try here(label: label, note: "offline: lock on \(options.dataPath)", offline)
    }
    guard begun.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(begun))", Exit.temporary) }
    global.note("online: node pid \(pid)")
    var bar = ProgressBar(label, total: 0, unit: "", terminal: global.terminal, isQuiet: global.quiet)
    var (isSized, answer) = (false, begun)
    while true {
      let progress = try answer.json(from: client.endpoint)
      let done = progress["done"]?.unsigned ?? 0, total = progress["total"]?.unsigned ?? 0
      if !isSized, total > 0 {
        bar = ProgressBar(label, total: total, unit: progress["unit"]?.string ?? "", terminal: global.terminal, isQuiet: global.quiet)
        isSized = true
      }
      switch progress["state"]?.string {
      case "done":
        bar.finish(total)
        guard let result = progress["result"] else { throw CommandFailure("\(client.endpoint) gave no result", Exit.dataCorrupt) }
        return result
      case "failed":
        throw CommandFailure(progress["error"]?.string ?? "failed", ExitCode(Int32(progress["exit_code"]?.unsigned ?? 70)))
      default: bar.update(done)
      }
      // Somebody who leaves does not leave the work behind: the node ends it, and the next look finds it failed as interrupted.
      if interrupt.came(within: Self.pollMilliseconds) {
        answer = try client.post("/v1/admin/maintenance/cancel", type: "application/json", [])
        if answer.status == 404 { answer = try client.get("/v1/admin/maintenance/progress") }
      } else {
        answer = try client.get("/v1/admin/maintenance/progress")
      }
      guard answer.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
    }
  }

  /// Figures that need no long work.
  /// - Parameters:
  ///   - verb: of `/v1/admin/maintenance/`, which the running node answers at once.
  ///   - offline: reads the same here.
  func figures(_ verb: String, offline: (NodeOptions) throws(NodeFailure) -> [UInt8]) throws(CommandFailure) -> StrictJSON {
    let answer: Answer
    do throws(CommandFailure) { answer = try client.get("/v1/admin/maintenance/\(verb)") } catch {
      guard error.code == Exit.unreachable else { throw error }
      let bytes: [UInt8]
      do { bytes = try offline(options) } catch { throw CommandFailure(error) }
      global.note("offline: lock on \(options.dataPath)")
      do { return try StrictJSON(parsing: bytes, byteCountMax: 1 << 20) } catch { throw CommandFailure("\(error)", Exit.internalError) }
    }
    guard answer.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
    global.note("online: node pid \(pid)")
    return try answer.json(from: client.endpoint)
  }

  /// Whether a running node would do the work.
  func isOnline() throws(CommandFailure) -> Bool {
    do throws(CommandFailure) { _ = try client.get("/v1/status") } catch {
      guard error.code == Exit.unreachable else { throw error }
      return false
    }
    return true
  }

  /// Work that gives no JSON, in this process, with its bar.
  static func perform<Result: Sendable>(
    _ label: String, unit: String, _ global: GlobalOptions, _ work: @escaping @Sendable (MaintenanceTask) throws(NodeFailure) -> Result
  ) throws(CommandFailure) -> Result {
    let task = MaintenanceTask(unit: unit)
    var bar = ProgressBar(label, total: 0, unit: unit, terminal: global.terminal, isQuiet: global.quiet)
    // Until the work knows how much it is, the bar counts without an end.
    func size() { if bar.total == 0, task.total > 0 { bar = ProgressBar(label, total: task.total, unit: unit, terminal: global.terminal, isQuiet: global.quiet) } }
    do {
      let result = try task.perform(work) { task in
        size()
        bar.update(task.done)
      }
      size()
      bar.finish(task.total)
      return result
    } catch { throw CommandFailure(error) }
  }

  /// The work in this process.
  func here(label: String, note: String? = nil, _ begin: (NodeOptions) throws(NodeFailure) -> MaintenanceTask) throws(CommandFailure) -> StrictJSON {
    let task: MaintenanceTask
    do { task = try begin(options) } catch { throw CommandFailure(error) }
    if let note { global.note(note) }
    var bar = ProgressBar(label, total: 0, unit: task.unit, terminal: global.terminal, isQuiet: global.quiet)
    var isSized = false
    while true {
      if !isSized, task.total > 0 {
        bar = ProgressBar(label, total: task.total, unit: task.unit, terminal: global.terminal, isQuiet: global.quiet)
        isSized = true
      }
      switch task.outcome {
      case .running: bar.update(task.done)
      case .failed(let failure): throw CommandFailure(failure)
      case .done(let bytes):
        bar.finish(task.total)
        do { return try StrictJSON(parsing: bytes, byteCountMax: 1 << 20) } catch { throw CommandFailure("\(error)", Exit.internalError) }
      }
      SystemTime.sleep(milliseconds: Self.pollMilliseconds)
    }
  }

  /// The process that holds the data, as its lock file says.
  private var pid: String {
    let bytes = (try? Files.read(options.dataPath + "/LOCK")) ?? []
    return String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
  }

  func printJSON(_ schema: String, _ result: StrictJSON) {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    for member in result.members ?? [] {
      json.key(member.name)
      Self.write(member.value, &json)
    }
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  /// Integers, texts, arrays and objects, as maintenance gives them; null for nothing.
  static func write(_ value: StrictJSON?, _ json: inout JSONWriter) {
    guard let value, !value.isNull else { return json.null() }
    if let number = value.unsigned { return json.number(number) }
    guard let items = value.array else {
      guard let members = value.members else { return json.string(value.string ?? "") }
      json.beginObject()
      for member in members {
        json.key(member.name)
        write(member.value, &json)
      }
      return json.endObject()
    }
    json.beginArray()
    for item in items { write(item, &json) }
    json.endArray()
  }

  /// Percent-encoded but for letters, digits and `-._~/`.
  static func escaped(_ text: String) -> String {
    let plain = Array("-._~/".utf8)
    return text.utf8.map { byte in
      let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || plain.contains(byte)
      return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }.joined()
  }
}
