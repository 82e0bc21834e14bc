import Ambient
public import Audit
public import Consensus
public import Digests
import Ledger
import Mempool

/// Valid blocks that are not final: each a child of the final head or of another of them. A few dozen at most, so that a look-up walks the array.
struct BlockTree: Sendable {
  /// Whether the body is on disk.
  enum Storage: Sendable { case absent, writing, stored }

  struct Node: Sendable {
    var candidate: Candidate
    /// The pool's events in it.
    var held: Mempool.Proposal
    /// When it was built or received.
    var began: Instant
    var storage: Storage
    var hash: Digest { candidate.block.hash }
    var header: BlockHeader { candidate.block.header }
  }

  private(set) var nodes: [Node] = []

  subscript(hash: Digest) -> Node? { nodes.first { $0.hash == hash } }

  /// Bytes of the bodies from above the final head up to a block that descends from it.
  func byteCount(upTo hash: Digest) -> Int {
    var total = 0, hash = hash
    while let node = self[hash] {
      total += node.candidate.block.body.count
      hash = node.header.parentHash
    }
    return total
  }

  mutating func insert(_ node: Node) { nodes.append(node) }

  mutating func setStorage(_ storage: Storage, of hash: Digest) {
    if let index = nodes.firstIndex(where: { $0.hash == hash }) { nodes[index].storage = storage }
  }

  /// Pending events that arrived after the block that holds them.
  mutating func hold(_ id: EventID, in pool: EventPool) {
    for index in nodes.indices where nodes[index].candidate.contains(id) { pool.hold([id], in: &nodes[index].held) }
  }

  /// Takes a block out: it is final.
  mutating func take(_ hash: Digest) -> Node? {
    nodes.firstIndex { $0.hash == hash }.map { nodes.remove(at: $0) }
  }

  /// Takes out childless blocks.
  mutating func drop(where isUseless: (Digest) -> Bool) -> [Node] {
    let parents = Set(nodes.map { $0.header.parentHash })
    let lost = nodes.filter { !parents.contains($0.hash) && isUseless($0.hash) }
    nodes.removeAll { node in lost.contains { $0.hash == node.hash } }
    return lost
  }

  /// Takes out the blocks that can never be final, because they do not descend from the final head.
  mutating func prune(head: Digest) -> [Node] {
    var living: Set<Digest> = [head]
    // Parents come before their children.
    var (kept, lost): ([Node], [Node]) = ([], [])
    for node in nodes {
      if living.contains(node.header.parentHash) {
        living.insert(node.hash)
        kept.append(node)
      } else {
        lost.append(node)
      }
    }
    nodes = kept
    return lost
  }
}

extension BlockReference {
  public init(_ header: BlockHeader, hash: Digest) {
    self.init(hash: hash, parentHash: header.parentHash, height: header.height, timestamp: header.timestamp, proposer: header.proposer)
  }

  init(_ block: Block) { self.init(block.header, hash: block.hash) }
}
