import Bytes
public import Audit
public import Digests
public import Merkle

/// The store in memory, for tests and simulation. `commit` is durable at once, as a synced write is; `commitUnsynced` is lost by `crash`.
public final class MemoryStore: LedgerStore {
  private var blocks: [BlockCommit] = []
  private var durable = 0
  private let genesis: BlockHeader
  private var tree = MemoryTree()
  private var history = MemoryTree()

  public init(genesis: BlockHeader) { self.genesis = genesis }

  public var head: BlockHeader { blocks.last?.header ?? genesis }

  public func commit(_ blocks: [BlockCommit]) throws(StoreError) {
    try commitUnsynced(blocks)
    durable = self.blocks.count
  }

  /// Blocks that a crash loses unless a later `commit` syncs them.
  public func commitUnsynced(_ blocks: [BlockCommit]) throws(StoreError) {
    for block in blocks {
      guard block.header.height == head.height.next else { throw .notNext(head: head.height, got: block.header.height) }
      self.blocks.append(block)
      tree.append(block.treeNodes)
      history.append(block.historyNodes)
    }
  }

  /// Forgets what was not synced.
  public func crash() {
    blocks.removeSubrange(durable...)
    (tree, history) = (MemoryTree(), MemoryTree())
    for block in blocks {
      tree.append(block.treeNodes)
      history.append(block.historyNodes)
    }
  }

  public func header(at height: Height) -> BlockHeader? { height.rawValue == 0 ? genesis : block(height)?.header }
  public func certificate(at height: Height) -> [UInt8]? { block(height)?.certificate }
  public func entries(at height: Height) -> [UInt8]? { block(height)?.entries }
  public func bodies(at height: Height) -> [UInt8]? { block(height)?.bodies }

  public func node(of tree: StoredTree, level: Int, index: UInt64) throws(TreeError) -> Digest {
    switch tree {
    case .entries: try self.tree.node(level: level, index: index)
    case .history: try history.node(level: level, index: index)
    }
  }

  public func governanceRecords(from height: Height, blocksMax: Int) -> [(height: Height, records: [UInt8])] {
    blocks.lazy.filter { $0.header.height >= height && !$0.governance.isEmpty }.prefix(blocksMax).map { ($0.header.height, $0.governance) }
  }

  public func nextSets(from height: Height, countMax: Int) -> [(height: Height, set: [UInt8])] {
    blocks.lazy.filter { $0.header.height >= height }.compactMap { block in block.nextSet.map { (block.header.height, $0.encoded) } }.prefix(countMax).map { $0 }
  }

  public func lastNextSet(before height: Height) -> (height: Height, set: [UInt8])? {
    blocks.last { $0.header.height < height && $0.nextSet != nil }.map { ($0.header.height, $0.nextSet?.encoded ?? []) }
  }

  private func block(_ height: Height) -> BlockCommit? {
    height.rawValue > 0 && height.rawValue <= UInt64(blocks.count) ? blocks[Int(height.rawValue - 1)] : nil
  }

  public func nodes(level: Int, range: Range<UInt64>) throws(StoreError) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in range {
      do { bytes.append(try node(of: .entries, level: level, index: index).bytes) } catch { throw .damaged("node \(index) of level \(level)") }
    }
    return bytes
  }

  public func height(ofBlock hash: Digest) -> Height? {
    if genesis.hash == hash { return Height(0) }
    return blocks.first { $0.hash == hash }.map { $0.header.height }
  }

  /// Look-ups search the blocks themselves, so that there is nothing to build.
  public var indexedHeight: Height { head.height }
  public func advanceIndex(blocksMax: Int) -> Bool { false }
  public func location(of id: EventID) -> LeafIndex? {
    for block in blocks {
      if let position = block.ids.firstIndex(of: id) { return LeafIndex(block.header.firstLeaf.rawValue + UInt64(position)) }
    }
    return nil
  }
}
