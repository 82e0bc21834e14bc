import Bytes
import Digests
import Glibc
import Ledger
import Merkle

/// The level files of one tree: node i of level h is at byte 32 i of `<prefix>-<h>`. Written lazily: derived from the chain, and synced where the chain gives up what they are derived from.
final class TreeFiles: NodeReader {
  private let prefix: String
  /// Descriptors by level; -1 for a level that is missing where nothing is made.
  private var files: [CInt] = []
  private let isReadOnly: Bool

  /// - Parameter prefix: directory and name up to the dash.
  init(prefix: String) { (self.prefix, isReadOnly) = (prefix, false) }

  /// Opens the levels of `size` leaves for a reader beside the one that writes them: what is there never changes.
  init(prefix: String, reading size: UInt64) throws(StoreError) {
    (self.prefix, isReadOnly) = (prefix, true)
    for level in 0..<TreeLimit.levels where size >> UInt64(level) > 0 { _ = try file(level) }
  }

  deinit { for file in files where file >= 0 { close(file) } }

  /// Cuts every level to the nodes of `size` leaves. Returns false when nodes are missing.
  func cut(to size: UInt64) throws(StoreError) -> Bool {
    var isComplete = true
    for level in 0..<TreeLimit.levels where size >> UInt64(level) > 0 || exists(level) {
      let length = Int(32 * (size >> UInt64(level)))
      let file = try file(level)
      if lseek(file, 0, SEEK_END) < length { isComplete = false }
      else if ftruncate(file, length) != 0 { throw .failed("ftruncate: errno \(errno)") }
    }
    return isComplete
  }

  /// Whether every level has the nodes of `size` leaves, right or wrong.
  func holds(size: UInt64) throws(StoreError) -> Bool {
    for level in 0..<TreeLimit.levels where size >> UInt64(level) > 0 {
      guard lseek(try file(level), 0, SEEK_END) >= Int(32 * (size >> UInt64(level))) else { return false }
    }
    return true
  }

  /// Whether these nodes are here.
  func holds(_ nodes: NewNodes) -> Bool {
    (0..<nodes.height).allSatisfy { level in
      nodes.levels[level].digests.enumerated().allSatisfy { (try? node(level: level, index: nodes.levels[level].firstIndex + UInt64($0.offset))) == $0.element }
    }
  }

  /// Puts everything that was written on disk, names of new files included.
  func sync() throws(StoreError) {
    for file in files where file >= 0 { guard fsync(file) == 0 else { throw .failed("fsync \(prefix): errno \(errno)") } }
    let directory = String(prefix.prefix(upTo: prefix.lastIndex(of: "/") ?? prefix.startIndex))
    // The path is lent to the call as a C string.
    let handle = unsafe open(directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard handle >= 0 else { throw .failed("open \(directory): errno \(errno)") }
    defer { close(handle) }
    guard fsync(handle) == 0 else { throw .failed("fsync \(directory): errno \(errno)") }
  }

  /// Paths of the levels with the bytes that the nodes of `size` leaves take: what is there never changes, files only grow.
  func prefixes(of size: UInt64) -> [(path: String, byteCount: Int)] {
    (0..<TreeLimit.levels).filter { size >> UInt64($0) > 0 }.map { (path($0), Int(32 * (size >> UInt64($0)))) }
  }

  func append(_ nodes: NewNodes) throws(StoreError) {
    for level in 0..<nodes.height where !nodes.levels[level].digests.isEmpty {
      var bytes: [UInt8] = []
      for digest in nodes.levels[level].digests { bytes.append(digest.bytes) }
      let offset = Int(32 * nodes.levels[level].firstIndex)
      // The buffer is read during the call only.
      let file = try file(level)
      let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, offset) }
      guard written == bytes.count else { throw .failed("pwrite: errno \(errno)") }
    }
  }

  func node(level: Int, index: UInt64) throws(TreeError) -> Digest {
    guard level >= 0, level < files.count else { throw .missingNode(level: level, index: index) }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    // The 32 bytes of the tuple are written during the call only.
    let got = unsafe pread(files[level], &words, 32, Int(32 * index))
    guard got == 32 else { throw .missingNode(level: level, index: index) }
    return Digest(Bytes32(UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), UInt64(bigEndian: words.2), UInt64(bigEndian: words.3)))
  }

  /// The bytes of consecutive nodes.
  func bytes(level: Int, range: Range<UInt64>) throws(StoreError) -> [UInt8] {
    guard level >= 0, level < files.count else { throw .damaged("level \(level) is missing") }
    var bytes = [UInt8](repeating: 0, count: 32 * range.count)
    let file = files[level]
    // The buffer is written during the call only.
    let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, Int(32 * range.lowerBound)) }
    guard got == bytes.count else { throw .damaged("nodes \(range) of level \(level)") }
    return bytes
  }

  private func path(_ level: Int) -> String { "\(prefix)-\(level < 10 ? "0" : "")\(level)" }
  // The path is lent to the call as a C string.
  private func exists(_ level: Int) -> Bool { unsafe access(path(level), F_OK) == 0 }

  private func file(_ level: Int) throws(StoreError) -> CInt {
    while files.count <= level {
      // The path is lent to the call as a C string.
      let file = unsafe isReadOnly ? open(path(files.count), O_RDONLY | O_CLOEXEC) : open(path(files.count), O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
      guard file >= 0 || isReadOnly else { throw .failed("open \(path(files.count)): errno \(errno)") }
      files.append(file)
    }
    return files[level]
  }
}
