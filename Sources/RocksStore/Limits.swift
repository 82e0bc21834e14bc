/// Bounds of the store beside those that `StoreOptions` sets.
enum StoreLimit {
  /// Bytes read of the one-line files `FORMAT` and `LOCK`.
  static let lineBytes = 64
  /// Rows of redactions read at once at the start.
  static let redactionRows = 1024
  /// Bytes of leaf hashes read at once when a root is computed.
  static let leafBytes = 1 << 20
}
