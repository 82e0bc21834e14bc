import Bytes
import Digests
import Merkle
import Testing

/// The hard rules of every verifier, as far as trees are concerned: each has a proof that breaks it and nothing else.
@Suite struct ProofTests {
  let naive = NaiveTree(count: 200)
  let tree: MemoryTree

  init() {
    var tree = MemoryTree()
    for leafHash in naive.leafHashes { tree.append(leafHash: leafHash) }
    self.tree = tree
  }

  @Test func inclusionRefusesEveryChange() throws {
    var dice = Dice(state: 11)
    for _ in 0..<60 {
      let size = UInt64.random(in: 2...200, using: &dice)
      let index = UInt64.random(in: 0..<size, using: &dice)
      let leaf = naive.leafHashes[Int(index)]
      let root = naive.root(0, Int(size))
      let proof = try InclusionProof.make(index: index, size: size, from: tree)

      var spare = proof
      spare.hashes.append(.empty)
      #expect(throws: ProofError.wrongLength(expected: proof.hashes.count, found: proof.hashes.count + 1)) { try spare.verify(leafHash: leaf, root: root) }
      var short = proof
      short.hashes.removeLast()
      #expect(throws: ProofError.wrongLength(expected: proof.hashes.count, found: proof.hashes.count - 1)) { try short.verify(leafHash: leaf, root: root) }
      var outside = proof
      outside.index = size
      #expect(throws: ProofError.outsideTree(index: size, size: size)) { try outside.verify(leafHash: leaf, root: root) }
      var huge = proof
      huge.size = 1 << 53
      #expect(throws: ProofError.sizeTooLarge(1 << 53)) { try huge.verify(leafHash: leaf, root: root) }
      for position in proof.hashes.indices {
        var flipped = proof
        flipped.hashes[position].bytes.w3 ^= 1
        #expect(throws: ProofError.self) { try flipped.verify(leafHash: leaf, root: root) }
      }
      for other in 0..<size where other != index {
        var moved = proof
        moved.index = other
        #expect(throws: ProofError.self) { try moved.verify(leafHash: leaf, root: root) }
      }
      // All 32 bytes of the root count.
      for bit in 0..<4 {
        var near = root
        switch bit {
        case 0: near.bytes.w0 ^= 1 << 63
        case 1: near.bytes.w1 ^= 1
        case 2: near.bytes.w2 ^= 1
        default: near.bytes.w3 ^= 1
        }
        #expect(throws: ProofError.self) { try proof.verify(leafHash: leaf, root: near) }
      }
    }
  }

  @Test func consistencyRefusesEveryChange() throws {
    var dice = Dice(state: 12)
    for _ in 0..<80 {
      let to = UInt64.random(in: 2...200, using: &dice)
      let from = UInt64.random(in: 1..<to, using: &dice)
      let (old, new) = (naive.root(0, Int(from)), naive.root(0, Int(to)))
      let proof = try ConsistencyProof.make(from: from, to: to, from: tree)
      var spare = proof
      spare.hashes.append(.empty)
      #expect(throws: ProofError.wrongLength(expected: proof.hashes.count, found: proof.hashes.count + 1)) { try spare.verify(fromRoot: old, toRoot: new) }
      var short = proof
      short.hashes.removeLast()
      #expect(throws: ProofError.wrongLength(expected: proof.hashes.count, found: proof.hashes.count - 1)) { try short.verify(fromRoot: old, toRoot: new) }
      for position in proof.hashes.indices {
        var flipped = proof
        flipped.hashes[position].bytes.w0 ^= 1 << 40
        #expect(throws: ProofError.self) { try flipped.verify(fromRoot: old, toRoot: new) }
      }
      #expect(throws: ProofError.self) { try proof.verify(fromRoot: new, toRoot: new) }
      #expect(throws: ProofError.self) { try proof.verify(fromRoot: old, toRoot: old) }
    }
  }

  @Test func consistencyOfEqualEmptyAndInvertedSizes() throws {
    let (a, b) = (naive.root(0, 5), naive.root(0, 9))
    try ConsistencyProof(from: 5, to: 5, hashes: []).verify(fromRoot: a, toRoot: a)
    #expect(throws: ProofError.self) { try ConsistencyProof(from: 5, to: 5, hashes: []).verify(fromRoot: a, toRoot: b) }
    #expect(throws: ProofError.wrongLength(expected: 0, found: 1)) { try ConsistencyProof(from: 5, to: 5, hashes: [a]).verify(fromRoot: a, toRoot: a) }
    try ConsistencyProof(from: 0, to: 9, hashes: []).verify(fromRoot: .empty, toRoot: b)
    #expect(throws: ProofError.self) { try ConsistencyProof(from: 0, to: 9, hashes: []).verify(fromRoot: a, toRoot: b) }
    #expect(throws: ProofError.wrongLength(expected: 0, found: 1)) { try ConsistencyProof(from: 0, to: 9, hashes: [a]).verify(fromRoot: .empty, toRoot: b) }
    #expect(throws: ProofError.sizesDescend(from: 9, to: 5)) { try ConsistencyProof(from: 9, to: 5, hashes: []).verify(fromRoot: b, toRoot: a) }
    #expect(throws: ProofError.sizeTooLarge(1 << 53)) { try ConsistencyProof(from: 9, to: 1 << 53, hashes: []).verify(fromRoot: b, toRoot: a) }
  }

  @Test func rangeRefusesEveryChange() throws {
    let proof = try RangeProof.make(begin: 37, end: 53, size: 150, from: tree)
    let leaves = Array(naive.leafHashes[37..<53])
    let root = naive.root(0, 150)
    try proof.verify(leafHashes: leaves, root: root)
    #expect(proof.left == [naive.root(0, 32), naive.root(32, 36), naive.root(36, 37)])
    #expect(proof.right == [naive.root(53, 54), naive.root(54, 56), naive.root(56, 64), naive.root(64, 128), naive.root(128, 144), naive.root(144, 148), naive.root(148, 150)])
    for (left, right) in [(proof.left + [root], proof.right), (Array(proof.left.dropLast()), proof.right), (proof.left, proof.right + [root]), (proof.left, Array(proof.right.dropLast()))] {
      #expect(throws: ProofError.self) { try RangeProof(begin: 37, end: 53, size: 150, left: left, right: right).verify(leafHashes: leaves, root: root) }
    }
    #expect(throws: ProofError.self) { try proof.verify(leafHashes: Array(leaves.dropLast()), root: root) }
    #expect(throws: ProofError.self) { try proof.verify(leafHashes: leaves.reversed(), root: root) }
    #expect(throws: ProofError.self) { try RangeProof(begin: 38, end: 54, size: 150, left: proof.left, right: proof.right).verify(leafHashes: leaves, root: root) }
  }

  @Test func tilePathsAreCanonical() {
    #expect(TilePath.tile(level: 0, index: 1_234_067, width: 256).text == "tile/0/x001/x234/067")
    #expect(TilePath.entries(index: 3, width: 232).text == "tile/entries/003.p/232")
    for text in ["tile/0/000", "tile/63/x001/000.p/1", "tile/entries/x001/x234/067.p/255", "tile/entries/999", "tile/1/000.p/3"] {
      #expect(TilePath(text: text)?.text == text)
    }
    for text in [
      "", "tile", "tile/0", "tile/0/", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/0", "tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/x001/x002",
      "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "/tile/0/000", "tile/0/000/", "tile/entries/+01", "tile/data/000",
      "tile/0/x999/x999/x999/x999/999", "tile/0/００0",
    ] {
      #expect(TilePath(text: text) == nil, "\(text)")
    }
    #expect(TilePath.width(level: 0, index: 3, size: 1000) == 232)
    #expect(TilePath.width(level: 0, index: 2, size: 1000) == 256)
    #expect(TilePath.width(level: 0, index: 4, size: 1024) == 0)
    #expect(TilePath.width(level: 1, index: 0, size: 1000) == 3)
    #expect(TilePath.width(level: 2, index: 0, size: 1000) == 0)
    #expect(TilePath.tile(level: 0, index: 3, width: 232).isAvailable(size: 1000))
    #expect(TilePath.tile(level: 0, index: 3, width: 7).isAvailable(size: 1000))
    #expect(!TilePath.tile(level: 0, index: 3, width: 233).isAvailable(size: 1000))
    #expect(TilePath.tile(level: 1, index: 2, width: 3).byteRange == 16384..<16480)
  }
}
