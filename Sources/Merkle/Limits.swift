/// Limits of the tree.
public enum TreeLimit {
  /// Tree sizes and leaf indexes are below this: 2^53, exact as JSON numbers.
  public static let size: UInt64 = 1 << 53
  /// Levels that nodes can have, 0 to 52: a tree below 2^53 leaves has no complete node above them.
  public static let levels = 53
  /// Longest inclusion proof: one sibling per level.
  public static let inclusionHashes = 53
  /// Longest consistency proof: one more than the levels.
  public static let consistencyHashes = 54
}

/// Why a node or a proof cannot be made.
public enum TreeError: Error, Hashable, Sendable {
  /// The reader does not hold node `index` of `level`.
  case missingNode(level: Int, index: UInt64)
  /// The leaf or range is not part of a tree of this size.
  case outsideTree(index: UInt64, size: UInt64)
  /// The older size is larger than the newer one.
  case sizesDescend(from: UInt64, to: UInt64)
  /// A size of 2^53 or more.
  case sizeTooLarge(UInt64)
}

/// Why a proof is refused.
public enum ProofError: Error, Hashable, Sendable {
  /// `index >= size`, or an empty or inverted range.
  case outsideTree(index: UInt64, size: UInt64)
  /// A size of 2^53 or more.
  case sizeTooLarge(UInt64)
  /// The older size is larger than the newer one.
  case sizesDescend(from: UInt64, to: UInt64)
  /// A hash is missing or to spare.
  case wrongLength(expected: Int, found: Int)
  /// The recomputed root differs from the root that was to be proven.
  case rootMismatch(expected: String, found: String)
  /// The recomputed root of the older tree differs.
  case oldRootMismatch(expected: String, found: String)
}
