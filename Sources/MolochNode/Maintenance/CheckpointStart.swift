public import Audit
public import Digests
import Ledger
import RocksStore

/// Empties the chain of a stopped node and lets it begin again from a block that the operator vouches for, or from that of a signed checkpoint.
public struct CheckpointStart: Sendable {
  /// What the next start begins from.
  public enum Beginning: Sendable {
    case block(Height, Digest)
    /// The block is looked for, and the cosignatures are checked, by the running node.
    case checkpoint(CosignedCheckpoint)
  }

  private static let directories = ["chain", "mmr", "index"]

  private let beginning: Beginning
  /// Validators of genesis that have cosigned the checkpoint, of how many, and whether they are a quorum; nil for a block.
  public private(set) var cosigners: (count: Int, of: Int, isQuorum: Bool)?
  /// Height of the head that the node has now; nil when it has no chain, or none that can be read.
  public let height: UInt64?

  /// Looks at the home; changes nothing.
  /// - Throws: 64 for a height of 0, 65 for a checkpoint of another log, without cosignatures or with a false one, 75 while a node runs, and what opening a
  ///   home throws.
  public init(_ options: NodeOptions, from beginning: Beginning) throws(NodeFailure) {
    self.beginning = beginning
    let home = try NodeHome(options)
    switch beginning {
    case .block(let height, _): guard height.rawValue > 0 else { throw NodeFailure(64, "a checkpoint is a block above height 0, which every node has") }
    case .checkpoint(let checkpoint): cosigners = try Self.cosigners(of: checkpoint, home)
    }
    height = try Self.locked(home) { try? StoredHead(directory: home.data, genesis: home.genesis.header).head.height.rawValue }
  }

  /// What can be said of a checkpoint with genesis alone: a later set may have other cosigners.
  private static func cosigners(of sought: CosignedCheckpoint, _ home: NodeHome) throws(NodeFailure) -> (count: Int, of: Int, isQuorum: Bool) {
    let (origin, set) = (home.genesis.origin, home.genesis.validators)
    guard sought.checkpoint.origin.utf8.elementsEqual(origin.utf8) else {
      throw NodeFailure(65, "the checkpoint is of the log \(sought.checkpoint.origin); the chain of this node is \(origin)")
    }
    guard sought.namesCosigners else { throw NodeFailure(65, "the checkpoint has no cosignature of a validator of \(origin)") }
    do throws(NoteError) {
      let indexes = try sought.cosigners(in: set)
      return (indexes.count, set.count, set.isQuorum(indexes.reduce(0) { $0 + set.validators[$1].power }))
    } catch {
      switch error {
      case .badSignature(let name): throw NodeFailure(65, "the checkpoint is refused: the signature of \(name) is not accepted")
      }
    }
  }

  /// Deletes what is in the three directories, and writes the beginning into a new chain. Keys, configuration, vote journal and peer book stay. Interrupted, it is
  /// run again.
  public func run(_ options: NodeOptions) throws(NodeFailure) {
    let home = try NodeHome(options)
    try Self.locked(home) { for name in Self.directories { for entry in FileCopy.names(in: "\(home.data)/\(name)") { FileCopy.removeAll("\(home.data)/\(name)/\(entry)") } } }
    do {
      let store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options.store)
      switch beginning {
      case .block(let height, let hash): try store.begin(from: Anchor(height: height, hash: hash))
      case .checkpoint(let checkpoint): try store.begin(from: checkpoint)
      }
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
