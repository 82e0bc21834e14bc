import Audit
import JSON
import Ledger
import RocksStore

/// Puts right what the chain can restore, beside the running node: nodes of the tree files are written again one by one, the index starts again and grows as after a
/// sync, and the storage thread writes parts of the snapshot anew that were moved aside. The chain itself is repaired with the node stopped, by `StoreRepair`.
struct DerivedRepair: Sendable {
  let home: NodeHome
  let mendsTrees: Bool
  let restartsIndex: Bool
  let movesParts: Bool
  /// Where the damaged files go.
  let place: String
  private let verification: FrozenVerification

  /// - Parameter parts: of `mmr`, `index` and `snapshots`.
  init(home: NodeHome, parts: [String]) {
    self.home = home
    (mendsTrees, restartsIndex, movesParts) = (parts.contains("mmr"), parts.contains("index"), parts.contains("snapshots"))
    place = StoreRepair.place(in: home.data)
    verification = FrozenVerification(home: home, level: .full, staging: home.data + "/verify-staging")
  }

  /// What the storage thread does itself, between two commits: the index, and the freezing of the state that is worked on.
  /// - Throws: 75 while something has the index in its hands, 74 when a file cannot be moved or made.
  func begin(_ store: RocksLedgerStore) throws(NodeFailure) {
    try FileCopy.makeDirectories(place)
    if restartsIndex {
      let isMoved: Bool
      do { isMoved = try store.restartIndex(movingTo: place + "/index") } catch { throw StorageSession.failure(error, home) }
      guard isMoved else { throw NodeFailure(75, "the index is in use: try again") }
    }
    try verification.freeze(store)
  }

  /// The trees, and a verification of everything but bodies and index. On a thread of its own.
  func run(_ task: MaintenanceTask, _ integrity: Integrity) throws(NodeFailure) -> [UInt8] {
    var files: [String] = []
    if mendsTrees {
      do {
        try FileCopy.makeDirectories(place + "/mmr")
        let store = try RocksLedgerStore(frozen: verification.staging, data: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash)
        let head = store.head.height.rawValue
        task.setTotal(head)
        files = try TreeMending(store, in: home.data + "/mmr", genesis: home.genesis.header) { path throws(StoreError) in
          let name = path.split(separator: "/").last ?? ""
          guard HomeFile.exists(path) else { return }
          do throws(NodeFailure) { _ = try FileCopy.copy(path, "\(place)/mmr/\(name)", task) } catch { throw .failed(error.message) }
        } progress: { height in
          task.setDone(height)
          return !task.isCancelled
        }.files.map { "mmr/" + $0 }
      } catch let error as StoreError { throw StorageSession.failure(error, home) } catch let error as NodeFailure { throw error } catch {
        throw NodeFailure(70, "\(error)")
      }
      try task.check()
    }
    if movesParts { files += try moveParts(task) }
    let result = try verification.run(task)
    integrity.note(result)
    return json(result, files)
  }

  /// Moves damaged parts of the snapshot aside. Returns their files.
  private func moveParts(_ task: MaintenanceTask) throws(NodeFailure) -> [String] {
    let store: RocksLedgerStore
    do { store = try RocksLedgerStore(frozen: verification.staging, data: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash) } catch {
      throw StorageSession.failure(error, home)
    }
    var damaged: [String] = []
    SnapshotFiles.examine(data: home.data, store, home.genesis.chainTag) { name, byteCount, fault in
      task.wait(after: byteCount)
      if fault != nil { damaged.append("snapshots/" + name) }
      return !task.isCancelled
    }
    try task.check()
    try FileCopy.makeDirectories(place + "/snapshots")
    // A part that was asked for meanwhile is gone already.
    for name in damaged where HomeFile.exists("\(home.data)/\(name)") { try HomeFile.rename("\(home.data)/\(name)", "\(place)/\(name)") }
    return damaged
  }

  private func json(_ result: StoreVerification, _ files: [String]) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("place"); json.string(place)
    json.key("files")
    json.beginArray()
    for name in files { json.string(name) }
    if restartsIndex { json.string("index" as StaticString) }
    json.endArray()
    json.key("height"); json.number(result.blocks)
    json.key("minor"); json.number(result.minorCount)
    json.key("major"); json.number(result.majorCount)
    json.endObject()
    return json.bytes
  }
}
