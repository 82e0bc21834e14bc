/// Bounds of a replica.
public enum ReplicationLimit {
  /// Blocks that are final in memory and not yet on disk.
  public static let blocksInFlight = 4
}
