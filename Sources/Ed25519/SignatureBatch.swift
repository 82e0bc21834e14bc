public import Bytes
import Digests

/// Up to `capacity` signatures verified together by one random combination, with the verdicts of `Verifier` for each.
///
/// Checked is `[8](sum z_i S_i B - sum z_i R_i - sum_A (sum z_i k_i) A) = 0` over distinct signers A, with z_i of 128 random bits that are hashed from the
/// seed, a batch counter and all inputs, so that nobody can predict them. A failed combination is bisected down to single signatures, where the check is
/// exact: z_i is not zero, and the multiplication by 8 leaves the group of prime order L. For a signature that is alone any z but zero will do, so it is one that makes
/// the sum short. Storage is kept between batches.
///
/// What a failure costs. First the sources are told apart, half of them by half: f of s sources that offend take at most f * ceil(log2 s) combinations more, and
/// never more than s - 1, each of at most half of the items that are still in doubt. Then each of those sources alone is taken apart, n of its items by n - 1
/// combinations at most, in which nobody else's items are.
public struct SignatureBatch: ~Copyable {
  struct Item {
    var signature: Signature
    var key: PublicKey
    var s, k: Scalar
    var z = Coefficient.one
    /// Index into `signers`, or -1 when rules 2 to 4 refuse the item.
    var signer: Int
    var source: UInt64
  }

  struct Signer {
    var key: PublicKey
    var isValid: Bool
    /// The table of 2^128 A is there too.
    var isKnown: Bool
    /// The sum of z k of its signatures in the range under check.
    var scalar = Scalar()
    var isUsed = false
  }

  public let capacity: Int
  private let seed: Bytes32
  private let cache: SignerCache?
  private var batches: UInt64 = 0
  private var items: [Item] = []
  private var live: [Int] = []
  /// The ranges of `live` that have one source each, of a batch that failed; those of them that fail alone, and their sums.
  private var ranges: [Range<Int>] = []
  private var failed: [(range: Range<Int>, sum: Point)] = []
  private var signers: [Signer] = []
  private var signerTable: SignerTable
  private var combination: Combination
  private var drawing: CoefficientDrawing
  /// Challenges of statements wait here, those of other messages are hashed when they arrive.
  private var challenges: Hash192
  private var challenged: [Int] = []
  private let isVector: Bool
  /// Combinations computed since init: the cost of bisection. A batch without offenders takes one, one of n at most n.
  public private(set) var checks = 0

  /// - Parameters:
  ///   - capacity: 1 to `Limits.batchCountMax` signatures.
  ///   - seed: unpredictable to senders, different in each process.
  ///   - cache: keys seen before; may be shared between threads. Without one every key is decoded in every batch.
  public init(capacity: Int, seed: Bytes32, cache: SignerCache? = nil) { self.init(capacity: capacity, seed: seed, cache: cache, path: cache?.path ?? .best) }

  /// As above, by a path that this processor can run; traps for another.
  public init(capacity: Int, seed: Bytes32, cache: SignerCache? = nil, path: Path) {
    precondition(path.isAvailable, "this processor cannot run \(path)")
    precondition(capacity > 0 && capacity <= Limits.batchCountMax, "batch capacity is 1 to \(Limits.batchCountMax)")
    precondition(cache == nil || cache?.path == path, "a cache serves batches of its own path")
    self.capacity = capacity
    self.seed = seed
    self.cache = cache
    isVector = path != .portable
    combination = Combination(slots: 3 * capacity, path: path)
    drawing = CoefficientDrawing(path: path)
    challenges = Hash192(path: path)
    challenged.reserveCapacity(capacity)
    items.reserveCapacity(capacity)
    live.reserveCapacity(capacity)
    signers.reserveCapacity(capacity)
    signerTable = SignerTable(capacity: capacity, seed: seed)
  }

  /// Signatures added since the last verification.
  public var count: Int { items.count }

  // Each signer has two slots, for A and 2^128 A; each item has one, for R.
  private func slot(signer: Int) -> Int { 2 * signer }
  private func slot(item: Int) -> Int { 2 * capacity + item }

  /// Adds a signature; hashes or copies the message at once and keeps no reference to it. Traps when the batch is full.
  /// - Parameter source: whom the signature came from. A failed batch is taken apart by sources first.
  public mutating func add(_ signature: Signature, over message: RawSpan, by key: PublicKey, source: UInt64 = 0) {
    precondition(items.count < capacity, "the batch is full")
    let s = Scalar(canonical: signature.bytes.second)
    var k = Scalar()
    if s != nil {
      if isVector && message.byteCount == Hash192.byteCount - 64 {
        challenged.append(items.count)
        challenges.begin()
        challenges.append(signature.bytes.first)
        challenges.append(key.bytes)
        challenges.append(message)
      } else {
        k = Verifier.challenge(signature.bytes.first, key, message)
      }
    }
    items.append(Item(signature: signature, key: key, s: s ?? Scalar(), k: k, signer: s == nil ? -1 : 0, source: source))
  }

  private mutating func finishChallenges() {
    guard !challenged.isEmpty else { return }
    challenges.finish()
    for (place, index) in challenged.enumerated() { items[index].k = Scalar(reducing: challenges.digest(place)) }
    challenges.removeAll()
    challenged.removeAll(keepingCapacity: true)
  }

  /// Writes the verdict of item i to `verdicts[i]`; the batch is empty again.
  public mutating func verify(_ verdicts: inout [Bool]) {
    verdicts.removeAll(keepingCapacity: true)
    for _ in items.indices { verdicts.append(false) }
    finishChallenges()
    drawCoefficients()
    decode()
    halve()
    if !live.isEmpty {
      let all = 0..<live.count
      let sum = combine(all)
      if sum.isSmallOrder { accept(all, &verdicts) } else {
        orderBySource()
        settleSources(ranges.indices, sum, &verdicts)
        for (range, sum) in failed { settle(range, sum, &verdicts) }
        failed.removeAll(keepingCapacity: true)
      }
      remember(verdicts)
    }
    items.removeAll(keepingCapacity: true)
    live.removeAll(keepingCapacity: true)
    signers.removeAll(keepingCapacity: true)
    signerTable.removeAll()
  }

  /// A single signature needs none; see `halve`.
  private mutating func drawCoefficients() {
    guard items.count > 1 else { return }
    batches &+= 1
    drawing.draw(for: &items, seed: seed, counter: batches)
  }

  /// One signature alone: with a new key the coefficient makes the multipliers of R and A short. With a known key that of A is short already, so R needs none.
  private mutating func halve() {
    guard live.count == 1 else { return }
    let index = live[0]
    items[index].z = signers[items[index].signer].isKnown ? Coefficient.one : Coefficient(halving: items[index].k)
  }

  /// Decodes the keys that the cache does not know, then R of all items.
  private mutating func decode() {
    combination.removeAll()
    for index in items.indices where items[index].signer >= 0 {
      let key = items[index].key
      let place = signerTable.place(of: key) { signers[$0].key == key }
      if let known = signerTable[place] {
        items[index].signer = known
        continue
      }
      signerTable[place] = signers.count
      items[index].signer = signers.count
      signers.append(Signer(key: key, isValid: false, isKnown: false))
    }
    if let cache {
      let pointsOnly = combination.needsPointsOnly(terms: items.count + 2 * signers.count)
      for index in signers.indices {
        let isKnown = combination.load(signers[index].key, from: cache, intoPairAt: slot(signer: index), pointsOnly: pointsOnly)
        (signers[index].isValid, signers[index].isKnown) = (isKnown, isKnown)
      }
    }
    for index in signers.indices where !signers[index].isKnown && !Point.isSmallOrder(encoding: signers[index].key.bytes) {
      combination.decode(signers[index].key.bytes, negatedInto: slot(signer: index))
    }
    for index in items.indices where items[index].signer >= 0 { combination.decode(items[index].signature.bytes.first, negatedInto: slot(item: index)) }
    combination.finishDecoding()
    for index in signers.indices where !signers[index].isKnown { signers[index].isValid = combination.isDecoded(slot(signer: index)) }
    for index in items.indices where items[index].signer >= 0 {
      if signers[items[index].signer].isValid, combination.isDecoded(slot(item: index)) {
        live.append(index)
      } else {
        items[index].signer = -1
      }
    }
  }

  private func accept(_ range: Range<Int>, _ verdicts: inout [Bool]) {
    for position in range { verdicts[live[position]] = true }
  }

  /// Tells apart the sources whose items have this sum, and notes those that fail.
  private mutating func settleSources(_ sources: Range<Int>, _ sum: Point, _ verdicts: inout [Bool]) {
    let items = ranges[sources.lowerBound].lowerBound..<ranges[sources.upperBound - 1].upperBound
    guard !sum.isSmallOrder else { return accept(items, &verdicts) }
    guard sources.count > 1 else { return failed.append((items, sum)) }
    let middle = sources.lowerBound + sources.count / 2
    let cut = ranges[middle].lowerBound
    // The sum of one half is what the other lacks: the smaller one is computed.
    let isLeft = cut - items.lowerBound <= items.upperBound - cut
    let half = combine(isLeft ? items.lowerBound..<cut : cut..<items.upperBound)
    let rest = sum &- CachedPoint(half)
    settleSources(sources.lowerBound..<middle, isLeft ? half : rest, &verdicts)
    settleSources(middle..<sources.upperBound, isLeft ? rest : half, &verdicts)
  }

  /// The same for the items of one source, of which at least one is bad unless the sum has small order.
  private mutating func settle(_ range: Range<Int>, _ sum: Point, _ verdicts: inout [Bool]) {
    guard !sum.isSmallOrder else { return accept(range, &verdicts) }
    guard range.count > 1 else { return }
    let middle = range.lowerBound + range.count / 2
    let left = combine(range.lowerBound..<middle)
    settle(range.lowerBound..<middle, left, &verdicts)
    settle(middle..<range.upperBound, sum &- CachedPoint(left), &verdicts)
  }

  /// Before a failed batch is taken apart; the sum over all of its items does not depend on their order.
  private mutating func orderBySource() {
    live.sort { items[$0].source != items[$1].source ? items[$0].source < items[$1].source : $0 < $1 }
    ranges.removeAll(keepingCapacity: true)
    var begin = 0
    for end in 1...live.count where end == live.count || items[live[end]].source != items[live[begin]].source {
      ranges.append(begin..<end)
      begin = end
    }
  }

  /// `sum z S B - sum z R - sum z k A` over a range of live items.
  private mutating func combine(_ range: Range<Int>) -> Point {
    checks += 1
    combination.removeTerms()
    var base = Scalar()
    for position in range {
      let index = live[position]
      let (z, signer) = (items[index].z, items[index].signer)
      base = base &+ z.times(items[index].s)
      signers[signer].scalar = signers[signer].scalar &+ z.times(items[index].k)
      combination.add(z.magnitude, isNegative: z.isNegative, slot: slot(item: index))
      signers[signer].isUsed = true
    }
    combination.add(base: base)
    for signer in signers.indices where signers[signer].isUsed {
      combination.add(signers[signer].scalar, slot: slot(signer: signer), isPair: signers[signer].isKnown)
      signers[signer].scalar = Scalar()
      signers[signer].isUsed = false
    }
    return combination.sum()
  }

  /// Gives the cache the new keys of valid signatures that it was asked for before.
  private mutating func remember(_ verdicts: [Bool]) {
    guard let cache else { return }
    var insertions = 0
    for index in live where verdicts[index] && insertions < Limits.cacheInsertionsPerBatch {
      let signer = items[index].signer
      if signers[signer].isKnown || !cache.isSecondSight(signers[signer].key) { continue }
      combination.store(signers[signer].key, in: cache, fromPairAt: slot(signer: signer))
      signers[signer].isKnown = true
      insertions += 1
    }
  }
}
