public import Audit
import Configuration
import Consensus
import Ledger
public import Ed25519
import RocksStore

/// How a validator key gets its journal. A start of the node makes none: where a key is found without one, it may have voted elsewhere or before.
extension Protection {
  public enum Beginning: Sendable, Equatable {
    /// The journal and the mark were made.
    case begun
    /// The journal was there; the mark is now, too.
    case present
    /// The key has its mark, and the journal is gone or damaged: nothing was made, and the node finds out what the key may sign.
    case lost
  }

  /// Makes journal and mark for a key that has never signed, in this order: the mark beside the key says that a missing journal is a lost one.
  /// - Parameter genesis: of the chain that the journal is for.
  /// - Throws: 75 while a node has the journal, 78 for a retired key or a journal of another chain, 74 for the system's errors.
  public static func begin(_ key: PublicKey, keyPath: String, data: String, genesis: Genesis) throws(NodeFailure) -> Beginning {
    let isMarked = try isMarked(key, keyPath: keyPath, genesis.chainTag)
    let directory = data + "/validator"
    let journal = try VoteJournal(directory: directory, chainTag: genesis.chainTag)
    switch journal.condition {
    case .damaged: return .lost
    case .missing where isMarked: return .lost
    case .missing: try journal.append([.floor(epoch: Epoch(0), view: View(0), height: Height(0), blockHash: genesis.header.hash)])
    case .intact: break
    }
    if !isMarked { try mark(key, keyPath: keyPath, genesis.chainTag) }
    handOver(data, mark: keyPath + ".used")
    return journal.condition == .missing ? .begun : .present
  }

  /// The same for the validator key of a home.
  /// - Throws: also 65 when blocks of the chain are there but no journal: the key may have voted for them.
  public static func begin(_ options: NodeOptions) throws(NodeFailure) -> Beginning {
    let home = try NodeHome(options)
    let key = try NodeHome.validatorKey(options.validatorKeyPath).publicKey
    let records = try VoteJournal.records(directory: options.dataPath + "/validator", chainTag: home.genesis.chainTag)
    if records.isEmpty, try hasBlocks(home) {
      throw NodeFailure(
        65, "\(options.dataPath) has blocks and no vote journal: \(key) may have voted for them. Start the node, which listens first, or, for a key that certainly never "
          + "voted: 'moloch validator protection reset --unsafe --key \(key)'")
    }
    if !HomeFile.exists(options.dataPath) { try FileCopy.makeDirectories(options.dataPath) }
    return try begin(key, keyPath: options.validatorKeyPath, data: options.dataPath, genesis: home.genesis)
  }

  /// Nothing is made or changed: whoever looks may be another user than the node.
  private static func hasBlocks(_ home: NodeHome) throws(NodeFailure) -> Bool {
    guard HomeFile.exists(home.data + "/chain/CURRENT") else { return false }
    do throws(StoreError) {
      let lock = try DirectoryLock(path: home.data + "/LOCK")
      defer { withExtendedLifetime(lock) {} }
      let stored = try StoredHead(directory: home.data, genesis: home.genesis.header)
      guard stored.genesisHash == home.genesis.hash else { throw .foreignChain(found: stored.genesisHash, expected: home.genesis.hash) }
      return stored.head.height > Height(0)
    } catch { throw StorageSession.failure(error, home) }
  }

  /// Leaves the mark beside a key, before it signs.
  /// - Throws: 78 for a key that was retired here.
  public static func mark(_ key: PublicKey, keyPath: String, _ chainTag: ChainTag) throws(NodeFailure) {
    guard try !isMarked(key, keyPath: keyPath, chainTag) else { return }
    let path = keyPath + ".used"
    try HomeFile.replace(path, NodeHome.mark(key, chainTag), mode: 0o600)
    if let owner = HomeFile.owner(keyPath) { HomeFile.give(path, to: owner) }
  }

  /// What root has written belongs to whoever has the data and the key: the node is to open it.
  static func handOver(_ data: String, mark: String) {
    if let owner = HomeFile.owner(data) { HomeFile.give(data + "/validator", to: owner, withFiles: true) }
    if let owner = HomeFile.owner(String(mark.dropLast(".used".count))) { HomeFile.give(mark, to: owner) }
  }

  static func isMarked(_ key: PublicKey, keyPath: String, _ chainTag: ChainTag) throws(NodeFailure) -> Bool {
    let found = try? HomeFile.read(keyPath + ".used")
    guard found != NodeHome.retiredMark(key, chainTag) else {
      throw NodeFailure(78, "\(key) was retired on this host (\(keyPath).used): it votes where its protection was imported, and never here again")
    }
    return found == NodeHome.mark(key, chainTag)
  }
}
