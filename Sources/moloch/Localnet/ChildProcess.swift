import Glibc

/// A program started by this one, in a process group of its own, with its output in a pipe.
final class ChildProcess {
  let pid: pid_t
  /// Reads what the child writes to stdout and stderr; never blocks.
  let output: Int32
  private(set) var status: Int32?
  private var partial: [UInt8] = []

  /// Starts a program.
  /// - Throws: 70 with the errno of the call that failed.
  init(_ program: String, _ arguments: [String]) throws(CommandFailure) {
    var ends: [Int32] = [-1, -1]
    // The kernel writes two descriptors into the array.
    guard unsafe pipe(&ends) == 0 else { throw CommandFailure("cannot open a pipe: errno \(errno)", Exit.internalError) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    output = ends[0]
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    // The structures are initialised here and destroyed below, after the call that reads them.
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    // The actions and attributes initialised above are changed in place; the mask is a value that is copied.
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
    var mask = sigset_t()
    // An empty mask: the child does not inherit the signals that this program waits for.
    unsafe sigemptyset(&mask)
    unsafe posix_spawnattr_setsigmask(&attributes, &mask)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    // The texts are copies that live until the call has returned, and are freed then.
    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for unsafe word in unsafe words { unsafe free(word) } }
    var pid = pid_t()
    let result = unsafe posix_spawn(&pid, program, &actions, &attributes, &words, environ)
    close(ends[1])
    guard result == 0 else {
      close(ends[0])
      throw CommandFailure("cannot start \(program): errno \(result)", Exit.internalError)
    }
    self.pid = pid
  }

  deinit { close(output) }

  /// Sends a signal unless the child has ended.
  func signal(_ number: Int32) { if !hasEnded { _ = kill(pid, number) } }

  /// Whether the child has ended; its status is collected once.
  var hasEnded: Bool {
    if status != nil { return true }
    var raw: Int32 = 0
    // The kernel fills the status.
    guard unsafe waitpid(pid, &raw, WNOHANG) == pid else { return false }
    status = raw
    return true
  }

  /// How it ended, for people.
  var ending: String {
    guard let status else { return "running" }
    return status & 0x7F == 0 ? "exit \(status >> 8 & 0xFF)" : "signal \(status & 0x7F)"
  }

  /// Complete lines written since the last call.
  func lines() -> [String] {
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(output, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      partial += chunk[..<count]
    }
    var lines: [String] = []
    var begin = 0
    for index in partial.indices where partial[index] == UInt8(ascii: "\n") {
      lines.append(String(decoding: partial[begin..<index], as: UTF8.self))
      begin = index + 1
    }
    partial.removeFirst(begin)
    return lines
  }
}
