import Ambient
import Audit
import Bytes
import Consensus
import Ed25519
import Ledger
import Mempool
import Replication
import Testing
import Verification

extension OverflowHelper {
  /// Checks all that is there, what waits for a fuller batch, too.
  mutating func finish() {
    var now: UInt64 = 0
    while step(now: now) != .idle { now += Verification.Limits.waitNanosecondsMax }
  }
}

/// Replicas whose signatures are checked by helper threads, late and in batches of their own.
@Suite struct HelperTests {
  enum Loss: CaseIterable { case behind, wiped }

  /// A node that was away takes ranges of several epochs, each on top of one whose signatures are still being checked; it ends where the others are.
  @Test(arguments: Loss.allCases, [8, 40] as [UInt32]) func aSyncWithHelpersEndsWhereTheOthersAre(loss: Loss, epochLength: UInt32) throws {
    let cluster = try Cluster(validators: 4, seed: 301, epochLength: epochLength)
    cluster.hasHelpers = true
    try cluster.startAll()
    cluster.admit(at: 0)
    cluster.run(milliseconds: 1500)
    cluster.crash(3)
    if loss == .wiped { cluster.wipe(3) }
    for round in 0..<40 {
      for _ in 0..<20 { cluster.admit(at: round % 3) }
      cluster.run(milliseconds: 400)
    }
    try cluster.start(3)
    // What is live comes with the rest.
    for _ in 0..<50 { cluster.admit(at: 1) }
    cluster.settle(withinMilliseconds: 30_000)
    cluster.expectAgreement(heightMin: 20)
    cluster.expectEveryEventOnce()
    let batches = try #require(cluster.nodes[3].helpers).batches
    #expect(batches > 0 && cluster.nodes[3].helpers?.count == 0)
    #expect(cluster.nodes[3].replica?.syncFacts.isSyncing == false)
  }

  /// Most of a burst goes through helpers, and each event is in each chain once, whatever becomes of the connections meanwhile.
  @Test(arguments: [302, 303] as [UInt64]) func aBurstGoesThroughHelpers(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed, blockTime: 100, emptyBlockInterval: 60_000)
    cluster.hasHelpers = true
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    // No block before the pools have it all.
    cluster.tamper = { _, message in
      switch message {
      case .events, .eventsTaken: message
      default: nil
      }
    }
    // Who leads would put them into a block of its own.
    let node = try #require(cluster.nodes.first { $0.replica?.leader != $0.key?.publicKey }).index
    let others = (0..<4).filter { $0 != node }
    for _ in 0..<900 { cluster.admit(at: node) }
    cluster.run(milliseconds: 8)
    cluster.crash(others[0])
    cluster.run(milliseconds: 500)
    #expect(others[1...].allSatisfy { cluster.nodes[$0].replica?.pool.load.events == 900 })
    cluster.tamper = nil
    try cluster.start(others[0])
    cluster.settle(withinMilliseconds: 30_000)
    cluster.expectAgreement(heightMin: 1)
    cluster.expectEveryEventOnce()
    #expect(cluster.admitted.count == 900)
    #expect(cluster.nodes[others[1]].helpers.map { $0.batches > 0 && $0.count == 0 } == true)
  }

  /// A certificate over a bad signature ends the node that finds it, as it does without helpers, and the range is not applied.
  @Test(arguments: [false, true]) func aBadSignatureUnderACertificateEndsTheNode(hasHelpers: Bool) throws {
    let cluster = try Cluster(validators: 1, observers: 1, seed: 304, blockTime: 100)
    cluster.hasHelpers = hasHelpers
    cluster.tamper = { _, message in if case .events = message { nil } else { message } }
    try cluster.start(0)
    for number in 0..<40 {
      for _ in 0..<10 { cluster.admit(at: 0, isForged: number == 30) }
      cluster.run(milliseconds: 120)
    }
    #expect(cluster.nodes[0].store.head.treeSize == 400)
    try cluster.start(1)
    cluster.run(milliseconds: 10_000)
    #expect(cluster.nodes[1].halted?.contains("badSignature") == true, "\(cluster.nodes[1].halted ?? "it goes on")")
    #expect(cluster.nodes[1].store.head.treeSize <= 300)
  }

  /// Bad records among good ones: the sender is penalised once for each turn, and is told that its bytes were taken in when their verdicts are there, not before.
  @Test func gossipIsTakenInWhenItsVerdictsAreThere() throws {
    let follower = try Follower()
    let helpers = Overflow()
    follower.replica.helpers = helpers
    var helper = OverflowHelper(helpers, seed: Bytes32(repeating: 7), cache: SignerCache(capacity: 16, seed: Bytes32(repeating: 8)))
    for peer in 1...2 as ClosedRange<UInt64> { follower.connect(peer) }
    // 1300 records are more than a quarter of what a peer may have under way.
    follower.hear(follower.records(1300), from: 1)
    follower.hear(follower.records(100), from: 2)
    follower.collect()
    let inLine = Verification.Limits.batchCountInline
    #expect(follower.replica.pool.load.events == inLine && helpers.count == 1400 - inLine && follower.replica.takesOffer())
    #expect(!follower.replica.hasWork, "it waits for the helpers")
    #expect(follower.taken.isEmpty)
    // The second peer goes, and its records with it.
    follower.perform { $0.peerDown(PeerLink(2), now: $1, &$2) }
    helper.finish()
    follower.perform { $0.takeVerdicts(now: $1, &$2) }
    #expect(follower.replica.pool.load.events == 1300 && helpers.count == 0 && follower.penalised.isEmpty)
    #expect(follower.taken == [PeerLink(1)])

    follower.connect(3)
    follower.hear(follower.records(inLine), from: 1)
    follower.hear(follower.records(100, areBad: true), from: 3)
    follower.collect()
    #expect(helpers.count == 100 && follower.penalised.isEmpty)
    helper.finish()
    follower.perform { $0.takeVerdicts(now: $1, &$2) }
    #expect(follower.penalised == [PeerLink(3)])
    let facts = follower.replica.signatureFacts(now: follower.now)
    #expect(facts.refused == 100 && facts.quarantined == 1)
    // From now on its records are checked here, a few in each turn.
    follower.hear(follower.records(100, areBad: true), from: 3)
    follower.collect()
    #expect(helpers.count == 0 && follower.replica.signatureFacts(now: follower.now).refused == 100 + UInt64(Verification.Limits.aloneCountMax))
  }
}
