import Ambient
import CZlib
import Configuration
import CLinux
import Glibc

/// The log's file: appended to, moved aside when it is large (`.1`, then `.2.gz` and so on), the oldest removed. Used by the log thread alone.
///
/// One that cannot be opened, at first or after it was moved aside, is tried again once a second, and complained of once a minute for as long as that lasts.
final class LogFile {
  struct Rules: Sendable {
    /// Empty: no file.
    var path: String
    var rotates: Bool
    var bytesMax: Int
    var keep: Int
    var compresses: Bool

    init(path: String, rotates: Bool, bytesMax: Int, keep: Int, compresses: Bool) {
      self.path = path
      self.rotates = rotates
      self.bytesMax = bytesMax
      self.keep = keep
      self.compresses = compresses
    }

    init(_ settings: Settings, home: String) {
      self.init(
        path: settings.path("log.file", home: home), rotates: settings.text("log.rotate") == "builtin",
        bytesMax: settings.integer("log.rotate_size_mb") * 1_000_000, keep: settings.integer("log.rotate_keep"),
        compresses: settings.boolean("log.rotate_compress"))
    }
  }

  static let retryMilliseconds: UInt64 = 1000
  static let complaintMilliseconds: UInt64 = 60_000

  private let rules: Rules
  private var descriptor: Int32 = -1
  private var size = 0
  private var nextTry = Instant.zero
  private var nextComplaint = Instant.zero
  private var complaint: Log.Fields?

  init(_ rules: Rules, now: Instant) {
    self.rules = rules
    if !rules.path.isEmpty { open(now) }
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  var isOpen: Bool { descriptor >= 0 }

  /// Returns false when the bytes are lost, because there is no file.
  func append(_ bytes: [UInt8], now: Instant) -> Bool {
    if isOpen, rules.rotates, size > 0, size + bytes.count > rules.bytesMax { rotate(now) }
    guard isOpen else { return false }
    LogWriter.write(bytes, to: descriptor)
    size += bytes.count
    return true
  }

  /// Opens the file when it is not and may be tried again.
  func retry(_ now: Instant) { if !isOpen, !rules.path.isEmpty, now >= nextTry { open(now) } }

  /// Path and reason of a file that cannot be opened, when that is to be told.
  func takeComplaint() -> Log.Fields? {
    defer { complaint = nil }
    return complaint
  }

  private func open(_ now: Instant) {
    if let slash = rules.path.lastIndex(of: "/"), slash != rules.path.startIndex {
      // The path is lent to the call. It fails when the directory is there, or the next call says why not.
      _ = unsafe mkdir(String(rules.path[..<slash]), 0o750)
    }
    // The path is lent to the call.
    descriptor = unsafe Glibc.open(rules.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else {
      let code = errno
      nextTry = now.adding(milliseconds: Self.retryMilliseconds)
      guard now >= nextComplaint else { return }
      nextComplaint = now.adding(milliseconds: Self.complaintMilliseconds)
      // The text of the error is copied at once.
      return complaint = [("path", rules.path), ("error", unsafe String(cString: strerror(code)))]
    }
    nextComplaint = .zero
    size = max(0, Int(lseek(descriptor, 0, SEEK_END)))
  }

  // MARK: Rotation

  private func name(_ number: Int, compressed: Bool) -> String { "\(rules.path).\(number)\(compressed ? ".gz" : "")" }

  /// The file becomes `.1`, which becomes `.2.gz`; each of the others moves up by one, and the last one goes.
  private func rotate(_ now: Instant) {
    for suffix in [false, true] { remove(name(rules.keep, compressed: suffix)) }
    for number in stride(from: rules.keep - 1, through: 2, by: -1) {
      for suffix in [false, true] { move(name(number, compressed: suffix), name(number + 1, compressed: suffix)) }
    }
    if rules.keep >= 2 {
      let first = name(1, compressed: false)
      if !rules.compresses {
        move(first, name(2, compressed: false))
      } else if compress(first, name(2, compressed: true)) {
        remove(first)
      } else {
        move(first, name(2, compressed: false))
      }
    }
    Glibc.close(descriptor)
    move(rules.path, name(1, compressed: false))
    open(now)
  }

  // The paths are lent to the calls; what is missing or cannot be moved stays as it is, and the log goes on.
  private func remove(_ path: String) { _ = unsafe unlink(path) /* as above */ }
  private func move(_ from: String, _ to: String) { _ = unsafe rename(from, to) /* as above */ }

  /// Copies a file through gzip; true when all of it is there.
  private func compress(_ from: String, _ to: String) -> Bool {
    // The paths are lent to the calls, the buffer outlives them.
    let source = unsafe Glibc.open(from, O_RDONLY | O_CLOEXEC)
    guard source >= 0 else { return false }
    defer { Glibc.close(source) }
    guard let target = unsafe gzopen(to, "wb6") else { return false }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var isWhole = true
    while true {
      // The kernel writes at most the buffer's length.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(source, $0.baseAddress, $0.count) }
      if count == 0 { break }
      // The library reads `count` bytes of the buffer during the call.
      let written = count < 0 ? 0 : unsafe buffer.withUnsafeBytes { unsafe gzwrite(target, $0.baseAddress, CUnsignedInt(count)) }
      guard count > 0, Int(written) == count else {
        isWhole = false
        break
      }
    }
    // Closing frees the handle whatever it answers.
    return unsafe gzclose(target) == Z_OK && isWhole
  }
}
