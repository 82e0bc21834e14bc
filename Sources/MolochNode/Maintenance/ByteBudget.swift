import Ambient
import CLinux
import Glibc
import Lanes

/// How many bytes a second background work may go through; changed by a reload while the work goes on.
final class ByteBudget: Sendable {
  private let words = AtomicWords(count: 1)

  init(bytesPerSecond: UInt64) { words.storeReleasing(bytesPerSecond, 0) }

  convenience init(megabytesPerSecond: UInt64) { self.init(bytesPerSecond: megabytesPerSecond * 1_000_000) }

  /// 0: no limit.
  var bytesPerSecond: UInt64 {
    get { words.loadRelaxed(0) }
    set { words.storeReleasing(newValue, 0) }
  }
}

/// Keeps the work of one thread within its budget, by sleeping when it is ahead.
struct Pace {
  /// Longest sleep before the budget and the end of the work are looked at again.
  private static let sliceMilliseconds: UInt64 = 50
  private let budget: ByteBudget
  /// When what was done so far is paid for.
  private var due = MonotonicClock.now()

  init(_ budget: ByteBudget) { self.budget = budget }

  /// - Precondition: less than 16 GiB.
  /// Returns when the next piece may follow one of `byteCount` bytes, or when the task is cancelled.
  mutating func wait(after byteCount: UInt64, _ task: MaintenanceTask) {
    // Nothing is saved up: who was slow goes on at the budget.
    let began = max(due, MonotonicClock.now())
    while !task.isCancelled, case let rate = budget.bytesPerSecond, rate > 0 {
      due = began.adding(nanoseconds: byteCount * 1_000_000_000 / rate)
      let now = MonotonicClock.now()
      guard now < due else { return }
      var span = timespec(tv_sec: 0, tv_nsec: Int(min(due.milliseconds(since: now) + 1, Self.sliceMilliseconds)) * 1_000_000)
      // The kernel reads the structure during the call; a signal only makes the sleep shorter.
      _ = unsafe nanosleep(&span, nil)
    }
  }
}
