import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

/// Whole clusters under seeded delay, loss and crashes.
@Suite struct ClusterTests {
  @Test func fourValidatorsAgreeAndMakeProgress() throws {
    for seed in 0..<4 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed)
      try cluster.start()
      let done = try cluster.run(milliseconds: 5000) { $0.height() >= 20 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height())")
      #expect(cluster.checker.nullifyVotes == 0, "seed \(seed)")
    }
  }

  @Test func oneStoppedValidatorDoesNotStopTheOthers() throws {
    for seed in 10..<14 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed)
      try cluster.start()
      try cluster.run(milliseconds: 200)
      let stopped = Int(seed % 4)
      try cluster.crash(stopped)
      let others = [0, 1, 2, 3].filter { $0 != stopped }
      let before = cluster.height(others)
      let done = try cluster.run(milliseconds: 20_000) { $0.height(others) >= before + 10 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height(others)) from \(before)")
    }
  }

  @Test func epochsFollowEachOther() throws {
    for seed in 20..<23 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed, epochLength: 5)
      try cluster.start()
      let done = try cluster.run(milliseconds: 10_000) { $0.height() >= 22 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height())")
    }
  }

  @Test func lossAndCrashesCostNoSafetyAndHealing() throws {
    for seed in 100..<106 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed, epochLength: 7)
      cluster.conditions.lossPercent = 10
      try cluster.start()
      for _ in 0..<8 {
        try cluster.run(milliseconds: 100 + cluster.number(below: 600))
        let victim = Int(cluster.number(below: 4))
        guard cluster.nodes[victim].isUp else { continue }
        try cluster.crash(victim)
        try cluster.run(milliseconds: cluster.number(below: 500))
        try cluster.restart(victim)
      }
      cluster.conditions.lossPercent = 0
      let before = cluster.height()
      let done = try cluster.run(milliseconds: 60_000) { $0.height() >= before + 5 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height()) from \(before)")
    }
  }
}
