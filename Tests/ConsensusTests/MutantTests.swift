#if MOLOCH_MUTANTS
  import Ambient
  import Audit
  import Consensus
  import Digests
  import Ed25519
  import Testing

  /// The checks of this target see it when a rule of the machine is left out. Only a build with `MOLOCH_MUTANTS` has these.
  @Suite struct MutantTests {
    /// A storm of loss, crashes and lost journals, then calm. Nil when all is well, else what went wrong.
    static func storm(_ seed: UInt64, _ mutant: Mutant?) throws -> String? {
      var cluster = try Cluster(4, seed: seed, epochLength: 6)
      cluster.options.mutant = mutant
      cluster.conditions.network = 500...60_000
      cluster.conditions.lossPercent = 15
      cluster.conditions.journal = 200...30_000
      cluster.conditions.body = 500...60_000
      for index in 0..<4 { try cluster.restart(index) }
      for _ in 0..<12 {
        try cluster.run(milliseconds: 50 + cluster.number(below: 900))
        let victim = Int(cluster.number(below: 4))
        try cluster.crash(victim)
        if cluster.number(below: 3) == 0, (0..<4).allSatisfy({ $0 == victim || cluster.isFree($0) }) { cluster.wipeJournal(victim) }
        try cluster.run(milliseconds: cluster.number(below: 300))
        try cluster.restart(victim)
      }
      if !cluster.checker.violations.isEmpty { return cluster.checker.violations[0] }
      cluster.conditions = Cluster.Conditions()
      let before = cluster.height()
      let done = try cluster.run(milliseconds: 120_000) { $0.height() >= before + 5 }
      return !cluster.checker.violations.isEmpty ? cluster.checker.violations[0] : done ? nil : "stall at height \(before)"
    }

    /// What such a storm shows within these seeds; the others need liars, disks or a dead validator, and the simulation of whole replicas shows them.
    private static let shown: [Mutant] = [.voteBeforeSync, .finaliseAfterNullify, .journalWipedWithoutRecovery, .exactTwoThirdsQuorum, .notariseVotesForgotten]

    @Test(arguments: shown) func isSeen(mutant: Mutant) throws {
      var seen: String?
      for seed in 0..<60 as Range<UInt64> where seen == nil { seen = try Self.storm(seed, mutant).map { "seed \(seed): \($0)" } }
      print("\(mutant): \(seen ?? "not seen")")
      #expect(seen != nil, "\(mutant) is not seen in 60 storms")
    }

    @Test func theWholeMachineIsSound() throws {
      for seed in 0..<100 as Range<UInt64> {
        let what = try Self.storm(seed, nil)
        #expect(what == nil, "seed \(seed): \(what ?? "")")
      }
    }
  }
#endif
