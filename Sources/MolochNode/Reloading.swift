import Audit
import Configuration
import Ed25519
import Reactor

/// Reads the configuration again on a thread of its own, since the reactor waits for no file, and says what changes.
final class Reloading {
  private final class Letter: Sendable {
    let settings: Settings
    let nextKey: Result<SigningKey?, NodeFailure>
    init(_ settings: Settings, _ nextKey: Result<SigningKey?, NodeFailure>) { (self.settings, self.nextKey) = (settings, nextKey) }
  }

  private let options: NodeOptions
  private let chainTag: ChainTag
  /// The settings in force at the start: keys that need a restart are compared with these.
  private let initial: Settings
  private var current: Settings
  private let box = Mailbox<Letter>(capacity: 2)
  private var isReading = false

  init(_ options: NodeOptions, chainTag: ChainTag) {
    self.options = options
    self.chainTag = chainTag
    initial = options.settings
    current = options.settings
  }

  /// Reactor only. While a reading is under way another one is not begun: it would read the same files.
  func begin(waking waker: Waker) {
    guard !isReading else { return }
    isReading = true
    let result = startThread(name: "reload") { [box, options, chainTag] in
      var options = options
      options.settings = options.reread()
      let key = Self.nextKey(options, chainTag)
      // One reading at a time and an empty box: there is room.
      _ = box.post(Letter(options.settings, key))
      waker.wake()
    }
    if result != 0 { isReading = false }
  }

  /// Reactor only. What was read, once.
  func take() -> (settings: Settings, nextKey: Result<SigningKey?, NodeFailure>)? {
    guard let letter = box.take() else { return nil }
    isReading = false
    return (letter.settings, letter.nextKey)
  }

  /// The next validator key, with its mark on disk before it can sign.
  private static func nextKey(_ options: NodeOptions, _ chainTag: ChainTag) -> Result<SigningKey?, NodeFailure> {
    guard !options.settings.hasErrors else { return .success(nil) }
    do throws(NodeFailure) {
      let key = try NodeHome.nextKey(options)
      if let key, let path = options.nextValidatorKeyPath {
        guard (try? HomeFile.read(path + ".used")) != NodeHome.retiredMark(key.publicKey, chainTag) else {
          throw NodeFailure(78, "\(key.publicKey) was retired on this host (\(path).used)")
        }
        try HomeFile.replace(path + ".used", NodeHome.mark(key.publicKey, chainTag), mode: 0o600)
      }
      return .success(key)
    } catch { return .failure(error) }
  }

  /// Logs why settings are rejected, or returns what they change: the keys taken, and those that wait for a restart.
  func accept(_ settings: Settings, _ log: Log) -> [(String, String)]? {
    guard !settings.hasErrors else {
      let errors = settings.findings.filter { $0.severity == .error }
      for finding in errors.prefix(20) { log.error("node", "configuration rejected", [("finding", finding.message), ("place", finding.place)]) }
      return nil
    }
    let taken = current.changes(to: settings).taken.filter { !Key.isInert($0.name) }
    let waiting = initial.changes(to: settings).waiting
    current = settings
    func names(_ keys: [Key]) -> String { keys.isEmpty ? "none" : keys.map { $0.name }.joined(separator: ",") }
    return [("taken", names(taken)), ("needs_restart", names(waiting))]
  }
}
