public import Audit
import Bytes
public import Ledger

/// Bodies that come after their blocks: from the anchor downwards, and where a peer has withheld some.
extension RocksLedgerStore {
  /// From this height on bodies below the anchor are here.
  static let filledKey = Array("filled".utf8)

  public func withheldHeights(from height: Height, countMax: Int) throws(StoreError) -> [Height] {
    try chain.rows(Family.withheld, from: Self.key(max(height, earliestBodyHeight)), countMax: countMax).compactMap { row in
      row.key.count == 8 && row.key.bytes.uint64(at: 0) <= head.height.rawValue ? Height(row.key.bytes.uint64(at: 0)) : nil
    }
  }

  /// The bodies and the watermark are one batch: a crash leaves both or none.
  public func fill(_ blocks: [Block]) throws(StoreError) {
    guard let first = blocks.first?.header.height, let last = blocks.last?.header.height else { return }
    let isBelow = first < earliestBodyHeight
    precondition(isBelow ? last.next == earliestBodyHeight && anchor != nil && first >= prunedHeight : last <= head.height, "bodies join those that are here")
    var batch = WriteBatch()
    for block in blocks {
      let height = block.header.height
      batch.put(Family.bodies, Self.key(height, block.hash), block.sections.bodies)
      if block.isWhole { batch.delete(Family.withheld, Self.key(height)) } else { batch.put(Family.withheld, Self.key(height), block.withheld) }
    }
    if isBelow { batch.put(Family.meta, Self.filledKey, Self.key(first)) }
    try chain.write(batch)
    if isBelow { earliestBodyHeight = first }
  }
}
