import ArgumentParser
import Glibc

/// Whole-file reading and writing for commands; failures carry the path, the cause and the exit code.
enum Files {
  /// Largest file that a command reads into memory, bytes.
  static let readBytesMax = 1 << 30

  static func read(_ path: String) throws(CommandFailure) -> [UInt8] {
    // Swift lends the path as a C string for the time of the call; so do the calls below.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code = errno
      throw CommandFailure("cannot read \(path): \(reason(code))", code == ENOENT ? Exit.inputMissing : Exit.inputMissing)
    }
    defer { close(descriptor) }
    var status = stat()
    // The kernel fills the structure during the call.
    guard unsafe fstat(descriptor, &status) == 0, status.st_size <= Self.readBytesMax else {
      throw CommandFailure("cannot read \(path): larger than \(Self.readBytesMax) bytes", Exit.dataCorrupt)
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw CommandFailure("cannot read \(path): \(reason(errno))", Exit.inputOutput) }
      if count == 0 { return bytes }
      bytes += buffer[0..<count]
      guard bytes.count <= Self.readBytesMax else { throw CommandFailure("cannot read \(path): larger than \(Self.readBytesMax) bytes", Exit.dataCorrupt) }
    }
  }

  /// Creates a file that does not exist yet, synced, with the given mode.
  static func create(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(CommandFailure) {
    // The path is lent to the call.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else {
      let code = errno
      if code == EEXIST { throw CommandFailure("\(path) exists; nothing was written", Exit.wouldOverwrite) }
      throw CommandFailure("cannot create \(path): \(reason(code))", code == EACCES || code == EPERM ? Exit.permission : Exit.inputOutput)
    }
    defer { close(descriptor) }
    // The mode given to open is cut by the umask; the exact one is wanted.
    fchmod(descriptor, mode)
    var offset = 0
    while offset < bytes.count {
      // The array outlives the call.
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw CommandFailure("cannot write \(path): \(reason(errno))", Exit.inputOutput) }
      offset += count
    }
    guard fsync(descriptor) == 0 else { throw CommandFailure("cannot sync \(path): \(reason(errno))", Exit.inputOutput) }
  }

  // The path is lent to the call.
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Creates a directory and its missing parents; an existing one keeps its mode.
  static func makeDirectory(_ path: String, mode: mode_t) throws(CommandFailure) {
    if exists(path) { return }
    if let slash = path.dropLast(path.hasSuffix("/") ? 1 : 0).lastIndex(of: "/"), slash != path.startIndex {
      try makeDirectory(String(path[..<slash]), mode: mode)
    }
    guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else {
      throw CommandFailure("cannot create \(path): \(reason(errno))", errno == EACCES ? Exit.permission : Exit.inputOutput)
    }
  }

  /// Replaces or creates a file in one step: a reader sees the old content or the new one, never a part.
  static func replace(_ path: String, _ bytes: [UInt8]) throws(CommandFailure) {
    let temporary = path + ".part"
    // The path is lent for the call. A leftover of an interrupted run is in nobody's use.
    _ = unsafe unlink(temporary)
    try create(temporary, bytes, mode: 0o644)
    guard unsafe rename(temporary, path) == 0 else { throw CommandFailure("cannot write \(path): \(reason(errno))", Exit.inputOutput) }
  }

  /// The system's words for an errno.
  static func reason(_ code: Int32) -> String {
    // strerror's buffer is copied at once; commands run on one thread.
    unsafe String(cString: strerror(code))
  }
}
