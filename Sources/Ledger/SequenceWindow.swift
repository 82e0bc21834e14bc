public import Audit
import Bytes
import Digests
import Ed25519

/// Which (signer, stream, seq) the final events of at least the last window have used, and in which leaf.
///
/// Admission asks it on the reactor: no disk, two probes. A place holds a keyed 64-bit hash of the three instead of the three themselves, 16 bytes in all;
/// that two of a hundred million differ and meet has odds below one in a thousand million, and then one event is refused that need not be. It is no rule of the
/// chain. Two generations by block time: the older one is dropped whole when the younger one is a window old.
public struct SequenceWindow: Sendable {
  private struct Place: BitwiseCopyable {
    var key: UInt64
    /// Leaf + 1; 0 when the place is free.
    var leaf: UInt64
  }
  private struct Generation: Sendable {
    var begin: UInt64
    var count = 0
    var places: [Place] = []
  }

  private let length: UInt64
  private let seed: UInt64
  /// The younger one first.
  private var generations: [Generation]

  /// - Parameters: windows in milliseconds; the time of the head; a secret random seed.
  init(pastWindow: UInt64, futureWindow: UInt64, now: Timestamp, seed: UInt64) {
    length = pastWindow + futureWindow
    self.seed = seed
    generations = [Generation(begin: now.rawValue)]
  }

  /// The leaf of the final event that has the statement's signer, stream and sequence; nil when there is none, and for an unsequenced statement.
  public func leaf(of statement: Statement) -> LeafIndex? {
    guard statement.sequence != 0 else { return nil }
    let key = key(statement.signer.bytes, statement.stream, statement.sequence)
    for generation in generations where !generation.places.isEmpty {
      let leaf = generation.places[Self.position(of: key, in: generation.places)].leaf
      if leaf != 0 { return LeafIndex(leaf - 1) }
    }
    return nil
  }

  /// Blocks from here on are of this time.
  mutating func advance(to time: Timestamp) {
    guard time.rawValue >= generations[0].begin + length else { return }
    generations = [Generation(begin: time.rawValue), generations[0]]
  }

  /// Notes a final entry; of two with the same sequence the first stays.
  mutating func insert(entry: RawSpan, at offset: Int, leaf: LeafIndex) {
    let sequence = entry.uint64(at: offset + 40)
    guard sequence != 0 else { return }
    let key = key(Bytes32(entry, at: offset + 64), entry.uint64(at: offset + 32), sequence)
    if 4 * (generations[0].count + 1) > 3 * generations[0].places.count { grow() }
    let place = Self.position(of: key, in: generations[0].places)
    guard generations[0].places[place].leaf == 0 else { return }
    generations[0].places[place] = Place(key: key, leaf: leaf.rawValue + 1)
    generations[0].count += 1
  }

  private mutating func grow() {
    let old = generations[0].places
    var places = [Place](repeating: Place(key: 0, leaf: 0), count: max(64, 2 * old.count))
    for place in old where place.leaf != 0 { places[Self.position(of: place.key, in: places)] = place }
    generations[0].places = places
  }

  private static func position(of key: UInt64, in places: [Place]) -> Int {
    let mask = places.count - 1
    var position = Int(truncatingIfNeeded: key) & mask
    while places[position].leaf != 0 && places[position].key != key { position = (position + 1) & mask }
    return position
  }

  /// Word by word through a finaliser in the manner of splitmix64, from a secret start: nobody can look for others' keys.
  private func key(_ signer: Bytes32, _ stream: UInt64, _ sequence: UInt64) -> UInt64 {
    let half = Self.mixed(Self.mixed(Self.mixed(seed ^ signer.w0) ^ signer.w1) ^ signer.w2)
    return Self.mixed(Self.mixed(Self.mixed(half ^ signer.w3) ^ stream) ^ sequence)
  }

  private static func mixed(_ word: UInt64) -> UInt64 {
    var z = word &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
