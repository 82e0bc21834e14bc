/// Bounds of this module. Blocks and bodies are bounded by the parameters of their chain.
enum LedgerLimit {
  /// Tables that the replay window is divided into: expiry drops a whole table, so an id stays at most one part in 64 of the window too long.
  static let windowSpans: UInt64 = 64
}
