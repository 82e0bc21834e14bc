public import Audit
public import Ed25519
public import Ledger

/// A backfill's work on a store, a part at a time, so that blocks are not kept waiting. Called on the thread that owns the store.
public struct BackfillTask: Sendable {
  private let work: BackfillWork
  private var fill = BodyFill([])

  public init(_ work: BackfillWork) {
    self.work = work
    if case .write(let blocks, _, _) = work { fill = BodyFill(blocks) }
  }

  /// Goes on. Nil while more is left.
  /// - Parameters:
  ///   - floor: bodies below it are not wanted.
  ///   - batch: empty, of at least `BodyFill.eventsPerStep`.
  /// - Throws: `.failed` when the write has failed, and what reading the store throws.
  public mutating func step(
    _ store: some LedgerStore, floor: Height, hasRoom: Bool, _ batch: inout SignatureBatch
  ) throws(StoreError) -> (BackfillResult, BodyGap)? {
    guard hasRoom else { return (.full, BodyGap(heights: nil, earliest: store.earliestBodyHeight, floor: min(floor, store.earliestBodyHeight))) }
    guard case .write(let blocks, _, let acceptsGaps) = work else { return (.looked, try gap(store, floor)) }
    switch try fill.step(store, &batch) {
    case .more: return nil
    case .foreign: return (.foreign, try gap(store, floor))
    case .badSignature(let height, let position):
      let hash = try store.header(at: height).map { "\($0.hash)" } ?? "-"
      return (.invalid("the final block \(height.rawValue) \(hash) fails a check: the signature of event \(position) is not valid"), try gap(store, floor))
    case .done(let missing):
      guard try fits(store, blocks, floor) else { return (.looked, try gap(store, floor)) }
      let isNew = blocks[0].header.height < store.earliestBodyHeight
      let isBetter = isNew ? true : try betters(store, missing)
      guard isBetter, missing == 0 || acceptsGaps else { return (.lacking(missing), try gap(store, floor)) }
      try store.fill(fill.blocks)
      return (.written, try gap(store, floor))
    }
  }

  private func gap(_ store: some LedgerStore, _ floor: Height) throws(StoreError) -> BodyGap {
    var searched = Height(0)
    if case .look(let height) = work { searched = height }
    return try store.bodyGap(floor: floor, searched: searched, blocksMax: ReplicationLimit.rangeBlocksMax, bytesMax: ReplicationLimit.backfillBytes)
  }

  /// Whether the blocks still join what is here: a prune may have come between, or another policy.
  private func fits(_ store: some LedgerStore, _ blocks: [Block], _ floor: Height) throws(StoreError) -> Bool {
    guard let first = blocks.first?.header.height, let last = blocks.last?.header.height else { return false }
    return first >= store.earliestBodyHeight || last.next == store.earliestBodyHeight && first >= floor
  }

  /// Whether blocks that are here gain bodies and lose none.
  private func betters(_ store: some LedgerStore, _ missing: Int) throws(StoreError) -> Bool {
    var before = 0
    for block in fill.blocks {
      let (own, new) = (try store.withheld(at: block.header.height), block.withheld)
      guard new.indices.allSatisfy({ new[$0] & ~($0 < own.count ? own[$0] : 0) == 0 }) else { return false }
      before += try store.missingBodies(at: block.header.height)
    }
    return missing < before
  }
}
