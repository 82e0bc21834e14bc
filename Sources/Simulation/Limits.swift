/// Bounds of a run.
public enum SimulationLimit {
  /// Events of the agenda handled in one run, before it is taken for a storm.
  public static let stepsMax = 4_000_000
  /// Blocks that must become final everywhere after the faults have stopped.
  public static let blocksAfterHealing: UInt64 = 5
  /// Time they may take, and longer when more are wanted: in units of the largest message delay or the longest backed-off timer delay, whichever is larger,
  /// beside the pace of an idle chain.
  public static let healingDelays: UInt64 = 40
  /// Views that the furthest honest node may enter meanwhile: each leader fails a few times at most.
  public static func healingViews(nodes: Int, blocks: UInt64) -> UInt64 { (30 + 4 * UInt64(nodes)) * max(blocks, blocksAfterHealing) / blocksAfterHealing }
  /// Time until every honest node has what was final when the faults stopped, whether new blocks come or not: in the same units, and beside them.
  public static let catchUpDelays: UInt64 = 20
  /// What the search for the block of a checkpoint adds, in the same units: two for each question.
  public static let searchDelays: UInt64 = 40
  public static let catchUpMilliseconds: UInt64 = 3000
  /// What the events may take beyond twice the time of the blocks: offers to others and turns of their own leaders.
  public static let eventsMilliseconds: UInt64 = 60_000
  /// How often the memory of a replica is measured, in steps of the world.
  public static let stepsPerMemoryCheck: UInt64 = 16
  /// Length of a segment of the simulated vote journal, bytes.
  public static let journalSegmentBytes = 64 << 10
}
