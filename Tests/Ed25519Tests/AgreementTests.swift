import Bytes
import Testing

@testable import Ed25519

/// Single and batch verification decide alike, whatever the company and the coefficients.
///
/// Default: 2 coefficient seeds with 60 cases each, logged with every failure. The full run of 100 seeds with 1000 cases each:
/// `MOLOCH_TEST_SCALE=50 swift test -c release -Xswiftc -enable-testing --filter AgreementTests`, and with a scale of 500 a million.
@Suite struct AgreementTests {
  static let seeds = 2 * testScale
  static let cases = testScale == 1 ? 60 : 1000

  @Test(arguments: Path.available) func casesGetTheVerdictOfTheirMaking(path: Path) throws {
    for seed in 0..<UInt64(Self.seeds) {
      var pool = try CasePool(seed: seed)
      let coefficients = Bytes32(seed, 1, 2, 3)
      let cache = SignerCache(capacity: 16, seed: coefficients, path: path)
      var alone = SignatureBatch(capacity: 1, seed: coefficients, path: path)
      var together = SignatureBatch(capacity: 25, seed: coefficients, cache: cache, path: path)
      var made: [Case] = []
      var verdicts: [Bool] = []
      for index in 0..<Self.cases {
        let item = pool.next()
        let single = verdict(item.signature, item.message, item.key)
        #expect(single == item.isValid, "seed \(seed) case \(index): \(item.kind)")
        alone.add(item)
        alone.verify(&verdicts)
        #expect(verdicts == [item.isValid], "seed \(seed) case \(index) alone: \(item.kind)")
        made.append(item)
      }
      // Each among 4 good ones, five such groups to a batch.
      for start in stride(from: 0, to: made.count, by: 5) {
        var expected: [Bool] = []
        for item in made[start..<min(start + 5, made.count)] {
          for _ in 0..<4 {
            together.add(pool.good())
            expected.append(true)
          }
          together.add(item)
          expected.append(item.isValid)
        }
        together.verify(&verdicts)
        #expect(verdicts == expected, "seed \(seed) cases from \(start): \(made[start..<min(start + 5, made.count)].map(\.kind))")
      }
      // Alone again, most of them by keys that are known now.
      var known = SignatureBatch(capacity: 1, seed: coefficients, cache: cache, path: path)
      for (index, item) in made.enumerated() {
        known.add(item)
        known.verify(&verdicts)
        #expect(verdicts == [item.isValid], "seed \(seed) case \(index) alone, known: \(item.kind)")
      }
      #expect(cache.hits > 0)
    }
  }

  /// Batches that are summed by buckets, with few bad members and with many, with new keys and with known ones.
  @Test(arguments: Path.available) func largeBatchesGetTheVerdictsOfTheirMaking(path: Path) throws {
    let cache = SignerCache(capacity: 16, seed: Bytes32(repeating: 3), path: path)
    var verdicts: [Bool] = []
    for (count, badEvery) in testScale == 1 ? [(200, 70)] : [(65, 9), (128, 128), (129, 40), (256, 3), (450, 100), (700, 350), (1024, 11), (1024, 2000)] {
      for cache in [cache, nil] {
        var pool = try CasePool(seed: UInt64(count))
        var batch = SignatureBatch(capacity: count, seed: Bytes32(UInt64(count), 5, 6, 7), cache: cache, path: path)
        for round in 0..<(cache == nil ? 1 : 3) {
          let items = (0..<count).map { $0 % badEvery == badEvery - 1 ? pool.next() : pool.good() }
          for item in items { batch.add(item) }
          batch.verify(&verdicts)
          for (index, item) in items.enumerated() where verdicts[index] != item.isValid {
            Issue.record("\(count) items, round \(round), item \(index): \(item.kind)")
          }
        }
      }
    }
    #expect(cache.hits > 0)
  }

  /// Bad members at every position, and many of them, in batches of every small size.
  @Test(arguments: Path.available) func badMembersAreFoundAtEveryPosition(path: Path) throws {
    var pool = try CasePool(seed: 77)
    var verdicts: [Bool] = []
    let good = (0..<20).map { _ in pool.good() }
    func spoiled(_ item: Case) -> Case {
      var bad = item
      bad.message.append(1)
      return bad
    }
    for count in testScale == 1 ? [1, 2, 3, 5, 8] : Array(1...20) {
      var batch = SignatureBatch(capacity: count, seed: Bytes32(repeating: 1), path: path)
      for first in 0..<count {
        for second in Set([first, (first + 1) % count, count - 1]) {
          let bad = Set([first, second])
          for index in 0..<count { batch.add(bad.contains(index) ? spoiled(good[index]) : good[index]) }
          batch.verify(&verdicts)
          #expect(verdicts == (0..<count).map { !bad.contains($0) }, "\(count) items, bad \(bad)")
        }
      }
      let before = batch.checks
      for index in 0..<count { batch.add(spoiled(good[index])) }
      batch.verify(&verdicts)
      let checks = batch.checks - before
      #expect(verdicts == Array(repeating: false, count: count))
      #expect(checks <= count)
    }
  }

  /// Two errors that cancel when added: without random coefficients the pair would pass.
  @Test(arguments: Path.available) func errorsThatCancelAreFound(path: Path) throws {
    var pool = try CasePool(seed: 78)
    var verdicts: [Bool] = []
    for seed in 0..<UInt8(20) {
      var (first, second) = (pool.good(), pool.good())
      let s = try #require(Scalar(canonical: first.signature.bytes.second)), t = try #require(Scalar(canonical: second.signature.bytes.second))
      first.signature.bytes.second = (s &+ Scalar(5)).bytes
      second.signature.bytes.second = (t &- Scalar(5)).bytes
      var batch = SignatureBatch(capacity: 2, seed: Bytes32(repeating: seed), path: path)
      batch.add(first)
      batch.add(second)
      batch.verify(&verdicts)
      #expect(verdicts == [false, false], "seed \(seed)")
    }
  }

  /// Both ways to add up terms give one point, on either side of the number where they change places.
  @Test(arguments: Path.available) func bucketsAndTablesOfMultiplesAgree(path: Path) throws {
    var random = Generator(state: 9)
    let slots = 40
    var combination = Combination(slots: slots, path: path)
    let torsion = try torsion()
    var points: [Point] = []
    combination.removeAll()
    for slot in 0..<slots {
      let point = Straus.doubleProduct(Scalar(random.next(), random.next()), Scalar(), .base) &+ CachedPoint(torsion[slot % 8])
      points.append(point.negated)
      combination.decode(point.bytes, negatedInto: slot)
    }
    combination.finishDecoding()
    for round in 0..<4 {
      var expected = Point.identity
      combination.removeTerms()
      let base = Scalar(reducing: Bytes64(Bytes32(random.next(), random.next(), random.next(), random.next()), Bytes32()))
      combination.add(base: base)
      expected.add(CachedPoint(Straus.doubleProduct(base, Scalar(), .base)))
      for slot in 0..<slots {
        let edges = [Scalar(), Scalar(1), Scalar(128), Scalar(.max, .max >> 1), Scalar(0x8080_8080_8080_8080, 0x7f80_8080_8080_8080)]
        let isLong = slot % 3 == 0
        let scalar = round == 0 ? edges[slot % 5] : Scalar(random.next(), random.next() >> 1, isLong ? random.next() : 0, isLong ? random.next() >> 4 : 0)
        let isNegative = !isLong && slot % 2 == 0
        combination.add(scalar, isNegative: isNegative, slot: slot)
        let product = CachedPoint(Straus.doubleProduct(Scalar(), scalar, points[slot]))
        if isNegative { expected.subtract(product) } else { expected.add(product) }
      }
      let (straus, buckets) = (combination.strausSum().bytes, combination.bucketSum().bytes)
      #expect(straus == expected.bytes, "round \(round)")
      #expect(buckets == expected.bytes, "round \(round)")
    }
  }

  /// The way that `sum` chooses depends on how many terms there are and how many of them are long; the point does not.
  @Test(arguments: Path.available) func everyMixtureOfTermsHasOneSum(path: Path) throws {
    var random = Generator(state: 10)
    let slots = 600
    var combination = Combination(slots: slots, path: path)
    let torsion = try torsion()
    let encodings = (0..<16).map { (Straus.doubleProduct(Scalar(random.next()), Scalar(), .base) &+ CachedPoint(torsion[$0 % 8])).bytes }
    combination.removeAll()
    for slot in 0..<slots { combination.decode(encodings[slot % 16], negatedInto: slot) }
    combination.finishDecoding()
    for (count, longCount) in [(0, 0), (1, 0), (0, 1), (3, 2), (20, 5), (30, 6), (190, 0), (190, 3), (300, 8), (300, 300), (520, 20), (520, 80)] {
      var expected = [Scalar](repeating: Scalar(), count: 16)
      combination.removeTerms()
      for slot in 0..<count {
        let (scalar, isNegative) = (Scalar(random.next(), random.next() >> 1), random.next() % 2 == 0)
        combination.add(scalar, isNegative: isNegative, slot: slot)
        expected[slot % 16] = isNegative ? expected[slot % 16] &- scalar : expected[slot % 16] &+ scalar
      }
      for slot in slots - longCount..<slots {
        let scalar = Scalar(random.next(), random.next(), random.next(), random.next() >> 4)
        combination.add(scalar, isNegative: false, slot: slot)
        expected[slot % 16] = expected[slot % 16] &+ scalar.reduced
      }
      var sum = combination.sum()
      for (scalar, encoding) in zip(expected, encodings) {
        let point = try #require(Point(decoding: encoding))
        sum.add(CachedPoint(Straus.doubleProduct(Scalar(), scalar, point)))
      }
      // The order of the points is 8 L, the scalars are known modulo L.
      #expect(sum.isSmallOrder, "\(count) short and \(longCount) long terms")
    }
  }
}

extension Scalar {
  /// A number below 2^256 modulo L.
  fileprivate var reduced: Self { Scalar(reducing: Bytes64(bytes, Bytes32())) }
}

extension SignatureBatch {
  mutating func add(_ item: Case) { add(item.signature, over: item.message.bytes, by: item.key) }
}
