public import Bytes
import Digests

/// Up to `capacity` signatures verified together by one random combination, with the verdicts of `Verifier` for each.
///
/// Checked is `[8](sum z_i S_i B - sum z_i R_i - sum_A (sum z_i k_i) A) = 0` over distinct signers A, with 128-bit z_i that are hashed from the seed, a batch
/// counter and all inputs, so that nobody can predict them. A failed combination is bisected down to single signatures, where the check is exact: z_i is
/// not zero, and the multiplication by 8 leaves the group of prime order L. Storage is kept between batches.
public struct SignatureBatch: ~Copyable {
  struct Item {
    var signature: Signature
    var key: PublicKey
    var s, k, z: Scalar
    /// Index into `signers`, or -1 when rules 2 to 4 refuse the item.
    var signer: Int
  }

  struct Signer {
    var key: PublicKey
    var isValid: Bool
    /// The sum of z k of its signatures in the range under check.
    var scalar = Scalar()
    var isUsed = false
  }

  public let capacity: Int
  private let seed: Bytes32
  private var batches: UInt64 = 0
  private var items: [Item] = []
  private var live: [Int] = []
  private var signers: [Signer] = []
  private var signerIndex: [PublicKey: Int] = [:]
  private var straus: StrausTerms
  /// Multi-scalar checks since init: the cost of bisection. A batch without offenders takes one.
  public private(set) var checks = 0

  /// - Parameters:
  ///   - capacity: 1 to `Limits.batchCountMax` signatures.
  ///   - seed: unpredictable to senders, different in each process.
  public init(capacity: Int, seed: Bytes32) {
    precondition(capacity > 0 && capacity <= Limits.batchCountMax, "batch capacity is 1 to \(Limits.batchCountMax)")
    self.capacity = capacity
    self.seed = seed
    straus = StrausTerms(capacity: capacity)
    items.reserveCapacity(capacity)
    live.reserveCapacity(capacity)
    signers.reserveCapacity(capacity)
    signerIndex.reserveCapacity(capacity)
  }

  /// Signatures added since the last verification.
  public var count: Int { items.count }

  /// Adds a signature; hashes the message at once and keeps no reference to it. Traps when the batch is full.
  public mutating func add(_ signature: Signature, over message: RawSpan, by key: PublicKey) {
    precondition(items.count < capacity, "the batch is full")
    let s = Scalar(canonical: signature.bytes.second)
    let k = s == nil ? Scalar() : Verifier.challenge(signature.bytes.first, key, message)
    items.append(Item(signature: signature, key: key, s: s ?? Scalar(), k: k, z: Scalar(), signer: s == nil ? -1 : 0))
  }

  /// Writes the verdict of item i to `verdicts[i]`; the batch is empty again.
  public mutating func verify(_ verdicts: inout [Bool]) {
    verdicts.removeAll(keepingCapacity: true)
    for _ in items.indices { verdicts.append(false) }
    drawCoefficients()
    decompress()
    check(0..<live.count, &verdicts)
    items.removeAll(keepingCapacity: true)
    live.removeAll(keepingCapacity: true)
    signers.removeAll(keepingCapacity: true)
    signerIndex.removeAll(keepingCapacity: true)
  }

  /// z = 128 bits of SHA-512(seed || counter || SHA-512(all items) || index / 4): four to a hash.
  private mutating func drawCoefficients() {
    var transcript = SHA512Stream()
    for item in items {
      transcript.update(item.signature.bytes.first)
      transcript.update(item.signature.bytes.second)
      transcript.update(item.key.bytes)
      transcript.update(item.k.bytes)
    }
    let inputs = transcript.finish()
    batches &+= 1
    for start in stride(from: 0, to: items.count, by: 4) {
      var hash = SHA512Stream()
      hash.update(seed)
      hash.update(Bytes32(batches, UInt64(truncatingIfNeeded: start), 0, 0))
      hash.update(inputs.first)
      hash.update(inputs.second)
      let drawn = hash.finish()
      let (a, b) = (drawn.first, drawn.second)
      let z = [Scalar(a.w0, a.w1), Scalar(a.w2, a.w3), Scalar(b.w0, b.w1), Scalar(b.w2, b.w3)] as InlineArray<4, Scalar>
      for index in start..<min(start + 4, items.count) {
        let value = z[index - start]
        items[index].z = value.isZero ? Scalar(1) : value
      }
    }
  }

  /// Decodes the points of all items and builds their tables: one of the two places where a vector kernel takes over.
  private mutating func decompress() {
    straus.removeAll()
    for index in items.indices where items[index].signer >= 0 {
      let key = items[index].key
      let signer: Int
      if let known = signerIndex[key] {
        signer = known
      } else {
        signer = signers.count
        let point = Verifier.decodeKey(key)
        straus.prepare(signer: signer, (point ?? .identity).negated)
        signers.append(Signer(key: key, isValid: point != nil))
        signerIndex[key] = signer
      }
      guard signers[signer].isValid, let r = Point(decoding: items[index].signature.bytes.first) else {
        items[index].signer = -1
        continue
      }
      items[index].signer = signer
      straus.prepare(item: index, r.negated)
      live.append(index)
    }
  }

  /// Accepts the whole range, or halves it. At most 2n - 1 checks for n items.
  private mutating func check(_ range: Range<Int>, _ verdicts: inout [Bool]) {
    if range.isEmpty { return }
    if isBalanced(range) {
      for position in range { verdicts[live[position]] = true }
    } else if range.count > 1 {
      let middle = range.lowerBound + range.count / 2
      check(range.lowerBound..<middle, &verdicts)
      check(middle..<range.upperBound, &verdicts)
    }
  }

  /// The multi-scalar check of the prepared terms of a range: the other place where a vector kernel takes over.
  private mutating func isBalanced(_ range: Range<Int>) -> Bool {
    checks += 1
    var base = Scalar()
    for position in range {
      let index = live[position]
      let (z, signer) = (items[index].z, items[index].signer)
      base = base &+ z &* items[index].s
      signers[signer].scalar = signers[signer].scalar &+ z &* items[index].k
      signers[signer].isUsed = true
      straus.add(item: index, z)
    }
    straus.add(base: base)
    for signer in signers.indices where signers[signer].isUsed {
      straus.add(signer: signer, signers[signer].scalar)
      signers[signer].scalar = Scalar()
      signers[signer].isUsed = false
    }
    return straus.sum().isSmallOrder
  }
}
