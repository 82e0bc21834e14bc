/// Bounds of a run.
public enum SimulationLimit {
  /// Events of the agenda handled in one run, before it is taken for a storm.
  public static let stepsMax = 4_000_000
  /// Blocks that must become final everywhere after the faults have stopped.
  public static let blocksAfterHealing: UInt64 = 5
  /// Time they may take, in units of the largest message delay.
  public static let healingDelays: UInt64 = 40
  /// Time in which a node has what others had when the faults stopped, on a chain that makes no new blocks, besides message delays.
  public static let catchUpMilliseconds: UInt64 = 20_000
  /// Length of a segment of the simulated vote journal, bytes.
  public static let journalSegmentBytes = 64 << 10
}
