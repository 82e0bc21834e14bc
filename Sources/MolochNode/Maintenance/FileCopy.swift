import Bytes
import Digests
import CLinux
import Glibc

/// Whole files, in pieces: copied, linked, hashed.
enum FileCopy {
  private static let pieceBytes = 1 << 20

  /// Size and identity of a file.
  static func facts(_ path: String) throws(NodeFailure) -> (bytes: UInt64, device: UInt64, inode: UInt64) {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    guard unsafe stat(path, &status) == 0 else { throw NodeFailure(errno == ENOENT ? 66 : 74, "cannot read \(path): \(HomeFile.reason())") }
    return (UInt64(status.st_size), UInt64(status.st_dev), UInt64(status.st_ino))
  }

  /// Names in a directory without `.` and `..`, sorted; none when it is missing.
  static func names(in directory: String) -> [String] {
    // The path is lent to the call; the handle is closed when this returns.
    guard let handle = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(handle) /* opened above */ }
    var names: [String] = []
    while let entry = unsafe readdir(handle) /* the handle is open */ {
      // The entry is valid until the next call; its name is a C string inside it.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Paths of all files below a directory, relative to it, sorted.
  static func files(below directory: String, _ prefix: String = "") -> [String] {
    names(in: directory + "/" + prefix).flatMap { name in
      let path = prefix.isEmpty ? name : prefix + "/" + name
      return isDirectory(directory + "/" + path) ? files(below: directory, path) : [path]
    }
  }

  /// A directory with its missing parents.
  static func makeDirectories(_ path: String) throws(NodeFailure) {
    if path.isEmpty || isDirectory(path) { return }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try makeDirectories(String(path[..<slash])) }
    try HomeFile.makeDirectory(path, mode: 0o750)
  }

  /// Removes a directory and all below it.
  static func removeAll(_ path: String) {
    if isDirectory(path) { for name in names(in: path) { removeAll(path + "/" + name) } }
    // The path is lent to the call.
    _ = unsafe Glibc.remove(path)
  }

  /// A second name for a file; false when the file system cannot.
  static func link(_ source: String, _ target: String) throws(NodeFailure) -> Bool {
    // The paths are lent to the call.
    if unsafe Glibc.link(source, target) == 0 { return true }
    guard [EXDEV, EPERM, EOPNOTSUPP, EMLINK].contains(errno) else { throw NodeFailure(74, "cannot link \(target): \(HomeFile.reason())") }
    return false
  }

  /// Copies the first bytes of a file, synced. Returns their digest.
  /// - Parameter byteCount: nil for the whole file.
  static func copy(_ source: String, _ target: String, byteCount: Int? = nil, _ task: MaintenanceTask?) throws(NodeFailure) -> Digest {
    // The path is lent to the call.
    let output = unsafe open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
    guard output >= 0 else { throw NodeFailure(errno == EEXIST ? 73 : 74, "cannot create \(target): \(HomeFile.reason())") }
    defer { close(output) }
    let digest = try read(source, byteCount: byteCount, task) { (bytes, count) throws(NodeFailure) in
      var offset = 0
      while offset < count {
        // The array outlives the call.
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(output, $0.baseAddress! + offset, count - offset) }
        guard written > 0 else { throw NodeFailure(74, "cannot write \(target): \(HomeFile.reason())") }
        offset += written
      }
    }
    guard fsync(output) == 0 else { throw NodeFailure(74, "cannot sync \(target): \(HomeFile.reason())") }
    return digest
  }

  static func digest(_ path: String, _ task: MaintenanceTask?) throws(NodeFailure) -> Digest { try read(path, byteCount: nil, task) { (_, _) throws(NodeFailure) in } }

  private static func read(
    _ path: String, byteCount: Int?, _ task: MaintenanceTask?, _ take: ([UInt8], Int) throws(NodeFailure) -> Void
  ) throws(NodeFailure) -> Digest {
    // The path is lent to the call.
    let input = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw NodeFailure(errno == ENOENT ? 66 : 74, "cannot read \(path): \(HomeFile.reason())") }
    defer { close(input) }
    var stream = SHA256Stream()
    var piece = [UInt8](repeating: 0, count: pieceBytes)
    var left = byteCount ?? .max
    while left > 0 {
      try task?.check()
      let wanted = min(left, piece.count)
      // The kernel writes at most the buffer's length.
      let count = unsafe piece.withUnsafeMutableBytes { unsafe Glibc.read(input, $0.baseAddress, wanted) }
      guard count >= 0 else { throw NodeFailure(74, "cannot read \(path): \(HomeFile.reason())") }
      if count == 0 { break }
      stream.update(piece.bytes.extracting(0..<count))
      try take(piece, count)
      task?.add(UInt64(count))
      task?.wait(after: UInt64(count))
      left -= count
    }
    guard byteCount == nil || left == 0 else { throw NodeFailure(65, "\(path) is shorter than it was") }
    return stream.finish()
  }
}
