public import Audit
import Bytes
import Digests
import Glibc
public import Ledger
import Merkle

/// Puts right the nodes of the tree files that are not what the entries make them, beside the store that appends to these files: nodes below a frozen head never
/// change, and each write is of one node.
public struct TreeMending: Sendable {
  /// Files with nodes that were wrong: `level-03`, `history-00`.
  public private(set) var files: [String] = []
  /// Nodes that were wrong.
  public private(set) var count: UInt64 = 0

  /// - Parameters:
  ///   - store: a frozen state; what its entries and headers make is right when it has the roots of the headers. Of entries that
  ///     were pruned the lowest level of the tree stands in their place.
  ///   - directory: with the files.
  ///   - genesis: header of the genesis.
  ///   - first: called with the path of a file before the first write to it.
  ///   - progress: called after each block with its height; false ends the work there.
  /// - Throws: `.damaged` when blocks are missing or do not have the roots of their headers, `.failed` when a file cannot be written.
  public init(
    _ store: RocksLedgerStore, in directory: String, genesis: BlockHeader, first: (String) throws(StoreError) -> Void, progress: (UInt64) -> Bool
  ) throws(StoreError) {
    var (leaves, blocks) = (MountainRange(), MountainRange())
    var parent = genesis
    for height in 0..<store.head.height.rawValue {
      let next = Height(height + 1)
      var (nodes, historyNodes) = (NewNodes(), NewNodes())
      guard let header = try store.header(at: next) else { throw .damaged("block \(next.rawValue) is missing") }
      blocks.append(leafHash: TreeHash.leaf(parent.hash.bytes.array.bytes), into: &historyNodes)
      for hash in try store.leafHashes(of: header) { leaves.append(leafHash: hash, into: &nodes) }
      guard leaves.root == header.treeRoot, blocks.root == header.historyRoot else { throw .damaged("roots of block \(next.rawValue)") }
      try mend(.entries, nodes, store, directory + "/level-", first)
      try mend(.history, historyNodes, store, directory + "/history-", first)
      parent = header
      guard progress(next.rawValue) else { return }
    }
  }

  private mutating func mend(
    _ tree: StoredTree, _ nodes: NewNodes, _ store: RocksLedgerStore, _ prefix: String, _ first: (String) throws(StoreError) -> Void
  ) throws(StoreError) {
    for level in 0..<nodes.height {
      for (offset, digest) in nodes.levels[level].digests.enumerated() {
        let index = nodes.levels[level].firstIndex + UInt64(offset)
        if (try? store.node(of: tree, level: level, index: index)) == digest { continue }
        let path = prefix + (level < 10 ? "0" : "") + "\(level)"
        let name = String(path.split(separator: "/").last ?? "")
        if !files.contains(name) {
          try first(path)
          files.append(name)
        }
        try Self.write(digest.bytes.array, to: path, at: 32 * Int(index))
        count += 1
      }
    }
  }

  private static func write(_ bytes: [UInt8], to path: String, at offset: Int) throws(StoreError) {
    // The path is lent to the call as a C string.
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o640)
    guard file >= 0 else { throw .failed("open \(path): errno \(errno)") }
    defer { close(file) }
    // The bytes are read during the call only.
    let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, offset) }
    guard written == bytes.count else { throw .failed("write \(path): errno \(errno)") }
  }
}
