/// How much memory this process may have: that of the host, or what a control group (version 2) leaves of it.
public struct HostMemory: Sendable {
  /// 0 when nothing is known.
  public let bytes: UInt64
  /// Who says so: `the host`, or the file of the limit.
  public let source: String

  /// Of this process, now.
  public init() { self.init { ProcessStatistics.text($0) } }

  /// - Parameter read: the text of a file of the kernel; nil without it.
  init(_ read: (String) -> String?) {
    let line = read("/proc/meminfo")?.split(separator: "\n").first { $0.hasPrefix("MemTotal:") }
    var least = (line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) } ?? 0) << 10
    var source = "the host"
    // `0::/system.slice/moloch.service`: the group, whose ancestors bound it, too. Groups of version 1 have other numbers.
    let group = read("/proc/self/cgroup")?.split(separator: "\n").first { $0.hasPrefix("0::/") }
    var path = "/sys/fs/cgroup"
    for part in [""] + (group?.dropFirst(4).split(separator: "/").map { "/" + $0 } ?? []) {
      path += part
      // `max` is no number.
      guard let text = read(path + "/memory.max"), let limit = UInt64(text.prefix { $0 != "\n" }), least == 0 || limit < least else { continue }
      (least, source) = (limit, path + "/memory.max")
    }
    (bytes, self.source) = (least, source)
  }
}
