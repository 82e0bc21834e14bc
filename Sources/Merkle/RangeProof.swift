public import Digests

/// Proof that a run of leaves `begin ..< end` is at its place in the tree of `size` leaves: the roots of the maximal aligned perfect subtrees
/// that cover what is left of the run and what is right of it, each from left to right.
public struct RangeProof: Hashable, Sendable {
  public var begin: UInt64
  public var end: UInt64
  public var size: UInt64
  public var left: [Digest]
  public var right: [Digest]

  public init(begin: UInt64, end: UInt64, size: UInt64, left: [Digest], right: [Digest]) {
    self.begin = begin
    self.end = end
    self.size = size
    self.left = left
    self.right = right
  }

  /// The proof of leaves `begin ..< end`, at least one, in the tree of the first `size` leaves.
  @inlinable public static func make(begin: UInt64, end: UInt64, size: UInt64, from reader: some NodeReader) throws(TreeError) -> RangeProof {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    guard begin < end, end <= size else { throw .outsideTree(index: end, size: size) }
    let left = try MountainRange(size: begin, from: reader).peaks
    var right: [Digest] = []
    var position = end
    while position < size {
      let level = rightLevel(position: position, size: size)
      right.append(try reader.node(level: level, index: position >> UInt64(level)))
      position += 1 << UInt64(level)
    }
    return RangeProof(begin: begin, end: end, size: size, left: left, right: right)
  }

  /// Recomputes the root over `left`, the leaf hashes of the run and `right`, and compares it with `root`.
  public func verify(leafHashes: [Digest], root: Digest) throws(ProofError) {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    guard begin < end, end <= size else { throw .outsideTree(index: end, size: size) }
    guard UInt64(leafHashes.count) == end - begin else { throw .wrongLength(expected: Int(end - begin), found: leafHashes.count) }
    guard left.count == begin.nonzeroBitCount else { throw .wrongLength(expected: begin.nonzeroBitCount, found: left.count) }
    var range = MountainRange(size: begin, peaks: left)
    for leafHash in leafHashes { range.append(leafHash: leafHash) }
    var count = 0
    while range.size < size {
      guard count < right.count else { throw .wrongLength(expected: count + 1, found: right.count) }
      range.append(perfect: right[count], level: Self.rightLevel(position: range.size, size: size))
      count += 1
    }
    guard count == right.count else { throw .wrongLength(expected: count, found: right.count) }
    guard range.root == root else { throw .rootMismatch(expected: root.hex, found: range.root.hex) }
  }

  /// Level of the largest aligned perfect subtree that starts at `position` and ends within `size`.
  @inlinable static func rightLevel(position: UInt64, size: UInt64) -> Int {
    min(position.trailingZeroBitCount, 63 - (size - position).leadingZeroBitCount)
  }
}
