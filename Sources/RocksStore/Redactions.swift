public import Audit
import Bytes
import Digests
public import Ledger

/// Bodies that approved redactions name.
///
/// The batch of the block that approves a redaction names its events in `redactions`; then the bodies are looked for and deleted with one batch of their own. What a
/// crash leaves between the two is done at the next start. An event that is named before it is on the chain loses its body when it comes.
extension RocksLedgerStore {
  private static let erasedKey = Array("erased".utf8)
  /// In the place of a leaf: not deleted yet.
  private static let nowhere = UInt64.max

  public func withheld(at height: Height) throws(StoreError) -> [UInt8] {
    guard height >= earliestBodyHeight else { return [] }
    return try chain.value(Family.withheld, Self.key(height)) ?? []
  }

  public func redaction(of id: EventID) throws(StoreError) -> EventID? {
    guard let value = try chain.value(Family.redactions, id.digest.bytes.array), value.count == 40, value.bytes.uint64(at: 32) != Self.nowhere else { return nil }
    return EventID(Digest(value.bytes, at: 0))
  }

  /// Deletes salts and bodies of the events of redactions that were approved by blocks which are stored already.
  public func redact(_ redactions: [ApprovedRedaction]) throws(StoreError) {
    var batch = WriteBatch()
    for redaction in redactions { name(redaction, &batch) }
    try chain.write(batch)
    try eraseNamed()
  }

  /// Notes the events of a redaction; the first one that names an event counts.
  func name(_ redaction: ApprovedRedaction, _ batch: inout WriteBatch) {
    // A row that cannot be read is written anew: what it said is looked for again.
    for id in redaction.events where !named.contains(id) && (try? chain.value(Family.redactions, id.digest.bytes.array)) == nil {
      named.insert(id)
      batch.put(Family.redactions, id.digest.bytes.array, redaction.proposal.digest.bytes.array + Self.number(Self.nowhere))
    }
  }

  private static func number(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: value)
    return bytes
  }

  /// Reads which bodies are still to be deleted, and deletes those of events on the chain.
  func loadRedactions() throws(StoreError) {
    var begin: [UInt8] = []
    while true {
      let rows = try chain.rows(Family.redactions, from: begin, countMax: StoreLimit.redactionRows)
      for row in rows where row.key.count == 32 && row.value.count == 40 && row.value.bytes.uint64(at: 32) == Self.nowhere {
        named.insert(EventID(Digest(row.key.bytes, at: 0)))
      }
      guard rows.count == StoreLimit.redactionRows, let last = rows.last else { break }
      begin = last.key + [0]
    }
    if let heights = try chain.value(Family.meta, Self.erasedKey) {
      for offset in stride(from: 0, to: heights.count - 7, by: 8) { erased.append(Height(heights.bytes.uint64(at: offset))) }
    }
    if !named.isEmpty { try eraseNamed() }
  }

  /// Deletes the bodies of named events that are on the chain, with one synced write.
  func eraseNamed() throws(StoreError) {
    while try advanceIndex(blocksMax: 256) {}
    var (batch, found): (WriteBatch, [(height: Height, position: Int)]) = (WriteBatch(), [])
    for id in named.sorted() {
      guard let leaf = try location(of: id), let height = try height(containing: leaf), let header = try header(at: height) else { continue }
      guard let row = try chain.value(Family.redactions, id.digest.bytes.array) else { throw .damaged("redaction of \(id)") }
      batch.put(Family.redactions, id.digest.bytes.array, row.prefix(32) + Self.number(leaf.rawValue))
      found.append((height, Int(leaf.rawValue - header.firstLeaf.rawValue)))
      named.remove(id)
    }
    guard !found.isEmpty else { return }
    found.sort { ($0.height, $0.position) < ($1.height, $1.position) }
    for group in found.chunked() where group.height >= earliestBodyHeight {
      guard let whole = try block(at: group.height) else { throw .damaged("block \(group.height.rawValue)") }
      let block = whole.withholding(group.positions)
      guard !block.isWhole else { continue }
      batch.put(Family.bodies, Self.key(group.height, block.hash), block.sections.bodies)
      batch.put(Family.withheld, Self.key(group.height), block.withheld)
      if !erased.contains(group.height) { erased.append(group.height) }
    }
    batch.put(Family.meta, Self.erasedKey, erased.flatMap { Self.key($0) })
    try chain.write(batch)
  }

  /// Takes deleted bodies out of the files of the database; nil when there is nothing to do. To be run on any thread, then reported to `finish`.
  public var erasure: BodyErasure? { erased.isEmpty ? nil : BodyErasure(chain: chain, heights: erased) }

  /// The erasure has run to its end.
  public func finish(_ erasure: BodyErasure) throws(StoreError) {
    erased.removeAll { erasure.heights.contains($0) }
    try chain.write([(Family.meta, Self.erasedKey, erased.flatMap { Self.key($0) })])
  }
}

/// Rewrites the files that may hold bodies which were deleted. May run on a thread of its own while the store is used.
public struct BodyErasure: Sendable {
  let chain: Database
  let heights: [Height]

  /// Deleted bodies are in the log of the database until everything in it is in tables, and in old tables until these are merged.
  public func run() throws(StoreError) {
    try chain.flush()
    for height in heights { chain.compact(RocksLedgerStore.Family.bodies, from: RocksLedgerStore.key(height), upTo: RocksLedgerStore.key(height.next), isThorough: true) }
  }
}

extension Array where Element == (height: Height, position: Int) {
  /// Neighbours of one height together.
  fileprivate func chunked() -> [(height: Height, positions: [Int])] {
    var groups: [(height: Height, positions: [Int])] = []
    for element in self {
      if groups.last?.height == element.height { groups[groups.count - 1].positions.append(element.position) } else {
        groups.append((element.height, [element.position]))
      }
    }
    return groups
  }
}
