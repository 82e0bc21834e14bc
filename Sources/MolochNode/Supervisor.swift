import Ambient
import CLinux
import Glibc
import Lanes

/// The supervisor of the process, systemd as a rule: it is told of the node's life by datagrams to the socket that `NOTIFY_SOCKET` names, and it hands over
/// listening sockets. Without the variables nothing is sent.
struct Supervisor {
  /// Path of the socket; an abstract one begins with a zero byte. Nil without a supervisor.
  private let socket: [UInt8]?
  /// The supervisor wants to hear of the node at least this often; nil when it does not.
  let watchdogMilliseconds: UInt64?

  init() {
    var socket: [UInt8]?
    if let name = Self.variable("NOTIFY_SOCKET"), name.hasPrefix("/") || name.hasPrefix("@") {
      var path = Array(name.utf8)
      if path[0] == UInt8(ascii: "@") { path[0] = 0 }
      socket = path
    }
    self.socket = socket
    // The variable may have been inherited from a parent for which it was meant.
    let isForUs = Self.variable("WATCHDOG_PID").map { Int32($0) == getpid() } ?? true
    watchdogMilliseconds = isForUs ? Self.variable("WATCHDOG_USEC").flatMap { UInt64($0) }.map { max(1, $0 / 1000) } : nil
  }

  /// Sends one message, lines of `NAME=value`; what does not go out at once is not sent.
  func tell(_ message: String) {
    guard let socket else { return }
    let text = Array(message.utf8)
    // Both arrays are read during the call.
    _ = unsafe socket.withUnsafeBytes { path in
      unsafe text.withUnsafeBytes { unsafe notify_send(path.baseAddress, UInt32(path.count), $0.baseAddress, $0.count) }
    }
  }

  /// Listening sockets that the supervisor opened for this process, by name: `api`, `metrics`, `peers`.
  static func sockets() -> [String: Int32] {
    guard let pid = variable("LISTEN_PID"), Int32(pid) == getpid(), let count = variable("LISTEN_FDS").flatMap({ Int32($0) }), (1...16).contains(count) else { return [:] }
    let names = (variable("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    var sockets: [String: Int32] = [:]
    // Descriptors are numbered from 3 on.
    for index in 0..<count { sockets[Int(index) < names.count ? names[Int(index)] : "unknown"] = 3 + index }
    return sockets
  }

  private static func variable(_ name: String) -> String? {
    // The string is copied at once; the node sets no variable.
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}

/// A count that a thread raises in every turn of its loop, so that others see it move.
final class Pulse: Sendable {
  private let word = AtomicWords(count: 1)
  /// The thread of the loop only.
  func beat() { word.storeReleasing(word.loadRelaxed(0) &+ 1, 0) }
  var count: UInt64 { word.loadRelaxed(0) }
}

/// Says when the supervisor may hear that the node lives: a third of its time after the last message, and only when every loop has turned since.
struct Watchdog {
  private let pauseMilliseconds: UInt64
  private var due: Instant
  private var seen: [UInt64] = []

  /// - Parameter milliseconds: time after which the supervisor takes the node for dead.
  init(milliseconds: UInt64, now: Instant) {
    pauseMilliseconds = max(1, milliseconds / 3)
    due = now
  }

  /// - Parameter beats: turns of each loop so far, always the same loops.
  mutating func isDue(now: Instant, beats: [UInt64]) -> Bool {
    guard now >= due else { return false }
    if seen.isEmpty { seen = beats.map { $0 &- 1 } }
    guard zip(seen, beats).allSatisfy({ $0 != $1 }) else { return false }
    seen = beats
    due = now.adding(milliseconds: pauseMilliseconds)
    return true
  }
}
