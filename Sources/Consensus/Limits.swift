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
  /// Unfinalised views whose certificates and own votes are sent again at a retry.
  public static let resendViews = 16
  /// Views behind the current one whose single votes are kept while nothing becomes final; their certificates stay, 25 KB per view at most.
  public static let voteViews: UInt64 = 64
  /// Blocks above the floor that are remembered before those that nothing refers to are dropped.
  public static let blocks = 128
  /// Restored and fetched blocks that are taken at most.
  public static let blocksMax = 1024
  /// Blocks that are asked for one by one; a longer way to the floor is synchronised.
  public static let fetches = 8
  /// Views that are asked for at once when a proposal cannot be judged.
  public static let asks = 4
  /// Messages of the next epoch that are kept per validator, of those certificates, and proposals. 32 votes, 4 certificates of 8 KB: 40 KB each.
  public static let earlyMessages = 32
  public static let earlyCertificates = 4
  public static let earlyProposals = 2
  /// Certificates and witnesses that one peer is given per second on request.
  public static let answersPerSecond = 64
  /// A certificate goes out at once when all its copies together have at most this many bytes.
  public static let eagerCertificateBytes = 32 << 10
  /// Longest interval between two retries, nanoseconds.
  public static let retryNanosecondsMax: UInt64 = 2_000_000_000
  /// Blocks before the end of an epoch that do not wait for events.
  public static let boundaryBlocks: UInt64 = 16
  /// Doublings of the tolerance for old timestamps.
  public static let staleDoublingsMax: UInt64 = 20
  /// Durations of steps that are kept until they are taken.
  public static let stepDurations = 4096
  /// Validators of a set.
  public static let validators = 128
  /// Length of a segment of the vote journal, bytes. A validator of a set of 128 writes about 10 KB per view with certificates, 400 bytes without.
  public static let journalSegmentBytes = 16 << 20
  /// Least length of a segment: two certificates of the largest set, and the standing promises.
  public static let journalSegmentBytesMin = 32 << 10
  /// Payload of a record: a certificate of 128 signatures has 8,304 bytes.
  public static let journalPayloadBytes = 12 << 10
}
