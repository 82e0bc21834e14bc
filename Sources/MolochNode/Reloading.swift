import API
import Audit
import Configuration
import Ed25519
import JSON
import Reactor

/// Reads the configuration again on a thread of its own, since the reactor waits for no file, and says what changes.
final class Reloading {
  private final class Letter: Sendable {
    let settings: Settings
    let nextKey: Result<SigningKey?, NodeFailure>
    init(_ settings: Settings, _ nextKey: Result<SigningKey?, NodeFailure>) { (self.settings, self.nextKey) = (settings, nextKey) }
  }

  /// What was read, and who waits to hear of it.
  struct Reading {
    let settings: Settings
    let nextKey: Result<SigningKey?, NodeFailure>
    let tickets: [CommandTicket]

    /// The next validator key; nil also when it could not be read.
    var key: SigningKey? { if case .success(let key) = nextKey { key } else { nil } }
  }

  /// What a reading means for the running node.
  struct Report {
    /// Names of keys that differ from those in force, and that the node takes now.
    var taken: [String] = []
    /// Names of keys that differ from those of the start, and need another one.
    var waiting: [String] = []
    /// Why all is rejected; empty when it is not.
    var findings: [Finding] = []

    var isAccepted: Bool { findings.isEmpty }
    var fields: Log.Fields {
      func names(_ keys: [String]) -> String { keys.isEmpty ? "none" : keys.joined(separator: ",") }
      return [("taken", names(taken)), ("needs_restart", names(waiting))]
    }

    var json: [UInt8] {
      var json = JSONWriter()
      json.beginObject()
      json.key("accepted"); json.bool(isAccepted)
      for (name, keys) in [("taken", taken), ("needs_restart", waiting)] {
        json.key(name)
        json.beginArray()
        for key in keys { json.string(key) }
        json.endArray()
      }
      json.key("findings")
      json.beginArray()
      for finding in findings.prefix(ConfigurationLimit.findings) {
        json.beginObject()
        json.key("message"); json.string(finding.message)
        json.key("place"); json.string(finding.place)
        json.key("text"); json.string(finding.text)
        json.endObject()
      }
      json.endArray()
      json.endObject()
      return json.bytes
    }
  }

  private let options: NodeOptions
  private let chainTag: ChainTag
  /// The settings in force at the start: keys that need a restart are compared with these.
  private let initial: Settings
  private var current: Settings
  private let box = Mailbox<Letter>(capacity: 2)
  private var isReading = false
  /// Who waits for the reading under way, and who came while it was: the files may have changed behind it.
  private var tickets: [CommandTicket] = []
  private var later: [CommandTicket] = []
  private var isAskedAgain = false

  init(_ options: NodeOptions, chainTag: ChainTag) {
    self.options = options
    self.chainTag = chainTag
    initial = options.settings
    current = options.settings
  }

  /// Reactor only. While a reading is under way the next one waits for its end. Returns false when there is no thread for it.
  func begin(waking waker: Waker, for ticket: CommandTicket?) -> Bool {
    guard !isReading else {
      isAskedAgain = true
      if let ticket { later.append(ticket) }
      return true
    }
    isReading = true
    let result = startThread(name: "reload") { [box, options, chainTag] in
      var options = options
      options.settings = options.reread()
      let key = Self.nextKey(options, chainTag)
      // One reading at a time and an empty box: there is room.
      _ = box.post(Letter(options.settings, key))
      waker.wake()
    }
    if result != 0 { isReading = false } else if let ticket { tickets.append(ticket) }
    return result == 0
  }

  /// Reactor only. What was read, once.
  func take() -> Reading? {
    guard let letter = box.take() else { return nil }
    isReading = false
    defer { tickets = [] }
    return Reading(settings: letter.settings, nextKey: letter.nextKey, tickets: tickets)
  }

  /// Reactor only. Begins the reading that was asked for while another one was under way.
  func resume(waking waker: Waker) {
    guard isAskedAgain else { return }
    isAskedAgain = false
    guard begin(waking: waker, for: nil) else { return }
    (tickets, later) = (later, [])
  }

  /// The next validator key, with its mark on disk where that can be written.
  private static func nextKey(_ options: NodeOptions, _ chainTag: ChainTag) -> Result<SigningKey?, NodeFailure> {
    guard !options.settings.hasErrors else { return .success(nil) }
    do throws(NodeFailure) {
      let key = try NodeHome.nextKey(options)
      if let key, let path = options.nextValidatorKeyPath {
        // The directory of the keys may be one that the node cannot write: 'validator accept' and 'propose-change' leave the mark, too.
        if try !Protection.isMarked(key.publicKey, keyPath: path, chainTag) { try? HomeFile.replace(path + ".used", NodeHome.mark(key.publicKey, chainTag), mode: 0o600) }
      }
      return .success(key)
    } catch { return .failure(error) }
  }

  /// Says what a reading changes, or why nothing of it is taken.
  func judge(_ reading: Reading) -> Report {
    var report = Report()
    report.findings = reading.settings.findings.filter { $0.severity == .error }
    if case .failure(let failure) = reading.nextKey {
      let message = "consensus.next_validator_key: \(failure.message)"
      report.findings.append(Finding(severity: .error, message: message, place: reading.settings["consensus.next_validator_key"].origin.place))
    }
    guard report.isAccepted else { return report }
    report.taken = current.changes(to: reading.settings).taken.filter { !Key.isInert($0.name) }.map { $0.name }
    report.waiting = initial.changes(to: reading.settings).waiting.map { $0.name }
    current = reading.settings
    return report
  }
}
