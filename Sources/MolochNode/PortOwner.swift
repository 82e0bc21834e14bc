import CLinux
import Glibc

/// Finds who listens on a TCP port of this host.
enum PortOwner {
  /// Process id and name of a listener, as far as this process may see: `process 4242 (prometheus)`; of another user's process the user, which the table of
  /// sockets names to everybody: `a process of user prometheus`. Nil when none is found.
  static func description(of port: UInt16) -> String? {
    let sockets = sockets(listeningOn: port)
    guard let first = sockets.first else { return nil }
    let inodes = Set(sockets.map { "socket:[\($0.inode)]" })
    for process in numbers(in: "/proc") {
      for file in numbers(in: "/proc/\(process)/fd") where inodes.contains(link("/proc/\(process)/fd/\(file)")) {
        let name = ProcessStatistics.text("/proc/\(process)/comm")?.split(separator: "\n").first.map { String($0) } ?? "?"
        return "process \(process) (\(name))"
      }
    }
    return "a process of user \(user(first.user))"
  }

  /// Inodes and users of sockets in the state LISTEN.
  private static func sockets(listeningOn port: UInt16) -> [(inode: Substring, user: Substring)] {
    var sockets: [(inode: Substring, user: Substring)] = []
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
      for line in ProcessStatistics.text(table)?.split(separator: "\n").dropFirst() ?? [] {
        let fields = line.split(separator: " ")
        // Local address, state 0A, user, inode.
        guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":") else { continue }
        if UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port { sockets.append((fields[9], fields[7])) }
      }
    }
    return sockets
  }

  /// Name of a user; the number of one that the system does not know.
  private static func user(_ number: Substring) -> String {
    guard let identifier = uid_t(number) else { return String(number) }
    var entry = unsafe passwd() /* all zero: its pointers stay null until they point into the buffer */
    var found: UnsafeMutablePointer<passwd>?
    // The system writes at most the buffer's length, into which the entry points; the name is copied before the buffer ends.
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
      guard unsafe getpwuid_r(identifier, &entry, buffer.baseAddress!, buffer.count, &found) == 0, unsafe found != nil, let name = unsafe entry.pw_name else { return String(number) }
      return unsafe String(cString: name)
    }
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
