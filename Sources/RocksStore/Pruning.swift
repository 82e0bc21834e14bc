public import Audit
import Bytes
public import Ledger

extension RocksLedgerStore {
  static let prunedKey = Array("pruned".utf8)

  /// Deletes salts and bodies of the blocks below `height`; entries, headers, certificates, governance records, trees and index stay. Nothing happens when they
  /// are deleted already. The watermark is on disk before anything is deleted: after a crash between the two the next start deletes the rest.
  /// - Precondition: where anything is deleted, `height` is not above the head.
  /// - Returns: gives the space back, on any thread, beside the running store.
  public func prune(below height: Height) throws(StoreError) -> Compaction {
    if height > earliestBodyHeight {
      precondition(height <= head.height, "only final blocks are pruned, and the head keeps its bodies")
      try mark(below: height)
      try deletePruned()
    } else if height > prunedHeight, height <= head.height {
      // Nothing is here to be deleted, and nothing is to be fetched any more.
      try mark(below: height)
    }
    return prunedCompaction
  }

  /// From here on the blocks below `height` count as pruned, whether their bodies are still there or not.
  func mark(below height: Height) throws(StoreError) {
    try chain.write([(Family.meta, Self.prunedKey, Self.key(height))])
    prunedHeight = height
    earliestBodyHeight = max(earliestBodyHeight, height)
  }

  private func deletePruned() throws(StoreError) {
    try chain.deleteRange(Family.bodies, from: Self.key(Height(0)), to: Self.key(prunedEnd))
    try chain.deleteRange(Family.withheld, from: Self.key(Height(0)), to: Self.key(prunedEnd))
  }

  /// Bodies below it are to go. Candidates above the head keep theirs, however far the anchor is.
  private var prunedEnd: Height { min(earliestBodyHeight, head.height.next) }

  /// Reads from where on bodies are here: the anchor says so first, bodies that came later lower it, and a prune raises it.
  func readMarks() throws(StoreError) {
    (anchor, earliestBodyHeight) = (try Self.anchor(in: chain), Height(1))
    if let anchor {
      let filled = try mark(Self.filledKey)
      guard filled ?? anchor.height.next <= anchor.height.next else { throw .damaged("watermark of bodies below the anchor") }
      earliestBodyHeight = filled ?? anchor.height.next
    }
    prunedHeight = try mark(Self.prunedKey) ?? Height(1)
    guard prunedHeight <= max(head.height, Height(1)) else { throw .damaged("watermark of pruned bodies") }
    earliestBodyHeight = max(earliestBodyHeight, prunedHeight)
  }

  private func mark(_ key: [UInt8]) throws(StoreError) -> Height? {
    guard let value = try chain.value(Family.meta, key) else { return nil }
    guard value.count == 8, value.bytes.uint64(at: 0) > 0 else { throw .damaged("watermark of bodies") }
    return Height(value.bytes.uint64(at: 0))
  }

  /// Deletes what a crash has left below the watermarks.
  func resumePruning() throws(StoreError) {
    if let row = try chain.rows(Family.bodies, from: Self.key(Height(0)), countMax: 1).first, row.key.bytes.uint64(at: 0) < prunedEnd.rawValue {
      try deletePruned()
    }
    try resumeSweep()
  }

  /// The lowest height whose block is not older than `time`, or the head: blocks below it may be pruned.
  public func height(notBefore time: Timestamp) throws(StoreError) -> Height {
    var (low, high) = (UInt64(1), max(1, head.height.rawValue))
    while low < high {
      let middle = (low + high) / 2
      guard let header = try header(at: Height(middle)) else { throw .damaged("no header at height \(middle)") }
      if header.timestamp >= time { high = middle } else { low = middle + 1 }
    }
    return Height(low)
  }

  /// Bytes that the salts and bodies of the blocks below `height` take, about: of those in tables what they take on disk, of newer ones their length.
  public func bodyBytes(below height: Height) throws(StoreError) -> UInt64 { try bytes(of: Family.bodies, below: height) }

  func bytes(of family: Int, below height: Height) throws(StoreError) -> UInt64 {
    var bytes = try chain.approximateBytes(family, from: Self.key(Height(0)), to: Self.key(height))
    let end = Self.key(height), lastKeys = chain.tables(family).map { $0.last }
    // Blocks are stored in ascending order: beyond the tables lies what is in memory, and the log.
    var begin = lastKeys.max { $0.lexicographicallyPrecedes($1) }.map { $0 + [0] } ?? []
    while begin.lexicographicallyPrecedes(end) {
      let rows = try chain.rows(family, from: begin, countMax: StoreLimit.countedRows)
      for row in rows where row.key.lexicographicallyPrecedes(end) { bytes += UInt64(row.key.count + row.value.count) }
      guard rows.count == StoreLimit.countedRows, let last = rows.last else { break }
      begin = last.key + [0]
    }
    return bytes
  }
}
