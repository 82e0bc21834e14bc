/// Bounds of a run.
public enum SimulationLimit {
  /// Events of the agenda handled in one run, before it is taken for a storm.
  public static let stepsMax = 4_000_000
  /// Blocks that must become final everywhere after the faults have stopped.
  public static let blocksAfterHealing: UInt64 = 5
  /// Time they may take, in units of the largest message delay.
  public static let healingDelays: UInt64 = 40
  /// Length of a segment of the simulated vote journal, bytes.
  public static let journalSegmentBytes = 64 << 10
}
