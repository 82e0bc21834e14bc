public import Digests

/// Proof that a leaf is at `index` of the tree of `size` leaves (RFC 9162 section 2.1.3): sibling hashes from the leaf upwards.
public struct InclusionProof: Hashable, Sendable {
  public var index: UInt64
  public var size: UInt64
  public var hashes: [Digest]

  public init(index: UInt64, size: UInt64, hashes: [Digest]) {
    self.index = index
    self.size = size
    self.hashes = hashes
  }

  /// The proof of leaf `index` in the tree of the first `size` leaves; older sizes than the reader's are fine.
  /// At most 53 hashes and about as many reads.
  @inlinable public static func make(index: UInt64, size: UInt64, from reader: some NodeReader) throws(TreeError) -> InclusionProof {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    return try make(index: index, size: size, from: reader) { begin throws(TreeError) in try reader.edge(begin, size) }
  }

  /// The same for the size of `edge`, without hashing: for many proofs in one tree.
  @inlinable public static func make(index: UInt64, edge: RightEdge, from reader: some NodeReader) throws(TreeError) -> InclusionProof {
    try make(index: index, size: edge.size, from: reader) { edge.fold(from: $0) }
  }

  /// - Parameter ragged: MTH of the leaves from `begin` to the end, where the last of the right siblings is not perfect.
  @inlinable static func make(
    index: UInt64, size: UInt64, from reader: some NodeReader, ragged: (_ begin: UInt64) throws(TreeError) -> Digest
  ) throws(TreeError) -> InclusionProof {
    guard index < size else { throw .outsideTree(index: index, size: size) }
    let inner = innerCount(index: index, size: size)
    var hashes: [Digest] = []
    hashes.reserveCapacity(inner + (index >> UInt64(inner)).nonzeroBitCount)
    var level: UInt64 = 0
    while level < UInt64(inner) {
      let sibling = (index >> level) ^ 1
      // Below the topmost inner level a right sibling ends before the last leaf; at it, the sibling holds the last leaf and may be ragged.
      if (sibling + 1) << level <= size {
        hashes.append(try reader.node(level: Int(level), index: sibling))
      } else {
        hashes.append(try ragged(sibling << level))
      }
      level += 1
    }
    // Above, the path runs along the right edge: only left siblings count.
    while index >> level != 0 {
      if (index >> level) & 1 == 1 { hashes.append(try reader.node(level: Int(level), index: (index >> level) - 1)) }
      level += 1
    }
    return InclusionProof(index: index, size: size, hashes: hashes)
  }

  /// Recomputes the root from `leafHash` and compares all of it with `root`, which comes from a verified header or checkpoint.
  public func verify(leafHash: Digest, root: Digest) throws(ProofError) {
    let computed = try computedRoot(leafHash: leafHash)
    guard computed == root else { throw .rootMismatch(expected: root.hex, found: computed.hex) }
  }

  /// The root that this path gives for `leafHash`.
  public func computedRoot(leafHash: Digest) throws(ProofError) -> Digest {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    guard index < size else { throw .outsideTree(index: index, size: size) }
    let inner = Self.innerCount(index: index, size: size)
    let border = (index >> UInt64(inner)).nonzeroBitCount
    guard hashes.count == inner + border else { throw .wrongLength(expected: inner + border, found: hashes.count) }
    var digest = leafHash
    for (position, hash) in hashes.enumerated() {
      let isLeft = position < inner && (index >> UInt64(position)) & 1 == 0
      digest = isLeft ? TreeHash.node(digest, hash) : TreeHash.node(hash, digest)
    }
    return digest
  }

  /// Levels up to the one where the paths of `index` and of the last leaf meet.
  @inlinable static func innerCount(index: UInt64, size: UInt64) -> Int { 64 - (index ^ (size - 1)).leadingZeroBitCount }
}
