import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import JSON
import Ledger
import Merkle
import RocksStore

/// A check of a node's data, from genesis to the head: of a stopped one under its lock, or of a frozen state beside a running one.
public struct StoreVerification {
  /// Each level checks what those before it check.
  public enum Level: String, CaseIterable, Sendable {
    /// Every section of every block is read, which checks the sums of the tables; the tree files have the root of the head.
    case quick
    /// Headers, certificates, governance, every node of the tree, the parts of the snapshot.
    case full
    /// Signatures, the digests of bodies, the index.
    case deep
  }

  /// One damaged place.
  public struct Damage: Hashable, Sendable {
    /// Below the data directory: `mmr/level-03`, `chain`, `index`, `snapshots/NAME`.
    public var path: String
    /// Byte in the file, where the damage is in one file.
    public var offset: UInt64?
    /// What is damaged: `nodes 2560..2815`, `height 7  tree root`.
    public var range: String
    /// The block that is damaged, where it is one.
    public var height: UInt64?
    /// Other data of this node has what is lost.
    public var isMinor: Bool

    public init(path: String, offset: UInt64? = nil, range: String, height: UInt64? = nil, isMinor: Bool) {
      (self.path, self.offset, self.range, self.height, self.isMinor) = (path, offset, range, height, isMinor)
    }

    /// What helps, in words for an operator.
    public var remedy: String {
      isMinor ? "moloch maintenance repair rebuilds it from chain/" : "restore a backup (moloch backup restore), or moloch maintenance repair --from-peers"
    }
  }

  /// Damages that are listed; those above are counted.
  public static let damagesMax = 1000

  public private(set) var blocks: UInt64 = 0
  public private(set) var events: UInt64 = 0
  /// Bytes that the checked directories take on disk.
  public let bytes: UInt64
  public private(set) var milliseconds: UInt64 = 0
  /// What is wrong; empty when all is well.
  public private(set) var damages: [Damage] = []
  public private(set) var minorCount: UInt64 = 0
  public private(set) var majorCount: UInt64 = 0
  /// Bytes of chain and tree that were read.
  public private(set) var bytesRead: UInt64 = 0
  let level: Level
  /// Called after each block with blocks done, blocks in all and bytes read; false ends the work.
  private let progress: Progress
  private var isStopped = false

  public typealias Progress = (_ done: UInt64, _ total: UInt64, _ bytesRead: UInt64) -> Bool
  /// Wrong nodes of the tree files: runs of one level, in the order in which they were found.
  private var badNodes: [(tree: StoredTree, level: Int, range: Range<UInt64>)] = []
  private var isIndexReadable = true

  /// Opens the data under its lock and reads all of it.
  /// - Parameters:
  ///   - data: directory to check instead of the node's own, such as a copy of it.
  ///   - progress: see `Progress`.
  /// - Throws: 66 without data, 75 when it is in use or the work was ended.
  public init(_ options: NodeOptions, level: Level, data: String? = nil, progress: @escaping Progress) throws(NodeFailure) {
    let home = try NodeHome(options, readsValidatorKeys: false)
    let directory = data ?? home.data
    guard FileCopy.isDirectory(directory) else { throw NodeFailure(66, "\(directory) does not exist") }
    try self.init(home, level, data: directory, progress) { () throws(StoreError) in
      try RocksLedgerStore(directory: directory, genesis: home.genesis.header, genesisHash: home.genesis.hash)
    }
  }

  /// Reads what `RocksLedgerStore.freeze` has made at `directory`, beside the running store.
  init(_ home: NodeHome, level: Level, frozen directory: String, progress: @escaping Progress) throws(NodeFailure) {
    try self.init(home, level, data: home.data, progress) { () throws(StoreError) in
      try RocksLedgerStore(frozen: directory, data: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash)
    }
  }

  private init(_ home: NodeHome, _ level: Level, data: String, _ progress: @escaping Progress, _ open: () throws(StoreError) -> RocksLedgerStore) throws(NodeFailure) {
    let began = MonotonicClock.now(), statistics = DirectoryStatistics(data: data)
    self.level = level
    self.progress = progress
    bytes = statistics.chain + statistics.mmr + statistics.index
    do {
      let store = try open()
      if level == .quick { read(store) } else { try run(store, home.genesis) }
      if !isStopped { checkRoot(store) }
      if !isStopped, level != .quick { checkSnapshot(store, data, home.genesis.chainTag) }
    } catch {
      // What cannot be opened or read for a wrong sum is damaged; for another reason nothing is known of it.
      switch error {
      case .failed(let reason) where reason.contains("Corruption"): add("chain", reason, isMinor: false)
      case .damaged(let reason) where reason.hasPrefix("index: "): add("index", reason, isMinor: true)
      case .damaged(let reason): add("chain", reason, isMinor: false)
      default: throw StorageSession.failure(error, home)
      }
    }
    if isStopped { throw NodeFailure(75, "interrupted after \(blocks) blocks") }
    milliseconds = MonotonicClock.now().milliseconds - began.milliseconds
  }

  private mutating func add(_ path: String, offset: UInt64? = nil, height: UInt64? = nil, _ range: String, isMinor: Bool) {
    if isMinor { minorCount += 1 } else { majorCount += 1 }
    if damages.count < Self.damagesMax { damages.append(Damage(path: path, offset: offset, range: range, height: height, isMinor: isMinor)) }
  }

  private mutating func major(_ height: UInt64, _ what: String) { add("chain", height: height, "height \(height)  \(what)", isMinor: false) }

  /// A block is done. Returns whether to go on.
  private mutating func finish(_ height: UInt64, of head: UInt64) -> Bool {
    blocks += 1
    if !progress(height, head, bytesRead) { isStopped = true }
    return !isStopped
  }

  /// Reads the sections of each block: a table with a wrong sum does not give its values.
  private mutating func read(_ store: RocksLedgerStore) {
    let head = store.head.height.rawValue
    for height in stride(from: UInt64(1), through: max(1, head), by: 1) where height <= head {
      do throws(StoreError) {
        let header = try store.header(at: Height(height))
        let entries = try store.entries(at: Height(height)), bodies = try store.bodies(at: Height(height))
        let isPruned = Height(height) < store.earliestBodyHeight
        let certificate = try store.certificate(at: Height(height))
        bytesRead += UInt64(BlockHeader.byteCount + (certificate?.count ?? 0) + (entries?.count ?? 0) + (bodies?.count ?? 0))
        let isHere = entries != nil || Height(height) < store.earliestEntryHeight
        if let header, isHere, bodies != nil || isPruned { events += UInt64(header.eventCount) } else { major(height, "the block is missing") }
      } catch {
        major(height, "\(error)")
      }
      guard finish(height, of: head) else { return }
    }
  }

  private mutating func run(_ store: RocksLedgerStore, _ genesis: Genesis) throws(StoreError) {
    var parent = genesis.header
    var tree = MountainRange()
    var history = MountainRange()
    var governance = GovernanceState(genesis: genesis)
    let head = store.head.height.rawValue
    for height in stride(from: UInt64(1), through: max(1, head), by: 1) where height <= head {
      let header: BlockHeader?, entries: [UInt8]?
      do throws(StoreError) { (header, entries) = (try store.header(at: Height(height)), try store.entries(at: Height(height))) } catch {
        // What follows is judged by what is here.
        return major(height, "\(error); the blocks above it were not checked")
      }
      guard let header, entries != nil || Height(height) < store.earliestEntryHeight else { return major(height, "the block is missing; the blocks above it were not checked") }
      var nodes = NewNodes()
      history.append(leafHash: TreeHash.leaf(parent.hash.bytes.array.bytes), into: &nodes)
      checkNodes(store, .history, nodes)
      if header.parentHash != parent.hash { major(height, "parent hash") }
      if header.historyRoot != history.root { major(height, "history root") }
      checkCertificate(store, header, governance)
      try checkGovernance(store, header, &governance)
      if let entries { checkEntries(store, header, entries, &tree) } else if try !checkLeaves(store, header, &tree) { break }
      do throws(StoreError) {
        let bodies = try store.bodies(at: Height(height))
        if Height(height) >= store.earliestBodyHeight, bodies == nil { major(height, "the bodies are missing") }
        bytesRead += UInt64(BlockHeader.byteCount + (entries?.count ?? 0) + (bodies?.count ?? 0) + 64 * Int(header.eventCount))
      } catch {
        major(height, "bodies: \(error)")
      }
      if header.treeRoot != tree.root { major(height, "tree root") }
      parent = header
      guard finish(height, of: head) else { return }
    }
    for bad in badNodes {
      add(
        "mmr/\(bad.tree == .entries ? "level" : "history")-\(bad.level < 10 ? "0" : "")\(bad.level)", offset: 32 * bad.range.lowerBound,
        "nodes \(bad.range.lowerBound)..\(bad.range.upperBound - 1)", isMinor: true)
    }
  }

  private mutating func checkRoot(_ store: RocksLedgerStore) {
    let stored = try? store.reader(of: .entries).root(ofSize: store.head.treeSize)
    if stored != store.head.treeRoot { add("mmr", "size \(store.head.treeSize)  the stored levels do not have the root of the head", isMinor: true) }
  }

  private mutating func checkSnapshot(_ store: RocksLedgerStore, _ data: String, _ chainTag: ChainTag) {
    let head = store.head.height.rawValue
    SnapshotFiles.examine(data: data, store, chainTag) { name, byteCount, fault in
      bytesRead += byteCount
      if let fault { add("snapshots/" + name, fault, isMinor: true) }
      if !progress(head, head, bytesRead) { isStopped = true }
      return !isStopped
    }
  }

  private mutating func checkCertificate(_ store: RocksLedgerStore, _ header: BlockHeader, _ governance: GovernanceState) {
    do {
      guard let bytes = try store.certificate(at: header.height), !bytes.isEmpty else { return }
      let certificate = try Certificate(decoding: bytes.bytes, chainTag: governance.chainTag)
      try certificate.verifyFinality(of: header, in: governance.validators, epochLength: governance.parameters.epochLength)
    } catch {
      major(header.height.rawValue, "certificate: \(error)")
    }
  }

  /// Sets and parameters of the header follow from the governance events before it; handoffs are stored.
  private mutating func checkGovernance(_ store: RocksLedgerStore, _ header: BlockHeader, _ state: inout GovernanceState) throws(StoreError) {
    let height = header.height
    if header.validatorsHash != state.validators.hash { major(height.rawValue, "validators_hash") }
    if header.parametersHash != state.parametersHash { major(height.rawValue, "params_hash") }
    if header.nextValidatorsHash != state.validatorsAfterNext.hash { major(height.rawValue, "next_validators_hash") }
    do throws(StoreError) { try store.advance(&state, to: header) } catch { major(height.rawValue, "governance: \(error)") }
    if state.height < height { _ = state.advance(to: height, timestamp: header.timestamp) }
    let stored = try store.nextSets(from: height, countMax: 1).first
    let next = stored.flatMap { $0.height == height ? SHA256.hash($0.set) : nil }
    if (next ?? header.validatorsHash) != header.nextValidatorsHash { major(height.rawValue, "handoff") }
  }

  /// A table that cannot be read is named once: every later look-up would say the same.
  private mutating func checkIndex(_ store: RocksLedgerStore, _ id: EventID, _ leaf: LeafIndex) {
    do throws(StoreError) {
      guard try store.location(of: id) != leaf else { return }
      add("index", "leaf \(leaf.rawValue)  \(id) is not indexed", isMinor: true)
    } catch {
      isIndexReadable = false
      add("index", "leaf \(leaf.rawValue)  \(error)", isMinor: true)
    }
  }

  private mutating func checkNodes(_ store: RocksLedgerStore, _ tree: StoredTree, _ nodes: NewNodes) {
    for level in 0..<nodes.height {
      for (offset, digest) in nodes.levels[level].digests.enumerated() {
        let index = nodes.levels[level].firstIndex + UInt64(offset)
        if (try? store.node(of: tree, level: level, index: index)) == digest { continue }
        // Leaves come in order, so a run of one level grows at its end.
        if let known = badNodes.lastIndex(where: { $0.tree == tree && $0.level == level }), badNodes[known].range.upperBound == index {
          badNodes[known].range = badNodes[known].range.lowerBound..<index + 1
        } else if badNodes.count < Self.damagesMax {
          badNodes.append((tree, level, index..<index + 1))
        }
      }
    }
  }

  private mutating func checkEntries(_ store: RocksLedgerStore, _ header: BlockHeader, _ entries: [UInt8], _ tree: inout MountainRange) {
    guard entries.count == Int(header.eventCount) * Entry.byteCount else {
      major(header.height.rawValue, "entries: \(entries.count) bytes")
      return
    }
    var nodes = NewNodes(leafCapacity: Int(header.eventCount))
    // Leaf by leaf the store reads the block again: only to say which of them is damaged.
    let hasSoundBodies = level == .deep && Self.hasSoundBodies(store, header)
    for position in 0..<UInt64(header.eventCount) {
      let leaf = LeafIndex(header.firstLeaf.rawValue + position)
      let offset = Int(position) * Entry.byteCount
      let entry = entries.bytes.extracting(offset..<offset + Entry.byteCount)
      tree.append(leafHash: TreeHash.leaf(entry), into: &nodes)
      if level == .deep { checkEvent(store, header, entry, leaf, hasSoundBodies: hasSoundBodies) }
      events += 1
    }
    checkNodes(store, .entries, nodes)
  }

  /// What the tree files have of a block whose entries were pruned has the root of its header. Returns false when what follows cannot be judged.
  private mutating func checkLeaves(_ store: RocksLedgerStore, _ header: BlockHeader, _ tree: inout MountainRange) throws(StoreError) -> Bool {
    var (next, nodes) = (tree, NewNodes(leafCapacity: Int(header.eventCount)))
    if let hashes = try? store.leafHashes(of: header) { for hash in hashes { next.append(leafHash: hash, into: &nodes) } }
    events += UInt64(header.eventCount)
    if next.root == header.treeRoot {
      tree = next
      checkNodes(store, .entries, nodes)
      return true
    }
    // Nothing else here has what is lost.
    add(
      "mmr/level-00", offset: 32 * header.firstLeaf.rawValue,
      "leaves \(header.firstLeaf.rawValue)..<\(header.treeSize)  wrong, and the entries of height \(header.height.rawValue) were pruned", isMinor: false)
    guard let range = try? MountainRange(size: header.treeSize, from: store.reader(of: .entries)), range.root == header.treeRoot else { return false }
    tree = range
    return true
  }

  /// Whether every body that is to be here has the digest that its statement names.
  private static func hasSoundBodies(_ store: RocksLedgerStore, _ header: BlockHeader) -> Bool {
    guard header.height >= store.earliestBodyHeight else { return true }
    guard let block = (try? store.block(at: header.height)) ?? nil, block.offsets.count == Int(header.eventCount) + 1 else { return false }
    let body = block.body.bytes
    for position in 0..<Int(header.eventCount) where !block.withholds(position) {
      guard (try? Record(parsing: body, at: block.offsets[position])) != nil else { return false }
    }
    return true
  }

  private mutating func checkEvent(_ store: RocksLedgerStore, _ header: BlockHeader, _ entry: RawSpan, _ leaf: LeafIndex, hasSoundBodies: Bool) {
    let statement = entry.extracting(0..<Statement.byteCount)
    if !Verifier.isValid(Signature(entry, at: Statement.byteCount), over: statement, by: PublicKey(Bytes32(entry, at: 64))) {
      add("chain", height: header.height.rawValue, "height \(header.height.rawValue)  leaf \(leaf.rawValue)  signature", isMinor: false)
    }
    do throws(StoreError) { if !hasSoundBodies { _ = try store.record(at: leaf) } } catch {
      add("chain", height: header.height.rawValue, "height \(header.height.rawValue)  leaf \(leaf.rawValue)  body: \(error)", isMinor: false)
    }
    if header.height <= store.indexedHeight, isIndexReadable { checkIndex(store, EventID(SHA256.hash(statement)), leaf) }
  }
}

extension StoreVerification {
  /// JSON object with the figures and the damages.
  var json: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("level"); json.string(level.rawValue)
    let members: [(StaticString, UInt64)] = [
      ("blocks", blocks), ("events", events), ("bytes", bytes), ("ms", milliseconds), ("minor", minorCount), ("major", majorCount),
    ]
    for (name, value) in members {
      json.key(name)
      json.number(value)
    }
    json.key("damages")
    json.beginArray()
    for damage in damages {
      json.beginObject()
      json.key("path"); json.string(damage.path)
      if let offset = damage.offset {
        json.key("offset")
        json.number(offset)
      }
      if let height = damage.height {
        json.key("height")
        json.number(height)
      }
      json.key("range"); json.string(damage.range)
      json.key("grade"); json.string(damage.isMinor ? "minor" : "major")
      json.key("remedy"); json.string(damage.remedy)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return json.bytes
  }
}
