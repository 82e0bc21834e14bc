import Ambient
import CLinux
import Glibc

/// Watches the free space of the file system under the data directory: warns, and turns the node read-only before a write could fail.
struct DiskGuard {
  struct Limits: Sendable, Equatable {
    /// Below this the node turns read-only; at twice as much it goes on.
    var freeBytesMin: UInt64 = 0
    /// Below this part of the file system there is a warning every hour.
    var warnPercent: UInt64 = 0
    /// Size of the file that is given up for the writes of a stop.
    var reserveBytes: UInt64 = 0
  }

  enum Step: Equatable {
    case warn(percent: UInt64)
    case readOnly
    case writable
  }

  static let warnPauseMilliseconds: UInt64 = 3_600_000

  private(set) var isReadOnly = false
  private(set) var isLow = false
  private var nextWarning = Instant.zero

  /// - Parameters:
  ///   - free: bytes that the node may still write.
  ///   - size: bytes of the file system.
  mutating func look(free: UInt64, size: UInt64, limits: Limits, now: Instant) -> [Step] {
    var steps: [Step] = []
    // Percent are compared without a division: both sides fit, since file systems end far below 2^57 bytes.
    isLow = size > 0 && free * 100 < size * limits.warnPercent
    if isLow, now >= nextWarning {
      nextWarning = now.adding(milliseconds: Self.warnPauseMilliseconds)
      steps.append(.warn(percent: free * 100 / size))
    }
    if !isReadOnly, free < limits.freeBytesMin {
      isReadOnly = true
      steps.append(.readOnly)
    } else if isReadOnly, free >= 2 * limits.freeBytesMin {
      isReadOnly = false
      steps.append(.writable)
    }
    return steps
  }
}

/// The guard at work on the storage thread, with the file that it gives up.
struct FreeSpace {
  var limits: DiskGuard.Limits
  private let reservePath: String
  private let log: Log
  private var state = DiskGuard()

  init(data: String, limits: DiskGuard.Limits, log: Log) {
    reservePath = data + "/reserve"
    self.limits = limits
    self.log = log
  }

  var isReadOnly: Bool { state.isReadOnly }
  var isLow: Bool { state.isLow }

  mutating func look(_ statistics: DirectoryStatistics) {
    for step in state.look(free: statistics.free, size: statistics.size, limits: limits, now: MonotonicClock.now()) {
      switch step {
      case .warn(let percent):
        log.warn("storage", "disk space is low", [("free_percent", "\(percent)"), ("free_bytes", "\(statistics.free)"), ("warn_free_percent", "\(limits.warnPercent)")])
      case .readOnly:
        HomeFile.remove(reservePath)
        log.error(
          "storage", "the disk is too full: the node is read-only",
          [("free_bytes", "\(statistics.free)"), ("min_free_bytes", "\(limits.freeBytesMin)"), ("fix", "free space or lower storage.min_free_mb")])
      case .writable: log.notice("storage", "there is space again: the node takes events", [("free_bytes", "\(statistics.free)")])
      }
    }
    if !isReadOnly { keepReserve(statistics) }
  }

  /// Makes the reserve as large as it should be, where that brings nobody near the limit.
  private func keepReserve(_ statistics: DirectoryStatistics) {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    let size = unsafe stat(reservePath, &status) == 0 ? UInt64(status.st_size) : 0
    guard size != limits.reserveBytes else { return }
    HomeFile.remove(reservePath)
    guard limits.reserveBytes > 0, statistics.free >= 2 * limits.freeBytesMin + limits.reserveBytes else { return }
    // The path is lent to the call.
    let file = unsafe open(reservePath, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    guard file >= 0 else { return }
    defer { close(file) }
    // Without room for it there is no reserve: the guard works as before.
    if posix_fallocate(file, 0, Int(limits.reserveBytes)) != 0 { HomeFile.remove(reservePath) }
  }
}
