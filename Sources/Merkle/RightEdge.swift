public import Digests

/// The right edge of the tree of `size` leaves: its peaks folded from every peak to the right end. What a proof needs of the part of the tree that is not
/// perfect is one of these folds, so whoever makes many proofs for one size hashes the edge once. At most 53 digests.
public struct RightEdge: Sendable {
  /// Leaves.
  public let size: UInt64
  /// Entry h is the fold that begins with the peak of 2^h leaves; levels without a peak hold `Digest.empty` and are never asked for.
  @usableFromInline let folds: [Digest]

  /// One read per set bit of `size`.
  @inlinable public init(size: UInt64, from reader: some NodeReader) throws(TreeError) {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    var folds = [Digest](repeating: .empty, count: TreeLimit.levels)
    var rest = size
    var limit = size
    var folded: Digest?
    while rest != 0 {
      let level = rest.trailingZeroBitCount
      let node = try reader.node(level: level, index: (limit >> UInt64(level)) - 1)
      let fold = folded.map { TreeHash.node(node, $0) } ?? node
      folds[level] = fold
      folded = fold
      limit -= 1 << UInt64(level)
      rest &= rest - 1
    }
    self.size = size
    self.folds = folds
  }

  /// MTH of all leaves; `SHA-256("")` when there are none.
  public var root: Digest { size == 0 ? .empty : folds[63 - size.leadingZeroBitCount] }

  /// MTH of leaves `begin ..< size`. Traps unless a peak begins at `begin`.
  @inlinable func fold(from begin: UInt64) -> Digest {
    precondition(begin < size, "a fold begins with a peak")
    let level = UInt64(63 - (size - begin).leadingZeroBitCount)
    precondition((size >> (level + 1)) << (level + 1) == begin, "a fold begins with a peak")
    return folds[Int(level)]
  }
}
