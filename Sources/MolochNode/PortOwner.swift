import CLinux
import Glibc

/// Finds who listens on a TCP port of this host.
enum PortOwner {
  /// Process id and name of a listener, as far as this process may see: `process 4242 (prometheus)`. Nil when none is found.
  static func description(of port: UInt16) -> String? {
    let inodes = inodes(listeningOn: port)
    guard !inodes.isEmpty else { return nil }
    for process in numbers(in: "/proc") {
      for file in numbers(in: "/proc/\(process)/fd") where inodes.contains(link("/proc/\(process)/fd/\(file)")) {
        let name = ProcessStatistics.text("/proc/\(process)/comm")?.split(separator: "\n").first.map { String($0) } ?? "?"
        return "process \(process) (\(name))"
      }
    }
    return nil
  }

  /// Link texts `socket:[INODE]` of sockets in the state LISTEN.
  private static func inodes(listeningOn port: UInt16) -> Set<String> {
    var inodes: Set<String> = []
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
      for line in ProcessStatistics.text(table)?.split(separator: "\n").dropFirst() ?? [] {
        let fields = line.split(separator: " ")
        // Local address, state 0A, inode.
        guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":") else { continue }
        if UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port { inodes.insert("socket:[\(fields[9])]") }
      }
    }
    return inodes
  }

  private static func numbers(in path: String) -> [Int] {
    // The path is lent to the call; the handle is closed when this returns.
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) /* opened above */ }
    var numbers: [Int] = []
    while let entry = unsafe readdir(directory) /* the handle is open */ {
      // The entry is valid until the next call; its name is a C string inside it.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if let number = Int(name) { numbers.append(number) }
    }
    return numbers
  }

  private static func link(_ path: String) -> String {
    var buffer = [UInt8](repeating: 0, count: 64)
    // The kernel writes at most the buffer's length; the path is lent to the call.
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
  }
}
