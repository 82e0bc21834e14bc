/// The time of the last backup that was completed, kept beside the data so that every start of the node knows it.
enum BackupMark {
  static let name = "backup.last"

  /// Unix time in seconds; nil before the first backup.
  static func seconds(data: String) -> UInt64? {
    guard let bytes = try? HomeFile.read(data + "/" + name) else { return nil }
    return UInt64(String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self))
  }

  static func set(data: String, seconds: UInt64) throws(NodeFailure) {
    try HomeFile.replace(data + "/" + name, Array("\(seconds)\n".utf8), mode: 0o640)
  }
}
