/// Bounds of this module. Blocks and bodies are bounded by the parameters of their chain.
enum LedgerLimit {
  /// Tables that the replay window is divided into: expiry drops a whole table, so an id stays at most one part in 64 of the window too long.
  static let windowSpans: UInt64 = 64
  /// Milliseconds of block time after which an open proposal lapses: 30 days.
  static let proposalLifetimeMilliseconds: UInt64 = 2_592_000_000
  /// Open proposals of one signer and of all: at 33 KB for the longest body, 34 MB. A proposal beyond either is a valid event without effect.
  static let openProposalsPerSigner = 16
  static let openProposals = 1024
  /// Approved changes that wait for their epoch, at 26 KB for the largest set 7 MB. A proposal approved beyond it lapses.
  static let scheduledChanges = 256
  /// Gaps that are kept of one stream of a signer.
  static let sequenceGaps = 256
  /// Decided proposals that a history remembers, the newest; at 50 KB for the longest body and the largest set 26 MB.
  static let decidedProposals = 512
}
