import CLinux
import Glibc

/// Processor time of the threads of this process by what they do, from `/proc/self/task`.
enum ThreadStatistics {
  /// Nanoseconds of the living threads, in the order of `ProcessMetrics.threadRoles` without the last, "other".
  static func nanosecondsByRole() -> [UInt64] {
    var spent = [UInt64](repeating: 0, count: 5)
    // The path is lent to the call; the stream is closed before this returns, an entry is valid until the next call.
    guard let stream = unsafe opendir("/proc/self/task") else { return spent }
    defer { unsafe closedir(stream) }
    let ticks = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
    let main = String(getpid())
    while let entry = unsafe readdir(stream) {
      let id = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      guard !id.hasPrefix("."), let text = ProcessStatistics.text("/proc/self/task/\(id)/stat"), let row = Row(text) else { continue }
      if let role = id == main ? 0 : role(of: row.name) { spent[role] += row.ticks * (1_000_000_000 / ticks) }
    }
    return spent
  }

  /// Index of a role by the name of a thread; nil for threads without one of their own.
  static func role(of name: Substring) -> Int? {
    if name == "storage" || name == "journal" { return 1 }
    if name.hasPrefix("verify") { return 2 }
    if name.hasPrefix("rocksdb:") { return 3 }
    return name == "log" ? 4 : nil
  }

  /// A line of `stat`: the name stands in the outermost brackets and may hold brackets and spaces itself.
  struct Row {
    let name: Substring
    /// User and system time.
    let ticks: UInt64

    init?(_ text: String) {
      guard let begin = text.firstIndex(of: "("), let end = text.lastIndex(of: ")"), begin < end else { return nil }
      let fields = text[text.index(after: end)...].split(separator: " ")
      // Fields 14 and 15 of proc(5), less the two in front and one for counting from 0.
      guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12]) else { return nil }
      name = text[text.index(after: begin)..<end]
      ticks = user + system
    }
  }
}
