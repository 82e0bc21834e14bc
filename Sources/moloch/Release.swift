/// What this build is. `--version` prints `line`.
enum Release {
  static let version = "1.0.0"
  /// Newest version of the protocol between nodes; older ones are spoken with older nodes.
  static let protocolVersion = Int(protocols.upperBound)
  /// Version of the data directories.
  static let dataFormat = 2
  /// `moloch 1.0.0 (commit abc1234, protocol 3, data format 2)`
  static let line = "moloch \(version) (commit \(commit), protocol \(protocolVersion), data format \(dataFormat))"
}
