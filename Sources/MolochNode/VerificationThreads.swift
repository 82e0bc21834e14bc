import Ambient
import Bytes
import Ed25519
import Glibc
import Metrics
import Reactor
import Synchronization
import Verification

/// The threads that check the signatures which are too many for the reactor; the work itself is `OverflowHelper`'s.
final class VerificationThreads: Sendable {
  /// Longest sleep, milliseconds: a bound for the end, since an offer rings.
  private static let restMilliseconds = 500

  let overflow = Overflow()
  private let bell = Doorbell()
  private let isEnding = Atomic(false)
  private let count: Int

  /// - Parameter threads: 1 to 16; 0 for one on up to three processors and a quarter of more.
  init(threads: Int) {
    let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    count = threads > 0 ? threads : processors <= 3 ? 1 : processors / 4
  }

  /// Starts the threads; each batch wakes the loop behind `waker`.
  /// - Parameter signers: the keys that the reactor's own queue knows.
  func start(waking waker: Waker, signers: SignerCache, metrics: MempoolMetrics) throws(NodeFailure) {
    var random = SystemRandomNumberGenerator()
    for index in 0..<count {
      let seed = Bytes32(random.next(), random.next(), random.next(), random.next())
      let result = startThread(name: "verify\(index)") { [self] in run(seed, signers, waker, metrics) }
      guard result == 0 else { throw NodeFailure(75, "cannot start verification thread \(index): errno \(result)") }
    }
  }

  /// Records were offered.
  func ring() { for _ in 0..<min(count, 1 + overflow.count / Verification.Limits.batchCountInline) { bell.ring() } }

  func end() {
    isEnding.store(true, ordering: .releasing)
    for _ in 0..<count { bell.ring() }
  }

  private func run(_ seed: Bytes32, _ signers: SignerCache, _ waker: Waker, _ metrics: MempoolMetrics) {
    var helper = OverflowHelper(overflow, seed: seed, cache: signers)
    while !isEnding.load(ordering: .acquiring) {
      let began = MonotonicClock.now()
      switch helper.step(now: began.nanoseconds) {
      case .verified(let count):
        waker.wake()
        metrics.signatureBatchSize.observe(UInt64(count))
        metrics.signatureVerification.observe(MonotonicClock.now().nanoseconds(since: began))
      case .waiting: _ = bell.wait(milliseconds: 1)
      case .idle: _ = bell.wait(milliseconds: Self.restMilliseconds)
      }
    }
  }
}
