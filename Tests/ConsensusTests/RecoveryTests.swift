import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

/// Restarts with the journal, and without it (rules R13, R14).
@Suite struct RecoveryTests {
  @Test func journalsAreLostOneAfterTheOtherAndTheFirstAgain() throws {
    for seed in 30..<33 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed, epochLength: 9)
      try cluster.start()
      for victim in [0, 1, 0] {
        try cluster.run(milliseconds: 200 + cluster.number(below: 400))
        try cluster.crash(victim)
        cluster.wipeJournal(victim)
        try cluster.restart(victim)
        #expect(cluster.nodes[victim].machine.isRecovering)
        let recovered = try cluster.run(milliseconds: 30_000) { !$0.nodes[victim].machine.isRecovering && !$0.nodes[victim].mustRecover }
        #expect(recovered && cluster.nodes[victim].machine.bound != nil, "seed \(seed), node \(victim)")
        // A restart right behind the recovery keeps the bound.
        let bound = cluster.nodes[victim].machine.bound
        try cluster.crash(victim)
        try cluster.restart(victim)
        #expect(cluster.nodes[victim].machine.bound == bound, "seed \(seed)")
        // With four equal validators the next one needs all three others as witnesses.
        let isFree = try cluster.run(milliseconds: 30_000) { $0.isFree(victim) }
        #expect(isFree, "seed \(seed), node \(victim)")
      }
      let before = cluster.height()
      let done = try cluster.run(milliseconds: 60_000) { $0.height() >= before + 5 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height()) from \(before)")
    }
  }

  /// What a recovering node writes makes the new journal look whole.
  @Test func aCrashBeforeTheBoundDoesNotEndTheRecovery() throws {
    var cluster = try Cluster(4, seed: 40)
    try cluster.start()
    try cluster.run(milliseconds: 300)
    try cluster.crash(0)
    try cluster.crash(1)
    cluster.wipeJournal(0)
    try cluster.restart(0)
    let hasRecords = try cluster.run(milliseconds: 20_000) { !$0.nodes[0].journal.isEmpty }
    #expect(hasRecords && cluster.nodes[0].journal.first == .recovering)
    try cluster.crash(0)
    try cluster.restart(0)
    #expect(cluster.nodes[0].machine.isRecovering)
    try cluster.restart(1)
    // Until the bound is on disk.
    let done = try cluster.run(milliseconds: 60_000) { !$0.nodes[0].machine.isRecovering && !$0.nodes[0].mustRecover }
    #expect(done && cluster.checker.violations.isEmpty)
    try cluster.crash(0)
    try cluster.restart(0)
    #expect(!cluster.nodes[0].machine.isRecovering && cluster.nodes[0].machine.bound != nil)
  }

  @Test func withoutWitnessesOfAQuorumNothingIsVoted() throws {
    var cluster = try Cluster(4, seed: 34)
    try cluster.start()
    try cluster.run(milliseconds: 300)
    try cluster.crash(0)
    try cluster.crash(1)
    cluster.wipeJournal(0)
    try cluster.restart(0)
    let recovered = try cluster.run(milliseconds: 20_000) { !$0.nodes[0].machine.isRecovering }
    #expect(!recovered)
    #expect(!cluster.nodes[0].journal.contains { if case .vote = $0 { true } else { false } } && cluster.checker.violations.isEmpty)
    // The third witness is back.
    try cluster.restart(1)
    let done = try cluster.run(milliseconds: 60_000) { !$0.nodes[0].machine.isRecovering }
    #expect(done)
  }

  @Test func witnessesOfAnotherNonceOrWithoutProofDoNotCount() throws {
    var cluster = try Cluster(4, seed: 35)
    let node = 0
    for index in 1..<4 { (cluster.nodes[index].isPuppet, cluster.nodes[index].isUp) = (true, true) }
    cluster.wipeJournal(node)
    try cluster.restart(node)
    for index in 1..<4 {
      let stale = Witness(nonce: .zero, epoch: Epoch(0), view: View(1), entry: nil, chainTag: Cluster.chainTag, signing: cluster.keys[index])
      cluster.post(.witness(stale), from: index, to: node)
    }
    try cluster.run(milliseconds: 50)
    #expect(cluster.nodes[node].machine.isRecovering && cluster.nodes[node].penalties.isEmpty)
    var nonces: [Digest] = []
    for index in 1..<4 { for (_, message) in cluster.nodes[index].inbox { if case .witnessRequest(let nonce) = message { nonces.append(nonce) } } }
    let nonce = try #require(nonces.first)
    let unproved = Witness(nonce: nonce, epoch: Epoch(0), view: View(7), entry: nil, chainTag: Cluster.chainTag, signing: cluster.keys[1])
    cluster.post(.witness(unproved), from: 1, to: node)
    try cluster.run(milliseconds: 50)
    #expect(cluster.nodes[node].machine.isRecovering && cluster.nodes[node].penalties == [.malformed])
  }

  /// A store older than the journal: the journal's floor and votes bind where the node passes them again.
  @Test func aResynchronisedStoreDoesNotFreeOldViews() throws {
    for seed in 36..<38 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed, epochLength: 5)
      try cluster.start()
      try cluster.run(milliseconds: 30_000) { $0.height() >= 12 }
      for index in 0..<4 { try cluster.crash(index) }
      cluster.resetStore(0)
      for index in 0..<4 { try cluster.restart(index) }
      cluster.sync(0)
      let before = cluster.height([1, 2, 3])
      let done = try cluster.run(milliseconds: 60_000) { $0.height() >= before + 5 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height()) from \(before)")
    }
  }

  @Test func ownVotesBindAcrossARestart() throws {
    var (cluster, node) = try Cluster.single(39)
    let leader = try cluster.leaders()[0]
    let first = cluster.block(on: Cluster.genesis, by: leader, timestamp: cluster.wall, salt: 1)
    let second = cluster.block(on: Cluster.genesis, by: leader, timestamp: cluster.wall, salt: 2)
    cluster.post(.proposal(cluster.proposal(by: leader, view: 1, block: first)), from: leader, to: node)
    try cluster.run(milliseconds: 20)
    #expect(cluster.nodes[node].journal.contains { if case .vote(let vote) = $0 { vote.vote.blockHash == first.hash } else { false } })
    try cluster.crash(node)
    try cluster.restart(node)
    cluster.post(.proposal(cluster.proposal(by: leader, view: 1, block: second)), from: leader, to: node)
    try cluster.run(milliseconds: 50)
    #expect(!cluster.nodes[node].journal.contains { if case .vote(let vote) = $0 { vote.vote.blockHash == second.hash } else { false } })
    #expect(cluster.checker.violations.isEmpty)
  }
}
