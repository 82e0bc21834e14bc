/// Bounds of the API that no configuration changes.
public enum APILimit {
  /// Events of one batch.
  public static let batchEvents = 10_000
  /// Signatures verified in one tick of the loop, and in one batch equation.
  public static let signaturesPerTick = 256
  public static let signaturesPerBatch = 128
  /// Bytes of request bodies held at one time over all connections.
  public static let bodyBytesInFlight = 256 << 20
  /// Storage of bodies and of results that is kept for later requests: pieces of each, and bytes of all.
  public static let spareStorage = 1024
  public static let spareBodyBytes = 64 << 20
  public static let spareResultBytes = 32 << 20
  /// Longest wait for finality, milliseconds, and the wait when none is given.
  public static let waitMillisecondsMax: UInt64 = 30_000
  public static let waitMillisecondsDefault: UInt64 = 10_000
  /// Reads handed to the storage thread and not yet answered, over all connections.
  public static let readsInFlight = 1024
  /// Handoffs of one answer, and of one read of the store; 18 KB for the largest set, certificate and header.
  public static let handoffs = 256
  /// A client's request id, bytes.
  public static let requestIDBytes = 64
  /// Newest blocks whose times tell how fast blocks come.
  public static let paceBlocks = 101
  /// How often sessions are looked at for time-outs, milliseconds.
  public static let sweepMilliseconds: UInt64 = 50
}
