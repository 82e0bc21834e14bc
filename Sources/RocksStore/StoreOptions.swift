/// Settings of the store.
public struct StoreOptions: Sendable {
  /// Values are those of RocksDB's C interface.
  public enum Compression: CInt, Sendable { case none = 0, snappy = 1, lz4 = 4, zstd = 7 }
  /// Block cache of the chain and the index together.
  public var cacheBytes = 128 << 20
  public var writeBufferBytes = 64 << 20
  public var openFilesMax = 10_000
  public var compression = Compression.lz4
  /// Threads of flushes and compactions.
  public var backgroundJobs = 2
  /// Off only where durability does not matter.
  public var syncWrites = true
  public init() {}
}
