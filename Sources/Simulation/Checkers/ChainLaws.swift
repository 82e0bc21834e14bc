import Audit
import Bytes
import Digests
import Ledger
import Merkle

/// One chain for all honest nodes: one block per height, no gap, roots that a tree of our own confirms, timestamps that grow, and no event twice.
struct ChainLaws {
  private var hashes: [Digest]
  private var headers: [BlockHeader]
  private var tree = MountainRange()
  private var history = MountainRange()
  /// Events of the chain so far.
  private(set) var heights: [EventID: Height] = [:]
  /// Tree heads of blocks with events, by size.
  private var heads: [UInt64: BlockHeader] = [:]
  /// Size of the newest of them.
  private(set) var newestSize: UInt64?
  /// Highest height that each node has reported as final.
  private var reported: [UInt64]

  init(genesis: BlockHeader, nodes: Int) {
    hashes = [genesis.hash]
    headers = [genesis]
    reported = Array(repeating: 0, count: nodes)
  }

  /// Highest height that is final anywhere.
  var height: UInt64 { UInt64(hashes.count - 1) }

  func hash(at height: UInt64) -> Digest? { height < UInt64(hashes.count) ? hashes[Int(height)] : nil }
  /// The block with which the tree got this size.
  func header(ofSize size: UInt64) -> BlockHeader? { heads[size] }
  func header(at height: UInt64) -> BlockHeader? { height < UInt64(headers.count) ? headers[Int(height)] : nil }

  /// An honest node writes this block as final.
  mutating func persisted(_ commit: BlockCommit, node: Int, now: UInt64) throws(Failure) {
    let height = commit.header.height.rawValue
    guard height <= self.height + 1 else { throw Failure(kind: .validity, milliseconds: now, detail: "node \(node) writes height \(height) after \(self.height)") }
    if height <= self.height {
      guard hashes[Int(height)] == commit.hash else {
        throw Failure(kind: .agreement, milliseconds: now, detail: "node \(node) has \(commit.hash) at height \(height), others have \(hashes[Int(height)])")
      }
      return
    }
    try check(commit, now)
    hashes.append(commit.hash)
    headers.append(commit.header)
    guard commit.header.eventCount > 0 else { return }
    heads[commit.header.treeSize] = commit.header
    newestSize = commit.header.treeSize
  }

  private mutating func check(_ commit: BlockCommit, _ now: UInt64) throws(Failure) {
    let header = commit.header
    let parent = headers[headers.count - 1]
    func broken(_ what: String) -> Failure { Failure(kind: .validity, milliseconds: now, detail: "height \(header.height.rawValue): \(what)") }
    guard header.parentHash == hashes[hashes.count - 1] else { throw Failure(kind: .agreement, milliseconds: now, detail: "height \(header.height.rawValue) follows another block") }
    guard header.hash == commit.hash else { throw broken("hash") }
    guard header.timestamp > parent.timestamp else { throw broken("the timestamp does not grow") }
    guard commit.block.offsets.count == Int(header.eventCount) + 1, commit.ids.count == Int(header.eventCount) else { throw broken("entries") }
    var events = MountainRange()
    for position in 0..<Int(header.eventCount) {
      let offset = commit.block.offsets[position]
      let entry = commit.block.body.bytes.extracting(offset..<offset + Entry.byteCount)
      let leaf = TreeHash.leaf(entry)
      tree.append(leafHash: leaf)
      events.append(leafHash: leaf)
      let id = EventID(SHA256.hash(entry.extracting(0..<Statement.byteCount)))
      guard id == commit.ids[position] else { throw broken("id of event \(position)") }
      if let other = heights.updateValue(header.height, forKey: id) {
        throw Failure(kind: .durability, milliseconds: now, detail: "\(id) is final at \(other.rawValue) and at \(header.height.rawValue)")
      }
    }
    history.append(leafHash: TreeHash.leaf(hashes[hashes.count - 1].bytes.array.bytes))
    guard header.treeSize == tree.size, header.treeRoot == tree.root else { throw broken("tree root") }
    guard header.eventsRoot == events.root else { throw broken("events root") }
    guard header.historyRoot == history.root else { throw broken("history root") }
  }

  /// The node tells its clients that this block is final.
  mutating func reported(_ header: BlockHeader, _ hash: Digest, node: Int, now: UInt64) throws(Failure) {
    let height = header.height.rawValue
    guard self.hash(at: height) == hash else { throw Failure(kind: .agreement, milliseconds: now, detail: "node \(node) reports another block at height \(height)") }
    guard height == reported[node] + 1 else {
      throw Failure(kind: .validity, milliseconds: now, detail: "node \(node) reports height \(height) after \(reported[node])")
    }
    reported[node] = height
  }

  /// A node has opened its store after a restart.
  /// - Parameter certificate: what the store holds as the finality certificate of its head, by which the floor of the machine is restored.
  mutating func reopened(head: UInt64, hash: Digest, certificate: [UInt8]?, node: Int, isWiped: Bool, now: UInt64) throws(Failure) {
    if head > 0, certificate.map({ !Self.finalises($0, hash, headers[0].chainTag) }) ?? true {
      throw Failure(kind: .durability, milliseconds: now, detail: "node \(node) came back with height \(head) and without its finality certificate")
    }
    if !isWiped, head < reported[node] {
      throw Failure(kind: .durability, milliseconds: now, detail: "node \(node) reported height \(reported[node]) and came back with \(head)")
    }
    guard self.hash(at: head) == hash else { throw Failure(kind: .agreement, milliseconds: now, detail: "node \(node) came back with another block at height \(head)") }
    reported[node] = head
  }

  private static func finalises(_ bytes: [UInt8], _ hash: Digest, _ chainTag: ChainTag) -> Bool {
    guard let certificate = try? Certificate(decoding: bytes.bytes, chainTag: chainTag) else { return false }
    return certificate.vote.kind == .finalise && certificate.vote.blockHash == hash
  }

  func reportedHeight(of node: Int) -> UInt64 { reported[node] }
}
