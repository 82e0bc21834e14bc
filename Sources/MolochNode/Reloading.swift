import Configuration
import Reactor

/// Reads the configuration again on a thread of its own, since the reactor waits for no file, and says what changes.
final class Reloading {
  private final class Letter: Sendable {
    let settings: Settings
    init(_ settings: Settings) { self.settings = settings }
  }

  private let reread: @Sendable () -> Settings
  /// The settings in force at the start: keys that need a restart are compared with these.
  private let initial: Settings
  private var current: Settings
  private let box = Mailbox<Letter>(capacity: 2)
  private var isReading = false

  init(_ options: NodeOptions) {
    reread = options.reread
    initial = options.settings
    current = options.settings
  }

  /// Reactor only. While a reading is under way another one is not begun: it would read the same files.
  func begin(waking waker: Waker) {
    guard !isReading else { return }
    isReading = true
    let result = startThread(name: "reload") { [box, reread] in
      // One reading at a time and an empty box: there is room.
      _ = box.post(Letter(reread()))
      waker.wake()
    }
    if result != 0 { isReading = false }
  }

  /// Reactor only. What was read, once.
  func take() -> Settings? {
    guard let letter = box.take() else { return nil }
    isReading = false
    return letter.settings
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
