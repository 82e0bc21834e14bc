import Audit
import Bytes
import Digests
import RocksStore

/// Every file of a backup against the manifest, and the roots computed again.
public struct BackupVerification: Sendable {
  public let manifest: BackupManifest
  /// What is wrong, by path; empty when all is well.
  public private(set) var damages: [String] = []

  /// Reads all of a backup; nothing is changed.
  /// - Parameter passes: how often the bytes are gone through, this time among them: what `task` counts.
  /// - Throws: 66 without a manifest, 65 for one that cannot be read.
  public init(_ directory: String, passes: UInt64 = 1, _ task: MaintenanceTask) throws(NodeFailure) {
    manifest = try BackupManifest(backup: directory)
    task.setTotal(passes * manifest.files.reduce(0) { $0 + $1.bytes })
    for file in manifest.files {
      let path = directory + "/" + file.path
      guard HomeFile.exists(path) else {
        damages.append("\(file.path)  missing")
        continue
      }
      let bytes = try FileCopy.facts(path).bytes
      if bytes != file.bytes { damages.append("\(file.path)  \(bytes) bytes instead of \(file.bytes)") }
      else if try FileCopy.digest(path, task) != file.digest { damages.append("\(file.path)  the SHA-256 is not that of the manifest") }
    }
    let named = Set(manifest.files.map { $0.path })
    for path in FileCopy.files(below: directory) where path != BackupManifest.name && !named.contains(path) { damages.append("\(path)  not in the manifest") }
    // Damaged files would only be reported once more.
    guard damages.isEmpty else { return }
    checkHead(directory)
  }

  private mutating func checkHead(_ directory: String) {
    do {
      let genesis = try Genesis(json: HomeFile.read(directory + "/config/genesis.json"))
      guard genesis.hash == manifest.genesisHash else { return damages.append("config/genesis.json  the genesis is not that of the manifest") }
      let stored = try StoredHead(directory: directory + "/data", genesis: genesis.header)
      if stored.genesisHash != manifest.genesisHash { damages.append("data/chain  belongs to the chain with genesis \(stored.genesisHash)") }
      if stored.head.hash != manifest.headHash || stored.head.height.rawValue != manifest.height { damages.append("data/chain  the head is not that of the manifest") }
      if stored.head.treeRoot != manifest.treeRoot || stored.head.treeSize != manifest.treeSize { damages.append("data/mmr  the root is not that of the manifest") }
    } catch { damages.append("data  \(error)") }
  }
}
