/// What this build is. `--version` prints `line`.
enum Release {
  static let version = "1.0.0"
  /// Version of the protocol between nodes.
  static let protocolVersion = 1
  /// Version of the data directories.
  static let dataFormat = 1
  /// `moloch 1.0.0 (commit abc1234, protocol 1, data format 1)`
  static let line = "moloch \(version) (commit \(commit), protocol \(protocolVersion), data format \(dataFormat))"
}
