import CLinux
import Glibc

/// Files of `/proc/self` that only their owner may open: a process that leaves no core dumps is no longer theirs, so they are opened before that.
@safe final class ProcessFiles {
  // Both are owned until deinit and used by the reactor thread.
  fileprivate let accounting: Int32
  fileprivate let descriptors: OpaquePointer?

  init() {
    // The paths are lent to the calls.
    accounting = unsafe open("/proc/self/io", O_RDONLY | O_CLOEXEC)
    unsafe descriptors = opendir("/proc/self/fd")
  }

  deinit {
    if accounting >= 0 { close(accounting) }
    // Opened by init.
    if let descriptors = unsafe descriptors { unsafe closedir(descriptors) }
  }
}

/// What the kernel says about this process, read from `/proc/self`.
struct ProcessStatistics {
  private(set) var cpuNanoseconds: UInt64 = 0
  private(set) var residentBytes: UInt64 = 0
  private(set) var virtualBytes: UInt64 = 0
  private(set) var filesOpen: UInt64 = 0
  private(set) var filesMax: UInt64 = 0
  /// Unix time, seconds.
  private(set) var startSeconds: Double = 0
  private(set) var diskReadBytes: UInt64 = 0
  private(set) var diskWrittenBytes: UInt64 = 0

  init(_ files: ProcessFiles) {
    let ticks = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))), page = UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
    // The name in the second field may hold spaces and brackets: fields are counted behind its last bracket.
    if let text = Self.text("/proc/self/stat"), let end = text.lastIndex(of: ")") {
      let fields = text[text.index(after: end)...].split(separator: " ").map { UInt64($0) ?? 0 }
      // Positions of proc(5) less the two fields in front and one for counting from 0.
      if fields.count > 21 {
        cpuNanoseconds = (fields[11] + fields[12]) * (1_000_000_000 / ticks)
        virtualBytes = fields[20]
        residentBytes = fields[21] * page
        startSeconds = Self.bootSeconds() + Double(fields[19]) / Double(ticks)
      }
    }
    filesOpen = Self.openFiles(files)
    // Lines such as "read_bytes: 4096"; a kernel without accounting has no such file.
    for line in Self.text(files.accounting).split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, let bytes = UInt64(words[1]) else { continue }
      if words[0] == "read_bytes:" { diskReadBytes = bytes }
      if words[0] == "write_bytes:" { diskWrittenBytes = bytes }
    }
    var limit = rlimit()
    // The kernel fills the structure during the call.
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { filesMax = UInt64(limit.rlim_cur) }
  }

  /// Since Linux 6.2 the size of the directory is the number of its entries; before, they are counted.
  private static func openFiles(_ files: ProcessFiles) -> UInt64 {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    if unsafe stat("/proc/self/fd", &status) == 0, status.st_size > 0 { return UInt64(status.st_size) }
    // The handle lives as long as `files`.
    guard let directory = unsafe files.descriptors else { return 0 }
    unsafe rewinddir(directory)
    var count: UInt64 = 0
    // The entries are only counted.
    while unsafe readdir(directory) != nil { count += 1 }
    // Without ".", ".." and the directory's own descriptor.
    return count - min(count, 3)
  }

  private static func bootSeconds() -> Double {
    guard let line = text("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }) else { return 0 }
    return Double(line.dropFirst(6)) ?? 0
  }

  /// A file of the kernel, whose size is not known before it is read.
  static func text(_ path: String) -> String? {
    // The path is lent to the call.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return text(file)
  }

  /// The whole of an open file; empty when it cannot be read.
  private static func text(_ file: Int32) -> String {
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, text.count) }
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += buffer[..<count]
    }
  }
}
