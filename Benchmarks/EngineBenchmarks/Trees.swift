import Audit
import Benchmark
import Bytes
import Digests
import JSON
import Merkle

/// The tree: appends with their leaf hashes, and proofs from a million leaves.
func registerTrees() {
  let entries = (0..<1000).map { Array(Events.record($0).prefix(Entry.byteCount)) }
  let state = TreeState()
  measure("tree: append, leaf hash included", operations: 1000) { state.append(entries) }
  measure("tree: inclusion proof from 1 M leaves", operations: 1000) { state.prove() }
  measure("tree: loser, inclusion proof from 1 M leaves, edge hashed for each", operations: 1000) { state.proveAlone() }
  measure("tree: inclusion proof from 1 M leaves, as JSON", operations: 1000) { state.proveAsJSON() }
  measure("hash: SHA-256 of two nodes", operations: 1000) { state.hashNodes() }
  measure("hash: SHA-256 of a leaf, 193 B", operations: 1000) {
    for entry in entries { blackHole(TreeHash.leaf(entry.bytes)) }
  }
}

private final class TreeState {
  private var range = MountainRange()
  private var nodes = NewNodes(leafCapacity: 1000)
  private lazy var million: MemoryTree = {
    var tree = MemoryTree()
    for number in 0..<1_000_000 as Range<UInt64> { tree.append(leafHash: Digest(Bytes32(number, 1, 2, 3))) }
    return tree
  }()
  private lazy var edge: RightEdge = {
    guard let edge = try? RightEdge(size: 999_999, from: million) else { fatalError("the tree has the size") }
    return edge
  }()
  private var next: UInt64 = 0
  private var json = JSONWriter()
  private var node = Digest.zero

  func append(_ entries: [[UInt8]]) {
    nodes.removeAll()
    for entry in entries { range.append(leafHash: TreeHash.leaf(entry.bytes), into: &nodes) }
  }

  func prove() {
    for _ in 0..<1000 {
      next = (next &+ 0x9E37_79B9) % 999_999
      blackHole(try? InclusionProof.make(index: next, edge: edge, from: million).hashes.count)
    }
  }

  func proveAlone() {
    for _ in 0..<1000 {
      next = (next &+ 0x9E37_79B9) % 999_999
      blackHole(try? InclusionProof.make(index: next, size: 999_999, from: million).hashes.count)
    }
  }

  /// The member `inclusion` of a proof's answer, in storage that is used again.
  func proveAsJSON() {
    for _ in 0..<1000 {
      next = (next &+ 0x9E37_79B9) % 999_999
      guard let proof = try? InclusionProof.make(index: next, edge: edge, from: million) else { fatalError("the tree holds the leaf") }
      json.restart()
      json.beginObject()
      json.key("leaf_index")
      json.number(proof.index)
      json.key("tree_size")
      json.number(proof.size)
      json.key("hashes")
      json.beginArray()
      for hash in proof.hashes { json.hex(hash.bytes) }
      json.endArray()
      json.endObject()
      blackHole(json.bytes.count)
    }
  }

  func hashNodes() {
    for _ in 0..<1000 { node = TreeHash.node(node, node) }
    blackHole(node)
  }
}
