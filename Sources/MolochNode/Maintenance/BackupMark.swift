/// The time of the last backup that was completed, kept beside the data so that every start of the node knows it.
enum BackupMark {
  static let name = "backup.last"

  /// Unix time in seconds; nil before the first backup.
  static func seconds(data: String) -> UInt64? { TimeMark.seconds(data + "/" + name) }
  static func set(data: String, seconds: UInt64) throws(NodeFailure) { try TimeMark.set(data + "/" + name, seconds) }
}

/// The time of the last scrub that was completed.
enum ScrubMark {
  static let name = "scrub.last"

  /// Unix time in seconds; nil before the first scrub.
  static func seconds(data: String) -> UInt64? { TimeMark.seconds(data + "/" + name) }
  static func set(data: String, seconds: UInt64) throws(NodeFailure) { try TimeMark.set(data + "/" + name, seconds) }
}

/// A compaction beside the running node that has not come to its end: what a stop or a crash cuts off is begun again by the next start.
enum CompactionMark {
  static let name = "compaction.pending"
  enum Kind: String { case compact, prune }

  static func kind(data: String) -> Kind? {
    guard let bytes = try? HomeFile.read(data + "/" + name) else { return nil }
    return Kind(rawValue: String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self))
  }
  static func set(data: String, _ kind: Kind) throws(NodeFailure) { try HomeFile.replace(data + "/" + name, Array("\(kind.rawValue)\n".utf8), mode: 0o640) }
  static func clear(data: String) { HomeFile.remove(data + "/" + name) }
}

/// A file that holds one time.
private enum TimeMark {
  static func seconds(_ path: String) -> UInt64? {
    guard let bytes = try? HomeFile.read(path) else { return nil }
    return UInt64(String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self))
  }

  static func set(_ path: String, _ seconds: UInt64) throws(NodeFailure) { try HomeFile.replace(path, Array("\(seconds)\n".utf8), mode: 0o640) }
}
