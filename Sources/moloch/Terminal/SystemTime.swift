import Glibc

/// The machine's clocks, for commands.
enum SystemTime {
  /// Milliseconds of a clock that never goes back; its start means nothing.
  static func monotonicMilliseconds() -> UInt64 { milliseconds(of: CLOCK_MONOTONIC) }
  /// Unix time in milliseconds.
  static func unixMilliseconds() -> UInt64 { milliseconds(of: CLOCK_REALTIME) }

  static func sleep(milliseconds: UInt64) {
    var left = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
    // The kernel reads and writes the structure during the call; a signal leaves the rest in it.
    while unsafe nanosleep(&left, &left) != 0 && errno == EINTR {}
  }

  private static func milliseconds(of clock: clockid_t) -> UInt64 {
    var time = timespec()
    // The kernel fills the structure; both clocks always exist.
    unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
  }
}
