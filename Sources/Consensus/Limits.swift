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
  /// Length of a segment of the vote journal, bytes. A validator of a set of 128 writes about 10 KB per view with certificates, 400 bytes without.
  public static let journalSegmentBytes = 16 << 20
  /// Least length of a segment: two certificates of the largest set, and the standing promises.
  public static let journalSegmentBytesMin = 32 << 10
  /// Payload of a record: a certificate of 128 signatures has 8,304 bytes.
  public static let journalPayloadBytes = 12 << 10
}
