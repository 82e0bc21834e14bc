import CLinux
import Synchronization

/// Wakes a loop from any thread; costs one atomic exchange while the loop is awake and one system call when it sleeps.
public final class Waker: Sendable {
  private static let awake: UInt32 = 0
  private static let asleep: UInt32 = 1
  private static let notified: UInt32 = 2

  private let state = Atomic<UInt32>(Waker.awake)
  let descriptor: Int32

  init() throws(ReactorError) {
    descriptor = event_open()
    guard descriptor >= 0 else { throw .descriptor(errno: -descriptor) }
  }

  deinit { _ = close(descriptor) }

  /// The loop calls `Driver.woken` soon after. What was written before this call is visible there.
  public func wake() {
    // Release: what this thread queued happens before the loop's exchange in `resume`. Acquire: pairs with the loop's announcement of sleep.
    if state.exchange(Self.notified, ordering: .acquiringAndReleasing) == Self.asleep { event_signal(descriptor) }
  }

  /// Announces sleep. False when somebody called `wake` since `resume`: the loop must not wait.
  func prepareToSleep() -> Bool {
    // Release: a waker that sees `asleep` also sees that the loop looked at its queues before. Acquire on failure: sees the waker's writes.
    state.compareExchange(expected: Self.awake, desired: Self.asleep, successOrdering: .acquiringAndReleasing, failureOrdering: .acquiring).exchanged
  }

  /// The loop is awake. True when somebody called `wake`.
  func resume() -> Bool {
    // Acquire: sees what the wakers queued before their exchange.
    state.exchange(Self.awake, ordering: .acquiringAndReleasing) == Self.notified
  }

  func clear() { event_clear(descriptor) }
}

/// SIGTERM, SIGINT and SIGHUP as events of a loop instead of interruptions.
public enum Signals {
  public static let terminate: Int32 = SIGTERM
  public static let interrupt: Int32 = SIGINT
  public static let hangUp: Int32 = SIGHUP

  /// Blocks the three signals in the calling thread and in all threads that it starts later, and has SIGPIPE ignored. Call first in `main`.
  public static func block() { _ = signals_block() }
}

/// The text of an error number, for messages.
public enum ErrorNumber {
  public static func text(_ number: Int32) -> String {
    var bytes = [CChar](repeating: 0, count: 128)
    // The buffer's length is passed along; the GNU form may return a constant text instead.
    return unsafe bytes.withUnsafeMutableBufferPointer { unsafe strerror_r(number, $0.baseAddress!, $0.count).map { unsafe String(cString: $0) } ?? "" }
  }
}
