import CLinux
import Glibc
import Lanes

/// A bounded queue of objects from exactly one thread to exactly one other, over a lock-free lane: neither side ever waits for the other.
///
/// One object travels per block or per storage read, never per event, so its allocation is not on the path of an event.
final class Mailbox<Letter: AnyObject & Sendable>: @unchecked Sendable {
  // Each word is the address of a retained letter; the lane hands it from producer to consumer exactly once.
  private let lane: SPSCLane<UInt>

  /// - Parameter capacity: letters that may wait, a power of two.
  init(capacity: Int) { lane = SPSCLane(capacity: capacity) }

  deinit { while take() != nil {} }

  /// Producer only. False when the mailbox is full; the letter is then still the caller's.
  func post(_ letter: Letter) -> Bool {
    // Retained for the consumer; released at once when the lane is full.
    let retained = unsafe Unmanaged.passRetained(letter)
    if unsafe lane.push(UInt(bitPattern: retained.toOpaque())) { return true }
    unsafe retained.release()
    return false
  }

  /// Consumer only. The oldest letter, or nil.
  func take() -> Letter? {
    guard let address = lane.pop() else { return nil }
    // The address was made by `post` and left the lane just now, so the retain is ours.
    return unsafe Unmanaged<Letter>.fromOpaque(UnsafeRawPointer(bitPattern: address)!).takeRetainedValue()
  }
}

/// A counting signal that one thread waits on: the storage thread sleeps here until a letter is posted.
@safe final class Doorbell: @unchecked Sendable {
  // A POSIX semaphore needs a stable address; it lives as long as this object.
  private let semaphore: UnsafeMutablePointer<sem_t>

  init() {
    unsafe semaphore = .allocate(capacity: 1)
    unsafe sem_init(semaphore, 0, 0)
  }

  deinit {
    unsafe sem_destroy(semaphore)
    unsafe semaphore.deallocate()
  }

  /// Any thread; wakes the waiter, at the cost of a system call only when it sleeps.
  func ring() { unsafe _ = sem_post(semaphore) }

  /// Waits for a ring, or until `milliseconds` have passed, whatever becomes of the wall clock meanwhile. Rings are counted, so none is missed. Returns false on
  /// time-out.
  func wait(milliseconds: Int) -> Bool {
    var deadline = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
    deadline.tv_sec += milliseconds / 1000
    deadline.tv_nsec += milliseconds % 1000 * 1_000_000
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_nsec -= 1_000_000_000
      deadline.tv_sec += 1
    }
    // EINTR counts as a time-out: the caller looks at its mailbox again either way.
    return unsafe sem_clockwait(semaphore, CLOCK_MONOTONIC, &deadline) == 0
  }
}
