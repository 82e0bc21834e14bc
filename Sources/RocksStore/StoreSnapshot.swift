public import Audit
import Bytes
public import Digests
import Glibc
public import Ledger
import Merkle

/// The store at one height: the chain in a directory of its own, and how much of each tree file belongs to it.
public struct StoreSnapshot: Sendable {
  public let head: BlockHeader
  public let treeFiles: [(path: String, byteCount: Int)]
}

extension RocksLedgerStore {
  /// Freezes the state of the durable head. The chain's files appear below `directory`, which must not exist; commits wait until this returns.
  public func snapshot(at directory: String) throws(StoreError) -> StoreSnapshot {
    try chain.checkpoint(at: directory)
    return StoreSnapshot(head: head, treeFiles: tree.prefixes(of: head.treeSize) + history.prefixes(of: head.height.rawValue))
  }

  /// Freezes the state of the durable head, index included, for a reader beside this store: see `init(frozen:)`. The directory must not exist.
  public func freeze(at directory: String) throws(StoreError) {
    // The path is lent to the call.
    guard unsafe mkdir(directory, 0o750) == 0 else { throw .failed("mkdir \(directory): errno \(errno)") }
    try index.checkpoint(at: directory + "/index")
    try chain.checkpoint(at: directory + "/chain")
  }
}

/// The head of a store that nobody has open, read without a change to its files.
public struct StoredHead: Sendable {
  public let genesisHash: Digest
  public let head: BlockHeader

  /// - Parameters:
  ///   - directory: with `chain/` and `mmr/` below it.
  ///   - genesis: header of the genesis, for an empty chain.
  /// - Throws: `.damaged` when head, tree or history do not fit together, `.failed` when a file cannot be read.
  public init(directory: String, genesis: BlockHeader) throws(StoreError) {
    let chain = try Database(path: directory + "/chain", families: RocksLedgerStore.families, options: StoreOptions(), cacheBytes: 8 << 20, isReadOnly: true)
    guard let stored = try chain.value(RocksLedgerStore.Family.meta, Array("genesis".utf8)), stored.count == 32 else { throw .damaged("genesis hash") }
    genesisHash = Digest(stored.bytes, at: 0)
    var head = genesis
    if let height = try chain.value(RocksLedgerStore.Family.meta, Array("head".utf8)) {
      guard height.count == 8, let header = try RocksLedgerStore.header(in: chain, at: Height(height.bytes.uint64(at: 0))) else { throw .damaged("head") }
      head = header
    }
    self.head = head
    try Self.check(directory + "/mmr/level", size: head.treeSize, root: head.treeRoot, "tree")
    try Self.check(directory + "/mmr/history", size: head.height.rawValue, root: head.historyRoot, "history")
  }

  /// Computes a root from the leaves up.
  private static func check(_ prefix: String, size: UInt64, root: Digest, _ name: String) throws(StoreError) {
    let path = prefix + "-00"
    var range = MountainRange()
    // The path is lent to the call as a C string.
    let file = size == 0 ? -1 : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard size == 0 || file >= 0 else { throw .damaged("\(path) is missing") }
    defer { if file >= 0 { close(file) } }
    var bytes = [UInt8](repeating: 0, count: StoreLimit.leafBytes)
    var leaf: UInt64 = 0
    while leaf < size {
      let wanted = Int(min(UInt64(bytes.count / 32), size - leaf)) * 32
      // The buffer is written during the call only.
      let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, wanted, Int(32 * leaf)) }
      guard got == wanted else { throw .damaged("\(path) ends before leaf \(size)") }
      for offset in stride(from: 0, to: wanted, by: 32) { range.append(leafHash: Digest(bytes.bytes, at: offset)) }
      leaf += UInt64(wanted / 32)
    }
    guard range.root == root else { throw .damaged("the root of the \(name) is not that of the head") }
  }
}
