/// Bounds of the store beside those that `StoreOptions` sets.
enum StoreLimit {
  /// Bytes read of the one-line files `FORMAT` and `LOCK`.
  static let lineBytes = 64
}
