public import Audit
import Bytes
public import Digests
import Glibc
public import Ledger

/// What is left of a damaged chain: the blocks below the first that cannot be read.
public struct Salvage: Sendable {
  /// The last block that was taken over; 0 when none was.
  public let height: Height

  /// Copies the readable beginning of a chain into a new database: blocks, entries, bodies, governance, handoffs, what is known of a prune, up to the last block below `limit` that has a
  /// finality certificate of its own. Each row is read through the sums of its table. Nothing at `source` is changed.
  /// - Parameters:
  ///   - source: directory of a database that nobody has open.
  ///   - target: directory that does not exist; made.
  ///   - limit: nothing from this height on is taken.
  ///   - progress: called with the heights done and those to do.
  /// - Throws: `.failed` when the target cannot be written. A source that does not open gives nothing.
  public init(
    from source: String, to target: String, below limit: Height, genesisHash: Digest, options: StoreOptions, progress: (UInt64, UInt64) -> Void
  ) throws(StoreError) {
    // The path is lent to the call.
    guard unsafe mkdir(target, 0o750) == 0 else { throw .failed("mkdir \(target): errno \(errno)") }
    let fresh = try Database(path: target, families: RocksLedgerStore.families, options: options, cacheBytes: StoreLimit.readerCacheBytes)
    try fresh.write([(RocksLedgerStore.Family.meta, Array("genesis".utf8), genesisHash.bytes.array)])
    var last = Height(0)
    if let old = try? Database(path: source, families: RocksLedgerStore.families, options: StoreOptions(), cacheBytes: StoreLimit.readerCacheBytes, isReadOnly: true) {
      let stored = try? old.value(RocksLedgerStore.Family.meta, RocksLedgerStore.prunedKey)
      let pruned = stored.map { $0.count == 8 ? $0.bytes.uint64(at: 0) : 1 } ?? 1
      let anchor = try? RocksLedgerStore.anchor(in: old)
      // A chain that began from a checkpoint goes on towards it.
      if let anchor { try fresh.write([(RocksLedgerStore.Family.meta, RocksLedgerStore.anchorKey, RocksLedgerStore.key(anchor.height, anchor.hash))]) }
      let filled = anchor == nil ? nil : try? old.value(RocksLedgerStore.Family.meta, RocksLedgerStore.filledKey)
      let whole = filled.flatMap { $0.count == 8 ? Height($0.bytes.uint64(at: 0)) : nil } ?? anchor?.height.next ?? Height(1)
      if let filled { try fresh.write([(RocksLedgerStore.Family.meta, RocksLedgerStore.filledKey, filled)]) }
      let checkpoint = try? old.value(RocksLedgerStore.Family.meta, RocksLedgerStore.checkpointKey)
      if let checkpoint { try fresh.write([(RocksLedgerStore.Family.meta, RocksLedgerStore.checkpointKey, checkpoint)]) }
      let entries = Self.mark(old, RocksLedgerStore.entriesKey)
      last = try Self.copy(old, fresh, below: limit, pruned: max(Height(pruned), whole), entries: entries, progress)
      try Self.copyRedactions(old, fresh, upTo: last)
      if entries.rawValue > 1, last.rawValue > 0 { try Self.copyEntryMarks(old, fresh, entries: entries, last: last) }
      if pruned > 1, last.rawValue > 0 {
        try fresh.write([(RocksLedgerStore.Family.meta, RocksLedgerStore.prunedKey, RocksLedgerStore.key(Height(min(pruned, last.rawValue))))])
      }
    }
    height = last
  }

  private static func mark(_ old: Database, _ key: [UInt8]) -> Height {
    let stored = (try? old.value(RocksLedgerStore.Family.meta, key)) ?? nil
    return stored.map { $0.count == 8 ? Height($0.bytes.uint64(at: 0)) : Height(1) } ?? Height(1)
  }

  /// The watermarks of a deep prune, and what signers did below. Where the chain ends below them, what signers did above its end would count again when it comes.
  private static func copyEntryMarks(_ old: Database, _ fresh: Database, entries: Height, last: Height) throws(StoreError) {
    typealias Family = RocksLedgerStore.Family
    let swept = mark(old, RocksLedgerStore.sweptKey)
    try fresh.write([
      (Family.meta, RocksLedgerStore.entriesKey, RocksLedgerStore.key(min(entries, last.next))),
      (Family.meta, RocksLedgerStore.sweptKey, RocksLedgerStore.key(min(swept, last.next))),
    ])
    guard swept <= last.next else { return }
    var begin = RocksLedgerStore.sumPrefix
    while let rows = try? old.rows(Family.meta, from: begin, countMax: StoreLimit.sumRows) {
      let sums = rows.prefix { $0.key.starts(with: RocksLedgerStore.sumPrefix) }
      try fresh.write(sums.map { (Family.meta, $0.key, $0.value) })
      guard sums.count == StoreLimit.sumRows, let last = sums.last else { return }
      begin = last.key + [0]
    }
  }

  /// Returns the head that the new database has.
  private static func copy(
    _ old: Database, _ fresh: Database, below limit: Height, pruned: Height, entries first: Height, _ progress: (UInt64, UInt64) -> Void
  ) throws(StoreError) -> Height {
    typealias Family = RocksLedgerStore.Family
    var head = Height(0)
    // Blocks without a certificate of their own wait for the first that has one.
    var waiting = WriteBatch()
    var height = Height(1)
    while height < limit {
      let key = RocksLedgerStore.key(height)
      guard let block = try? old.value(Family.blocks, key), block.count >= BlockHeader.byteCount, let header = try? BlockHeader(decoding: block.bytes) else { break }
      let sections = key + header.hash.bytes.array
      let entries = try? old.value(Family.entries, sections)
      guard entries != nil || height < first else { break }
      let bodies = try? old.value(Family.bodies, sections)
      guard bodies != nil || height < pruned else { break }
      waiting.put(Family.blocks, key, block)
      if let entries { waiting.put(Family.entries, sections, entries) }
      if let bodies { waiting.put(Family.bodies, sections, bodies) }
      waiting.put(Family.hashes, header.hash.bytes.array, key)
      do {
        for family in [Family.governance, Family.handoffs, Family.withheld] {
          if let value = try old.value(family, key) { waiting.put(family, key, value) }
        }
      } catch { break }
      if block.count > BlockHeader.byteCount {
        waiting.put(Family.meta, Array("head".utf8), key)
        try fresh.write(waiting)
        waiting = WriteBatch()
        head = height
      }
      progress(height.rawValue, limit.rawValue - 1)
      height = height.next
    }
    return head
  }

  /// Copies which events redactions name. Of an event that is not among the blocks that were taken over, the body is looked for anew when it comes from peers.
  private static func copyRedactions(_ old: Database, _ fresh: Database, upTo height: Height) throws(StoreError) {
    typealias Family = RocksLedgerStore.Family
    var size: UInt64 = 0
    if let block = try fresh.value(Family.blocks, RocksLedgerStore.key(height)), let header = try? BlockHeader(decoding: block.bytes) { size = header.treeSize }
    var begin: [UInt8] = []
    // A family that cannot be read on gives what it gave.
    while let rows = try? old.rows(Family.redactions, from: begin, countMax: StoreLimit.redactionRows), let last = rows.last {
      var batch = WriteBatch()
      for row in rows where row.value.count == 40 {
        let isHere = row.value.bytes.uint64(at: 32) < size
        batch.put(Family.redactions, row.key, isHere ? row.value : row.value.prefix(32) + [UInt8](repeating: 0xFF, count: 8))
      }
      try fresh.write(batch)
      guard rows.count == StoreLimit.redactionRows else { return }
      begin = last.key + [0]
    }
  }
}
