import Audit
import Digests
import Ledger
import RocksStore

/// Puts a backup in the place of a stopped node's chain. Keys and vote journal are never touched: a validator that comes back from a backup finds its journal ahead
/// of the chain, or none and listens first.
public struct BackupRestoration: Sendable {
  private static let directories = ["chain", "mmr", "index"]

  /// Height of the restored head.
  public let height: UInt64
  /// Where the data that was there has gone; nil when there was none.
  public private(set) var replaced: String?

  /// - Parameters:
  ///   - replaces: data that is there is moved aside; otherwise it is an error.
  ///   - isDry: everything is checked, nothing is changed.
  /// - Throws: 65 for a damaged backup, 73 for data in the way, 75 while a node runs, 78 for another chain or format.
  public init(_ directory: String, home: String, data: String, genesisPath: String, replaces: Bool, isDry: Bool, _ task: MaintenanceTask) throws(NodeFailure) {
    let verification = try BackupVerification(directory, passes: isDry ? 1 : 2, task)
    let manifest = verification.manifest
    height = manifest.height
    guard verification.damages.isEmpty else { throw NodeFailure(65, "\(directory) is damaged: \(verification.damages.prefix(3).joined(separator: "; "))") }
    guard manifest.format == RocksLedgerStore.format else { throw NodeFailure(78, "the backup has data format \"\(manifest.format)\"; this program reads \"\(RocksLedgerStore.format)\"") }
    if HomeFile.exists(genesisPath) {
      guard let genesis = try? Genesis(json: HomeFile.read(genesisPath)), genesis.hash == manifest.genesisHash else {
        throw NodeFailure(78, "\(genesisPath) is the genesis of another chain than that of the backup (\(manifest.chainID))")
      }
    }
    let taken = Self.directories.filter { !FileCopy.names(in: data + "/" + $0).isEmpty }
    guard taken.isEmpty || replaces else {
      throw NodeFailure(73, "\(taken.map { data + "/" + $0 }.joined(separator: ", ")) hold data; --replace moves it aside")
    }
    guard !isDry else { return }
    try FileCopy.makeDirectories(data)
    let lock: DirectoryLock
    do { lock = try DirectoryLock(path: data + "/LOCK") } catch {
      guard case .locked(let pid) = error else { throw NodeFailure(74, "\(error)") }
      throw NodeFailure(75, "\(data) is in use by process \(pid): stop the node first")
    }
    if !taken.isEmpty { replaced = try Self.moveAside(taken, data) }
    try Self.place(manifest, directory, home: home, data: data, genesisPath: genesisPath, task)
    withExtendedLifetime(lock) {}
  }

  private static func moveAside(_ taken: [String], _ data: String) throws(NodeFailure) -> String {
    let place = "\(data)/replaced-\(WallClock.now().seconds)"
    try FileCopy.makeDirectories(place)
    for name in taken { try HomeFile.rename("\(data)/\(name)", "\(place)/\(name)") }
    try HomeFile.syncDirectory(data)
    return place
  }

  /// Copies all files: a running node goes on writing to some of them, and links would carry that into the backup.
  private static func place(
    _ manifest: BackupManifest, _ directory: String, home: String, data: String, genesisPath: String, _ task: MaintenanceTask
  ) throws(NodeFailure) {
    for name in directories { try FileCopy.makeDirectories(data + "/" + name) }
    for file in manifest.files {
      let target: String
      switch file.path {
      case "config/genesis.json": target = genesisPath
      case _ where file.path.hasPrefix("data/"): target = data + file.path.dropFirst(4)
      default: target = home + "/" + file.path
      }
      // What the operator has is newer than what the backup knows: genesis is the same, configuration and peers stay.
      let isStoreFile = file.path.hasPrefix("data/chain/") || file.path.hasPrefix("data/mmr/")
      if !isStoreFile, HomeFile.exists(target) { continue }
      if let slash = target.lastIndex(of: "/") { try FileCopy.makeDirectories(String(target[..<slash])) }
      guard try FileCopy.copy(directory + "/" + file.path, target, task) == file.digest else { throw NodeFailure(65, "\(file.path) changed while it was copied") }
    }
    for name in directories { try HomeFile.syncDirectory(data + "/" + name) }
    try HomeFile.replace(data + "/FORMAT", Array((manifest.format + "\n").utf8), mode: 0o640)
  }
}
