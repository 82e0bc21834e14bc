import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Merkle
import RocksStore

/// A full check of a stopped node's data: every header, certificate, root, signature and body digest, from genesis to the head.
public struct StoreVerification: Sendable {
  public private(set) var blocks: UInt64 = 0
  public private(set) var events: UInt64 = 0
  /// What is wrong, with height or leaf; empty when all is well.
  public private(set) var damages: [String] = []
  /// Wrong nodes of the tree files by level: the first and the number.
  private var badNodes: [(level: Int, first: UInt64, count: UInt64)] = []
  private var isIndexReadable = true

  /// Opens the data under its lock and reads all of it.
  /// - Parameter progress: called with blocks done and blocks in all.
  public init(_ options: NodeOptions, progress: (UInt64, UInt64) -> Void) throws(NodeFailure) {
    let home = try NodeHome(options)
    do {
      let store = try RocksLedgerStore(directory: home.data, genesis: home.genesis.header, genesisHash: home.genesis.hash)
      try run(store, home.genesis, progress)
    } catch {
      throw StorageSession.failure(error, home)
    }
  }

  private mutating func run(_ store: RocksLedgerStore, _ genesis: Genesis, _ progress: (UInt64, UInt64) -> Void) throws(StoreError) {
    var parent = genesis.header
    var tree = MountainRange()
    var history = MountainRange()
    var governance = GovernanceState(genesis: genesis)
    let head = store.head.height.rawValue
    for height in stride(from: UInt64(1), through: max(1, head), by: 1) where height <= head {
      let header = try store.header(at: Height(height))
      let entries = try store.entries(at: Height(height))
      guard let header, let entries else {
        damages.append("chain  height \(height)  the block is missing  major")
        return
      }
      history.append(leafHash: TreeHash.leaf(parent.hash.bytes.array.bytes))
      if header.parentHash != parent.hash { damages.append("chain  height \(height)  parent hash  major") }
      if header.historyRoot != history.root { damages.append("chain  height \(height)  history root  major") }
      try checkCertificate(store, header, governance)
      try checkGovernance(store, header, &governance)
      try checkEntries(store, header, entries, &tree)
      if header.treeRoot != tree.root { damages.append("chain  height \(height)  tree root  major") }
      parent = header
      blocks += 1
      progress(height, head)
    }
    for bad in badNodes {
      let file = "mmr/level-\(bad.level < 10 ? "0" : "")\(bad.level)"
      damages.append("\(file)  offset \(32 * bad.first)  node \(bad.first)\(bad.count > 1 ? " and \(bad.count - 1) more" : "")  minor")
    }
    let stored = try? store.reader(of: .entries).root(ofSize: store.head.treeSize)
    if stored != store.head.treeRoot { damages.append("mmr  size \(store.head.treeSize)  the stored levels do not have the root of the head  minor") }
  }

  private mutating func checkCertificate(_ store: RocksLedgerStore, _ header: BlockHeader, _ governance: GovernanceState) throws(StoreError) {
    let bytes = try store.certificate(at: header.height)
    guard let bytes, !bytes.isEmpty else { return }
    do {
      let certificate = try Certificate(decoding: bytes.bytes, chainTag: governance.chainTag)
      try certificate.verifyFinality(of: header, in: governance.validators, epochLength: governance.parameters.epochLength)
    } catch {
      damages.append("chain  height \(header.height.rawValue)  certificate: \(error)  major")
    }
  }

  /// Sets and parameters of the header follow from the governance events before it; handoffs are stored.
  private mutating func checkGovernance(_ store: RocksLedgerStore, _ header: BlockHeader, _ state: inout GovernanceState) throws(StoreError) {
    let height = header.height
    if header.validatorsHash != state.validators.hash { damages.append("chain  height \(height.rawValue)  validators_hash  major") }
    if header.parametersHash != state.parametersHash { damages.append("chain  height \(height.rawValue)  params_hash  major") }
    if header.nextValidatorsHash != state.validatorsAfterNext.hash { damages.append("chain  height \(height.rawValue)  next_validators_hash  major") }
    do throws(StoreError) { try store.advance(&state, to: header) } catch { damages.append("chain  height \(height.rawValue)  governance: \(error)  major") }
    if state.height < height { _ = state.advance(to: height, timestamp: header.timestamp) }
    let stored = try store.nextSets(from: height, countMax: 1).first
    let next = stored.flatMap { $0.height == height ? SHA256.hash($0.set) : nil }
    if (next ?? header.validatorsHash) != header.nextValidatorsHash { damages.append("chain  height \(height.rawValue)  handoff  major") }
  }

  /// A table that cannot be read is named once: every later look-up would say the same.
  private mutating func checkIndex(_ store: RocksLedgerStore, _ id: EventID, _ leaf: LeafIndex) {
    do throws(StoreError) {
      guard try store.location(of: id) != leaf else { return }
      damages.append("index  leaf \(leaf.rawValue)  \(id) is not indexed  minor")
    } catch {
      isIndexReadable = false
      damages.append("index  leaf \(leaf.rawValue)  \(error)  minor")
    }
  }

  private mutating func checkNodes(_ store: RocksLedgerStore, _ nodes: NewNodes) {
    for level in 0..<nodes.height {
      for (offset, digest) in nodes.levels[level].digests.enumerated() {
        let index = nodes.levels[level].firstIndex + UInt64(offset)
        if (try? store.node(of: .entries, level: level, index: index)) == digest { continue }
        if let known = badNodes.firstIndex(where: { $0.level == level }) { badNodes[known].count += 1 } else { badNodes.append((level, index, 1)) }
      }
    }
  }

  private mutating func checkEntries(_ store: RocksLedgerStore, _ header: BlockHeader, _ entries: [UInt8], _ tree: inout MountainRange) throws(StoreError) {
    guard entries.count == Int(header.eventCount) * Entry.byteCount else {
      damages.append("chain  height \(header.height.rawValue)  entries: \(entries.count) bytes  major")
      return
    }
    var nodes = NewNodes(leafCapacity: Int(header.eventCount))
    for position in 0..<UInt64(header.eventCount) {
      let leaf = LeafIndex(header.firstLeaf.rawValue + position)
      let offset = Int(position) * Entry.byteCount
      let entry = entries.bytes.extracting(offset..<offset + Entry.byteCount)
      tree.append(leafHash: TreeHash.leaf(entry), into: &nodes)
      let signer = PublicKey(Bytes32(entry, at: 64))
      if !Verifier.isValid(Signature(entry, at: Statement.byteCount), over: entry.extracting(0..<Statement.byteCount), by: signer) {
        damages.append("chain  leaf \(leaf.rawValue)  signature  major")
      }
      do throws(StoreError) { _ = try store.record(at: leaf) } catch { damages.append("chain  leaf \(leaf.rawValue)  body: \(error)  major") }
      let id = EventID(SHA256.hash(entry.extracting(0..<Statement.byteCount)))
      if header.height <= store.indexedHeight, isIndexReadable { checkIndex(store, id, leaf) }
      events += 1
    }
    checkNodes(store, nodes)
  }
}
