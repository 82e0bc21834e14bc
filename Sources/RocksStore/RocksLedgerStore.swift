public import Audit
import Bytes
public import Digests
import Glibc
public import Ledger
public import Merkle

/// The store of a node on disk. One per data directory; see the header document for the layout.
public final class RocksLedgerStore: LedgerStore {
  public static let format = "moloch-data \(formatNumber)"
  public static let formatNumber = 2
  static let families = ["default", "blocks", "entries", "bodies", "hashes", "candidates", "governance", "handoffs", "redactions", "withheld"]
  enum Family {
    static let meta = 0, blocks = 1, entries = 2, bodies = 3, hashes = 4, candidates = 5, governance = 6, handoffs = 7, redactions = 8, withheld = 9
  }

  public private(set) var head: BlockHeader
  private let genesis: BlockHeader
  private let options: StoreOptions
  private let indexPath: String
  /// Nil for a frozen state, which nobody writes.
  private let lock: DirectoryLock?
  let chain: Database
  let tree: TreeFiles
  let history: TreeFiles
  private(set) var index: Database
  public internal(set) var indexedHeight: Height
  public internal(set) var earliestBodyHeight = Height(1)
  public internal(set) var prunedHeight = Height(1)
  public internal(set) var earliestEntryHeight: Height
  /// Entries of blocks below it are deleted.
  var sweptHeight: Height
  /// The stage of a deep prune that is on its way.
  var sweep: SweepStage?
  public internal(set) var anchor: Anchor?
  public private(set) var soughtCheckpoint: [UInt8]?
  /// The rows of the candidates, ascending by height.
  private var held: [(height: Height, hash: Digest)] = []
  /// Events that approved redactions name and whose bodies have not been looked for yet, or which are not on the chain.
  var named: Set<EventID> = []
  /// Blocks of which deleted bodies may still be in files.
  var erased: [Height] = []

  /// Opens or creates the store in `directory`, which is created when missing. Repairs the tree files, and starts the index again when it is not of this chain.
  /// - Parameter claimed: called once, when the directory is this process's own: opening may take long from there on.
  /// - Throws: `.locked`, `.format`, `.foreignChain`, `.damaged`, `.failed`.
  public init(
    directory: String, genesis: BlockHeader, genesisHash: Digest, options: StoreOptions = StoreOptions(), claimed: () -> Void = {}
  ) throws(StoreError) {
    (self.options, indexPath) = (options, directory + "/index")
    for path in [directory, directory + "/chain", directory + "/mmr", directory + "/index"] {
      // The path is lent to the call as a C string.
      guard unsafe mkdir(path, 0o750) == 0 || errno == EEXIST else { throw .failed("mkdir \(path): errno \(errno)") }
    }
    lock = try DirectoryLock(path: directory + "/LOCK")
    let found = try DirectoryLock.text(path: directory + "/FORMAT", orCreate: Self.format)
    guard found == Self.format else { throw .format(found: found) }
    claimed()
    chain = try Database(
      path: directory + "/chain", families: Self.families, options: options,
      cacheBytes: options.cacheBytes / 4 * 3)
    if let stored = try chain.value(Family.meta, Array("genesis".utf8)) {
      guard let bytes = Bytes32(stored) else { throw .damaged("genesis hash") }
      guard Digest(bytes) == genesisHash else { throw .foreignChain(found: Digest(bytes), expected: genesisHash) }
    } else {
      try chain.write([(Family.meta, Array("genesis".utf8), genesisHash.bytes.array)])
    }
    soughtCheckpoint = try chain.value(Family.meta, Self.checkpointKey)
    self.genesis = genesis
    tree = TreeFiles(prefix: directory + "/mmr/level")
    history = TreeFiles(prefix: directory + "/mmr/history")
    var head = genesis
    if let height = try chain.value(Family.meta, Array("head".utf8)) {
      guard height.count == 8, let header = try Self.header(in: chain, at: Height(height.bytes.uint64(at: 0))) else { throw .damaged("head") }
      head = header
    }
    self.head = head
    (earliestEntryHeight, sweptHeight) = try Self.entryMarks(in: chain, head)
    (index, indexedHeight) = try Self.openIndex(indexPath, options, chain, head, from: sweptHeight)
    try loadCandidates()
    try readMarks()
    try resumePruning()
    try repair()
    try seedIndex()
    try loadRedactions()
  }

  static let anchorKey = Array("anchor".utf8)
  static let checkpointKey = Array("checkpoint".utf8)

  static func anchor(in chain: Database) throws(StoreError) -> Anchor? {
    guard let stored = try chain.value(Family.meta, anchorKey) else { return nil }
    guard stored.count == 40 else { throw .damaged("anchor") }
    return Anchor(height: Height(stored.bytes.uint64(at: 0)), hash: Digest(stored.bytes, at: 8))
  }

  /// Begins an empty store from a block that the operator vouches for.
  /// - Throws: `.failed` when the store has blocks already.
  public func begin(from anchor: Anchor) throws(StoreError) {
    guard head.height.rawValue == 0 else { throw .failed("the store is not empty") }
    try adopt(anchor)
  }

  /// Begins an empty store from the block of a signed checkpoint, which is to be found.
  /// - Throws: `.failed` when the store has blocks already.
  public func begin(from checkpoint: CosignedCheckpoint) throws(StoreError) {
    guard head.height.rawValue == 0 else { throw .failed("the store is not empty") }
    try chain.write([(Family.meta, Self.checkpointKey, checkpoint.bytes)])
    soughtCheckpoint = checkpoint.bytes
  }

  public func adopt(_ anchor: Anchor) throws(StoreError) {
    guard head.height.rawValue == 0 || (self.anchor.map { $0.height < anchor.height } ?? false) else { throw .failed("the store is not empty") }
    var batch = WriteBatch()
    batch.put(Family.meta, Self.anchorKey, Self.key(anchor.height, anchor.hash))
    batch.delete(Family.meta, Self.checkpointKey)
    batch.delete(Family.meta, Self.filledKey)
    try chain.write(batch)
    (self.anchor, soughtCheckpoint, earliestBodyHeight) = (anchor, nil, anchor.height.next)
  }

  /// Opens what `freeze` made, beside the store that it was taken from: nothing is written, repaired or locked. The tables are read from the disk, not from
  /// the caches of that store.
  /// - Parameters:
  ///   - directory: with `chain/` and `index/`.
  ///   - data: the directory whose `mmr/` is read.
  /// - Throws: `.damaged`, `.failed`; for the index a text that begins with its name.
  public init(frozen directory: String, data: String, genesis: BlockHeader, genesisHash: Digest) throws(StoreError) {
    lock = nil
    (options, indexPath) = (StoreOptions(), directory + "/index")
    chain = try Database(path: directory + "/chain", families: Self.families, options: options, cacheBytes: StoreLimit.readerCacheBytes, isReadOnly: true)
    guard let stored = try chain.value(Family.meta, Array("genesis".utf8)), Bytes32(stored).map({ Digest($0) }) == genesisHash else { throw .damaged("genesis hash") }
    self.genesis = genesis
    var head = genesis
    if let height = try chain.value(Family.meta, Array("head".utf8)) {
      guard height.count == 8, let header = try Self.header(in: chain, at: Height(height.bytes.uint64(at: 0))) else { throw .damaged("head") }
      head = header
    }
    self.head = head
    (earliestEntryHeight, sweptHeight) = try Self.entryMarks(in: chain, head)
    tree = try TreeFiles(prefix: data + "/mmr/level", reading: head.treeSize)
    history = try TreeFiles(prefix: data + "/mmr/history", reading: head.height.rawValue)
    do {
      index = try Database(path: indexPath, families: ["default"], options: options, cacheBytes: StoreLimit.readerCacheBytes, hasLog: false, isReadOnly: true)
      let value = try index.value(0, Self.indexHeadKey)
      indexedHeight = Height(value.map { $0.count == 41 && $0[40] == Self.indexVersion ? $0.bytes.uint64(at: 0) : 0 } ?? 0)
    } catch { throw .damaged("index: \(error)") }
    try readMarks()
  }

  /// Bytes in the block caches of the chain and of the index.
  public var cacheBytes: UInt64 {
    // The families of one database share its cache.
    (chain.property(Family.meta, "rocksdb.block-cache-usage") ?? 0) + (index.property(0, "rocksdb.block-cache-usage") ?? 0)
  }

  /// Bytes that compaction has to rewrite, as estimated, and compactions at work.
  public var compactionLoad: (pendingBytes: UInt64, running: UInt64) {
    // Bytes are those of a family, what runs is counted for the database.
    (
      chain.total("rocksdb.estimate-pending-compaction-bytes") + index.total("rocksdb.estimate-pending-compaction-bytes"),
      (chain.property(0, "rocksdb.num-running-compactions") ?? 0) + (index.property(0, "rocksdb.num-running-compactions") ?? 0)
    )
  }

  @discardableResult public func store(_ candidate: Block) throws(StoreError) -> Bool {
    let row = (height: candidate.header.height, hash: candidate.hash)
    guard row.height > head.height, !held.contains(where: { $0 == row }) else { return false }
    let sections = candidate.sections
    let key = Self.key(row.height, row.hash)
    try chain.write([
      (Family.candidates, key, candidate.header.encoded), (Family.entries, key, sections.entries), (Family.bodies, key, sections.bodies),
    ])
    held.insert(row, at: held.firstIndex { ($0.height, $0.hash) > (row.height, row.hash) } ?? held.count)
    return true
  }

  public func candidates() throws(StoreError) -> [Block] {
    var blocks: [Block] = []
    for row in held { if let block = try candidate(row.hash) { blocks.append(block) } }
    return blocks
  }

  public func candidate(_ hash: Digest) throws(StoreError) -> Block? {
    guard let row = held.first(where: { $0.hash == hash }) else { return nil }
    let key = Self.key(row.height, row.hash)
    guard let header = try chain.value(Family.candidates, key), let entries = try chain.value(Family.entries, key),
      let bodies = try chain.value(Family.bodies, key), let decoded = try? BlockHeader(decoding: header.bytes),
      let block = Block(header: decoded, entries: entries, bodies: bodies), block.hash == hash
    else { throw .damaged("candidate \(hash) at height \(row.height.rawValue)") }
    return block
  }

  /// Reads the rows of the candidates. Those at or below the head are what a crash left behind a commit that is durable: nothing needs them.
  private func loadCandidates() throws(StoreError) {
    for key in try chain.keys(Family.candidates) where key.count == 40 {
      let row = (height: Height(key.bytes.uint64(at: 0)), hash: Digest(key.bytes, at: 8))
      if row.height > head.height { held.append(row) }
    }
  }

  public func commit(_ blocks: [BlockCommit]) throws(StoreError) {
    guard let last = blocks.last else { return }
    var batch = WriteBatch()
    var height = head.height
    for block in blocks {
      guard block.header.height == height.next else { throw .notNext(head: height, got: block.header.height) }
      height = block.header.height
      batch.put(Family.blocks, Self.key(height), block.header.encoded + block.certificate)
      if block.isStored {
        guard held.contains(where: { $0.hash == block.hash }) else { throw .damaged("candidate \(block.hash) is missing") }
      } else {
        let sections = block.block.sections
        batch.put(Family.entries, Self.key(height, block.hash), sections.entries)
        if height >= earliestBodyHeight {
          batch.put(Family.bodies, Self.key(height, block.hash), sections.bodies)
          if !block.block.isWhole { batch.put(Family.withheld, Self.key(height), block.block.withheld) }
        }
      }
      batch.put(Family.hashes, block.hash.bytes.array, Self.key(height))
      if !block.governance.isEmpty { batch.put(Family.governance, Self.key(height), block.governance) }
      for redaction in block.redactions { name(redaction, &batch) }
      if let next = block.nextSet { batch.put(Family.handoffs, Self.key(height), next.encoded) }
    }
    for row in held where row.height <= height {
      let key = Self.key(row.height, row.hash)
      batch.delete(Family.candidates, key)
      if blocks.contains(where: { $0.hash == row.hash }) { continue }
      batch.delete(Family.entries, key)
      batch.delete(Family.bodies, key)
    }
    batch.put(Family.meta, Array("head".utf8), Self.key(height))
    try chain.write(batch)
    head = last.header
    held.removeAll { $0.height <= height }
    for block in blocks {
      try tree.append(block.treeNodes)
      try history.append(block.historyNodes)
    }
    if !named.isEmpty, blocks.contains(where: { !$0.redactions.isEmpty || $0.ids.contains { named.contains($0) } }) { try eraseNamed() }
  }

  public func header(at height: Height) throws(StoreError) -> BlockHeader? {
    height.rawValue == 0 ? genesis : try Self.header(in: chain, at: height)
  }

  static func header(in chain: Database, at height: Height) throws(StoreError) -> BlockHeader? {
    guard let value = try chain.value(Family.blocks, Self.key(height)) else { return nil }
    do { return try BlockHeader(decoding: value.bytes) } catch { throw .damaged("header \(height.rawValue): \(error)") }
  }

  public func certificate(at height: Height) throws(StoreError) -> [UInt8]? {
    try chain.value(Family.blocks, Self.key(height)).map { [UInt8]($0.dropFirst(BlockHeader.byteCount)) }
  }
  public func entries(at height: Height) throws(StoreError) -> [UInt8]? { height < earliestEntryHeight ? nil : try storedEntries(at: height) }
  /// Also those below the watermark that are not deleted yet.
  func storedEntries(at height: Height) throws(StoreError) -> [UInt8]? { try section(Family.entries, height) }
  public func bodies(at height: Height) throws(StoreError) -> [UInt8]? { try section(Family.bodies, height) }

  private func section(_ family: Int, _ height: Height) throws(StoreError) -> [UInt8]? {
    guard let header = try header(at: height) else { return nil }
    return try chain.value(family, Self.key(height, header.hash))
  }

  public func node(of tree: StoredTree, level: Int, index: UInt64) throws(TreeError) -> Digest {
    switch tree {
    case .entries: try self.tree.node(level: level, index: index)
    case .history: try history.node(level: level, index: index)
    }
  }

  public func nodes(level: Int, range: Range<UInt64>) throws(StoreError) -> [UInt8] { try tree.bytes(level: level, range: range) }

  public func height(ofBlock hash: Digest) throws(StoreError) -> Height? {
    if hash == genesis.hash { return Height(0) }
    guard let value = try chain.value(Family.hashes, hash.bytes.array), value.count == 8 else { return nil }
    return Height(value.bytes.uint64(at: 0))
  }

  // MARK: Governance

  public func governanceRecords(from height: Height, blocksMax: Int) throws(StoreError) -> [(height: Height, records: [UInt8])] {
    try chain.rows(Family.governance, from: Self.key(height), countMax: blocksMax).map { (self.height(ofKey: $0.key), $0.value) }
  }

  public func nextSets(from height: Height, countMax: Int) throws(StoreError) -> [(height: Height, set: [UInt8])] {
    try chain.rows(Family.handoffs, from: Self.key(height), countMax: countMax).map { (self.height(ofKey: $0.key), $0.value) }
  }

  public func lastNextSet(before height: Height) throws(StoreError) -> (height: Height, set: [UInt8])? {
    guard height.rawValue > 0, let row = try chain.lastRow(Family.handoffs, upTo: Self.key(Height(height.rawValue - 1))) else { return nil }
    return (self.height(ofKey: row.key), row.value)
  }

  private func height(ofKey key: [UInt8]) -> Height { Height(key.count == 8 ? key.bytes.uint64(at: 0) : 0) }

  // MARK: The index

  /// Height and hash of the last block that is indexed, and what the rows are. 4 bytes, so that no 32-byte id meets it.
  static let indexHeadKey = Array("head".utf8)
  /// An index with other rows than these starts again.
  static let indexVersion: UInt8 = 2

  /// Opens the index and says how far it has been built. It holds nothing that the chain does not: when it does not open, or its head is no block of this
  /// chain (it is ahead, or of another history), it starts again. It does, too, when it ends below blocks whose entries are deleted.
  private static func openIndex(
    _ path: String, _ options: StoreOptions, _ chain: Database, _ head: BlockHeader, from first: Height
  ) throws(StoreError) -> (Database, Height) {
    do {
      let index = try Database(path: path, families: ["default"], options: options, cacheBytes: options.cacheBytes / 4, hasLog: false)
      guard let value = try index.value(0, indexHeadKey) else { return (index, Height(0)) }
      if value.count == 41, value[40] == indexVersion, value.bytes.uint64(at: 0) <= head.height.rawValue, value.bytes.uint64(at: 0) + 1 >= first.rawValue {
        let height = Height(value.bytes.uint64(at: 0))
        if try header(in: chain, at: height)?.hash == Digest(value.bytes, at: 8) { return (index, height) }
      }
    } catch {}
    // The reference above is gone, and with it the open database.
    try Database.destroy(path: path)
    return (try Database(path: path, families: ["default"], options: options, cacheBytes: options.cacheBytes / 4, hasLog: false), Height(0))
  }

  /// Starts the index again, empty; it grows with `advanceIndex`. What was there is moved, whether it can be read or not.
  /// - Parameter aside: directory that does not exist, on the same file system.
  /// - Returns: false while a compaction has the index; nothing is changed then.
  public func restartIndex(movingTo aside: String) throws(StoreError) -> Bool {
    // The object must be gone before its files move: it may write some more when it closes.
    guard isKnownUniquelyReferenced(&index) else { return false }
    // Stands in until the new one is open; nobody asks for a row before that.
    index = chain
    // The paths are lent to the call.
    guard unsafe rename(indexPath, aside) == 0 else { throw .failed("rename \(indexPath): errno \(errno)") }
    (index, indexedHeight) = try Self.openIndex(indexPath, options, chain, head, from: sweptHeight)
    // Rows that a stage has deleted come again with the blocks that are still to be swept.
    sweep = nil
    try seedIndex()
    return true
  }

  public func advanceIndex(blocksMax: Int) throws(StoreError) -> Bool {
    guard indexedHeight < head.height else { return false }
    var (located, events): ([(id: Digest, leaf: UInt64)], [IndexedEvent]) = ([], [])
    var height = indexedHeight
    for _ in 0..<blocksMax where height < head.height {
      height = height.next
      guard let header = try header(at: height), let entries = try storedEntries(at: height) else { throw .damaged("block \(height.rawValue) is missing") }
      for position in 0..<UInt64(header.eventCount) {
        let offset = Int(position) * Entry.byteCount
        guard entries.count >= offset + Entry.byteCount else { throw .damaged("entries of block \(height.rawValue)") }
        let entry = entries.bytes.extracting(offset..<offset + Entry.byteCount)
        located.append((SHA256.hash(entry.extracting(0..<Statement.byteCount)), header.firstLeaf.rawValue + position))
        events.append(IndexedEvent(entry, time: header.timestamp))
      }
    }
    // In ascending order RocksDB goes on from the place of the row before; from one random place to the next the search would cost more than all the rest.
    located.sort { $0.id < $1.id }
    var puts = located.map { (family: 0, key: $0.id.bytes.array, value: Self.key(Height($0.leaf))) }
    puts += try signerRows(adding: events) { (key) throws(StoreError) in try index.value(0, key) }
    guard let last = try header(at: height) else { throw .damaged("block \(height.rawValue) is missing") }
    // The head travels in the same batch as the rows, so that the two are lost together or not at all.
    puts.append((0, Self.indexHeadKey, Self.key(height) + last.hash.bytes.array + [Self.indexVersion]))
    try index.write(puts)
    indexedHeight = height
    return indexedHeight < head.height
  }

  public func location(of id: EventID) throws(StoreError) -> LeafIndex? {
    guard let value = try index.value(0, id.digest.bytes.array), value.count == 8 else { return nil }
    return LeafIndex(value.bytes.uint64(at: 0))
  }

  static func key(_ height: Height) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: height.rawValue)
    return bytes
  }

  static func key(_ height: Height, _ hash: Digest) -> [UInt8] { key(height) + hash.bytes.array }

  /// Cuts the tree files to the durable head and rebuilds them from the entries when nodes are missing or a root differs. Below entries that were pruned the files
  /// must be right: nothing else has these nodes.
  private func repair() throws(StoreError) {
    let isComplete = try tree.cut(to: head.treeSize)
    let isHistoryComplete = try history.cut(to: head.height.rawValue)
    let root = try? MountainRange(size: head.treeSize, from: tree).root
    let historyRoot = try? MountainRange(size: head.height.rawValue, from: history).root
    if isComplete, isHistoryComplete, root == head.treeRoot, historyRoot == head.historyRoot { return }
    var (leaves, blocks) = (try sweptTree(), MountainRange())
    var hash = genesis.hash
    for height in 0..<head.height.rawValue {
      var (nodes, historyNodes) = (NewNodes(), NewNodes())
      blocks.append(leafHash: TreeHash.leaf(hash.bytes.array.bytes), into: &historyNodes)
      let next = Height(height + 1)
      guard let header = try header(at: next) else { throw .damaged("block \(next.rawValue) is missing") }
      if next >= sweptHeight {
        guard let entries = try storedEntries(at: next) else { throw .damaged("block \(next.rawValue) is missing") }
        for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) where entries.count - offset >= Entry.byteCount {
          leaves.append(leafHash: TreeHash.leaf(entries.bytes.extracting(offset..<offset + Entry.byteCount)), into: &nodes)
        }
      }
      guard next < sweptHeight || leaves.root == header.treeRoot, blocks.root == header.historyRoot else { throw .damaged("roots of block \(next.rawValue)") }
      try tree.append(nodes)
      try history.append(historyNodes)
      hash = header.hash
    }
  }
}

/// Exclusive use of a data directory; released when the process ends, however it ends.
public final class DirectoryLock {
  private let file: CInt

  /// Creates the file when it is missing. The directory must exist.
  /// - Throws: `.locked`, `.failed`.
  public init(path: String) throws(StoreError) {
    // The path is lent to the call as a C string.
    file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    guard file >= 0 else { throw .failed("open \(path): errno \(errno)") }
    // From here on the object is whole: a throw runs deinit, which closes the file. A second close could hit a file of another thread.
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else { throw .locked(pid: Self.read(file)) }
    guard ftruncate(file, 0) == 0, Self.write(file, "\(getpid())\n") else { throw .failed("write \(path): errno \(errno)") }
  }

  deinit {
    // A child that was forked and has not yet executed its program has a copy of the descriptor: closing ours alone would leave the lock to it.
    _ = flock(file, LOCK_UN)
    close(file)
  }

  /// First line of a small file, which is created with `text` when it is missing or empty.
  static func text(path: String, orCreate text: String) throws(StoreError) -> String {
    // The path is lent to the call as a C string.
    let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
    guard file >= 0 else { throw .failed("open \(path): errno \(errno)") }
    defer { close(file) }
    let found = read(file)
    if !found.isEmpty { return found }
    guard write(file, text + "\n"), fsync(file) == 0 else { throw .failed("write \(path): errno \(errno)") }
    return text
  }

  /// First line of a small file; nil when it is not there.
  static func text(path: String) -> String? {
    // The path is lent to the call as a C string.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return read(file)
  }

  private static func read(_ file: CInt) -> String {
    var bytes = [UInt8](repeating: 0, count: StoreLimit.lineBytes)
    // The buffer is written during the call only.
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
    return String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 10 }, as: UTF8.self)
  }

  private static func write(_ file: CInt, _ text: String) -> Bool {
    let bytes = Array(text.utf8)
    // The buffer is read during the call only.
    return unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) } == bytes.count
  }
}
