import Audit
import Ledger

/// What the parts of a store take, as its databases and tree files say.
public struct StoreFigures: Sendable {
  public struct Family: Sendable {
    /// `chain` or `index`.
    public let database: String
    public let name: String
    /// Rows, as the library estimates them.
    public let keys: UInt64
    /// Bytes of the table files that are in use, and of rows in memory that no table has yet.
    public let tableBytes, memoryBytes: UInt64
  }

  public struct Level: Sendable {
    /// `entries` for the tree of events, `history` for that of headers.
    public let tree: String
    public let level: Int
    /// Of the durable head; 32 bytes each.
    public let nodes: UInt64
  }

  public let families: [Family]
  /// Each tree from its leaves up.
  public let levels: [Level]
}

extension RocksLedgerStore {
  public var figures: StoreFigures {
    func family(_ database: Database, _ name: String, _ position: Int) -> StoreFigures.Family {
      func figure(_ property: String) -> UInt64 { database.property(position, "rocksdb." + property) ?? 0 }
      return StoreFigures.Family(
        database: database === chain ? "chain" : "index", name: name, keys: figure("estimate-num-keys"), tableBytes: figure("live-sst-files-size"),
        memoryBytes: figure("cur-size-all-mem-tables"))
    }
    func levels(_ name: String, _ files: TreeFiles, _ size: UInt64) -> [StoreFigures.Level] {
      files.prefixes(of: size).enumerated().map { StoreFigures.Level(tree: name, level: $0, nodes: UInt64($1.byteCount / 32)) }
    }
    return StoreFigures(
      families: Self.families.enumerated().map { family(chain, $1, $0) } + [family(index, "default", 0)],
      levels: levels("entries", tree, head.treeSize) + levels("history", history, head.height.rawValue))
  }
}
