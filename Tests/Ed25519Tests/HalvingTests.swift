import Bytes
import Testing

@testable import Ed25519

/// The coefficient of a signature that is checked alone, against big integers and against the rule as it is written.
@Suite struct HalvingTests {
  /// Challenges at the edges of the algorithm: no step, one step, huge quotients early and late, only small ones, results at their bounds.
  private static func challenges(random count: Int) -> [Scalar] {
    let order = Scalar.order
    var edges = [Scalar(), Scalar(1), Scalar(2), Scalar(3), Scalar(1).negated, Scalar(2).negated, Scalar(3).negated, Scalar(.max, .max), Scalar(.max, .max, .max)]
    // Powers of two, and L shifted down: quotients of 2^n, with a remainder of one on either side.
    for bit in Array(stride(from: 4, to: 252, by: 9)) + [62, 63, 64, 65, 125, 126, 127, 128, 129, 188, 189, 190, 191, 192, 251, 252] {
      let power = Scalar(shifting: Scalar(1), up: bit), quotient = Scalar(shifting: order, down: bit)
      edges += [power, power &- Scalar(1), power &+ Scalar(1), power.negated, quotient, quotient &- Scalar(1), quotient &+ Scalar(1), quotient.negated]
    }
    // k = u / v for short u and v, among them the largest that may come out, and those just beyond.
    let shorts = [Scalar(1), Scalar(7), Scalar(.max), Scalar(0, 1 << 61), Scalar(.max, 1 << 61 - 1), Scalar(.max, 1 << 62 - 1), Scalar(.max, 1 << 63 - 1), Scalar(0, 1 << 63)]
    for u in shorts { for v in shorts { edges += [u &* v.inverse, (u &* v.inverse).negated] } }
    // L divided by the golden ratio: every quotient is 1, so the steps are as many as they can be.
    var (a, b) = (order, Scalar(0x1f86_c6a1_1d0c_18e9, 0x4108_2276_bf3a_2725, 0x5f39_cc06_05ce_dc83, 0x09e3_779b_97f4_a7c1))
    for _ in 0..<3 {
      edges.append(b)
      (a, b) = (b, a &- b)
    }
    var random = Generator(state: 21)
    for _ in 0..<count { edges.append(Scalar(reducing: Bytes64(Bytes32(random.next(), random.next(), random.next(), random.next()), Bytes32(random.next(), 0, 0, 0)))) }
    return edges
  }

  @Test func bothMultipliersAreShort() {
    for k in Self.challenges(random: 20_000) {
      let z = Coefficient(halving: k)
      let u = z.times(k)
      #expect(!z.magnitude.isZero && z.magnitude.w2 | z.magnitude.w3 | z.magnitude.w1 >> 62 == 0, "z of \(k)")
      #expect(u.w2 | u.w3 | u.w1 >> 63 == 0, "z k of \(k)")
    }
  }

  @Test func theirQuotientIsTheChallenge() {
    for k in Self.challenges(random: 300) {
      let z = Coefficient(halving: k)
      let product = Integer(littleEndian: z.magnitude.bytes.array) * Integer(littleEndian: k.bytes.array) % .order
      let u = z.isNegative ? (Integer.order - product) % .order : product
      #expect(!(z.magnitude.bytes == Bytes32()) && u < Integer(1) << 127, "\(k)")
      #expect(Integer(littleEndian: z.times(k).bytes.array) == u, "\(k)")
    }
  }

  /// For any challenge, and points with any torsion: the sum with the chosen coefficient has small order exactly when the difference of rule 5 has.
  @Test(arguments: Path.available) func theSumDecidesAsTheRuleDoes(path: Path) throws {
    var random = Generator(state: 22)
    let torsion = try torsion()
    var combination = Combination(slots: 2, path: path)
    func scalar() -> Scalar { Scalar(reducing: Bytes64(Bytes32(random.next(), random.next(), random.next(), random.next()), Bytes32())) }
    func point(_ multiplier: Scalar) -> Point { Straus.doubleProduct(multiplier, Scalar(), .base) &+ CachedPoint(torsion[random.below(8)]) }
    let challenges = Self.challenges(random: 20)
    for (index, k) in (testScale == 1 ? Array(challenges.enumerated()).filter { $0.offset % 3 == 0 } : Array(challenges.enumerated())) {
      let a = index % 7 == 0 ? Scalar() : scalar()
      // r = -k a makes S = 0; r = 0 leaves R with small order.
      let r = index % 5 == 0 ? (k &* a).negated : index % 5 == 1 ? Scalar() : scalar()
      let (keyPoint, commitment) = (point(a), point(r))
      for change in [Scalar(), Scalar(1), Scalar(1).negated, scalar()] {
        let s = r &+ k &* a &+ change
        let rule = (Straus.doubleProduct(s, k, keyPoint.negated) &- CachedPoint(commitment)).isSmallOrder
        #expect(rule == change.isZero)
        let z = Coefficient(halving: k)
        combination.removeAll()
        combination.decode(keyPoint.bytes, negatedInto: 0)
        combination.decode(commitment.bytes, negatedInto: 1)
        combination.finishDecoding()
        combination.removeTerms()
        combination.add(z.magnitude, isNegative: z.isNegative, slot: 1)
        combination.add(base: z.times(s))
        combination.add(z.times(k), slot: 0, isPair: false)
        #expect(combination.sum().isSmallOrder == rule, "k \(k), change \(change)")
      }
    }
  }

  /// The coefficient is chosen for the one signature that is left when the others are refused before any sum.
  @Test(arguments: Path.available) func theOneThatIsLeftAmongRefusedOnesIsDecided(path: Path) throws {
    var pool = try CasePool(seed: 23)
    let cache = SignerCache(capacity: 8, seed: Bytes32(repeating: 4), path: path)
    var refused = pool.good()
    refused.signature.bytes.second = Scalar.order.bytes
    var verdicts: [Bool] = []
    for cache in [cache, nil] {
      var batch = SignatureBatch(capacity: 4, seed: Bytes32(repeating: 5), cache: cache, path: path)
      for index in 0..<40 * testScale {
        let item = pool.next()
        for place in 0..<4 { batch.add(place == index % 4 ? item : refused) }
        batch.verify(&verdicts)
        #expect(verdicts == (0..<4).map { $0 == index % 4 && item.isValid }, "\(item.kind)")
      }
    }
    #expect(cache.hits > 0)
  }
}

extension Scalar {
  fileprivate init(shifting a: Scalar, up count: Int) {
    self.init()
    self = (0..<count).reduce(a) { sum, _ in sum &+ sum }
  }

  fileprivate init(shifting a: Scalar, down count: Int) {
    self.init(a.bits(from: count), count < 192 ? a.bits(from: count + 64) : 0, count < 128 ? a.bits(from: count + 128) : 0, count < 64 ? a.bits(from: count + 192) : 0)
  }

  /// Modulo L, of a number that is not zero: the power L - 2.
  fileprivate var inverse: Self {
    let exponent = Scalar.order &- Scalar(2)
    var result = Scalar(1)
    for bit in stride(from: 252, through: 0, by: -1) {
      result = result &* result
      if exponent.bits(from: bit) & 1 == 1 { result = result &* self }
    }
    return result
  }
}
