import Ambient
import Audit
import CLinux
import Glibc
import JSON
import RocksStore

/// Bytes on disk under a data directory: allocated blocks, as `du` counts them. What has several names, as the tables that a backup links, counts once, for the chain
/// where it is one of its files.
public struct DirectoryStatistics: Sendable {
  public var chain: UInt64 = 0
  public var mmr: UInt64 = 0
  public var index: UInt64 = 0
  public var validator: UInt64 = 0
  public var other: UInt64 = 0
  /// Bytes that an unprivileged process may still write on the file system.
  public var free: UInt64 = 0
  /// Bytes of the file system.
  public var size: UInt64 = 0

  public var total: UInt64 { chain + mmr + index + validator + other }

  public init(data: String) {
    var walk = DirectoryWalk()
    chain = walk.allocated(data + "/chain")
    mmr = walk.allocated(data + "/mmr")
    index = walk.allocated(data + "/index")
    validator = walk.allocated(data + "/validator")
    // With the slash the walk is that of the directory, also where a link stands for it.
    other = walk.allocated(data + "/", without: ["chain", "mmr", "index", "validator"])
    var status = statvfs()
    // The kernel fills the structure; the path is lent to the call.
    if unsafe statvfs(data, &status) == 0 {
      free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
      size = UInt64(status.f_blocks) * UInt64(status.f_frsize)
    }
  }

  /// JSON object of the sizes, and of what the store says of itself.
  func json(_ store: RocksLedgerStore) -> [UInt8] {
    var json = JSONWriter()
    func write(_ members: [(StaticString, UInt64)]) {
      for (name, value) in members {
        json.key(name)
        json.number(value)
      }
    }
    json.beginObject()
    write([
      ("chain_bytes", chain), ("mmr_bytes", mmr), ("index_bytes", index), ("total_bytes", chain + mmr + index), ("other_bytes", other + validator),
      ("free_bytes", free), ("events", store.head.treeSize), ("blocks", store.head.height.rawValue),
    ])
    let figures = store.figures
    json.key("column_families")
    json.beginArray()
    for family in figures.families {
      json.beginObject()
      json.key("database"); json.string(family.database)
      json.key("name"); json.string(family.name)
      write([("keys_estimated", family.keys), ("table_bytes", family.tableBytes), ("memory_bytes", family.memoryBytes)])
      json.endObject()
    }
    json.endArray()
    json.key("tree_levels")
    json.beginArray()
    for level in figures.levels {
      json.beginObject()
      json.key("tree"); json.string(level.tree)
      write([("level", UInt64(level.level)), ("nodes", level.nodes), ("bytes", 32 * level.nodes)])
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return json.bytes
  }
}

/// Counts the blocks of directories; a file that was met under another name counts as nothing.
private struct DirectoryWalk {
  private struct File: Hashable {
    let device: dev_t
    let inode: ino_t
  }

  /// Files with several names.
  private var linked: Set<File> = []

  /// Allocated bytes of a directory and all below it, less entries of these names in it; what vanishes while it is counted counts as nothing.
  mutating func allocated(_ path: String, without names: Set<String> = []) -> UInt64 {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    guard unsafe lstat(path, &status) == 0 else { return 0 }
    let isDirectory = status.st_mode & S_IFMT == S_IFDIR
    if !isDirectory, status.st_nlink > 1, !linked.insert(File(device: status.st_dev, inode: status.st_ino)).inserted { return 0 }
    var bytes = UInt64(status.st_blocks) * 512
    guard isDirectory, let directory = unsafe opendir(path) else { return bytes }
    defer { unsafe closedir(directory) }
    while let entry = unsafe readdir(directory) {
      // The entry is valid until the next call; its name is a C string inside it.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if name != "." && name != ".." && !names.contains(name) { bytes += allocated(path + "/" + name) }
    }
    return bytes
  }
}

/// Monotonic time.
enum MonotonicClock {
  static func now() -> Instant {
    var time = timespec()
    // The kernel fills the structure during the call.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }
}
