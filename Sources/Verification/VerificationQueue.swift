public import Bytes
public import Ed25519
public import Metrics

/// The answer to one item of a `VerificationQueue`.
@frozen public struct Verdict: Hashable, Sendable, BitwiseCopyable {
  /// What the caller gave with the item.
  public var token: UInt64
  public var isValid: Bool
}

/// Collects signatures and checks them as one natural batch.
///
/// A reactor verifies at the end of each turn what the turn brought, at most `Limits.batchCountInline`: no waiting for a fuller batch. A helper thread, whose
/// batches may hold `Ed25519.Limits.batchCountMax`, waits while `isDue` is false: until there are as many as a reactor would check, or the oldest item has waited
/// long enough.
///
/// What an offender costs others: its first bad signature makes the batch of s sources take ceil(log2 s) combinations more, see `SignatureBatch`; then its
/// signatures are checked alone until its quarantine ends, so that others share no batch with it, and the caller takes at most `Limits.aloneCountMax` of them
/// in one turn (`isQuarantined`). Sources that have not offended share one batch: batches of their own would cost all of them, always, what an offender costs
/// them once.
public struct VerificationQueue: ~Copyable {
  private struct Item {
    var token: UInt64
    var source: UInt64
  }

  private var batch: SignatureBatch
  private var single: SignatureBatch
  private let cache: SignerCache
  /// When the oldest waiting item came, nanoseconds.
  private var oldest: UInt64 = 0
  private var items: [Item] = []
  private var alone: [Verdict] = []
  private var results: [Bool] = []
  private var quarantine = Quarantine()
  private let capacity: Int
  /// Where the sizes of batches are counted.
  public var sizes: Histogram?

  /// - Parameters:
  ///   - capacity: items of a turn, 1 to `Ed25519.Limits.batchCountMax`; `Limits.batchCountInline` on a reactor.
  ///   - seed: unpredictable to senders.
  ///   - cache: keys of known signers, shared with other queues; nil for one of its own.
  public init(capacity: Int = Limits.batchCountInline, seed: Bytes32, cache: SignerCache? = nil) {
    self.capacity = capacity
    let signers = cache ?? SignerCache(seed: seed)
    self.cache = signers
    batch = SignatureBatch(capacity: capacity, seed: seed, cache: signers)
    single = SignatureBatch(capacity: 1, seed: seed, cache: signers)
    items.reserveCapacity(capacity)
    alone.reserveCapacity(capacity)
    results.reserveCapacity(capacity)
  }

  /// Items that wait for `verify`.
  public var count: Int { items.count + alone.count }
  /// Items of them that will be checked together.
  public var batchCount: Int { items.count }
  public var isFull: Bool { count == capacity }
  /// True when a helper should verify: `Limits.batchCountInline` items are there, or as many as fit, or one has waited for `Limits.waitNanosecondsMax`.
  /// False for an empty queue.
  public func isDue(at now: UInt64) -> Bool { isFull || count >= Limits.batchCountInline || (count > 0 && now >= deadline) }
  /// When the oldest waiting item has waited long enough, nanoseconds.
  public var deadline: UInt64 { oldest &+ Limits.waitNanosecondsMax }
  /// Look-ups of signers' keys that found them decoded, and those that did not, since the cache was made.
  public var signerHits: UInt64 { cache.hits }
  public var signerMisses: UInt64 { cache.misses }
  /// Multi-scalar checks since init, singles of quarantined sources not counted: the cost of bisection.
  public var checks: Int { batch.checks }
  /// Signatures that were refused since init.
  public private(set) var refused: UInt64 = 0
  /// Sources in quarantine.
  public func quarantined(at now: UInt64) -> Int { quarantine.count(at: now) }
  /// Whether a signature of the source would be checked alone.
  public func isQuarantined(_ source: UInt64, at now: UInt64) -> Bool { quarantine.contains(source, at: now) }

  /// Somebody else, such as a helper, has refused a signature of the source.
  public mutating func strike(_ source: UInt64, at now: UInt64) {
    refused += 1
    quarantine.strike(source, at: now)
  }

  /// Takes an item, or answers false when the queue is full and `verify` is due. The message is hashed at once, no reference to it stays.
  ///
  /// An item of a quarantined source is checked here, alone.
  /// - Parameters:
  ///   - source: whom the sender's offences are held against, such as a connection.
  ///   - now: monotonic time, nanoseconds.
  public mutating func enqueue(
    _ signature: Signature, over message: RawSpan, by key: PublicKey, token: UInt64, source: UInt64, now: UInt64
  ) -> Bool {
    guard !isFull else { return false }
    if count == 0 { oldest = now }
    if quarantine.contains(source, at: now) {
      single.add(signature, over: message, by: key)
      single.verify(&results)
      let isValid = results[0]
      if !isValid { strike(source, at: now) }
      alone.append(Verdict(token: token, isValid: isValid))
    } else {
      batch.add(signature, over: message, by: key, source: source)
      items.append(Item(token: token, source: source))
    }
    return true
  }

  /// Checks what has arrived and appends one verdict for each item: those checked alone first, then the batch in order of arrival. The queue is empty again.
  public mutating func verify(now: UInt64, into verdicts: inout [Verdict]) {
    for verdict in alone { verdicts.append(verdict) }
    alone.removeAll(keepingCapacity: true)
    guard !items.isEmpty else { return }
    sizes?.observe(UInt64(items.count))
    batch.verify(&results)
    for index in items.indices {
      if !results[index] { strike(items[index].source, at: now) }
      verdicts.append(Verdict(token: items[index].token, isValid: results[index]))
    }
    items.removeAll(keepingCapacity: true)
  }
}
