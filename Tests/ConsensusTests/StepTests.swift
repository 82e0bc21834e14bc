import Ambient
import Audit
import Consensus
import Testing

/// What the machine counts of its views.
@Suite struct StepTests {
  @Test func stepsTakeWhatNetworkAndDisksTake() throws {
    var cluster = try Cluster(4, seed: 90)
    cluster.conditions.network = 1000...1000
    cluster.conditions.journal = 500...500
    cluster.conditions.body = 500...500
    try cluster.start()
    #expect(try cluster.run(milliseconds: 20_000) { $0.height() >= 20 })
    for index in cluster.nodes.indices {
      let steps = cluster.nodes[index].machine.takeSteps().list
      for step in StepDurations.Step.allCases {
        let times = steps.filter { $0.step == step }.map { $0.nanoseconds / 1000 }
        #expect(times.count >= 19, "node \(index) \(step): \(times.count)")
        switch step {
        // Signed and synced by the leader, then one hop; without the spacing of 20 ms, which is the parent's.
        case .propose: #expect(times.allSatisfy { $0 <= 4000 }, "node \(index): \(times)")
        // One hop and a sync of others, unless this node is the last.
        case .notarise, .finalise: #expect(times.allSatisfy { (300...4000).contains($0) }, "node \(index) \(step): \(times)")
        }
      }
      #expect(cluster.nodes[index].machine.takeSteps().list.isEmpty)
    }
  }

  @Test func anEventThatComesLateIsNotTimeOfTheProposal() throws {
    var cluster = try Cluster(4, seed: 91, blockTime: 20)
    cluster.hasEvents = false
    try cluster.start()
    try cluster.run(milliseconds: 5000)
    for index in cluster.nodes.indices { try cluster.step(index, .pendingChanged(hasEvents: true, fillsBlock: false)) }
    #expect(try cluster.run(milliseconds: 5000) { $0.height() >= 1 })
    for index in cluster.nodes.indices {
      let waits = cluster.nodes[index].machine.takeSteps().list.filter { $0.step == .propose }.map(\.nanoseconds)
      #expect(!waits.isEmpty && waits.allSatisfy { $0 < 100_000_000 }, "node \(index): \(waits)")
    }
  }

  @Test func everyViewWhoseBlockBecomesFinalIsCounted() throws {
    var cluster = try Cluster(4, seed: 92)
    // The first two views are not finalised themselves: their blocks become final with the third.
    cluster.filter = { _, _, message in if case .vote(let vote) = message { vote.vote.kind != .finalise || vote.vote.view.rawValue > 2 } else { true } }
    try cluster.start()
    #expect(try cluster.run(milliseconds: 20_000) { $0.height() >= 5 })
    for node in cluster.nodes {
      #expect(node.machine.outcomes.finalised == node.committed.height.rawValue && node.machine.outcomes.nullified == 0)
    }
    #expect(cluster.checker.violations.isEmpty)
  }
}
