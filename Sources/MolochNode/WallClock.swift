import CLinux
import Glibc

/// Wall-clock time, UTC.
public struct WallClock: Sendable {
  public let seconds: Int
  public let nanoseconds: Int

  public static func now() -> WallClock {
    var time = timespec()
    // The kernel fills the structure during the call.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return WallClock(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }

  public var milliseconds: UInt64 { UInt64(max(0, seconds)) * 1000 + UInt64(nanoseconds / 1_000_000) }

  private var broken: tm {
    var seconds = time_t(self.seconds)
    // The structure names its time zone by a pointer, which nobody reads.
    var parts = unsafe tm()
    // The library fills the structure during the call.
    _ = unsafe gmtime_r(&seconds, &parts)
    return unsafe parts  // plain numbers but for that pointer
  }

  /// `2026-01-15T12:00:00.123456Z`.
  var text: String {
    // Numbers of the structure only.
    let parts = unsafe broken
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = String(nanoseconds / 1000)
    let day = unsafe "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    let clock = unsafe "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return "\(day)T\(clock).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)Z"
  }

  /// `Thu, 15 Jan 2026 12:00:00 GMT`, the form of HTTP's Date field.
  var httpDate: String {
    // Numbers of the structure only.
    let parts = unsafe broken
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return
      unsafe "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(1900 + parts.tm_year) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }
}
