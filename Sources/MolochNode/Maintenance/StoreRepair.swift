import Audit
import Ledger
import RocksStore

/// Replaces damaged derived data of a stopped node: the tree files and the index hold nothing that the chain does not.
public struct StoreRepair: Sendable {
  /// Directories to build anew, below the data directory.
  public let directories: [String]
  /// Damage that no other data of this node can cure.
  public let major: [StoreVerification.Damage]

  /// What the damages of a verification ask for.
  public init(_ damages: [StoreVerification.Damage]) {
    directories = ["mmr", "index"].filter { directory in damages.contains { $0.isMinor && $0.path.hasPrefix(directory) } }
    major = damages.filter { !$0.isMinor }
  }

  /// Moves the directories to `damaged-<unix time>/` and builds them from the chain, under the lock of the data directory.
  /// - Parameter progress: called with the blocks that are indexed and all blocks.
  /// - Returns: where the damaged files are.
  public func run(_ options: NodeOptions, progress: (UInt64, UInt64) -> Void) throws(NodeFailure) -> String {
    let home = try NodeHome(options)
    let place = "\(home.data)/damaged-\(WallClock.now().seconds)"
    do {
      // Held while the files are moved; the store takes it again.
      let lock = try DirectoryLock(path: home.data + "/LOCK")
      try move(home.data, place)
      withExtendedLifetime(lock) {}
    } catch let failure as NodeFailure { throw failure } catch let error as StoreError { throw StorageSession.failure(error, home) } catch {
      throw NodeFailure(70, "\(error)")
    }
    do {
      // Opening builds the tree files from the entries.
      let store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options.store)
      while try store.advanceIndex(blocksMax: 256) { progress(store.indexedHeight.rawValue, store.head.height.rawValue) }
    } catch { throw StorageSession.failure(error, home) }
    return place
  }

  private func move(_ data: String, _ place: String) throws(NodeFailure) {
    try FileCopy.makeDirectories(place)
    for directory in directories where HomeFile.exists("\(data)/\(directory)") { try HomeFile.rename("\(data)/\(directory)", "\(place)/\(directory)") }
    try HomeFile.syncDirectory(data)
  }
}
