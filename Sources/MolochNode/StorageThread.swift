import API
import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import CLinux
import Glibc
import JSON
import Ledger
import Merkle
import Metrics
import Reactor
import Replication
import RocksStore

/// What the reactor asks of the storage thread.
final class StorageJob: Sendable {
  enum Kind: Sendable {
    /// Final blocks; the floor is handed on to the journal when they are on disk.
    case persist([BlockCommit], FloorRecord, Height)
    case store(Block)
    /// The block that the store begins from.
    case adopt(Anchor)
    case load(StoreQuery)
    case read(ReadJob)
    /// The peer book, whole.
    case peerBook([UInt8])
    /// All evidence, whole.
    case evidence([UInt8])
    case policies(StoragePolicies)
    /// Delete what the policy allows, when so many connected peers hold it.
    case prune(archivePeers: Int)
    /// Look for bodies that are missing, or check and write some.
    case fill(BackfillWork)
    /// Save the pending records, sync everything and end.
    case stop(pending: [UInt8])

    var isRead: Bool {
      switch self {
      case .load, .read: true
      default: false
      }
    }
  }
  let kind: Kind
  init(_ kind: Kind) { self.kind = kind }
}

/// What the storage thread reports.
final class StorageReport: Sendable {
  enum Kind: Sendable {
    /// The data directory is this process's own.
    case claimed
    /// With the times of the newest blocks, ascending.
    case opened(OpenedStore, blockTimes: [Timestamp])
    case persisted(Height, FloorRecord, nanoseconds: UInt64)
    case stored(Digest)
    case loaded(StoreQuery, StoreAnswer)
    case filled(BackfillResult, BodyGap)
    case answered(ReadJob, ReadResult)
    case pulse(StoragePulse)
    case stopped(saved: Int)
    case failed(NodeFailure)
  }
  let kind: Kind
  init(_ kind: Kind) { self.kind = kind }
}

/// The recovered state, handed over once.
struct OpenedStore: Sendable {
  var state: RestoredState
  /// Nil on a node without a validator key.
  var journal: VoteJournal?
  /// Why the validator does not vote at once.
  var doubt: StartDoubt?
  /// Records that the last clean stop saved.
  var pending: [UInt8]
  var earliestBodyHeight: Height
  /// Bodies from it on are to be here, later at least.
  var bodyFloor: Height
  var earliestEntry: EntryMark
}

/// Where the entries begin that are here.
struct EntryMark: Sendable {
  var height: UInt64
  var leaf: UInt64

  init(_ store: RocksLedgerStore) throws(StoreError) {
    (height, leaf) = (store.earliestEntryHeight.rawValue, try store.firstLeaf(of: store.earliestEntryHeight).rawValue)
  }
}

/// Figures of the storage thread, about once a second.
struct StoragePulse: Sendable {
  var indexedHeight: UInt64
  var earliestBodyHeight: UInt64
  /// Nil when the blocks cannot be read.
  var bodyFloor: Height?
  /// Nil when the block cannot be read.
  var earliestEntry: EntryMark?
  var statistics: DirectoryStatistics
  var cacheBytes: UInt64
  var compaction: (pendingBytes: UInt64, running: UInt64)
  var isReadOnly: Bool
  var isDiskLow: Bool
  /// Damage that was found and is not repaired.
  var integrityDetail: String?
  /// Unix time of the last completed backup, seconds.
  var lastBackup: UInt64?
  /// Final blocks by proposer.
  var proposedLastDay: [PublicKey: UInt64]
  /// Of the last durable block.
  var height: UInt64
}

/// The thread that owns the disk.
final class StorageThread: @unchecked Sendable {
  // Sendable: the mailboxes have one producer and one consumer each, the bell is thread-safe, the rest is fixed before the thread starts.
  private let jobs = StorageQueue()
  let reports = Mailbox<StorageReport>(capacity: 8192)
  let bell = Doorbell()
  let pulse = Pulse()
  private let home: NodeHome
  private let options: StoreOptions
  private let policies: StoragePolicies
  private let metrics: StorageMetrics
  private let log: Log
  /// Set by `start`, before the thread exists.
  private var waker: Waker?

  init(home: NodeHome, options: StoreOptions, policies: StoragePolicies, metrics: StorageMetrics, log: Log) {
    self.home = home
    self.policies = policies
    self.options = options
    self.metrics = metrics
    self.log = log
  }

  /// Starts the thread; its reports wake the loop behind `waker`.
  func start(waking waker: Waker) throws(NodeFailure) {
    self.waker = waker
    let result = startThread(name: "storage") { [self] in run() }
    guard result == 0 else { throw NodeFailure(75, "cannot start the storage thread: errno \(result)") }
  }

  /// Reactor only. False when there is no room.
  func post(_ kind: StorageJob.Kind) -> Bool {
    guard jobs.post(kind) else { return false }
    bell.ring()
    return true
  }

  private func report(_ kind: StorageReport.Kind) {
    let report = StorageReport(kind)
    // The reactor empties this box at every wake-up; it is full only while that thread does not run.
    while !reports.post(report) {
      waker?.wake()
      sched_yield()
    }
    waker?.wake()
  }

  private func run() {
    do {
      // The store is closed when this returns, before the process may end.
      let saved = try openAndServe()
      report(.stopped(saved: saved))
    } catch let failure as NodeFailure {
      report(.failed(failure))
    } catch {
      report(.failed(NodeFailure(74, "\(error)")))
    }
  }

  private func openAndServe() throws -> Int {
    let session = try StorageSession(home: home, options: options, policies: policies, metrics: metrics, log: log) { report(.claimed) }
    // A thread of maintenance must not use the store while the process ends.
    defer { session.endMaintenance() }
    report(.opened(try session.opened(), blockTimes: session.blockTimes()))
    return try serve(session)
  }

  /// Works until it is told to stop; returns the bytes of pending records that were saved.
  private func serve(_ session: StorageSession) throws -> Int {
    var lastPulse: UInt64 = 0
    while true {
      var didWork = false
      pulse.beat()
      // However many read, the clock of everything below goes on.
      var reads = 0
      while reads < StorageQueue.readsPerTurn, let job = jobs.take() {
        didWork = true
        if job.kind.isRead { reads += 1 }
        pulse.beat()
        switch job.kind {
        case .persist(let blocks, let floor, let height):
          let began = MonotonicClock.now()
          try session.persist(blocks)
          report(.persisted(height, floor, nanoseconds: MonotonicClock.now().nanoseconds(since: began)))
        case .store(let block):
          try session.store(block)
          report(.stored(block.hash))
        case .adopt(let anchor): try session.adopt(anchor)
        case .load(let query): report(.loaded(query, try session.load(query)))
        case .read(let read): report(.answered(read, ReadResult(try session.answer(read))))
        case .peerBook(let bytes): try HomeFile.replace(session.peerBookPath, bytes, mode: 0o640)
        case .evidence(let bytes): try HomeFile.replace(session.evidencePath, bytes, mode: 0o640)
        case .policies(let policies): session.take(policies)
        case .prune(let archivePeers): try session.prune(archivePeers: archivePeers)
        case .fill(let work): session.filling = BackfillTask(work)
        case .stop(let pending): return try session.stop(pending: pending)
        }
      }
      // A block at a time: what the chain waits for is not kept waiting by the index.
      if try session.advanceIndex() { didWork = true }
      if !didWork { didWork = try session.countOlder(blocksMax: 256) }
      if try session.sweep() { didWork = true }
      if !didWork { didWork = try session.advanceSnapshot() }
      if session.filling != nil {
        didWork = true
        if let (result, gap) = try session.fill() { report(.filled(result, gap)) }
      }
      let now = MonotonicClock.now().milliseconds
      if now - lastPulse >= 1000 {
        lastPulse = now
        try session.erase()
        report(.pulse(session.pulse()))
      }
      if !didWork { _ = bell.wait(milliseconds: 500) }
    }
  }
}

/// The store as the storage thread uses it.
final class StorageSession {
  let store: RocksLedgerStore
  private let home: NodeHome
  private let reader: Reader<RocksLedgerStore>
  private let metrics: StorageMetrics
  private let log: Log
  private let desk: MaintenanceDesk
  private let integrity: Integrity
  /// A damaged block keeps the index from growing, until the next start.
  private var isIndexStuck = false
  private var proposals = ProposalCount()
  private var snapshot: SnapshotFiles
  /// A repair moves parts of the snapshot aside: afterwards it is looked at again.
  private var isSnapshotRepaired = false
  /// Bodies that are being looked for, or checked and written.
  var filling: BackfillTask?
  private var fillBatch: SignatureBatch
  var space: FreeSpace
  /// Blocks above this are counted, those below are still to be looked at; 0 when nothing older matters.
  private var uncounted: UInt64 = 0

  /// - Parameter claimed: called once, when the data directory is locked and before the store is read.
  init(home: NodeHome, options: StoreOptions, policies: StoragePolicies, metrics: StorageMetrics, log: Log, claimed: () -> Void) throws(NodeFailure) {
    self.home = home
    integrity = Integrity(metrics: metrics, log: log)
    desk = MaintenanceDesk(home: home, policies: policies, metrics: metrics, integrity: integrity, log: log)
    space = FreeSpace(data: home.data, limits: policies.disk, log: log)
    self.metrics = metrics
    self.log = log
    var random = SystemRandomNumberGenerator()
    fillBatch = SignatureBatch(capacity: BodyFill.eventsPerStep, seed: Bytes32(random.next(), random.next(), random.next(), random.next()))
    do {
      store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash, options: options, claimed: claimed)
    } catch {
      // A second node asks nobody: the first may be in the best of health.
      if case .locked(let pid) = error { throw NodeFailure(75, "\(home.data) is in use by process \(pid)") }
      throw Self.failure(error, home)
    }
    // Under the lock of the directory: those of another process are in use.
    FrozenVerification.removeLeftovers(data: home.data)
    snapshot = SnapshotFiles(data: home.data, genesis: home.genesis, log: log)
    reader = Reader(store: store, genesis: home.genesis)
    uncounted = store.head.height.rawValue
  }

  /// Goes on with bodies that came later, a few events at a time. Returns the result once.
  func fill() throws(NodeFailure) -> (BackfillResult, BodyGap)? {
    guard filling != nil else { return nil }
    do {
      guard let done = try filling?.step(store, floor: try bodyFloor(), hasRoom: !space.isLow && !space.isReadOnly, &fillBatch) else { return nil }
      filling = nil
      return done
    } catch {
      guard case .damaged(let detail) = error else { throw Self.failure(error, home) }
      integrity.note(component: "chain", detail)
      filling = nil
      return (.looked, BodyGap(heights: nil, earliest: store.earliestBodyHeight, floor: store.earliestBodyHeight))
    }
  }

  private func bodyFloor() throws(StoreError) -> Height {
    try Pruning.backfillFloor(store, home.genesis, desk.policies.retention, wall: WallClock.now().milliseconds)
  }

  var peerBookPath: String { home.data + "/peers.json" }
  var evidencePath: String { home.data + "/evidence.bin" }

  static func failure(_ error: StoreError, _ home: NodeHome) -> NodeFailure {
    switch error {
    case .foreignChain(let found, let expected): NodeFailure(78, "data belongs to the chain with genesis \(found), the configured genesis is \(expected)")
    case .format(let found): formatFailure(found)
    case .locked(let pid): NodeFailure(75, "node (pid \(pid)) is starting or stuck: it holds the lock on \(home.data) and does not answer")
    case .damaged(let detail): NodeFailure(65, "data is damaged: \(detail)")
    case .failed(let detail): NodeFailure(74, detail)
    case .notNext(let head, let got): NodeFailure(70, "block \(got.rawValue) does not follow the head \(head.rawValue)")
    }
  }

  private static func formatFailure(_ line: String) -> NodeFailure {
    let own = RocksLedgerStore.formatNumber
    guard let found = RocksLedgerStore.formatNumber(of: line), found != own else {
      return NodeFailure(78, "data/FORMAT says \"\(line)\"; this program reads \"\(RocksLedgerStore.format)\"")
    }
    guard found > own else { return NodeFailure(78, "data format \(found) is older than format \(own) of moloch \(Node.version); run: moloch migrate") }
    return NodeFailure(
      78, "data format \(found) needs moloch > \(Node.version), which has format \(own): install the release that wrote the data, or go back with its "
        + "'moloch migrate --rollback'")
  }

  /// What a reload has changed.
  func take(_ policies: StoragePolicies) {
    space.limits = policies.disk
    desk.take(policies)
  }

  /// Goes on with a deep prune. Returns whether more is left.
  func sweep() throws(NodeFailure) -> Bool {
    snapshot.drop(below: store.earliestEntryHeight)
    return try desk.sweep(store)
  }

  func prune(archivePeers: Int) throws(NodeFailure) { try desk.prune(archivePeers: archivePeers, store) }

  /// The state of the head, for the replica.
  func opened() throws -> OpenedStore {
    let genesis = home.genesis
    let head = store.head
    let tree = try MountainRange(size: head.treeSize, from: store.reader(of: .entries))
    let history = try MountainRange(size: head.height.rawValue, from: store.reader(of: .history))
    var seed = SystemRandomNumberGenerator()
    let governance = try store.governance(from: GovernanceState(genesis: genesis))
    guard governance.parameters.protocolVersion <= ProtocolVersion.newest else {
      throw NodeFailure.unknownProtocol(governance.parameters.protocolVersion, from: head.height.next)
    }
    var chain = Chain(tip: ChainTip(header: head, tree: tree, history: history, governance: governance), seed: seed.next())
    try store.restoreWindow(of: &chain)
    let pending = (try? HomeFile.read(home.data + "/mempool.bin")) ?? []
    var journal: ValidatorState.Opened?
    if let key = home.validatorKey {
      let keys = [key.publicKey] + (home.nextValidatorKey.map { [$0.publicKey] } ?? [])
      journal = try ValidatorState(home, key: key.publicKey, keys: keys, head: head.height, set: governance.validators, log: log).open()
    }
    var state = try RestoredState(chain: chain, journal: journal?.restored ?? .records([]), from: store)
    state.newestHead = try newestHead()
    state.evidence = try evidence()
    return OpenedStore(
      state: state, journal: journal?.file, doubt: journal?.doubt, pending: pending, earliestBodyHeight: store.earliestBodyHeight, bodyFloor: try bodyFloor(),
      earliestEntry: try EntryMark(store))
  }

  /// What this node has seen of contradictions before it was started; without the file, nothing.
  private func evidence() throws(NodeFailure) -> [Evidence] {
    guard HomeFile.exists(evidencePath) else { return [] }
    let bytes = try HomeFile.read(evidencePath)
    do { return try Evidence.decodeAll(bytes.bytes) } catch { throw NodeFailure(65, "\(evidencePath) is damaged: \(error); move it aside to start without it") }
  }

  /// Times of the last blocks, for how fast they come: those whose headers can be read.
  func blockTimes() -> [Timestamp] {
    let head = store.head.height.rawValue, count = min(head, UInt64(APILimit.paceBlocks))
    // Without genesis, which is made whenever its operators meet.
    return (head + 1 - count..<head + 1).compactMap { (try? store.header(at: Height($0)))?.timestamp }
  }

  /// The header of the newest block with events, the head that a checkpoint is about, and the set of its height.
  private func newestHead() throws -> (header: BlockHeader, validators: ValidatorSet)? {
    guard store.head.treeSize > 0, let height = try store.height(containing: LeafIndex(store.head.treeSize - 1)), let header = try store.header(at: height)
    else { return nil }
    return (header, try store.validators(at: height, genesis: home.genesis.validators))
  }

  /// One synced write of a block that is not final, unless it is there.
  func store(_ block: Block) throws {
    let began = MonotonicClock.now()
    let isWritten: Bool
    do { isWritten = try store.store(block) } catch { throw Self.failure(error, home) }
    if isWritten { metrics.fsync["chain"].observe(MonotonicClock.now().nanoseconds(since: began)) }
  }

  func adopt(_ anchor: Anchor) throws {
    do { try store.adopt(anchor) } catch { throw Self.failure(error, home) }
  }

  func load(_ query: StoreQuery) throws -> StoreAnswer {
    do {
      if case .parts(let from, _) = query { return .parts(from: from, ends: snapshot.ends(from: from)) }
      if let (from, part) = try part(query) { return .part(from: from, part) }
      return try store.load(query, epochLength: home.genesis.parameters.epochLength, chainTag: home.genesis.chainTag)
    } catch {
      guard case .damaged(let detail) = error else { throw Self.failure(error, home) }
      // The peer gets nothing and asks another one; this node serves what is whole.
      integrity.note(component: "chain", detail)
      return query.nothing
    }
  }

  /// The part of the snapshot that is the range asked for.
  private func part(_ query: StoreQuery) throws(StoreError) -> (Height, ProvenPart)? {
    guard case .history(let from, let blocksMax, _, let anchor, _) = query, blocksMax > 0, anchor <= store.head.height, from <= anchor else { return nil }
    let last = Height(min(anchor.rawValue, from.rawValue + UInt64(blocksMax) - 1))
    guard let header = try store.header(at: anchor), let part = snapshot.part(from: from, upTo: last, integrity) else { return nil }
    metrics.snapshotParts["served"].add()
    return (from, try part.proven(under: header, in: store))
  }

  /// Goes on with the snapshot by a block. Returns whether more are left.
  func advanceSnapshot() throws -> Bool {
    guard desk.policies.keepsSnapshots, !space.isLow, !space.isReadOnly else { return false }
    do {
      let count = snapshot.count
      defer { if snapshot.count > count { metrics.snapshotParts["written"].add() } }
      return try snapshot.advance(store)
    } catch {
      guard case .damaged(let detail) = error else { throw Self.failure(error, home) }
      integrity.note(component: "chain", detail)
      return false
    }
  }

  /// One synced write of the blocks.
  func persist(_ blocks: [BlockCommit]) throws {
    let began = MonotonicClock.now()
    do { try store.commit(blocks) } catch { throw Self.failure(error, home) }
    if !blocks.isEmpty { metrics.fsync["chain"].observe(MonotonicClock.now().nanoseconds(since: began)) }
    for block in blocks { proposals.note(block.header.proposer, block.header.timestamp) }
    // The saved events are either in this or an earlier block now, or in memory.
    if !blocks.isEmpty { HomeFile.remove(home.data + "/mempool.bin") }
  }

  func answer(_ job: ReadJob) throws(NodeFailure) -> Result<Answer, Refusal> {
    if case .maintenance(let request) = job.request {
      guard request.verb == "stats", !request.isCommand else {
        let answer = try desk.answer(request, store)
        // An index that starts again may get past what stopped the one before.
        if request.verb == "repair" {
          isIndexStuck = false
          isSnapshotRepaired = request.parts.contains("snapshots")
        }
        return answer
      }
      return .success(Answer(.json, pulse().statistics.json(store)))
    }
    let answer = reader.answer(job)
    if case .failure(let refusal) = answer, refusal.code == .integrityError {
      // Damage in the flat files is named by level, everything else lies in the chain.
      integrity.note(component: refusal.message.contains("level") ? "mmr" : "chain", refusal.message)
    }
    return answer
  }

  /// Indexes another block. Returns whether more are left.
  func advanceIndex() throws -> Bool {
    guard !isIndexStuck else { return false }
    do { return try store.advanceIndex(blocksMax: 1) } catch {
      guard case .damaged(let detail) = error else { throw Self.failure(error, home) }
      isIndexStuck = true
      integrity.note(component: "chain", "\(detail): the index ends at height \(store.indexedHeight.rawValue)")
      return false
    }
  }

  /// Goes on counting the blocks of the last day that were there at the start, the newest first. Returns whether more may follow.
  func countOlder(blocksMax: Int) throws -> Bool {
    let wall = WallClock.now().milliseconds
    for _ in 0..<blocksMax {
      guard uncounted > 0 else { return false }
      let stored: BlockHeader?
      do throws(StoreError) { stored = try store.header(at: Height(uncounted)) } catch {
        guard case .damaged(let detail) = error else { throw Self.failure(error, home) }
        integrity.note(component: "chain", detail)
        stored = nil
      }
      guard let header = stored, ProposalCount.isRecent(header.timestamp, wall: wall) else {
        uncounted = 0
        return false
      }
      proposals.note(header.proposer, header.timestamp)
      uncounted -= 1
    }
    return true
  }

  /// Goes on with taking redacted bodies out of the files.
  func erase() throws(NodeFailure) { try desk.erase(store) }

  func pulse() -> StoragePulse {
    proposals.expire(wall: WallClock.now().milliseconds)
    let statistics = DirectoryStatistics(data: home.data)
    space.look(statistics)
    if isSnapshotRepaired, !desk.isWorking {
      snapshot = SnapshotFiles(data: home.data, genesis: home.genesis, log: log)
      isSnapshotRepaired = false
    }
    metrics.snapshotHeight.set(snapshot.height.rawValue)
    metrics.snapshotBytes.set(snapshot.byteCount)
    desk.tick(store, isDiskLow: space.isLow || space.isReadOnly)
    return StoragePulse(
      indexedHeight: store.indexedHeight.rawValue, earliestBodyHeight: store.earliestBodyHeight.rawValue, bodyFloor: try? bodyFloor(), earliestEntry: try? EntryMark(store),
      statistics: statistics,
      cacheBytes: store.cacheBytes, compaction: store.compactionLoad, isReadOnly: space.isReadOnly, isDiskLow: space.isLow, integrityDetail: integrity.detail, lastBackup: BackupMark.seconds(data: home.data),
      proposedLastDay: proposals.totals, height: store.head.height.rawValue)
  }

  func endMaintenance() { desk.stop() }

  /// Saves what is pending for the next start. Returns the number of bytes.
  func stop(pending: [UInt8]) throws -> Int {
    endMaintenance()
    if pending.isEmpty {
      HomeFile.remove(home.data + "/mempool.bin")
    } else {
      try HomeFile.replace(home.data + "/mempool.bin", pending, mode: 0o640)
    }
    return pending.count
  }
}
