import Audit
import CLinux
import Glibc
import Ledger
import RocksStore

/// Brings the data of a stopped node to the format of this program, beside the old data.
///
///     FORMAT 1   chain/                     migrate: migrating/chain is made of links and changed
///     FORMAT 1   chain/  migrating/DONE     chain/ -> pre-migrate-1/chain, migrating/chain -> chain/
///     FORMAT 2   chain/  pre-migrate-1/     --finish deletes pre-migrate-1/; --rollback swaps back
///
/// Each step is done again, or found done, after an interruption. Tree files and index have the same form in both formats and stay where they are.
public struct Migration: Sendable {
  /// The data's format, and that of this program.
  public let found: Int
  public let current = RocksLedgerStore.formatNumber
  /// Bytes of `chain/`: linked, not copied, where the file system can.
  public let chainBytes: UInt64
  /// The data of the format before is kept.
  public let isKept: Bool
  private let home: NodeHome

  private var migrating: String { home.data + "/migrating" }
  private var kept: String { "\(home.data)/pre-migrate-\(current - 1)" }
  /// Where the new data is after a rollback, until the next migration.
  private var undone: String { "\(home.data)/post-migrate-\(current)" }

  /// Looks at the data; changes nothing.
  /// - Throws: 78 for a format that this program cannot bring forward.
  public init(_ options: NodeOptions) throws(NodeFailure) {
    home = try NodeHome(options)
    let line = RocksLedgerStore.formatLine(of: home.data)
    guard let found = line.map({ RocksLedgerStore.formatNumber(of: $0) }) ?? RocksLedgerStore.formatNumber, found >= RocksLedgerStore.formatNumber - 1,
      found <= RocksLedgerStore.formatNumber
    else { throw StorageSession.failure(.format(found: line ?? ""), home) }
    self.found = found
    chainBytes = DirectoryStatistics(data: home.data).chain
    isKept = HomeFile.exists("\(home.data)/pre-migrate-\(RocksLedgerStore.formatNumber - 1)")
  }

  /// Migrates, or goes on with what was interrupted. The task counts the blocks that the index has seen.
  /// - Returns: events of approved redactions whose bodies are deleted now.
  public func run(_ options: NodeOptions, _ task: MaintenanceTask) throws(NodeFailure) -> Int {
    let lock = try locked()
    defer { withExtendedLifetime(lock) {} }
    guard found < current else { return 0 }
    var named = 0
    if !HomeFile.exists(migrating + "/DONE") {
      named = try build(options, task)
      try HomeFile.replace(migrating + "/DONE", Array("\(named)\n".utf8), mode: 0o640)
    } else {
      named = Int(String(decoding: try HomeFile.read(migrating + "/DONE"), as: UTF8.self).dropLast()) ?? 0
    }
    FileCopy.removeAll(undone)
    let chain = home.data + "/chain"
    if HomeFile.exists(migrating + "/chain") {
      try FileCopy.makeDirectories(kept)
      if HomeFile.exists(chain) { try HomeFile.rename(chain, kept + "/chain") }
      try HomeFile.syncDirectory(kept)
      try HomeFile.rename(migrating + "/chain", chain)
      try HomeFile.syncDirectory(home.data)
    }
    try HomeFile.replace(home.data + "/FORMAT", Array("\(RocksLedgerStore.format)\n".utf8), mode: 0o640)
    removeMigrating()
    return named
  }

  /// Makes the new data beside the old.
  private func build(_ options: NodeOptions, _ task: MaintenanceTask) throws(NodeFailure) -> Int {
    removeMigrating()
    FileCopy.removeAll(kept)
    try FileCopy.makeDirectories(migrating)
    do {
      for name in ["mmr", "index"] {
        try FileCopy.makeDirectories("\(home.data)/\(name)")
        // The paths are lent to the call.
        guard unsafe symlink("../\(name)", "\(migrating)/\(name)") == 0 else { throw NodeFailure(74, "cannot link \(migrating)/\(name): \(HomeFile.reason())") }
      }
      try RocksLedgerStore.copyFirstFormat(from: home.data + "/chain", to: migrating + "/chain", options: options.store)
      let store = try RocksLedgerStore(directory: migrating, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options.store)
      // The bodies are found through the index. A height is known to it, or the loop goes on.
      task.setTotal(store.head.height.rawValue)
      repeat { task.setDone(store.indexedHeight.rawValue) } while try store.advanceIndex(blocksMax: 256)
      return try store.catchUpOnRedactions(genesis: GovernanceState(genesis: home.genesis))
    } catch let failure as NodeFailure { throw failure } catch let error as StoreError { throw StorageSession.failure(error, home) } catch {
      throw NodeFailure(70, "\(error)")
    }
  }

  /// The links first: what they lead to stays.
  private func removeMigrating() {
    for name in ["mmr", "index"] { HomeFile.remove("\(migrating)/\(name)") }
    FileCopy.removeAll(migrating)
  }

  /// Deletes the data of the format before.
  public func finish() throws(NodeFailure) {
    guard found == current else { throw NodeFailure(78, "the data has format \(found) still: run 'moloch migrate' first") }
    let lock = try locked()
    defer { withExtendedLifetime(lock) {} }
    FileCopy.removeAll(kept)
    FileCopy.removeAll(undone)
  }

  /// Puts the data of the format before back in its place, for the release before. What the chain has gained since is fetched from peers again.
  public func rollBack() throws(NodeFailure) {
    let lock = try locked()
    defer { withExtendedLifetime(lock) {} }
    let chain = home.data + "/chain"
    guard found == current, HomeFile.exists(kept + "/chain") || HomeFile.exists(undone + "/chain") else {
      throw NodeFailure(78, "there is no data of the format before: \(kept) is not there")
    }
    if HomeFile.exists(kept + "/chain") {
      try FileCopy.makeDirectories(undone)
      if HomeFile.exists(chain) { try HomeFile.rename(chain, undone + "/chain") }
      try HomeFile.rename(kept + "/chain", chain)
      try HomeFile.syncDirectory(home.data)
    }
    try HomeFile.replace(home.data + "/FORMAT", Array("moloch-data \(current - 1)\n".utf8), mode: 0o640)
    FileCopy.removeAll(kept)
  }

  private func locked() throws(NodeFailure) -> DirectoryLock {
    do { return try DirectoryLock(path: home.data + "/LOCK") } catch {
      guard case .locked(let pid) = error else { throw StorageSession.failure(error, home) }
      throw NodeFailure(75, "\(home.data) is in use by process \(pid): stop the node first")
    }
  }
}
