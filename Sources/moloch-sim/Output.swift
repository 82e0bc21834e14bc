import Glibc

/// Lines on stdout, each written at once: a run that is ended from outside has said what it found.
enum Output {
  static func line(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    // The array outlives the call. A reader that went away is no reason to stop.
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  }
}
