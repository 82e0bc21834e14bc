import CLinux

/// A value that threads share behind a POSIX mutex. For the threads beside a loop, never for the loop's own path.
///
/// Not `Synchronization.Mutex`: its locking lies in a library that the thread sanitizer does not see into, so that every use would look like a race.
@safe final class Guarded<Value>: Sendable {
  // A POSIX mutex needs a stable address; it lives as long as this object.
  private nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>
  // Touched by `withLock` alone, while it holds the mutex.
  private nonisolated(unsafe) var value: Value

  init(_ value: sending Value) {
    // Freed in deinit, when nobody refers to this object any more.
    unsafe mutex = .allocate(capacity: 1)
    unsafe self.value = value
    unsafe pthread_mutex_init(mutex, nil)
  }

  deinit {
    // Nobody holds it: a holder would hold a reference to `self`.
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Runs the body with the value to itself. Must not be called from within the body: the mutex is not recursive.
  func withLock<Result>(_ body: (inout Value) -> sending Result) -> sending Result {
    // Alive and initialised as long as `self`.
    unsafe _ = pthread_mutex_lock(mutex)
    defer { unsafe _ = pthread_mutex_unlock(mutex) }
    return unsafe body(&value)
  }
}
