/// Limits of this module.
public enum Limits {
  /// Largest batch that is checked in line on a reactor: above it the gain is small and the pause is long.
  public static let batchCountInline = 128
  /// Longest wait of an item for a fuller batch on a helper thread, nanoseconds: less than a full batch takes to verify.
  public static let waitNanosecondsMax: UInt64 = 1_000_000
  /// Items that a reactor has handed to helpers: two full batches of one helper, and what arrives while they are checked. 240 bytes each, 960 KiB of lane.
  public static let overflowCountMax = 4096
  /// Signatures of quarantined sources that a reactor checks in one turn, for the rest of which they wait: each takes as long as four to six in a batch, all of
  /// them less than a fifth of a millisecond.
  public static let aloneCountMax = 16
  /// Sources under watch at a time; when all places are taken, the one whose quarantine ends first makes room.
  public static let offendersMax = 64
  /// First quarantine of a source, nanoseconds; it doubles with every repetition.
  public static let quarantineNanosecondsMin: UInt64 = 1_000_000_000
  /// Doublings of the quarantine: 64 seconds at most.
  public static let quarantineDoublingsMax: UInt64 = 6
}
