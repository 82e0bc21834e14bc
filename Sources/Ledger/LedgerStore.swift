public import Audit
public import Digests
public import Ed25519
public import Merkle
import Bytes

/// What one final block adds to the store.
public struct BlockCommit: Sendable {
  public let block: Block
  /// Encoded finality certificate, or empty.
  public let certificate: [UInt8]
  /// The entries and bodies were stored as a candidate's: the commit does not write them again.
  public let isStored: Bool
  public let ids: [EventID]
  /// The salts and bodies of their events are to be deleted from here on.
  public let redactions: [ApprovedRedaction]
  /// The records of the governance events, concatenated in leaf order: kept for ever, whatever becomes of the bodies.
  public let governance: [UInt8]
  /// The set of the next height, when it is another one than this block's: kept for ever with the block as a handoff.
  public let nextSet: ValidatorSet?
  /// Completed nodes of the tree of entries and of the tree of block hashes below this height.
  public let treeNodes: NewNodes
  public let historyNodes: NewNodes

  public var header: BlockHeader { block.header }
  public var hash: Digest { block.hash }

  init(_ candidate: Candidate, certificate: [UInt8], isStored: Bool, on parent: ChainTip) {
    block = candidate.block
    self.certificate = certificate
    self.isStored = isStored
    ids = candidate.ids
    redactions = candidate.redactions
    governance = candidate.governanceRecords
    nextSet = block.header.nextValidatorsHash == block.header.validatorsHash ? nil : candidate.tip.governance.validators
    var (tree, treeNodes) = (parent.tree, NewNodes(leafCapacity: candidate.leafHashes.count))
    for hash in candidate.leafHashes { tree.append(leafHash: hash, into: &treeNodes) }
    var (history, historyNodes) = (parent.history, NewNodes(leafCapacity: 1))
    history.append(leafHash: TreeHash.leaf(parent.hash.bytes.array.bytes), into: &historyNodes)
    (self.treeNodes, self.historyNodes) = (treeNodes, historyNodes)
  }
}

public enum StoreError: Error, Hashable, Sendable {
  /// The directory holds another chain: both genesis hashes.
  case foreignChain(found: Digest, expected: Digest)
  /// Format of the directory: newer or older than this program's.
  case format(found: String)
  /// Another process, with this id when it could be read, has the directory open.
  case locked(pid: String)
  /// A commit does not follow the durable head.
  case notNext(head: Height, got: Height)
  /// A stored value is missing or does not hold what it must.
  case damaged(String)
  /// A system call or the storage engine failed. After a failed write the process must end.
  case failed(String)
}

/// One of the two trees.
public enum StoredTree: Sendable { case entries, history }

/// Blocks on disk: the final ones up to the head, and candidates above it that may become final. Called by one thread; every call is synchronous.
/// After a thrown error of `store` or `commit` the process must end.
public protocol LedgerStore: AnyObject {
  /// Header of the durable head; genesis counts as durable.
  var head: BlockHeader { get }
  /// Writes a candidate, so that its commit need not write its entries and bodies, with one synced write. Does nothing for one that is held already
  /// or that lies at or below the head. Returns whether it wrote.
  @discardableResult func store(_ candidate: Block) throws(StoreError) -> Bool
  /// The stored candidates above the head, ascending by height, then hash.
  func candidates() throws(StoreError) -> [Block]
  /// A stored candidate by its hash.
  func candidate(_ hash: Digest) throws(StoreError) -> Block?
  /// Writes consecutive final blocks with one synced write, and deletes the candidates that lost against them.
  func commit(_ blocks: [BlockCommit]) throws(StoreError)
  func header(at height: Height) throws(StoreError) -> BlockHeader?
  /// Encoded finality certificate, empty when the block has none of its own.
  func certificate(at height: Height) throws(StoreError) -> [UInt8]?
  /// 192 bytes per event; nil also below `earliestEntryHeight`.
  func entries(at height: Height) throws(StoreError) -> [UInt8]?
  func bodies(at height: Height) throws(StoreError) -> [UInt8]?
  func node(of tree: StoredTree, level: Int, index: UInt64) throws(TreeError) -> Digest
  /// Nodes `range` of a level of the tree of entries, 32 bytes each: the bytes of a tile.
  func nodes(level: Int, range: Range<UInt64>) throws(StoreError) -> [UInt8]
  func height(ofBlock hash: Digest) throws(StoreError) -> Height?

  /// The governance records of blocks from `height` on that have any, ascending, at most `blocksMax` blocks.
  func governanceRecords(from height: Height, blocksMax: Int) throws(StoreError) -> [(height: Height, records: [UInt8])]
  /// Encoded next sets of the blocks from `height` on that hand over, ascending, at most `countMax`.
  func nextSets(from height: Height, countMax: Int) throws(StoreError) -> [(height: Height, set: [UInt8])]
  /// The encoded next set of the last block below `height` that hands over.
  func lastNextSet(before height: Height) throws(StoreError) -> (height: Height, set: [UInt8])?

  /// Blocks below this height have given up their salts and bodies; all else of them is kept. 1 for a store with the whole history.
  var earliestBodyHeight: Height { get }
  /// Blocks below this height have given up their entries, too, but for the records of governance events; headers, certificates and the tree are kept. Not above
  /// `earliestBodyHeight`; 1 where no entry was given up.
  var earliestEntryHeight: Height { get }
  /// The events of a block at or above `earliestBodyHeight` whose salts and bodies are not here, as `Block.withheld`.
  func withheld(at height: Height) throws(StoreError) -> [UInt8]
  /// The approved proposal that had the body of an event of the chain deleted; nil for an event that was not redacted.
  func redaction(of id: EventID) throws(StoreError) -> EventID?
  /// The block that this store was begun from; blocks up to it come without bodies. Nil for a store that began with genesis.
  var anchor: Anchor? { get }
  /// Blocks below this height have given up their bodies because they were told to; 1 when none were.
  var prunedHeight: Height { get }
  /// Heights from `height` on whose blocks lack bodies, redacted or withheld, ascending, at most `countMax`.
  func withheldHeights(from height: Height, countMax: Int) throws(StoreError) -> [Height]
  /// Writes the salts and bodies of final blocks with one synced write: either consecutive ones that end right below `earliestBodyHeight`, which becomes the first
  /// of them, or such as lie above it and lack some. The blocks are checked.
  func fill(_ blocks: [Block]) throws(StoreError)
  /// The signed checkpoint whose block this store is to begin from; nil when that is known, or genesis.
  var soughtCheckpoint: [UInt8]? { get }
  /// Writes, synced, the block that the store begins from, in place of a checkpoint or of an earlier block; the head lies below it.
  /// - Throws: `.failed` for a store that begins with genesis and has blocks.
  func adopt(_ anchor: Anchor) throws(StoreError)

  /// Height up to which the index has been built; it follows the head.
  var indexedHeight: Height { get }
  /// Indexes up to `blocksMax` further blocks. Returns true while more are left.
  func advanceIndex(blocksMax: Int) throws(StoreError) -> Bool
  /// Leaf of an event, as far as the index has been built.
  func location(of id: EventID) throws(StoreError) -> LeafIndex?
  /// What a key has signed up to the head; nil when nothing. Of very many streams a store may give the lowest only.
  func activity(of signer: PublicKey) throws(StoreError) -> SignerActivity?
}

extension LedgerStore {
  /// Height of the block that holds the leaf, by binary search over the headers; nil beyond the head.
  public func height(containing leaf: LeafIndex) throws(StoreError) -> Height? {
    guard leaf.rawValue < head.treeSize else { return nil }
    var (low, high) = (UInt64(1), head.height.rawValue)
    while low < high {
      let middle = (low + high) / 2
      guard let header = try header(at: Height(middle)) else { throw .damaged("no header at height \(middle)") }
      if header.treeSize > leaf.rawValue { high = middle } else { low = middle + 1 }
    }
    return Height(low)
  }

  /// A final block as it was proposed, but for redacted bodies: records put together from entries and bodies; nil beyond the head, for genesis and for a pruned block.
  public func block(at height: Height) throws(StoreError) -> Block? {
    guard height >= earliestBodyHeight, height.rawValue > 0, height <= head.height, let header = try header(at: height) else { return nil }
    guard let entries = try entries(at: height), let bodies = try bodies(at: height),
      let block = Block(header: header, entries: entries, bodies: bodies, withheld: try withheld(at: height))
    else { throw .damaged("block \(height.rawValue)") }
    return block
  }

  /// A final block without the salts and bodies of its events, governance excepted; nil beyond the head, for genesis, and where the entries were pruned.
  public func abridged(at height: Height) throws(StoreError) -> Block? {
    guard height >= earliestEntryHeight, height.rawValue > 0, height <= head.height, let header = try header(at: height) else { return nil }
    let kept = try governanceRecords(from: height, blocksMax: 1).first
    let governance = kept.flatMap { $0.height == height ? $0.records : nil } ?? []
    guard let entries = try entries(at: height), let block = Block(header: header, entries: entries, governance: governance) else {
      throw .damaged("entries of block \(height.rawValue)")
    }
    return block
  }

  /// The record of a leaf with the height of its block, put together from entry, salt and body, or the entry alone when salt and body were pruned, redacted or
  /// withheld; nothing but the height when the entry was pruned, too. Nil beyond the head.
  /// - Throws: `.damaged` when the parts do not have the digest that the statement names.
  public func record(at leaf: LeafIndex) throws(StoreError) -> (record: [UInt8], height: Height)? {
    guard let height = try height(containing: leaf), let header = try header(at: height) else { return nil }
    if height < earliestBodyHeight { return (try prunedRecord(at: leaf, in: header), height) }
    guard let entries = try entries(at: height), let bodies = try bodies(at: height), entries.count == Entry.byteCount * Int(header.eventCount) else {
      throw .damaged("entries of block \(height.rawValue)")
    }
    let position = Int(leaf.rawValue - header.firstLeaf.rawValue)
    let withheld = try withheld(at: height)
    func isWithheld(_ position: Int) -> Bool { position / 8 < withheld.count && withheld[position / 8] >> UInt8(position % 8) & 1 == 1 }
    if isWithheld(position) { return (Array(entries[position * Entry.byteCount..<(position + 1) * Entry.byteCount]), height) }
    var bodyOffset = 0
    for earlier in 0..<position where !isWithheld(earlier) {
      guard let length = Record.length(peeking: entries.bytes, at: earlier * Entry.byteCount) else { throw .damaged("entry \(earlier) of block \(height.rawValue)") }
      bodyOffset += length - Entry.byteCount
    }
    let offset = position * Entry.byteCount
    guard let length = Record.length(peeking: entries.bytes, at: offset), bodyOffset + length - Entry.byteCount <= bodies.count else {
      throw .damaged("body of leaf \(leaf.rawValue)")
    }
    let record = Array(entries[offset..<offset + Entry.byteCount]) + bodies[bodyOffset..<bodyOffset + length - Entry.byteCount]
    do { _ = try Record(parsing: record.bytes) } catch { throw .damaged("record of leaf \(leaf.rawValue): \(error)") }
    return (record, height)
  }

  /// The entry of a leaf without salt and body; the whole record of a governance event, which is kept apart for ever.
  private func prunedRecord(at leaf: LeafIndex, in header: BlockHeader) throws(StoreError) -> [UInt8] {
    if header.height < earliestEntryHeight { return try keptRecord(at: leaf, in: header) }
    let offset = Int(leaf.rawValue - header.firstLeaf.rawValue) * Entry.byteCount
    guard let entries = try entries(at: header.height), entries.count == Entry.byteCount * Int(header.eventCount) else {
      throw .damaged("entries of block \(header.height.rawValue)")
    }
    let entry = Array(entries[offset..<offset + Entry.byteCount])
    guard let kept = try governanceRecords(from: header.height, blocksMax: 1).first, kept.height == header.height else { return entry }
    var start = 0
    while let length = Record.length(peeking: kept.records.bytes, at: start), start + length <= kept.records.count {
      if kept.records[start..<start + Entry.byteCount].elementsEqual(entry) { return Array(kept.records[start..<start + length]) }
      start += length
    }
    return entry
  }

  /// The record of a governance event whose block has no entries any more: the one that has the leaf's hash in the tree. Empty for other events.
  private func keptRecord(at leaf: LeafIndex, in header: BlockHeader) throws(StoreError) -> [UInt8] {
    guard let kept = try governanceRecords(from: header.height, blocksMax: 1).first, kept.height == header.height else { return [] }
    let hash: Digest
    do { hash = try node(of: .entries, level: 0, index: leaf.rawValue) } catch { throw .damaged("mmr/ lacks leaf \(leaf.rawValue)") }
    var start = 0
    while let length = Record.length(peeking: kept.records.bytes, at: start), start + length <= kept.records.count {
      if TreeHash.leaf(kept.records.bytes.extracting(start..<start + Entry.byteCount)) == hash { return Array(kept.records[start..<start + length]) }
      start += length
    }
    return []
  }

  /// The leaf hashes of a block: those of its entries, or what the tree has of them where the entries were pruned.
  public func leafHashes(of header: BlockHeader) throws(StoreError) -> [Digest] {
    guard header.eventCount > 0 else { return [] }
    if header.height < earliestEntryHeight {
      let bytes = try nodes(level: 0, range: header.firstLeaf.rawValue..<header.treeSize)
      return (0..<Int(header.eventCount)).map { Digest(bytes.bytes, at: 32 * $0) }
    }
    guard let entries = try entries(at: header.height), entries.count == Entry.byteCount * Int(header.eventCount) else {
      throw .damaged("entries of block \(header.height.rawValue)")
    }
    return (0..<Int(header.eventCount)).map { TreeHash.leaf(entries.bytes.extracting($0 * Entry.byteCount..<($0 + 1) * Entry.byteCount)) }
  }

  /// Fills the replay window of a chain state at the head from the stored blocks that can still be in it.
  ///
  /// Entries that were pruned are in the window only of a chain that was cut back below the head which it had at the prune. The blocks up to that head are final, come
  /// from peers with their certificates, and fill the window again before this node has a say in another one.
  public func restoreWindow(of chain: inout Chain) throws(StoreError) {
    var first = head.height.rawValue
    while first >= earliestEntryHeight.rawValue, let header = try header(at: Height(first)), header.timestamp >= chain.windowBegin { first -= 1 }
    while first < head.height.rawValue {
      first += 1
      guard let header = try header(at: Height(first)), let entries = try entries(at: Height(first)) else { throw .damaged("block \(first) is missing") }
      do { try chain.restoreWindow(entries: entries.bytes, firstLeaf: header.firstLeaf) } catch { throw .damaged("entries of block \(first): \(error)") }
    }
  }

  /// The tree as a source of proofs.
  public func reader(of tree: StoredTree) -> StoredNodes<Self> { StoredNodes(store: self, tree: tree) }
}

/// Nodes of one stored tree.
public struct StoredNodes<Store: LedgerStore>: NodeReader {
  let store: Store
  let tree: StoredTree
  public func node(level: Int, index: UInt64) throws(TreeError) -> Digest { try store.node(of: tree, level: level, index: index) }
}
