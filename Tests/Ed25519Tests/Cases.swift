import Bytes
import Foundation
import Testing

@testable import Ed25519

/// A small seeded generator (SplitMix64).
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
}

/// The factor of `MOLOCH_TEST_SCALE`, 1 without it.
let testScale = ProcessInfo.processInfo.environment["MOLOCH_TEST_SCALE"].flatMap { Int($0) } ?? 1

/// The 8 torsion points: multiples of a known point of order 8.
func torsion() throws -> [Point] {
  let encoded = try #require(Bytes32(hex: "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
  let generator = try #require(Point(decoding: encoded))
  var points = [Point.identity]
  for _ in 1..<8 { points.append(points[points.count - 1] &+ CachedPoint(generator)) }
  return points
}

/// A signature with the verdict that its making implies, where it implies one.
struct Case {
  var signature: Signature
  var message: [UInt8]
  var key: PublicKey
  var isValid: Bool
  var kind: String
}

/// Makes honest and crafted signatures. Secret scalars and their points are made once, so that a case costs little more than its hash.
struct CasePool {
  private struct Pair {
    var scalar: Scalar
    /// The point plus each of the 8 torsion points.
    var encodings: [Bytes32]
  }

  private var keys: [Pair] = []
  private var commitments: [Pair] = []
  private let small: [Bytes32]
  /// Encodings that no canonical decoder takes: y from p to 2^255 - 1 with either sign, x = 0 with a sign, and ordinates off the curve.
  private var refused: [Bytes32] = []
  private var random: Generator

  init(seed: UInt64) throws {
    random = Generator(state: seed)
    let torsion = try torsion()
    small = torsion.map(\.bytes)
    func pair(_ random: inout Generator) -> Pair {
      let scalar = Scalar(reducing: Bytes64(Bytes32(random.next(), random.next(), random.next(), random.next()), Bytes32(random.next(), 0, 0, 0)))
      let point = Straus.doubleProduct(scalar, Scalar(), .base)
      return Pair(scalar: scalar, encodings: torsion.map { (point &+ CachedPoint($0)).bytes })
    }
    for _ in 0..<8 { keys.append(pair(&random)) }
    for _ in 0..<16 { commitments.append(pair(&random)) }
    for low in 0..<19 as Range<UInt64> {
      for sign in [0x7f, 0xff] as [UInt64] { refused.append(Bytes32((0xed + low) << 56 | ~0 >> 8, ~0, ~0, ~0 << 8 | sign)) }
    }
    refused.append(Bytes32(0x0100_0000_0000_0000, 0, 0, 0x80))
    refused.append(Bytes32(0xecff_ffff_ffff_ffff, ~0, ~0, ~0))
    while refused.count < 60 {
      let bytes = Bytes32(random.next(), random.next(), random.next(), random.next() & ~0x80)
      if Point(decoding: bytes) == nil { refused.append(bytes) }
    }
  }

  /// Little-endian bytes plus L; nil when the sum does not fit.
  private static func plusOrder(_ s: Bytes32) -> Bytes32? {
    let sum = Integer(littleEndian: s.array) + .order
    return sum.bitCount > 256 ? nil : sum.bytes
  }

  /// An encoding of a point of any order, or one that is refused.
  mutating func encoding() -> Bytes32 {
    switch random.below(4) {
    case 0: refused[random.below(refused.count)]
    case 1: small[random.below(8)]
    default: commitments[random.below(commitments.count)].encodings[random.below(8)]
    }
  }

  mutating func good() -> Case { make(ta: 0, tr: 0, kind: "good") }

  private mutating func make(ta: Int, tr: Int, kind: String) -> Case {
    let (key, commitment) = (keys[random.below(keys.count)], commitments[random.below(commitments.count)])
    // Half of the messages have the length of a statement.
    let count = random.next() % 2 == 0 ? 128 : random.below(300)
    let message = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let (a, r) = (PublicKey(key.encodings[ta]), commitment.encodings[tr])
    let s = commitment.scalar &+ Verifier.challenge(r, a, message.bytes) &* key.scalar
    return Case(signature: Signature(Bytes64(r, s.bytes)), message: message, key: a, isValid: true, kind: kind)
  }

  mutating func next() -> Case {
    switch random.below(16) {
    case 0, 1, 2: good()
    case 3: longer()
    case 4, 5, 6: flipped()
    case 7: edgeOfS()
    case 8: refusedEncoding()
    case 9: smallR()
    case 10: smallA()
    case 11, 12, 13: make(ta: random.below(8), tr: random.below(8), kind: "mixed order")
    case 14: changedS(make(ta: random.below(8), tr: random.below(8), kind: "mixed order, S + 1")) { $0 &+ Scalar(1) }
    default: changedS(make(ta: 0, tr: 0, kind: "S negated")) { $0.negated }
    }
  }

  private mutating func longer() -> Case {
    var made = good()
    made.message.append(0)
    (made.isValid, made.kind) = (false, "longer message")
    return made
  }

  /// A changed R or A gives another challenge, which no torsion mends.
  private mutating func flipped() -> Case {
    var made = good()
    let bit = UInt64(1) << (random.next() % 64)
    let word = random.below(4)
    let half = random.below(3)
    func flip(_ bytes: inout Bytes32) {
      switch word {
      case 0: bytes.w0 ^= bit
      case 1: bytes.w1 ^= bit
      case 2: bytes.w2 ^= bit
      default: bytes.w3 ^= bit
      }
    }
    switch half {
    case 0: flip(&made.signature.bytes.first)
    case 1: flip(&made.signature.bytes.second)
    default: flip(&made.key.bytes)
    }
    (made.isValid, made.kind) = (false, "flipped bit in \(["R", "S", "A"][half])")
    return made
  }

  /// S around L and beyond it.
  private mutating func edgeOfS() -> Case {
    var made = good()
    let (order, s) = (Scalar.order, made.signature.bytes.second)
    let edges = [
      Self.plusOrder(s), order.bytes, Scalar(order.w0 - 1, order.w1, order.w2, order.w3).bytes, Scalar(order.w0 + 1, order.w1, order.w2, order.w3).bytes,
      Bytes32(), Bytes32(0x0100_0000_0000_0000, 0, 0, 0), Bytes32(repeating: 0xff), Bytes32(s.w0, s.w1, s.w2, s.w3 | 0xe0),
    ].compactMap { $0 }
    made.signature.bytes.second = edges[random.below(edges.count)]
    (made.isValid, made.kind) = (false, "S at an edge")
    return made
  }

  private mutating func refusedEncoding() -> Case {
    var made = good()
    let encoding = refused[random.below(refused.count)]
    if random.next() % 2 == 0 { made.signature.bytes.first = encoding } else { made.key = PublicKey(encoding) }
    (made.isValid, made.kind) = (false, "refused encoding")
    return made
  }

  /// R of small order is allowed: S = k a, and the difference is torsion.
  private mutating func smallR() -> Case {
    var made = good()
    let key = keys[random.below(keys.count)]
    made.key = PublicKey(key.encodings[random.below(8)])
    made.signature.bytes.first = small[random.below(8)]
    let s = Verifier.challenge(made.signature.bytes.first, made.key, made.message.bytes) &* key.scalar
    made.signature.bytes.second = s.bytes
    made.kind = "R of small order"
    return made
  }

  /// A of small order is refused, though the equation holds for S = r.
  private mutating func smallA() -> Case {
    var made = good()
    let commitment = commitments[random.below(commitments.count)]
    made.key = PublicKey(small[random.below(8)])
    made.signature = Signature(Bytes64(commitment.encodings[random.below(8)], commitment.scalar.bytes))
    (made.isValid, made.kind) = (false, "A of small order")
    return made
  }

  private mutating func changedS(_ item: Case, _ change: (Scalar) -> Scalar) -> Case {
    var made = item
    guard let s = Scalar(canonical: made.signature.bytes.second) else { preconditionFailure("honest signatures are canonical") }
    made.signature.bytes.second = change(s).bytes
    made.isValid = false
    return made
  }
}
