public import Audit
public import Digests
import Ledger
import RocksStore

/// Empties the chain of a stopped node and lets it begin again from a block that the operator vouches for.
public struct CheckpointStart: Sendable {
  private static let directories = ["chain", "mmr", "index"]

  private let anchor: Anchor
  /// Height of the head that the node has now; nil when it has no chain, or none that can be read.
  public let height: UInt64?

  /// Looks at the home; changes nothing.
  /// - Throws: 64 for a height of 0, 75 while a node runs, and what opening a home throws.
  public init(_ options: NodeOptions, from block: Height, hash: Digest) throws(NodeFailure) {
    guard block.rawValue > 0 else { throw NodeFailure(64, "a checkpoint is a block above height 0, which every node has") }
    anchor = Anchor(height: block, hash: hash)
    let home = try NodeHome(options)
    height = try Self.locked(home) { try? StoredHead(directory: home.data, genesis: home.genesis.header).head.height.rawValue }
  }

  /// Deletes what is in the three directories, and writes the anchor into a new chain. Keys, configuration, vote journal and peer book stay. Interrupted, it is
  /// run again.
  public func run(_ options: NodeOptions) throws(NodeFailure) {
    let home = try NodeHome(options)
    try Self.locked(home) { for name in Self.directories { for entry in FileCopy.names(in: "\(home.data)/\(name)") { FileCopy.removeAll("\(home.data)/\(name)/\(entry)") } } }
    do {
      let store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options.store)
      try store.begin(from: anchor)
    } catch { throw StorageSession.failure(error, home) }
  }

  private static func locked<Result>(_ home: NodeHome, _ body: () -> Result) throws(NodeFailure) -> Result {
    try FileCopy.makeDirectories(home.data)
    do {
      let lock = try DirectoryLock(path: home.data + "/LOCK")
      defer { withExtendedLifetime(lock) {} }
      return body()
    } catch {
      guard case .locked(let pid) = error else { throw StorageSession.failure(error, home) }
      throw NodeFailure(75, "\(home.data) is in use by process \(pid): stop the node first")
    }
  }
}
