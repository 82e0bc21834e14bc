import Bytes
import Digests
import Merkle

/// The definitions of RFC 9162, word for word and recursive, with a memory for subtrees: the reference that the tree is checked against.
final class NaiveTree {
  struct Span: Hashable { let begin, end: Int }

  let leafHashes: [Digest]
  private var known: [Span: Digest] = [:]

  init(count: Int) {
    leafHashes = (0..<count).map { index in TreeHash.leaf([UInt8]().appendingBigEndian(UInt64(index)).bytes) }
  }

  func root(_ begin: Int, _ end: Int) -> Digest {
    if begin == end { return SHA256.hash([]) }
    if end - begin == 1 { return leafHashes[begin] }
    if let digest = known[Span(begin: begin, end: end)] { return digest }
    let split = begin + Self.split(end - begin)
    let digest = SHA256.hash([1] + root(begin, split).bytes.array + root(split, end).bytes.array)
    known[Span(begin: begin, end: end)] = digest
    return digest
  }

  func path(_ index: Int, _ begin: Int, _ end: Int) -> [Digest] {
    if end - begin == 1 { return [] }
    let split = begin + Self.split(end - begin)
    return index < split ? path(index, begin, split) + [root(split, end)] : path(index, split, end) + [root(begin, split)]
  }

  func subproof(_ from: Int, _ begin: Int, _ end: Int, _ isWhole: Bool) -> [Digest] {
    if from == end { return isWhole ? [] : [root(begin, end)] }
    let split = begin + Self.split(end - begin)
    return from <= split
      ? subproof(from, begin, split, isWhole) + [root(split, end)] : subproof(from, split, end, false) + [root(begin, split)]
  }

  /// Largest power of two below `count`.
  static func split(_ count: Int) -> Int {
    var power = 1
    while power * 2 < count { power *= 2 }
    return power
  }
}

extension [UInt8] {
  func appendingBigEndian(_ value: UInt64) -> [UInt8] {
    var copy = self
    copy.append(bigEndian: value)
    return copy
  }
}

/// Splitmix: the seeded source of the tests.
struct Dice: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
