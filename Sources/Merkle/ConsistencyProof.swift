public import Digests

/// Proof that the tree of `from` leaves is a prefix of the tree of `to` leaves (RFC 9162 section 2.1.4). Empty when `from` is 0 or `to`.
public struct ConsistencyProof: Hashable, Sendable {
  public var from: UInt64
  public var to: UInt64
  public var hashes: [Digest]

  public init(from: UInt64, to: UInt64, hashes: [Digest]) {
    self.from = from
    self.to = to
    self.hashes = hashes
  }

  /// The proof between two sizes that the reader covers. At most 54 hashes.
  @inlinable public static func make(from: UInt64, to: UInt64, from reader: some NodeReader) throws(TreeError) -> ConsistencyProof {
    guard to < TreeLimit.size else { throw .sizeTooLarge(to) }
    guard from <= to else { throw .sizesDescend(from: from, to: to) }
    var hashes: [Digest] = []
    guard from > 0, from < to else { return ConsistencyProof(from: from, to: to, hashes: hashes) }
    // SUBPROOF of the RFC from the root downwards; the hashes come out last first.
    var begin: UInt64 = 0
    var end = to
    while from != end {
      let split = begin + (1 << UInt64(63 - (end - begin - 1).leadingZeroBitCount))
      if from <= split {
        hashes.append(try reader.edge(split, end))
        end = split
      } else {
        hashes.append(try reader.edge(begin, split))
        begin = split
      }
    }
    // The old tree itself is known to the verifier when it is one perfect subtree.
    if begin != 0 { hashes.append(try reader.edge(begin, end)) }
    hashes.reverse()
    return ConsistencyProof(from: from, to: to, hashes: hashes)
  }

  /// Recomputes both roots and compares them. For equal sizes the roots are equal and there is no hash; from size 0 there is no hash and the
  /// old root is that of the empty tree.
  public func verify(fromRoot: Digest, toRoot: Digest) throws(ProofError) {
    guard to < TreeLimit.size else { throw .sizeTooLarge(to) }
    guard from <= to else { throw .sizesDescend(from: from, to: to) }
    let expected = Self.hashCount(from: from, to: to)
    guard hashes.count == expected else { throw .wrongLength(expected: expected, found: hashes.count) }
    if from == to {
      guard fromRoot == toRoot else { throw .rootMismatch(expected: toRoot.hex, found: fromRoot.hex) }
      return
    }
    if from == 0 {
      guard fromRoot == .empty else { throw .oldRootMismatch(expected: fromRoot.hex, found: Digest.empty.hex) }
      return
    }
    let (old, new) = computedRoots(fromRoot: fromRoot)
    guard old == fromRoot else { throw .oldRootMismatch(expected: fromRoot.hex, found: old.hex) }
    guard new == toRoot else { throw .rootMismatch(expected: toRoot.hex, found: new.hex) }
  }

  /// Both roots by RFC 9162 section 2.1.4.2; the length was checked, so the walk ends with the hashes.
  private func computedRoots(fromRoot: Digest) -> (old: Digest, new: Digest) {
    var position = 0
    let seed: Digest
    if from & (from - 1) == 0 {
      seed = fromRoot
    } else {
      seed = hashes[0]
      position = 1
    }
    let shift = UInt64((~(from - 1)).trailingZeroBitCount)
    var (fn, sn) = ((from - 1) >> shift, (to - 1) >> shift)
    var (old, new) = (seed, seed)
    while position < hashes.count {
      let hash = hashes[position]
      position += 1
      if fn & 1 == 1 || fn == sn {
        old = TreeHash.node(hash, old)
        new = TreeHash.node(hash, new)
        while fn & 1 == 0 && fn != 0 {
          fn >>= 1
          sn >>= 1
        }
      } else {
        new = TreeHash.node(new, hash)
      }
      fn >>= 1
      sn >>= 1
    }
    return (old, new)
  }

  /// Exact number of hashes of a proof between two sizes.
  static func hashCount(from: UInt64, to: UInt64) -> Int {
    guard from > 0, from < to else { return 0 }
    var (begin, end, count): (UInt64, UInt64, Int) = (0, to, 0)
    while from != end {
      let split = begin + (1 << UInt64(63 - (end - begin - 1).leadingZeroBitCount))
      if from <= split { end = split } else { begin = split }
      count += 1
    }
    return begin == 0 ? count : count + 1
  }
}
