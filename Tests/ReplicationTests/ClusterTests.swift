import Ambient
import Audit
import Bytes
import Consensus
import Ledger
import Mempool
import Replication
import Testing

/// Replicas among each other. Every failure names its seed.
@Suite struct ClusterTests {
  @Test(arguments: [(1, 7), (4, 1), (7, 3)] as [(Int, UInt64)])
  func admittedEventsAreInEveryChainExactlyOnce(count: Int, seed: UInt64) throws {
    let cluster = try Cluster(validators: count, seed: seed)
    try cluster.startAll()
    cluster.run(milliseconds: 50)
    for round in 0..<8 {
      for _ in 0..<10 { cluster.admit(at: round % count) }
      cluster.run(milliseconds: 150)
    }
    cluster.settle(withinMilliseconds: 5000)
    cluster.expectAgreement(heightMin: 4)
    cluster.expectEveryEventOnce()
    for node in cluster.nodes { #expect(node.replica?.pool.load.events == 0, "seed \(seed)") }
    #expect(count == 1 ? cluster.floorsAwaited > 0 : cluster.floorsAwaited == 0, "only a sole validator's report waits for its journal")
  }

  @Test(arguments: [11] as [UInt64])
  func lossAndReorderingDelayButDoNotHarm(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed)
    cluster.loss = 10
    cluster.delayMilliseconds = 1...80
    try cluster.startAll()
    for round in 0..<8 {
      for _ in 0..<5 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 300)
    }
    cluster.loss = 0
    // A lost event is offered again after 30 seconds.
    cluster.settle(withinMilliseconds: 70_000)
    cluster.expectAgreement(heightMin: 4)
    cluster.expectEveryEventOnce()
  }

  @Test(arguments: [21, 22] as [UInt64])
  func crashedNodesComeBackWithTheirVotesAndCandidates(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed)
    try cluster.startAll()
    var chance = SeededGenerator(seed: seed)
    for round in 0..<6 {
      let victim = Int.random(in: 0..<4, using: &chance)
      for _ in 0..<5 { cluster.admit(at: (victim + 1) % 4) }
      cluster.run(milliseconds: UInt64.random(in: 20...300, using: &chance))
      cluster.crash(victim)
      cluster.run(milliseconds: UInt64.random(in: 20...500, using: &chance))
      try cluster.start(victim)
      cluster.run(milliseconds: 200 + UInt64(round))
    }
    cluster.settle(withinMilliseconds: 70_000)
    cluster.expectAgreement(heightMin: 4)
    // What was admitted at a node that lost power before it was sent on is lost with it: nobody was told that it is final.
    for node in cluster.nodes {
      let ids = cluster.chainIDs(node.index)
      #expect(ids.count == Set(ids).count, "seed \(seed)")
    }
  }

  @Test(arguments: [31] as [UInt64])
  func aPowerCutOfAllLosesNothingThatWasFinal(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed)
    try cluster.startAll()
    for round in 0..<4 {
      for _ in 0..<5 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 230 + UInt64(round) * 7)
      let heads = cluster.nodes.map { $0.store.head }
      let reported = cluster.nodes.map { $0.finals.last?.header.height.rawValue ?? 0 }
      for index in 0..<4 { cluster.crash(index) }
      for index in 0..<4 { #expect(cluster.nodes[index].store.head.height.rawValue >= reported[index], "seed \(seed)") }
      try cluster.startAll()
      cluster.run(milliseconds: 800)
      for index in 0..<4 { #expect(cluster.nodes[index].store.header(at: heads[index].height) == heads[index], "seed \(seed)") }
    }
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 10_000)
    cluster.expectAgreement(heightMin: 3)
  }

  @Test(arguments: [41] as [UInt64])
  func aWipedNodeCatchesUpAcrossEpochs(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed, epochLength: 6)
    try cluster.startAll()
    cluster.crash(3)
    for round in 0..<12 {
      for _ in 0..<3 { cluster.admit(at: round % 3) }
      cluster.run(milliseconds: 400)
    }
    cluster.wipe(3)
    try cluster.start(3)
    cluster.run(milliseconds: 1000)
    cluster.settle(withinMilliseconds: 10_000)
    cluster.expectAgreement(heightMin: 12)
    cluster.expectEveryEventOnce()
    #expect(cluster.nodes[3].replica?.syncFacts.isSyncing == false, "seed \(seed)")
  }

  @Test func anObserverFollowsAndItsEventsAreProposed() throws {
    let cluster = try Cluster(validators: 4, observers: 1, seed: 51)
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    for _ in 0..<8 {
      for _ in 0..<5 { cluster.admit(at: 4) }
      cluster.run(milliseconds: 150)
    }
    cluster.settle(withinMilliseconds: 5000)
    cluster.expectAgreement(heightMin: 4)
    cluster.expectEveryEventOnce()
  }

  @Test func cosignaturesOfAQuorumMakeACheckpoint() throws {
    let cluster = try Cluster(validators: 4, seed: 61)
    try cluster.startAll()
    for round in 0..<4 {
      for _ in 0..<5 { cluster.admit(at: round % 4) }
      cluster.run(milliseconds: 300)
    }
    cluster.settle(withinMilliseconds: 5000)
    cluster.run(milliseconds: 100)
    for node in cluster.nodes {
      let head = try #require(node.heads.last)
      #expect(head.size == node.store.head.treeSize && head.root == node.store.head.treeRoot && head.cosignatures.count == 3)
      #expect(zip(node.heads, node.heads.dropFirst()).allSatisfy { $0.size < $1.size })
    }
  }

  @Test func largeProposalsNameTheirEventsAndMissingOnesAreAskedFor() throws {
    let cluster = try Cluster(validators: 4, seed: 71, blockTime: 400)
    try cluster.startAll()
    // Nobody hears what node 1 gossips, so that its own events are unknown elsewhere when they are proposed.
    cluster.tamper = { from, message in
      if case .events = message, from == 1 { return nil }
      return message
    }
    cluster.run(milliseconds: 200)
    for _ in 0..<30 {
      for _ in 0..<8 { cluster.admit(at: 0) }
      for _ in 0..<1 { cluster.admit(at: 1) }
      cluster.run(milliseconds: 40)
    }
    cluster.settle(withinMilliseconds: 10_000)
    cluster.expectAgreement(heightMin: 4)
    cluster.expectEveryEventOnce()
    #expect((cluster.bytesSent[ReplicaMessageType.getEvents] ?? 0) > 0)
  }

  enum Lie: CaseIterable { case silent, truncated, alteredBody, foreignTag, nothing, unlinked }

  @Test(arguments: Lie.allCases)
  func aLyingSyncServerIsDetectedAndReplaced(lie: Lie) throws {
    let cluster = try Cluster(validators: 4, seed: 81, epochLength: 6)
    try cluster.startAll()
    cluster.crash(3)
    for round in 0..<12 {
      for _ in 0..<3 { cluster.admit(at: round % 3) }
      cluster.run(milliseconds: 400)
    }
    cluster.wipe(3)
    var (lies, liar): (Int, Int?) = (0, nil)
    cluster.tamper = { from, message in
      guard case .syncResponse(let height, let blocks, let certificate) = message, let first = blocks.first else { return message }
      // Whoever is asked first lies, each time.
      if liar == nil { liar = from }
      guard liar == from else { return message }
      lies += 1
      switch lie {
      case .silent: return nil
      case .truncated: return .syncResponse(from: height, blocks: Array(blocks.dropLast()), certificate: blocks.count > 1 ? certificate : nil)
      case .alteredBody, .foreignTag:
        guard let index = blocks.firstIndex(where: { !$0.body.isEmpty }) else { return message }
        var (altered, body) = (blocks, blocks[index].body)
        // The signature of the first event, or the chain that it names.
        body[lie == .alteredBody ? Statement.byteCount : 48] ^= 1
        altered[index] = (try? Block(header: blocks[index].header, body: body)) ?? first
        return .syncResponse(from: height, blocks: altered, certificate: certificate)
      case .nothing: return .syncResponse(from: height, blocks: [], certificate: nil)
      case .unlinked: return .syncResponse(from: height, blocks: blocks.reversed(), certificate: certificate)
      }
    }
    try cluster.start(3)
    cluster.run(milliseconds: 1000)
    cluster.settle(withinMilliseconds: 40_000)
    #expect(lies > 0)
    cluster.expectAgreement(heightMin: 12)
    cluster.expectEveryEventOnce()
  }
}
