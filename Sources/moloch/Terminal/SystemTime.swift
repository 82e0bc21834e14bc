import Glibc

/// The machine's clocks, for commands.
enum SystemTime {
  /// Milliseconds of a clock that never goes back; its start means nothing.
  static func monotonicMilliseconds() -> UInt64 { milliseconds(of: CLOCK_MONOTONIC) }
  /// Unix time in milliseconds.
  static func unixMilliseconds() -> UInt64 { milliseconds(of: CLOCK_REALTIME) }

  static func sleep(milliseconds: UInt64) {
    var wanted = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
    var left = timespec()
    // The kernel reads one structure and writes the other during the call; after a signal the rest is slept.
    while unsafe nanosleep(&wanted, &left) != 0 && errno == EINTR { wanted = left }
  }

  private static func milliseconds(of clock: clockid_t) -> UInt64 {
    var time = timespec()
    // The kernel fills the structure; both clocks always exist.
    unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
  }
}
