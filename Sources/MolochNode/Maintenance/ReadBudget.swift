import Ambient
import Glibc
import Lanes

/// How many bytes a second background work may read; changed by a reload while the work goes on.
final class ReadBudget: Sendable {
  private let words = AtomicWords(count: 1)

  init(bytesPerSecond: UInt64) { words.storeReleasing(bytesPerSecond, 0) }

  /// At least 1.
  var bytesPerSecond: UInt64 {
    get { max(1, words.loadRelaxed(0)) }
    set { words.storeReleasing(newValue, 0) }
  }
}

/// Keeps the work of one thread within its budget, by sleeping when it is ahead.
struct Pace {
  /// Longest sleep before the budget and the end of the work are looked at again.
  private static let sliceMilliseconds: UInt64 = 50
  private let budget: ReadBudget
  private var bytes: UInt64 = 0
  /// When what was read so far is paid for.
  private var due = MonotonicClock.now()

  init(_ budget: ReadBudget) { self.budget = budget }

  /// - Precondition: less than 16 GiB since the last call.
  /// Returns when `total` bytes may have been read, or when the task is cancelled.
  mutating func wait(after total: UInt64, _ task: MaintenanceTask) {
    let piece = total - bytes
    bytes = total
    // Nothing is saved up: who was slow goes on at the budget.
    due = max(due, MonotonicClock.now()).adding(nanoseconds: piece * 1_000_000_000 / budget.bytesPerSecond)
    while !task.isCancelled {
      let now = MonotonicClock.now()
      guard now < due else { return }
      var span = timespec(tv_sec: 0, tv_nsec: Int(min(due.milliseconds(since: now) + 1, Self.sliceMilliseconds)) * 1_000_000)
      // The kernel reads the structure during the call; a signal only makes the sleep shorter.
      _ = unsafe nanosleep(&span, nil)
    }
  }
}
