import Bytes
public import Audit
public import Digests
public import Ed25519
public import Merkle

/// The store in memory, for tests and simulation. `commit` and `store` are durable at once, as synced writes are; their unsynced forms stay in a log that
/// `crash` cuts at any point, as a power cut cuts the log of a real store.
public final class MemoryStore: LedgerStore {
  private enum Write { case candidate(Block), blocks([BlockCommit]) }

  private var blocks: [BlockCommit] = []
  private var held: [Block] = []
  private let genesis: BlockHeader
  private var tree = MemoryTree()
  private var history = MemoryTree()
  /// What is durable: the state of `blocks` and `held` at the last sync.
  private var durable: (blocks: Int, held: [Block]) = (0, [])
  private var unsynced: [Write] = []
  /// Redacted events with the proposals that name them; looked up, never walked.
  private var redactions: [EventID: EventID] = [:]

  public private(set) var anchor: Anchor?
  public private(set) var soughtCheckpoint: [UInt8]?

  public init(genesis: BlockHeader, anchor: Anchor? = nil, soughtCheckpoint: [UInt8]? = nil) {
    self.genesis = genesis
    self.anchor = anchor
    self.soughtCheckpoint = soughtCheckpoint
  }

  public func adopt(_ anchor: Anchor) throws(StoreError) {
    guard head.height.rawValue == 0 || (self.anchor.map { $0.height < anchor.height } ?? false) else { throw .failed("the store is not empty") }
    (self.anchor, soughtCheckpoint) = (anchor, nil)
  }

  public var head: BlockHeader { blocks.last?.header ?? genesis }
  /// Writes that a crash may lose.
  public var unsyncedCount: Int { unsynced.count }

  public func commit(_ blocks: [BlockCommit]) throws(StoreError) {
    try commitUnsynced(blocks)
    sync()
  }

  @discardableResult public func store(_ candidate: Block) throws(StoreError) -> Bool {
    let count = held.count
    storeUnsynced(candidate)
    sync()
    return held.count > count
  }

  /// Everything written so far is durable.
  public func sync() {
    durable = (blocks.count, held)
    unsynced.removeAll()
  }

  public func storeUnsynced(_ candidate: Block) {
    guard candidate.header.height > head.height, !held.contains(where: { $0.hash == candidate.hash }) else { return }
    held.append(candidate)
    unsynced.append(.candidate(candidate))
  }

  /// Blocks that a crash loses unless a later write syncs them.
  public func commitUnsynced(_ blocks: [BlockCommit]) throws(StoreError) {
    var height = head.height
    for block in blocks {
      guard block.header.height == height.next else { throw .notNext(head: height, got: block.header.height) }
      guard !block.isStored || held.contains(where: { $0.hash == block.hash }) else { throw .damaged("candidate \(block.hash) is missing") }
      height = height.next
    }
    for block in blocks { append(block) }
    held.removeAll { $0.header.height <= height }
    unsynced.append(.blocks(blocks))
  }

  private func append(_ block: BlockCommit) {
    blocks.append(block)
    for redaction in block.redactions { for id in redaction.events where redactions[id] == nil { redactions[id] = redaction.proposal } }
    tree.append(block.treeNodes)
    history.append(block.historyNodes)
  }

  /// Loses what was not synced, but for the first `survivors` writes of it.
  public func crash(survivors: Int = 0) {
    let log = unsynced.prefix(survivors)
    let kept = blocks.prefix(durable.blocks)
    held = durable.held
    (blocks, tree, history, unsynced, redactions) = ([], MemoryTree(), MemoryTree(), [], [:])
    for block in kept { append(block) }
    for write in log {
      switch write {
      case .candidate(let block): held.append(block)
      case .blocks(let commits):
        for block in commits { append(block) }
        held.removeAll { $0.header.height <= head.height }
      }
    }
    sync()
  }

  public func candidates() -> [Block] {
    held.sorted { ($0.header.height, $0.hash) < ($1.header.height, $1.hash) }
  }

  public func candidate(_ hash: Digest) -> Block? { held.first { $0.hash == hash } }

  public func header(at height: Height) -> BlockHeader? { height.rawValue == 0 ? genesis : block(height)?.header }
  public func certificate(at height: Height) -> [UInt8]? {
    #if MOLOCH_MUTANTS
      if lostCertificates.contains(height) { return [] }
    #endif
    return block(height)?.certificate
  }

  #if MOLOCH_MUTANTS
    private var lostCertificates: Set<Height> = []

    /// As if the head's certificate had not been in the batch of the block.
    public func loseCertificate() { lostCertificates.insert(head.height) }
  #endif

  public func withheld(at height: Height) -> [UInt8] {
    guard height >= earliestBodyHeight, let block = block(height) else { return [] }
    return redacted(block).withheld
  }

  public func redaction(of id: EventID) -> EventID? { location(of: id) == nil ? nil : redactions[id] }

  /// A block without the bodies that redactions name.
  private func redacted(_ commit: BlockCommit) -> Block {
    let block = filled[commit.header.height] ?? commit.block
    guard !redactions.isEmpty else { return block }
    return block.withholding(commit.ids.indices.filter { redactions[commit.ids[$0]] != nil })
  }

  public func entries(at height: Height) -> [UInt8]? { height < earliestEntryHeight ? nil : block(height)?.block.sections.entries }
  public private(set) var earliestEntryHeight = Height(1)
  public var earliestBodyHeight: Height { max(prunedHeight, filledFrom ?? anchor?.height.next ?? Height(1)) }
  public private(set) var prunedHeight = Height(1)
  public func bodies(at height: Height) -> [UInt8]? { height < earliestBodyHeight ? nil : block(height).map { redacted($0).sections.bodies } }

  /// Blocks whose bodies came later, in place of those that were committed; looked up, never walked.
  private var filled: [Height: Block] = [:]
  /// Bodies below the anchor are here from this height on.
  private var filledFrom: Height?

  public func withheldHeights(from height: Height, countMax: Int) -> [Height] {
    blocks.lazy.filter { $0.header.height >= max(height, self.earliestBodyHeight) && !self.redacted($0).isWhole }.prefix(countMax).map { $0.header.height }
  }

  public func fill(_ blocks: [Block]) {
    guard let first = blocks.first else { return }
    for block in blocks { filled[block.header.height] = block }
    if first.header.height < earliestBodyHeight { filledFrom = first.header.height }
  }

  /// Blocks below a height give up their salts and bodies, up to the head.
  public func prune(before height: Height) { prunedHeight = max(prunedHeight, min(height, head.height)) }

  /// Blocks below a height, which is not above the head, give up their entries, too.
  public func pruneDeep(before height: Height) {
    prune(before: height)
    earliestEntryHeight = max(earliestEntryHeight, min(height, head.height))
  }

  public func node(of tree: StoredTree, level: Int, index: UInt64) throws(TreeError) -> Digest {
    switch tree {
    case .entries: try self.tree.node(level: level, index: index)
    case .history: try history.node(level: level, index: index)
    }
  }

  public func governanceRecords(from height: Height, blocksMax: Int) -> [(height: Height, records: [UInt8])] {
    blocks.lazy.filter { $0.header.height >= height && !$0.governance.isEmpty }.prefix(blocksMax).map { ($0.header.height, $0.governance) }
  }

  public func nextSets(from height: Height, countMax: Int) -> [(height: Height, set: [UInt8])] {
    blocks.lazy.filter { $0.header.height >= height }.compactMap { block in block.nextSet.map { (block.header.height, $0.encoded) } }.prefix(countMax).map { $0 }
  }

  public func lastNextSet(before height: Height) -> (height: Height, set: [UInt8])? {
    blocks.last { $0.header.height < height && $0.nextSet != nil }.map { ($0.header.height, $0.nextSet?.encoded ?? []) }
  }

  private func block(_ height: Height) -> BlockCommit? {
    height.rawValue > 0 && height.rawValue <= UInt64(blocks.count) ? blocks[Int(height.rawValue - 1)] : nil
  }

  public func nodes(level: Int, range: Range<UInt64>) throws(StoreError) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in range {
      do { bytes.append(try node(of: .entries, level: level, index: index).bytes) } catch { throw .damaged("node \(index) of level \(level)") }
    }
    return bytes
  }

  public func height(ofBlock hash: Digest) -> Height? {
    if genesis.hash == hash { return Height(0) }
    return blocks.first { $0.hash == hash }.map { $0.header.height }
  }

  /// Look-ups search the blocks themselves, so that there is nothing to build.
  public var indexedHeight: Height { head.height }
  public func advanceIndex(blocksMax: Int) -> Bool { false }
  public func activity(of signer: PublicKey) throws(StoreError) -> SignerActivity? {
    var activity: SignerActivity?
    for block in blocks {
      let entries = block.block.sections.entries
      for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) where Bytes32(entries.bytes, at: offset + 64) == signer.bytes {
        var found = activity ?? SignerActivity(firstSeen: block.header.timestamp)
        found.eventCount += 1
        let (stream, sequence) = (entries.bytes.uint64(at: offset + 32), entries.bytes.uint64(at: offset + 40))
        if sequence > 0 {
          let place = found.streams.firstIndex { $0.stream >= stream } ?? found.streams.count
          if place == found.streams.count || found.streams[place].stream != stream { found.streams.insert(SignerStream(stream: stream), at: place) }
          found.streams[place].add(sequence)
        }
        activity = found
      }
    }
    return activity
  }

  public func location(of id: EventID) -> LeafIndex? {
    for block in blocks {
      if let position = block.ids.firstIndex(of: id) { return LeafIndex(block.header.firstLeaf.rawValue + UInt64(position)) }
    }
    return nil
  }
}
