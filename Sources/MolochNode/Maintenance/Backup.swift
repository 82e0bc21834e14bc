import Ambient
import Audit
import Bytes
import Digests
import JSON
import RocksStore

/// Makes a backup: the chain's files as they were at one height, the tree up to it, genesis, configuration and address book. Keys and vote journal stay out: a
/// journal that is older than the votes is worse than none.
struct Backup: Sendable {
  let home: NodeHome
  /// Absolute; missing or empty.
  let target: String
  /// Backup whose unchanged files are shared.
  let base: String?

  /// Where the frozen chain lies until its files have their place in the backup: on the same file system as the chain, so that it can be linked.
  private var staging: String { home.data + "/backup-staging" }

  /// Checks what can be checked before anything is done.
  /// - Throws: 64 for a relative path or a base that is another chain's, 73 for a target with files in it.
  func prepare() throws(NodeFailure) {
    guard target.hasPrefix("/"), base?.hasPrefix("/") ?? true else { throw NodeFailure(64, "the directories of a backup are named by absolute paths") }
    guard FileCopy.names(in: target).isEmpty else { throw NodeFailure(73, "\(target) is not empty; nothing was written") }
    if let base {
      let manifest = try BackupManifest(backup: base)
      guard manifest.genesisHash == home.genesis.hash else { throw NodeFailure(64, "\(base) is a backup of another chain") }
    }
    FileCopy.removeAll(staging)
    try FileCopy.makeDirectories(staging)
  }

  /// The moment that the backup shows. Commits wait for it; the rest of the work is done beside them.
  func freeze(_ store: RocksLedgerStore) throws(NodeFailure) -> StoreSnapshot {
    do { return try store.snapshot(at: staging + "/chain") } catch { throw StorageSession.failure(error, home) }
  }

  func run(_ snapshot: StoreSnapshot, frozenMilliseconds: UInt64, _ task: MaintenanceTask) throws(NodeFailure) -> [UInt8] {
    defer { FileCopy.removeAll(staging) }
    let began = MonotonicClock.now()
    for directory in ["/data/chain", "/data/mmr", "/config"] { try FileCopy.makeDirectories(target + directory) }
    var sources: [(source: String, path: String, byteCount: Int?, isTable: Bool)] = FileCopy.names(in: staging + "/chain").map {
      ("\(staging)/chain/\($0)", "data/chain/\($0)", nil, $0.hasSuffix(".sst") || $0.hasSuffix(".blob"))
    }
    for file in snapshot.treeFiles {
      let name = file.path.split(separator: "/").last ?? ""
      sources.append((file.path, "data/mmr/\(name)", file.byteCount, false))
    }
    sources.append((home.genesisPath, "config/genesis.json", nil, false))
    for (source, path) in [(home.configurationPath, "config/node.toml"), (home.data + "/peers.json", "data/peers.json")] where HomeFile.exists(source) {
      sources.append((source, path, nil, false))
    }
    var sizes: [UInt64] = []
    for file in sources {
      if let byteCount = file.byteCount { sizes.append(UInt64(byteCount)) } else { sizes.append(try FileCopy.facts(file.source).bytes) }
    }
    task.setTotal(sizes.reduce(0, +))
    let known = try base.map { (base) throws(NodeFailure) in try BackupManifest(backup: base).files } ?? []
    var (files, sharedBytes): ([BackupManifest.File], UInt64) = ([], 0)
    for (file, size) in zip(sources, sizes) {
      let place = target + "/" + file.path
      if let base, file.isTable, let shared = known.first(where: { $0.path == file.path && $0.bytes == size }),
        try share(file.source, "\(base)/\(file.path)", place, shared.digest, size, task) {
        files.append(shared)
        sharedBytes += size
        continue
      }
      // Table files never change: another name is as good as a copy.
      let isLinked = if file.isTable { try FileCopy.link(file.source, place) } else { false }
      let digest = isLinked ? try FileCopy.digest(place, task) : try FileCopy.copy(file.source, place, byteCount: file.byteCount, task)
      files.append(BackupManifest.File(path: file.path, bytes: size, digest: digest))
    }
    for directory in ["/data/chain", "/data/mmr", "/data", "/config"] { try HomeFile.syncDirectory(target + directory) }
    let head = snapshot.head, now = UInt64(max(0, WallClock.now().seconds))
    let manifest = BackupManifest(
      chainID: home.genesis.chainID, genesisHash: home.genesis.hash, height: head.height.rawValue, headHash: head.hash, treeSize: head.treeSize, treeRoot: head.treeRoot,
      format: RocksLedgerStore.format, created: now, files: files)
    try HomeFile.replace(target + "/" + BackupManifest.name, manifest.encoded, mode: 0o640)
    try BackupMark.set(data: home.data, seconds: now)
    return Self.report(manifest, shared: sharedBytes, frozen: frozenMilliseconds, milliseconds: MonotonicClock.now().milliseconds - began.milliseconds)
  }

  /// Gives a file of the base another name, when it is the same one. Files of one number are the same in one life of the chain's directory; after a resync they are
  /// not, so the inode or the content decides.
  private func share(_ source: String, _ shared: String, _ place: String, _ digest: Digest, _ size: UInt64, _ task: MaintenanceTask) throws(NodeFailure) -> Bool {
    let (one, other) = (try FileCopy.facts(source), try FileCopy.facts(shared))
    if one.device == other.device, one.inode == other.inode {
      task.add(size)
    } else if try FileCopy.digest(source, task) != digest {
      return false
    }
    guard try FileCopy.link(shared, place) else { throw NodeFailure(64, "\(base ?? "") is on another file system than \(target): an incremental backup shares files with its base") }
    return true
  }

  private static func report(_ manifest: BackupManifest, shared: UInt64, frozen: UInt64, milliseconds: UInt64) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    let members: [(StaticString, UInt64)] = [
      ("height", manifest.height), ("tree_size", manifest.treeSize), ("files", UInt64(manifest.files.count)), ("bytes", manifest.files.reduce(0) { $0 + $1.bytes }),
      ("shared_bytes", shared), ("pause_ms", frozen), ("ms", milliseconds),
    ]
    for (name, value) in members {
      json.key(name)
      json.number(value)
    }
    json.key("head_hash"); json.string(manifest.headHash.hex)
    json.key("tree_root"); json.string(manifest.treeRoot.hex)
    json.endObject()
    return json.bytes
  }
}
