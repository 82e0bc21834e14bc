import Ambient
import Audit
import Bytes
import Consensus
import Ledger
import Replication
import Testing

/// Replicas among each other. Every failure names its seed.
@Suite struct ClusterTests {
  @Test(arguments: [(1, 7), (4, 1), (4, 2), (7, 3)] as [(Int, UInt64)])
  func admittedEventsAreInEveryChainExactlyOnce(count: Int, seed: UInt64) throws {
    let cluster = try Cluster(validators: count, seed: seed)
    try cluster.startAll()
    cluster.run(milliseconds: 50)
    for round in 0..<20 {
      for _ in 0..<20 { cluster.admit(at: round % count) }
      cluster.run(milliseconds: 150)
    }
    cluster.run(milliseconds: 3000)
    cluster.expectAgreement(heightMin: 15)
    cluster.expectEveryEventOnce()
    for node in cluster.nodes { #expect(node.replica?.pool.load.events == 0, "seed \(seed)") }
  }

  @Test(arguments: [11, 12, 13] as [UInt64])
  func lossAndReorderingDelayButDoNotHarm(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed)
    cluster.loss = 10
    cluster.delayMilliseconds = 1...80
    try cluster.startAll()
    for round in 0..<20 {
      for _ in 0..<10 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 300)
    }
    cluster.loss = 0
    cluster.run(milliseconds: 40_000)
    cluster.expectAgreement(heightMin: 10)
    cluster.expectEveryEventOnce()
  }

  @Test(arguments: [21, 22, 23] as [UInt64])
  func crashedNodesComeBackWithTheirVotesAndCandidates(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed)
    try cluster.startAll()
    var chance = SeededGenerator(seed: seed)
    for round in 0..<12 {
      let victim = Int.random(in: 0..<4, using: &chance)
      for _ in 0..<10 { cluster.admit(at: (victim + 1) % 4) }
      cluster.run(milliseconds: UInt64.random(in: 20...400, using: &chance))
      cluster.crash(victim)
      cluster.run(milliseconds: UInt64.random(in: 20...800, using: &chance))
      try cluster.start(victim)
      cluster.run(milliseconds: 300 + UInt64(round))
    }
    cluster.run(milliseconds: 35_000)
    cluster.expectAgreement(heightMin: 12)
    // What was admitted at a node that lost power before it was sent on is lost with it: nobody was told that it is final.
    for node in cluster.nodes {
      let ids = cluster.chainIDs(node.index)
      #expect(ids.count == Set(ids).count, "seed \(seed)")
    }
  }

  @Test(arguments: [31, 32] as [UInt64])
  func aPowerCutOfAllLosesNothingThatWasFinal(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed)
    try cluster.startAll()
    for round in 0..<6 {
      for _ in 0..<10 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 250)
      let heads = cluster.nodes.map { $0.store.head }
      let reported = cluster.nodes.map { $0.finals.last?.header.height.rawValue ?? 0 }
      for index in 0..<4 { cluster.crash(index) }
      for index in 0..<4 { #expect(cluster.nodes[index].store.head.height.rawValue >= reported[index], "seed \(seed)") }
      try cluster.startAll()
      cluster.run(milliseconds: 1500)
      for index in 0..<4 { #expect(cluster.nodes[index].store.header(at: heads[index].height) == heads[index], "seed \(seed)") }
    }
    cluster.run(milliseconds: 5000)
    cluster.expectAgreement(heightMin: 6)
  }

  @Test(arguments: [41, 42] as [UInt64])
  func aWipedNodeCatchesUpAcrossEpochs(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed, epochLength: 10)
    try cluster.startAll()
    cluster.crash(3)
    for round in 0..<40 {
      for _ in 0..<5 { cluster.admit(at: round % 3) }
      cluster.run(milliseconds: 200)
    }
    cluster.wipe(3)
    try cluster.start(3)
    cluster.run(milliseconds: 10_000)
    cluster.expectAgreement(heightMin: 30)
    cluster.expectEveryEventOnce()
    #expect(cluster.nodes[3].replica?.syncFacts.isSyncing == false, "seed \(seed)")
  }

  @Test(arguments: [51] as [UInt64])
  func anObserverFollowsAndItsEventsAreProposed(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, observers: 1, seed: seed)
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    for _ in 0..<20 {
      for _ in 0..<10 { cluster.admit(at: 4) }
      cluster.run(milliseconds: 150)
    }
    cluster.run(milliseconds: 3000)
    cluster.expectAgreement(heightMin: 10)
    cluster.expectEveryEventOnce()
  }

  @Test func cosignaturesOfAQuorumMakeACheckpoint() throws {
    let cluster = try Cluster(validators: 4, seed: 61)
    try cluster.startAll()
    for round in 0..<10 {
      for _ in 0..<10 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 200)
    }
    cluster.run(milliseconds: 2000)
    for node in cluster.nodes {
      let head = try #require(node.heads.last)
      #expect(head.size == node.store.head.treeSize && head.root == node.store.head.treeRoot && head.cosignatures.count == 3)
      #expect(zip(node.heads, node.heads.dropFirst()).allSatisfy { $0.size < $1.size })
    }
  }

  @Test func largeProposalsNameTheirEventsAndMissingOnesAreAskedFor() throws {
    let cluster = try Cluster(validators: 4, seed: 71)
    // Node 2 never hears gossip.
    try cluster.startAll()
    cluster.tamper = { from, message in
      if case .events = message, from == 1 { return nil }
      return message
    }
    cluster.run(milliseconds: 200)
    for _ in 0..<10 {
      for _ in 0..<50 { cluster.admit(at: 0) }
      for _ in 0..<2 { cluster.admit(at: 1) }
      cluster.run(milliseconds: 400)
    }
    cluster.run(milliseconds: 5000)
    cluster.expectAgreement(heightMin: 8)
    cluster.expectEveryEventOnce()
    #expect((cluster.bytesSent[ReplicaMessageType.getEvents] ?? 0) > 0)
  }
}
