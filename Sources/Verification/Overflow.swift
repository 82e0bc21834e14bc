public import Bytes
public import Ed25519
import Lanes
import Synchronization

/// Signatures beyond what a reactor checks in line, on their way to helper threads, and their verdicts on the way back.
///
/// One reactor offers and takes; any number of helpers, each with an `OverflowHelper`, work between. What the tokens mean is known to the one that offers. No
/// side waits for another: an offer that finds no room is the reactor's own to check. There are never more items under way than verdicts fit, so that a helper
/// always finds room for what it has decided.
public final class Overflow: Sendable {
  /// A signature over a statement of `Overflow.messageByteCount` bytes, by value: the sender's buffer may go.
  struct Item: BitwiseCopyable, Sendable {
    var signature: Signature
    var key: PublicKey
    var message: InlineArray<4, Bytes32>
    var token: UInt64
    var source: UInt64
  }

  /// Length of what can be handed over.
  public static let messageByteCount = 128
  /// Items under way at most.
  public static let capacity = Limits.overflowCountMax

  let items = MPMCLane<Item>(capacity: Limits.overflowCountMax)
  let verdicts = MPMCLane<Verdict>(capacity: Limits.overflowCountMax)
  /// Offered and not yet taken back. The reactor adds and subtracts; nobody else writes.
  private let underWay = Atomic<Int>(0)
  private let batchCount = Atomic<UInt64>(0)
  private let combinationCount = Atomic<UInt64>(0)

  public init() {}

  /// Batches that helpers have checked.
  public var batches: UInt64 { batchCount.load(ordering: .relaxed) }
  /// Items offered whose verdict has not been taken.
  public var count: Int { underWay.load(ordering: .relaxed) }
  public var room: Int { Self.capacity - count }

  /// Combinations that they took: one for a batch without a bad signature.
  public var combinations: UInt64 { combinationCount.load(ordering: .relaxed) }

  func noteBatch(combinations: Int) {
    // Relaxed: figures.
    batchCount.wrappingAdd(1, ordering: .relaxed)
    combinationCount.wrappingAdd(UInt64(combinations), ordering: .relaxed)
  }

  /// Reactor only. Copies the item; false when there is no room. Traps for a message of another length.
  public func offer(_ signature: Signature, over message: RawSpan, by key: PublicKey, token: UInt64, source: UInt64) -> Bool {
    precondition(message.byteCount == Self.messageByteCount, "a statement")
    guard room > 0 else { return false }
    let words = InlineArray<4, Bytes32> { Bytes32(message, at: 32 * $0) }
    // The lane has as many places as may be under way.
    guard items.push(Item(signature: signature, key: key, message: words, token: token, source: source)) else { return false }
    // Relaxed: only this thread writes it; others read it as a figure.
    underWay.store(count + 1, ordering: .relaxed)
    return true
  }

  /// Reactor only. The next verdict, nil when there is none at the moment.
  public func take() -> Verdict? {
    guard let verdict = verdicts.pop() else { return nil }
    underWay.store(count - 1, ordering: .relaxed)
    return verdict
  }
}

/// What one helper thread does, without the thread: takes what has been offered, checks it in batches of up to `Ed25519.Limits.batchCountMax`, and gives the
/// verdicts back.
public struct OverflowHelper: ~Copyable {
  @frozen public enum Step: Equatable, Sendable {
    /// A batch was checked: there are verdicts, so the reactor is to be woken; there may be more to do.
    case verified(Int)
    /// A small batch waits for more, until this instant at the latest.
    case waiting(until: UInt64)
    /// Nothing is there.
    case idle
  }

  private let overflow: Overflow
  private var queue: VerificationQueue
  private var verdicts: [Verdict] = []
  private var scratch: [UInt8] = []

  /// - Parameters:
  ///   - seed: unpredictable to senders, another one for each helper.
  ///   - cache: keys of known signers, shared with the reactor's queue.
  public init(_ overflow: Overflow, seed: Bytes32, cache: SignerCache) {
    self.overflow = overflow
    queue = VerificationQueue(capacity: Ed25519.Limits.batchCountMax, seed: seed, cache: cache)
    verdicts.reserveCapacity(Ed25519.Limits.batchCountMax)
  }

  /// Combinations computed since init, singles of quarantined sources not counted.
  public var checks: Int { queue.checks }

  /// Takes what is there and checks it when a batch is due. Call it again after `verified`; sleep after the others, until something is offered.
  /// - Parameter now: monotonic time, nanoseconds.
  public mutating func step(now: UInt64) -> Step {
    // Taken out of this value, whose queue is changed while the bytes are lent.
    var message = scratch
    scratch = []
    while !queue.isFull, let item = overflow.items.pop() {
      message.removeAll(keepingCapacity: true)
      for part in 0..<4 { message.append(item.message[part]) }
      let isTaken = queue.enqueue(item.signature, over: message.bytes, by: item.key, token: item.token, source: item.source, now: now)
      precondition(isTaken, "the queue was not full")
    }
    scratch = message
    guard queue.isDue(at: now) else { return queue.count == 0 ? .idle : .waiting(until: queue.deadline) }
    let before = queue.checks
    queue.verify(now: now, into: &verdicts)
    for verdict in verdicts {
      let isGiven = overflow.verdicts.push(verdict)
      precondition(isGiven, "as many places as items may be under way")
    }
    let count = verdicts.count
    verdicts.removeAll(keepingCapacity: true)
    overflow.noteBatch(combinations: queue.checks - before)
    return .verified(count)
  }
}
