import Audit
import Consensus
import Ledger
import Testing

@testable import Replication

/// While nothing becomes final, leaders let a few full blocks stand on the final head, and then propose empty ones: what one certificate makes final is what a
/// message of a sync carries.
@Suite struct UnfinalBlocksTests {
  private static let blockBytes = 20_000

  @Test func leadersProposeLittleOnTopOfFullBlocksThatAreNotFinal() throws {
    let cluster = try Cluster(validators: 4, seed: 37, epochLength: 200, blockBytesMax: UInt32(Self.blockBytes))
    try cluster.startAll()
    cluster.tamper = { _, message in
      switch message {
      case .consensus(.vote(let vote)) where vote.vote.kind == .finalise: nil
      case .consensus(.certificate(let certificate)) where certificate.vote.kind == .finalise: nil
      default: message
      }
    }
    for round in 0..<400 { cluster.admit(at: round % 4, byteCount: 500) }
    cluster.run(milliseconds: 6000)
    let replica = try #require(cluster.nodes[0].replica)
    let (nodes, limit) = (replica.tree.nodes, ReplicationLimit.unfinalBlocksMax * Self.blockBytes)
    #expect(replica.chain.tip.header.height == Height(0) && nodes.count > 6)
    #expect(nodes.contains { $0.header.eventCount == 0 } && nodes.contains { $0.candidate.block.body.count > Self.blockBytes * 3 / 4 })
    let longest = nodes.map { replica.tree.byteCount(upTo: $0.hash) }.max() ?? 0
    #expect(longest <= limit && longest > limit - Self.blockBytes, "\(longest) bytes")
    // Nobody hurries: a block of little or nothing keeps the pace of the chain.
    #expect(nodes.count <= 6000 / Int(cluster.parameters.blockTime) + 1, "\(nodes.count) blocks in 6 s")

    // With finality everything that waits becomes final, nothing twice.
    cluster.tamper = nil
    cluster.settle(withinMilliseconds: 60_000)
    #expect(cluster.nodes.allSatisfy { $0.store.head.treeSize == UInt64(cluster.admitted.count) } && cluster.admitted.count == 400)
  }
}
