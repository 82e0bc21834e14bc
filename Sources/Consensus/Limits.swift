/// Bounds of the machine's memory and of its clocks.
public enum ConsensusLimit {
  /// Views behind the floor and ahead of the current one that are remembered.
  public static let windowViews: UInt64 = 8
  /// Slots of a leader cycle, whatever the powers are.
  public static let cycleSlots = 1024
  /// Steps of the timer back-off.
  public static let backOffStepsMax = 22
  /// Nullifications and parent certificate that a proposal carries at most.
  public static let justificationCertificates = 16
  /// Validators of a set.
  public static let validators = 128
}
