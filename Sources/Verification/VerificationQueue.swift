public import Bytes
public import Ed25519
public import Metrics

/// The answer to one item of a `VerificationQueue`.
@frozen public struct Verdict: Hashable, Sendable, BitwiseCopyable {
  /// What the caller gave with the item.
  public var token: UInt64
  public var isValid: Bool
}

/// Collects the signatures of one turn and checks them as one natural batch: no waiting for a fuller one.
public struct VerificationQueue: ~Copyable {
  private struct Item {
    var token: UInt64
    var source: UInt64
  }

  private var batch: SignatureBatch
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
  public init(capacity: Int = Limits.batchCountInline, seed: Bytes32) {
    self.capacity = capacity
    batch = SignatureBatch(capacity: capacity, seed: seed)
    items.reserveCapacity(capacity)
    alone.reserveCapacity(capacity)
    results.reserveCapacity(capacity)
  }

  /// Items that wait for `verify`.
  public var count: Int { items.count + alone.count }
  /// Items of them that will be checked together.
  public var batchCount: Int { items.count }
  public var isFull: Bool { count == capacity }
  /// Multi-scalar checks since init, singles of quarantined sources not counted: the cost of bisection.
  public var checks: Int { batch.checks }

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
    if quarantine.contains(source, at: now) {
      let isValid = Verifier.isValid(signature, over: message, by: key)
      if !isValid { quarantine.strike(source, at: now) }
      alone.append(Verdict(token: token, isValid: isValid))
    } else {
      batch.add(signature, over: message, by: key)
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
      if !results[index] { quarantine.strike(items[index].source, at: now) }
      verdicts.append(Verdict(token: items[index].token, isValid: results[index]))
    }
    items.removeAll(keepingCapacity: true)
  }
}
