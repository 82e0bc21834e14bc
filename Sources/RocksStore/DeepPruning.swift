public import Audit
import Bytes
import Digests
public import Ledger
import Merkle

/// Entries that are no longer there.
///
/// `entries` in the meta family is the watermark: from the moment it is on disk the blocks below it are read as if their entries were gone. `swept` says how far they are
/// deleted. A stage goes from the one towards the other:
/// 1. the index rows of its events are deleted, and that is flushed; rows of governance events stay, because their records do;
/// 2. every node of the tree that its entries make is compared with the tree files, put right, and synced: from here on the files are all that proofs have;
/// 3. one synced batch moves `swept` and adds what signers did to the rows `index/...`, from which an index that starts again takes the sums;
/// 4. one range mark deletes the entries.
/// A crash before 3 repeats the stage, which changes nothing that is done; after it the next start does 4.
extension RocksLedgerStore {
  static let entriesKey = Array("entries".utf8)
  static let sweptKey = Array("swept".utf8)
  /// Rows of the index that say what signers did in the blocks below `swept`.
  static let sumPrefix = Array("index/".utf8)

  /// Entries below the watermark are still to be deleted.
  public var isSweeping: Bool { sweptHeight < earliestEntryHeight }

  /// The watermark of entries that a deep prune below `height` sets: entries stay from the bundle on that holds the first leaf of that block, so that every bundle
  /// is here whole or not at all; blocks go whole or not at all.
  /// - Parameter height: from 1 to the head.
  public func entryWatermark(below height: Height) throws(StoreError) -> Height {
    let minimum = try presentHeader(height).firstLeaf.rawValue / UInt64(TilePath.fullWidth) * UInt64(TilePath.fullWidth)
    guard minimum > 0 else { return earliestEntryHeight }
    var (low, high) = (UInt64(1), height.rawValue)
    while low < high {
      let middle = (low + high) / 2
      if try presentHeader(Height(middle)).treeSize > minimum { high = middle } else { low = middle + 1 }
    }
    return max(Height(low), earliestEntryHeight)
  }

  /// Bodies and entries below `height` count as gone when this returns; the bodies are deleted, the entries are by `sweepOn`, a block at a time.
  /// - Precondition: `height` is not above the head.
  public func pruneDeep(below height: Height) throws(StoreError) {
    _ = try prune(below: height)
    guard height.rawValue > 0, height <= head.height else { return }
    let watermark = try entryWatermark(below: height)
    if watermark > earliestEntryHeight { try markEntries(below: watermark) }
  }

  func markEntries(below height: Height) throws(StoreError) {
    try chain.write([(Family.meta, Self.entriesKey, Self.key(height))])
    earliestEntryHeight = height
  }

  /// Deletes a block's part of what is below the watermark of entries. Returns whether more is left.
  /// - Throws: `.damaged` when an entry that is to go does not have the root of its header: nothing more is deleted then.
  public func sweepOn() throws(StoreError) -> Bool {
    guard isSweeping else { return false }
    // Rows that are written later would stay.
    if indexedHeight.next < earliestEntryHeight {
      _ = try advanceIndex(blocksMax: 1)
      return true
    }
    var stage: SweepStage
    if let sweep { stage = sweep } else { stage = SweepStage(next: sweptHeight, leaves: try sweptTree()) }
    try take(stage.next, into: &stage)
    stage.next = stage.next.next
    if stage.events.count >= StoreLimit.sweptEvents || stage.next == earliestEntryHeight { try end(&stage) }
    sweep = isSweeping ? stage : nil
    return isSweeping
  }

  /// A block's rows of the index, and its nodes of the tree.
  private func take(_ height: Height, into stage: inout SweepStage) throws(StoreError) {
    let header = try presentHeader(height)
    guard let entries = try storedEntries(at: height), entries.count == Entry.byteCount * Int(header.eventCount) else {
      throw .damaged("entries of block \(height.rawValue)")
    }
    var (batch, nodes) = (WriteBatch(), NewNodes(leafCapacity: Int(header.eventCount)))
    for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) {
      let entry = entries.bytes.extracting(offset..<offset + Entry.byteCount)
      stage.leaves.append(leafHash: TreeHash.leaf(entry), into: &nodes)
      stage.events.append(IndexedEvent(entry, time: header.timestamp))
      guard !ContentType(rawValue: entry.uint8(at: 17)).isGovernance else { continue }
      batch.delete(0, SHA256.hash(entry.extracting(0..<Statement.byteCount)).bytes.array)
    }
    guard stage.leaves.root == header.treeRoot else { throw .damaged("roots of block \(height.rawValue)") }
    if !tree.holds(nodes) { try tree.append(nodes) }
    try index.write(batch)
  }

  private func end(_ stage: inout SweepStage) throws(StoreError) {
    try index.flush()
    try tree.sync()
    var batch = WriteBatch()
    let rows = try signerRows(adding: stage.events) { (key) throws(StoreError) in try chain.value(Family.meta, Self.sumPrefix + key) }
    for row in rows { batch.put(Family.meta, Self.sumPrefix + row.key, row.value) }
    batch.put(Family.meta, Self.sweptKey, Self.key(stage.next))
    try chain.write(batch)
    sweptHeight = stage.next
    stage.events.removeAll(keepingCapacity: true)
    try deleteSwept()
  }

  private func deleteSwept() throws(StoreError) { try chain.deleteRange(Family.entries, from: Self.key(Height(0)), to: Self.key(sweptHeight)) }

  /// Deletes the entries that a crash has left below `swept`.
  func resumeSweep() throws(StoreError) {
    if let row = try chain.rows(Family.entries, from: Self.key(Height(0)), countMax: 1).first, row.key.bytes.uint64(at: 0) < sweptHeight.rawValue { try deleteSwept() }
  }

  /// - Throws: `.damaged` for marks that no prune has written.
  static func entryMarks(in chain: Database, _ head: BlockHeader) throws(StoreError) -> (earliest: Height, swept: Height) {
    func mark(_ key: [UInt8]) throws(StoreError) -> Height {
      guard let value = try chain.value(Family.meta, key) else { return Height(1) }
      guard value.count == 8, value.bytes.uint64(at: 0) > 0 else { throw .damaged("watermark of entries") }
      return Height(value.bytes.uint64(at: 0))
    }
    let (earliest, swept) = (try mark(entriesKey), try mark(sweptKey))
    guard swept <= earliest, earliest <= head.height.next else { throw .damaged("watermark of entries") }
    return (earliest, swept)
  }

  /// The tree of the blocks whose entries are deleted, from the tree files, which alone have it.
  func sweptTree() throws(StoreError) -> MountainRange {
    guard sweptHeight.rawValue > 1 else { return MountainRange() }
    let below = try presentHeader(Height(sweptHeight.rawValue - 1))
    guard try tree.holds(size: below.treeSize), let range = try? MountainRange(size: below.treeSize, from: tree), range.root == below.treeRoot else {
      throw .damaged("mmr/ lacks nodes of the first \(below.treeSize) leaves, whose entries were pruned here: restore a backup, or sync again from a checkpoint")
    }
    return range
  }

  private func presentHeader(_ height: Height) throws(StoreError) -> BlockHeader {
    guard let header = try header(at: height) else { throw .damaged("no header at height \(height.rawValue)") }
    return header
  }

  // MARK: An index that starts again

  /// Gives an empty index what the deleted entries cannot: sums of signers, and the places of governance events, whose records are here.
  func seedIndex() throws(StoreError) {
    let last = Height(sweptHeight.rawValue - 1)
    guard indexedHeight < last else { return }
    var begin = Self.sumPrefix
    while true {
      let rows = try chain.rows(Family.meta, from: begin, countMax: StoreLimit.sumRows), sums = rows.prefix { $0.key.starts(with: Self.sumPrefix) }
      try index.write(sums.map { (family: 0, key: Array($0.key.dropFirst(Self.sumPrefix.count)), value: $0.value) })
      guard sums.count == StoreLimit.sumRows, let last = sums.last else { break }
      begin = last.key + [0]
    }
    var height = Height(1)
    while let (found, records) = try governanceRecords(from: height, blocksMax: 1).first, found <= last {
      try index.write(try governanceRows(records, in: presentHeader(found)))
      height = found.next
    }
    let head = try presentHeader(last)
    try index.write([(0, Self.indexHeadKey, Self.key(last) + head.hash.bytes.array + [Self.indexVersion])])
    indexedHeight = last
  }

  /// The tree says where the records stand among the leaves of their block, whose entries are gone.
  private func governanceRows(_ records: [UInt8], in header: BlockHeader) throws(StoreError) -> [(family: Int, key: [UInt8], value: [UInt8])] {
    var rows: [(family: Int, key: [UInt8], value: [UInt8])] = []
    let hashes = try nodes(level: 0, range: header.firstLeaf.rawValue..<header.treeSize)
    var start = 0
    for position in 0..<Int(header.eventCount) {
      guard let length = Record.length(peeking: records.bytes, at: start), start + length <= records.count else { break }
      guard TreeHash.leaf(records.bytes.extracting(start..<start + Entry.byteCount)) == Digest(hashes.bytes, at: 32 * position) else { continue }
      let id = SHA256.hash(records.bytes.extracting(start..<start + Statement.byteCount))
      rows.append((0, id.bytes.array, Self.key(Height(header.firstLeaf.rawValue + UInt64(position)))))
      start += length
    }
    return rows
  }

  // MARK: Figures

  /// Bytes that the entries of the blocks below `height` take, about, as of bodies.
  public func entryBytes(below height: Height) throws(StoreError) -> UInt64 { try bytes(of: Family.entries, below: height) }

  /// Bytes of the tables of the index.
  public var indexTableBytes: UInt64 { index.tables(0).reduce(0) { $0 + $1.byteCount } }

  /// Leaves below the first whose entry is here after a deep prune that leaves the blocks from `height` on.
  public func firstLeaf(of height: Height) throws(StoreError) -> LeafIndex {
    height > head.height ? LeafIndex(head.treeSize) : try presentHeader(height).firstLeaf
  }

  /// Whether a deep prune has been made in a chain that nobody has open; false for one that cannot be read.
  public static func isDeeplyPruned(chain directory: String) -> Bool {
    guard let chain = try? Database(path: directory, families: families, options: StoreOptions(), cacheBytes: StoreLimit.readerCacheBytes, isReadOnly: true) else { return false }
    return ((try? chain.value(Family.meta, entriesKey)) ?? nil) != nil
  }
}

/// What was taken from the blocks of a stage.
struct SweepStage {
  /// The next block.
  var next: Height
  /// The tree of the blocks below it.
  var leaves: MountainRange
  var events: [IndexedEvent] = []
}
