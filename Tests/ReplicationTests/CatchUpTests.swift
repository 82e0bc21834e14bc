import Ambient
import Audit
import Consensus
import Ledger
import Mempool
import Replication
import Testing

/// Nodes that were away while the others went on, and nothing new happens afterwards that would help them.
@Suite struct CatchUpTests {
  enum Absence: CaseIterable { case cut, frozen, down }

  /// The others move on by `blocks` while a node is away; then nobody submits anything any more.
  private func away(_ index: Int, _ absence: Absence, _ cluster: Cluster, milliseconds: UInt64) throws {
    switch absence {
    case .cut: cluster.cut = [index]
    case .frozen: cluster.freeze(index)
    case .down: cluster.crash(index)
    }
    let end = cluster.now.adding(milliseconds: milliseconds)
    while cluster.now < end {
      cluster.admit(at: (index + 1) % cluster.nodes.count)
      cluster.run(milliseconds: 250)
    }
    cluster.run(milliseconds: 1500)
    switch absence {
    case .cut: cluster.cut = []
    case .frozen: cluster.thaw(index)
    case .down: try cluster.start(index)
    }
  }

  @Test(arguments: Absence.allCases, [4, 40] as [UInt32]) func aNodeThatMissedEpochsCatchesUpOnAnIdleChain(absence: Absence, epochLength: UInt32) throws {
    let cluster = try Cluster(validators: 4, seed: 91, epochLength: epochLength)
    try cluster.startAll()
    cluster.admit(at: 0)
    cluster.run(milliseconds: 2000)
    try away(3, absence, cluster, milliseconds: 10_000)
    let height = cluster.nodes[0].store.head.height
    // Less than the interval of empty blocks: the others say nothing of their own accord.
    cluster.run(milliseconds: 4000)
    #expect(cluster.nodes[3].store.head.height >= height, "heads: \(cluster.nodes.map { $0.store.head.height.rawValue })")
    let facts = try #require(cluster.nodes[3].replica?.syncFacts)
    #expect(!facts.isSyncing && facts.lag == 0, "\(facts)")
    cluster.settle(withinMilliseconds: 10_000)
    cluster.expectAgreement(heightMin: 20)
  }

  enum Server: CaseIterable { case honest, silent, withoutHandoffs, otherSet }

  @Test(arguments: Server.allCases) func aNodeThatMissedChangesOfTheSetProvesThemBeforeItHasTheBlocks(server: Server) throws {
    let cluster = try Cluster(validators: 4, newcomers: 3, seed: 92, epochLength: 8, blockTime: 500)
    try cluster.startAll()
    cluster.crash(3)
    for (epoch, members, voters) in [(1, [0, 1, 2, 4], [0, 1, 2]), (3, [0, 1, 4, 5], [0, 1, 2]), (5, [0, 4, 5, 6], [0, 1, 4])] {
      try cluster.propose(try cluster.validators(members), from: Epoch(UInt64(epoch)), by: voters)
      try cluster.run(until: UInt64(epoch) * 8 + 2)
    }
    // No range arrives for now: what the node learns comes from boundaries and certificates alone.
    var (holdsBack, liar, lies) = (true, Int?.none, 0)
    cluster.tamper = { from, message in
      if case .syncResponse = message { return holdsBack ? nil : message }
      guard case .boundaries(let boundaries) = message, server != .honest else { return message }
      if liar == nil { liar = from }
      guard liar == from else { return message }
      lies += 1
      switch server {
      case .honest: return message
      case .silent: return nil
      case .withoutHandoffs: return .boundaries(boundaries.filter { $0.nextSet.isEmpty })
      case .otherSet: return .boundaries(boundaries.map { Boundary(header: $0.header, certificate: $0.certificate, nextSet: cluster.set.encoded) })
      }
    }
    try cluster.start(3)
    // Who keeps silent is replaced after the wait for an answer.
    cluster.run(milliseconds: server == .silent ? ReplicationLimit.rangeMilliseconds + 1500 : 2500)
    let facts = try #require(cluster.nodes[3].replica?.syncFacts)
    let tip = cluster.nodes[0].store.head.height.rawValue
    #expect(facts.certified.map { $0.rawValue + 8 >= tip } == true && facts.isSyncing && cluster.nodes[3].store.head.height == Height(0), "\(facts), tip \(tip)")
    #expect(server == .honest || lies > 0)
    holdsBack = false
    cluster.run(milliseconds: 9000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 30_000)
    cluster.expectAgreement(heightMin: 42)
    #expect(cluster.nodes[3].replica?.chain.validators == (try cluster.validators([0, 4, 5, 6])))
    #expect(cluster.nodes[3].replica?.syncFacts.isSyncing == false)
    let handoffs = try cluster.nodes[3].store.handoffs(from: Height(0), countMax: 9)
    #expect(handoffs.map(\.header.height) == [Height(8), Height(24), Height(40)])
  }

  @Test func aFreshNetworkIsReadyWhenAQuorumStandsWhereItDoes() throws {
    let cluster = try Cluster(validators: 4, observers: 1, seed: 93, epochLength: 1000)
    try cluster.start(0)
    try cluster.start(1)
    cluster.run(milliseconds: 300)
    #expect(cluster.nodes[0].replica?.syncFacts.isSyncing == true)
    try cluster.start(2)
    try cluster.start(4)
    cluster.run(milliseconds: 300)
    for index in [0, 1, 2, 4] {
      let facts = try #require(cluster.nodes[index].replica?.syncFacts)
      #expect(!facts.isSyncing && facts.lag == 0 && cluster.nodes[index].store.head.height == Height(0), "node \(index): \(facts)")
    }
  }

  @Test func whatCosignaturesANodeHasMissedIsRepeated() throws {
    let cluster = try Cluster(validators: 4, seed: 94, epochLength: 1000)
    try cluster.startAll()
    cluster.admit(at: 0)
    cluster.run(milliseconds: 1000)
    cluster.cut = [3]
    for _ in 0..<6 {
      cluster.admit(at: 0)
      cluster.run(milliseconds: 400)
    }
    cluster.run(milliseconds: 3000)
    cluster.cut = []
    cluster.run(milliseconds: 9000)
    let head = try #require(cluster.nodes[3].heads.last)
    #expect(head.size == cluster.nodes[0].store.head.treeSize && head.size == 7)
  }
}
