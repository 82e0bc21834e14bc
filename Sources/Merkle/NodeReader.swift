public import Digests

/// Access to stored nodes: `node(level: h, index: i)` is `MTH(D[i*2^h : (i+1)*2^h])`. Only complete nodes exist.
public protocol NodeReader {
  /// - Throws: `TreeError.missingNode` when the node is not held.
  func node(level: Int, index: UInt64) throws(TreeError) -> Digest
}

extension NodeReader {
  /// MTH of leaves `begin ..< end`, where `begin` is a multiple of a power of two that is at least `end - begin`: the complete subtrees of the
  /// run folded from right to left. One read per set bit of the length.
  @inlinable func edge(_ begin: UInt64, _ end: UInt64) throws(TreeError) -> Digest {
    var rest = end - begin
    var limit = end
    var folded: Digest?
    while rest != 0 {
      let level = UInt64(rest.trailingZeroBitCount)
      let node = try node(level: Int(level), index: (limit >> level) - 1)
      if let right = folded { folded = TreeHash.node(node, right) } else { folded = node }
      limit -= 1 << level
      rest &= rest - 1
    }
    return folded ?? .empty
  }

  /// Root of the tree of the first `size` leaves.
  @inlinable public func root(ofSize size: UInt64) throws(TreeError) -> Digest {
    guard size < TreeLimit.size else { throw .sizeTooLarge(size) }
    return try edge(0, size)
  }
}

/// All nodes of a tree in memory: tests, tools, the block in construction. 64 bytes per leaf.
public struct MemoryTree: NodeReader, Sendable {
  private var levels: [[Digest]] = [[]]

  public init() {}

  public var size: UInt64 { UInt64(levels[0].count) }

  public mutating func append(leafHash: Digest) {
    levels[0].append(leafHash)
    var level = 0
    while levels[level].count & 1 == 0 {
      let last = levels[level].count - 1
      if level + 1 == levels.count { levels.append([]) }
      levels[level + 1].append(TreeHash.node(levels[level][last - 1], levels[level][last]))
      level += 1
    }
  }

  /// Appends what a frontier completed, as the store does to its level files. Traps when nodes are missing in between.
  public mutating func append(_ nodes: NewNodes) {
    for level in 0..<nodes.height {
      if level == levels.count { levels.append([]) }
      precondition(nodes.levels[level].digests.isEmpty || nodes.levels[level].firstIndex == UInt64(levels[level].count), "new nodes follow the stored ones")
      levels[level].append(contentsOf: nodes.levels[level].digests)
    }
  }

  public func node(level: Int, index: UInt64) throws(TreeError) -> Digest {
    guard level >= 0, level < levels.count, index < UInt64(levels[level].count) else { throw .missingNode(level: level, index: index) }
    return levels[level][Int(index)]
  }
}
