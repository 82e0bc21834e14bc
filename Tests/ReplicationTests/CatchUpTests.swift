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

  @Test(arguments: Absence.allCases, [4, 12, 40] as [UInt32]) func aNodeThatMissedEpochsCatchesUpOnAnIdleChain(absence: Absence, epochLength: UInt32) throws {
    let cluster = try Cluster(validators: 4, seed: 91, epochLength: epochLength)
    try cluster.startAll()
    cluster.admit(at: 0)
    cluster.run(milliseconds: 2000)
    try away(3, absence, cluster, milliseconds: 14_000)
    let height = cluster.nodes[0].store.head.height
    // Less than the interval of empty blocks: the others say nothing of their own accord.
    cluster.run(milliseconds: 4000)
    #expect(cluster.nodes[3].store.head.height >= height, "heads: \(cluster.nodes.map { $0.store.head.height.rawValue })")
    let facts = try #require(cluster.nodes[3].replica?.syncFacts)
    #expect(!facts.isSyncing && facts.lag == 0, "\(facts)")
    cluster.settle(withinMilliseconds: 10_000)
    cluster.expectAgreement(heightMin: 20)
  }
}
