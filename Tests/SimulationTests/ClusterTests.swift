import Simulation
import Testing

/// Clusters with every fault on, a few short ones: a debug build takes up to a minute for a busy seed. `.ci/simulate` runs many in a release build.
@Suite struct ClusterTests {
  private func run(_ seed: UInt64, _ change: (inout Scenario.Options) -> Void = { _ in }) -> World.Outcome {
    var options = Scenario.Options()
    change(&options)
    var scenario = Scenario(seed: seed, options: options)
    // The pace of the blocks decides how much is signed in a run.
    scenario.blockTimeMilliseconds = 400
    scenario.emptyBlockIntervalMilliseconds = 800
    scenario.eventsPerSecond = min(5, scenario.eventsPerSecond)
    var world = World(scenario)
    return world.run()
  }

  @Test(arguments: [1, 4] as [Int]) func aQuietClusterAgreesAndProceeds(nodes: Int) {
    let outcome = run(11) {
      $0.nodes = nodes
      $0.hasByzantine = false
      $0.hasFaults = false
    }
    #expect(outcome.failure == nil)
    #expect(outcome.statistics.blocks >= 5 && outcome.statistics.crashes == 0)
  }

  @Test(arguments: [2, 5] as [UInt64]) func everyPropertyHoldsUnderFaults(seed: UInt64) {
    let outcome = run(seed) { $0.nodes = 4 }
    #expect(outcome.failure == nil, "seed \(seed)")
    #expect(outcome.statistics.crashes + outcome.statistics.partitions > 0)
  }

  @Test func theSameSeedGivesTheSameRun() {
    let first = run(77) { $0.nodes = 1 }, second = run(77) { $0.nodes = 1 }
    #expect(first.digest == second.digest && first.statistics.steps == second.statistics.steps)
    #expect(run(78) { $0.nodes = 1 }.digest != first.digest)
  }
}
