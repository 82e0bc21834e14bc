public import Digests

/// The peaks of a tree: its perfect subtrees from left to right, one per set bit of the size, largest first.
public struct MountainRange: Sendable, Hashable {
  /// Leaves.
  public private(set) var size: UInt64
  /// One digest per set bit of `size`, highest bit first.
  public private(set) var peaks: [Digest]

  /// The empty tree.
  public init() {
    size = 0
    peaks = []
    peaks.reserveCapacity(TreeLimit.levels)
  }

  /// Restores a frontier. Traps when the number of peaks is not the number of set bits of `size`.
  public init(size: UInt64, peaks: [Digest]) {
    precondition(size < TreeLimit.size && peaks.count == size.nonzeroBitCount, "one peak per set bit of the size")
    self.size = size
    self.peaks = peaks
  }

  /// Reads the frontier of the first `size` leaves from stored nodes.
  @inlinable public init(size: UInt64, from reader: some NodeReader) throws(TreeError) {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    var peaks: [Digest] = []
    var begin: UInt64 = 0
    while begin < size {
      let level = 63 - (size - begin).leadingZeroBitCount
      peaks.append(try reader.node(level: level, index: begin >> UInt64(level)))
      begin += 1 << UInt64(level)
    }
    self.init(size: size, peaks: peaks)
  }

  /// MTH of the whole tree: the peaks folded from right to left; `SHA-256("")` when empty.
  public var root: Digest {
    guard var digest = peaks.last else { return .empty }
    var index = peaks.count - 2
    while index >= 0 {
      digest = TreeHash.node(peaks[index], digest)
      index -= 1
    }
    return digest
  }

  /// Appends one leaf and records the nodes that it completed, the leaf itself included.
  /// Cost: one node hash on average, no allocation once both storages have grown. Traps at 2^53 leaves.
  public mutating func append(leafHash: Digest, into nodes: inout NewNodes) {
    precondition(size < TreeLimit.size - 1, "the tree is full")
    var digest = leafHash
    var index = size
    var level = 0
    nodes.append(digest, level: level, index: index)
    while index & 1 == 1 {
      digest = TreeHash.node(peaks.removeLast(), digest)
      index >>= 1
      level += 1
      nodes.append(digest, level: level, index: index)
    }
    peaks.append(digest)
    size += 1
  }

  /// Appends one leaf.
  public mutating func append(leafHash: Digest) { append(perfect: leafHash, level: 0) }

  /// Appends the root of a perfect subtree of `2^level` leaves. Traps unless the size is a multiple of `2^level`.
  public mutating func append(perfect root: Digest, level: Int) {
    precondition(level >= 0 && level < TreeLimit.levels && size & ((1 << UInt64(level)) - 1) == 0, "subtrees are aligned")
    precondition(size < TreeLimit.size - (1 << UInt64(level)), "the tree is full")
    var digest = root
    var index = size >> UInt64(level)
    while index & 1 == 1 {
      digest = TreeHash.node(peaks.removeLast(), digest)
      index >>= 1
    }
    peaks.append(digest)
    size += 1 << UInt64(level)
  }
}

/// The nodes that appends completed, by level, in reusable storage. What the store adds to its level files: the digests of level h go behind
/// node `levels[h].firstIndex`, in order and without a gap, as long as all appends came from one frontier.
public struct NewNodes: Sendable {
  /// The new nodes of one level.
  public struct Level: Sendable {
    /// Index within the level of the first digest. Meaningless while `digests` is empty.
    public fileprivate(set) var firstIndex: UInt64 = 0
    public fileprivate(set) var digests: [Digest] = []
  }

  /// Position h holds level h; levels without new nodes are empty. 53 levels, always.
  public private(set) var levels: [Level]

  /// Storage for `leafCapacity` leaves without growing.
  public init(leafCapacity: Int = 0) {
    levels = [Level](repeating: Level(), count: TreeLimit.levels)
    var capacity = leafCapacity
    for level in levels.indices where capacity > 0 {
      levels[level].digests.reserveCapacity(capacity + 1)
      capacity /= 2
    }
  }

  /// Levels 0 ..< `height` may hold nodes, none above.
  public var height: Int { (levels.lastIndex { !$0.digests.isEmpty } ?? -1) + 1 }

  /// Forgets the nodes and keeps the storage.
  public mutating func removeAll() {
    for level in levels.indices { levels[level].digests.removeAll(keepingCapacity: true) }
  }

  mutating func append(_ digest: Digest, level: Int, index: UInt64) {
    if levels[level].digests.isEmpty { levels[level].firstIndex = index }
    // Nodes of another frontier would leave a gap in a level file.
    precondition(levels[level].firstIndex + UInt64(levels[level].digests.count) == index, "new nodes are consecutive")
    levels[level].digests.append(digest)
  }
}
