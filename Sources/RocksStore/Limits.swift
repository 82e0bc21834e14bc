/// Bounds of the store beside those that `StoreOptions` sets.
enum StoreLimit {
  /// Bytes read of the one-line files `FORMAT` and `LOCK`.
  static let lineBytes = 64
  /// Block cache of a reader beside the store: it reads everything once.
  static let readerCacheBytes = 8 << 20
  /// Rows of redactions read at once at the start.
  static let redactionRows = 1024
  /// Streams that are read of one signer, the lowest.
  static let signerStreams = 1000
  /// Tables of so many bytes or a little more are compacted at a time.
  static let compactionStepBytes: UInt64 = 32 << 20
  /// Events of one stage of a deep prune, or a block more: what a crash does again.
  static let sweptEvents = 16_384
  /// Sums of signers read at once for an index that starts again.
  static let sumRows = 1024
  /// Rows of bodies or entries that are read at once to count them.
  static let countedRows = 16
  /// Bytes of leaf hashes read at once when a root is computed.
  static let leafBytes = 1 << 20
}
