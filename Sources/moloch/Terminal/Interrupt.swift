import Glibc

/// Ctrl-C and SIGTERM as something that a command waits for instead of dying of them. The next one ends the process as usual.
struct Interrupt {
  init() { block(true) }

  /// The signals end the process again, as does one that has come meanwhile.
  func end() { block(false) }

  /// Sleeps for so long, or until a signal has come.
  func came(within milliseconds: UInt64) -> Bool {
    var set = Self.signals
    var span = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
    // The kernel reads both structures during the call; the details of the signal are not wanted.
    guard unsafe sigtimedwait(&set, nil, &span) > 0 else { return false }
    end()
    return true
  }

  private func block(_ isBlocked: Bool) {
    var set = Self.signals
    // The kernel reads the set during the call.
    _ = unsafe sigprocmask(isBlocked ? SIG_BLOCK : SIG_UNBLOCK, &set, nil)
  }

  private static var signals: sigset_t {
    var set = sigset_t()
    // The calls fill the set.
    unsafe sigemptyset(&set)
    for signal in [SIGINT, SIGTERM] { unsafe sigaddset(&set, signal) }
    return set
  }
}
