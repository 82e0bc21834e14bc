import Ambient
import Bytes
import Ed25519
import CLinux
import Glibc
import Metrics
import Reactor
import Synchronization
import Verification

/// The threads that check the signatures which are too many for the reactor; the work itself is `OverflowHelper`'s.
final class VerificationThreads: Sendable {
  /// Longest sleep, milliseconds: a bound for the end, since an offer rings.
  private static let restMilliseconds = 500

  /// Of submissions, and of what peers send: gossiped records and blocks of a sync.
  let overflow = Overflow()
  let records = Overflow()
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
      let seeds = (0..<2).map { _ in Bytes32(random.next(), random.next(), random.next(), random.next()) }
      let result = startThread(name: "verify\(index)") { [self] in run(seeds, signers, waker, metrics) }
      guard result == 0 else { throw NodeFailure(75, "cannot start verification thread \(index): errno \(result)") }
    }
  }

  /// Signatures were offered.
  func ring() { for _ in 0..<min(count, 1 + (overflow.count + records.count) / Verification.Limits.batchCountInline) { bell.ring() } }

  func end() {
    isEnding.store(true, ordering: .releasing)
    for _ in 0..<count { bell.ring() }
  }

  private func run(_ seeds: [Bytes32], _ signers: SignerCache, _ waker: Waker, _ metrics: MempoolMetrics) {
    var ofPeers = OverflowHelper(records, seed: seeds[0], cache: signers)
    var ofClients = OverflowHelper(overflow, seed: seeds[1], cache: signers)
    while !isEnding.load(ordering: .acquiring) {
      // A batch of each in turn: neither peers nor clients wait for more than one batch of the others.
      let peers = ofPeers.step(now: MonotonicClock.now().nanoseconds)
      if case .verified = peers { waker.wake() }
      let began = MonotonicClock.now()
      let clients = ofClients.step(now: began.nanoseconds)
      if case .verified(let count) = clients {
        waker.wake()
        metrics.signatureBatchSize.observe(UInt64(count))
        metrics.signatureVerification.observe(MonotonicClock.now().nanoseconds(since: began))
      }
      switch (peers, clients) {
      case (.verified, _), (_, .verified): continue
      case (.idle, .idle): _ = bell.wait(milliseconds: Self.restMilliseconds)
      default: _ = bell.wait(milliseconds: 1)
      }
    }
  }
}
