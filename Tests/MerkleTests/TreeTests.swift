import Bytes
import Digests
import Merkle
import Testing

@Suite struct TreeTests {
  static let sizeMax = 3000

  @Test func everySizeTo3000AgreesWithTheDefinitions() throws {
    let seed: UInt64 = 0x6D65_726B_6C65
    var dice = Dice(state: seed)
    let naive = NaiveTree(count: Self.sizeMax)
    var tree = MemoryTree()
    var range = MountainRange()
    for size in 0...Self.sizeMax {
      let root = naive.root(0, size)
      try #require(range.root == root, "size \(size)")
      #expect(try MountainRange(size: UInt64(size), from: tree) == range)
      #expect(try tree.root(ofSize: UInt64(size)) == root)
      let edge = try RightEdge(size: UInt64(size), from: tree)
      #expect(edge.root == root)
      if size > 0 {
        // Every leaf while trees are small, then the edges and one by chance.
        let indexes = size <= 40 ? Array(0..<size) : [0, size - 1, Int.random(in: 0..<size, using: &dice)]
        for index in indexes {
          let proof = try InclusionProof.make(index: UInt64(index), size: UInt64(size), from: tree)
          try #require(proof.hashes == naive.path(index, 0, size), "leaf \(index) of \(size), seed \(seed)")
          try proof.verify(leafHash: naive.leafHashes[index], root: root)
          try #require(InclusionProof.make(index: UInt64(index), edge: edge, from: tree) == proof, "leaf \(index) of \(size)")
        }
        let olds = size <= 40 ? Array(0...size) : [1, size - 1, Int.random(in: 1..<size, using: &dice)]
        for old in olds {
          let proof = try ConsistencyProof.make(from: UInt64(old), to: UInt64(size), from: tree)
          try #require(old == 0 ? proof.hashes.isEmpty : proof.hashes == naive.subproof(old, 0, size, true), "\(old) to \(size), seed \(seed)")
          try proof.verify(fromRoot: naive.root(0, old), toRoot: root)
        }
        let begin = Int.random(in: 0..<size, using: &dice)
        let end = min(size, begin + Int.random(in: 1...8, using: &dice))
        let proof = try RangeProof.make(begin: UInt64(begin), end: UInt64(end), size: UInt64(size), from: tree)
        try proof.verify(leafHashes: Array(naive.leafHashes[begin..<end]), root: root)
      }
      if size < Self.sizeMax {
        tree.append(leafHash: naive.leafHashes[size])
        range.append(leafHash: naive.leafHashes[size])
      }
    }
  }

  @Test func newNodesAreTheNodesOfTheLevelFiles() throws {
    let naive = NaiveTree(count: 1000)
    var (whole, byBatch) = (MemoryTree(), MemoryTree())
    var range = MountainRange()
    var nodes = NewNodes(leafCapacity: 64)
    var dice = Dice(state: 7)
    var next = 0
    while next < 1000 {
      let count = min(1000 - next, Int.random(in: 1...90, using: &dice))
      for index in next..<next + count {
        range.append(leafHash: naive.leafHashes[index], into: &nodes)
        whole.append(leafHash: naive.leafHashes[index])
      }
      byBatch.append(nodes)
      nodes.removeAll()
      #expect(nodes.height == 0)
      next += count
    }
    for level in 0..<10 {
      for index in 0..<UInt64(1000 >> level) {
        let (begin, end) = (Int(index) << level, (Int(index) + 1) << level)
        #expect(try byBatch.node(level: level, index: index) == naive.root(begin, end))
        #expect(try whole.node(level: level, index: index) == naive.root(begin, end))
      }
      #expect(throws: TreeError.missingNode(level: level, index: UInt64(1000 >> level))) { try byBatch.node(level: level, index: UInt64(1000 >> level)) }
    }
    #expect(range.root == TreeHash.root(ofLeafHashes: naive.leafHashes))
  }

  @Test func aRestoredFrontierContinues() {
    let naive = NaiveTree(count: 77)
    var range = MountainRange()
    for index in 0..<77 {
      range = MountainRange(size: range.size, peaks: range.peaks)
      range.append(leafHash: naive.leafHashes[index])
    }
    #expect(range.root == naive.root(0, 77))
  }

  @Test func makingRefusesWhatTheTreeDoesNotHold() {
    var tree = MemoryTree()
    for index in 0..<10 { tree.append(leafHash: TreeHash.leaf([UInt8(index)].bytes)) }
    #expect(throws: TreeError.outsideTree(index: 5, size: 5)) { try InclusionProof.make(index: 5, size: 5, from: tree) }
    #expect(throws: TreeError.sizeTooLarge(1 << 53)) { try InclusionProof.make(index: 5, size: 1 << 53, from: tree) }
    #expect(throws: TreeError.self) { try InclusionProof.make(index: 5, size: 11, from: tree) }
    #expect(throws: TreeError.sizesDescend(from: 6, to: 5)) { try ConsistencyProof.make(from: 6, to: 5, from: tree) }
    #expect(throws: TreeError.self) { try RangeProof.make(begin: 3, end: 3, size: 5, from: tree) }
    #expect(throws: TreeError.self) { try RangeProof.make(begin: 3, end: 6, size: 5, from: tree) }
  }
}
