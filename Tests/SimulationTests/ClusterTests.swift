import Foundation
import Simulation
import Testing

/// Clusters with every fault on. The seeds of CI are fixed; a few fresh ones are drawn and printed.
@Suite struct ClusterTests {
  private func run(_ seed: UInt64, _ change: (inout Scenario.Options) -> Void = { _ in }) -> World.Outcome {
    var options = Scenario.Options()
    change(&options)
    var world = World(Scenario(seed: seed, options: options))
    return world.run()
  }

  @Test(arguments: [1, 4, 7] as [Int]) func aQuietClusterAgreesAndProceeds(nodes: Int) {
    let outcome = run(11) {
      $0.nodes = nodes
      $0.hasByzantine = false
      $0.hasFaults = false
    }
    #expect(outcome.failure == nil)
    #expect(outcome.statistics.blocks >= 5)
    #expect(outcome.statistics.crashes == 0)
  }

  @Test(arguments: 1...24 as ClosedRange<UInt64>) func everyPropertyHoldsUnderFaults(seed: UInt64) {
    let outcome = run(seed) { $0.nodes = seed % 4 == 0 ? 7 : 4 }
    #expect(outcome.failure == nil, "moloch-sim replay \(seed) --nodes \(seed % 4 == 0 ? 7 : 4)")
  }

  @Test func freshSeedsHoldToo() {
    for _ in 0..<4 {
      let seed = UInt64.random(in: 0..<1 << 40)
      print("simulation: fresh seed \(seed)")
      #expect(run(seed) { $0.nodes = 4 }.failure == nil, "moloch-sim replay \(seed) --nodes 4")
    }
  }

  @Test func theSameSeedGivesTheSameRun() {
    let first = run(77) { $0.nodes = 4 }
    let second = run(77) { $0.nodes = 4 }
    #expect(first.digest == second.digest && first.statistics.steps == second.statistics.steps)
    #expect(run(78) { $0.nodes = 4 }.digest != first.digest)
  }
}
