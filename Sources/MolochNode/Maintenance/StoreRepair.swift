import Audit
import Configuration
import Ledger
import RocksStore

/// Replaces what is damaged of a stopped node. Tree files, index and parts of the snapshot hold nothing that the chain does not: they are built from it. Of a damaged chain the blocks below
/// the first damaged one are kept, and peers give the rest: at its next start the node syncs it with every check that blocks from peers pass.
public struct StoreRepair: Sendable {
  /// Directories that are moved aside, below the data directory.
  public let directories: [String]
  /// Parts of the snapshot that are moved aside, below the data directory. The running node writes them anew.
  public let parts: [String]
  /// Everything that is moved aside.
  public var moved: [String] { directories + parts }
  /// Damage that no other data of this node can cure.
  public let major: [StoreVerification.Damage]
  /// The first block that peers must give; nil when the chain is whole.
  public let refetchedFrom: UInt64?

  /// What the damages of a verification ask for; of a damage its path, its grade and its height count.
  public init(_ damages: [StoreVerification.Damage]) {
    major = damages.filter { !$0.isMinor }
    refetchedFrom = major.map { max(1, $0.height ?? 1) }.min()
    let isMajor = !major.isEmpty
    parts = damages.map(\.path).filter { $0.hasPrefix("snapshots/") }
    directories = (isMajor ? ["chain"] : []) + ["mmr", "index"].filter { directory in isMajor || damages.contains { $0.isMinor && $0.path.hasPrefix(directory) } }
  }

  /// Where damaged files go: `damaged-<unix time>`, or the first second after it of which there is none.
  static func place(in data: String) -> String {
    var seconds = WallClock.now().seconds
    while HomeFile.exists("\(data)/damaged-\(seconds)") { seconds += 1 }
    return "\(data)/damaged-\(seconds)"
  }

  /// Moves the directories to `damaged-<unix time>/` and builds them again, under the lock of the data directory.
  /// - Parameter progress: called with the blocks that are done and all blocks.
  /// - Returns: where the damaged files are, and the height of the chain that is left.
  /// - Throws: 75 while a node runs, 78 when peers are needed and none is configured, 74 when a file cannot be written.
  public func run(_ options: NodeOptions, progress: (UInt64, UInt64) -> Void) throws(NodeFailure) -> (place: String, height: UInt64) {
    let home = try NodeHome(options, readsValidatorKeys: false)
    if refetchedFrom != nil, options.settings.list("network.boot_nodes").isEmpty, !HomeFile.exists(home.data + "/peers.json") {
      throw NodeFailure(78, "network.boot_nodes is empty and no peer is known: nobody could give the blocks again")
    }
    let place = Self.place(in: home.data)
    let keepsTree: Bool
    do {
      // Held while the files are moved; the store takes it again.
      let lock = try DirectoryLock(path: home.data + "/LOCK")
      keepsTree = RocksLedgerStore.isDeeplyPruned(chain: home.data + "/chain")
      try move(home.data, place, keepsTree: keepsTree)
      if let refetchedFrom {
        _ = try Salvage(
          from: place + "/chain", to: home.data + "/chain", below: Height(refetchedFrom), genesisHash: home.genesis.hash, options: options.store, progress: progress)
      }
      withExtendedLifetime(lock) {}
    } catch let failure as NodeFailure { throw failure } catch let error as StoreError { throw StorageSession.failure(error, home) } catch {
      throw NodeFailure(70, "\(error)")
    }
    do {
      // Opening builds the tree files from the entries.
      let store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options.store)
      // What the entries no longer give comes from the lowest level, and this from nowhere.
      if keepsTree {
        _ = try TreeMending(store, in: home.data + "/mmr", genesis: home.genesis.header) { _ in } progress: { height in
          progress(height, store.head.height.rawValue)
          return true
        }
      }
      while try store.advanceIndex(blocksMax: 256) { progress(store.indexedHeight.rawValue, store.head.height.rawValue) }
      return (place, store.head.height.rawValue)
    } catch { throw StorageSession.failure(error, home) }
  }

  /// - Parameter keepsTree: the tree files are copied, because the chain cannot give them again: entries were pruned.
  private func move(_ data: String, _ place: String, keepsTree: Bool) throws(NodeFailure) {
    try FileCopy.makeDirectories(place)
    if !parts.isEmpty { try FileCopy.makeDirectories(place + "/snapshots") }
    for directory in directories + parts where HomeFile.exists("\(data)/\(directory)") {
      if keepsTree, directory == "mmr" {
        try FileCopy.makeDirectories("\(place)/mmr")
        for name in FileCopy.names(in: "\(data)/mmr") { _ = try FileCopy.copy("\(data)/mmr/\(name)", "\(place)/mmr/\(name)", nil) }
        continue
      }
      try HomeFile.rename("\(data)/\(directory)", "\(place)/\(directory)")
    }
    try HomeFile.syncDirectory(data)
  }
}
