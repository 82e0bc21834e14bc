import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

/// Situations that once broke protocols of this kind, one test each.
@Suite struct ScenarioTests {
  private func expectProgress(_ cluster: inout Cluster, _ nodes: [Int], blocks: UInt64 = 5, milliseconds: UInt64 = 60_000, _ name: String) throws {
    let before = cluster.height(nodes)
    let done = try cluster.run(milliseconds: milliseconds) { $0.height(nodes) >= before + blocks }
    #expect(done && cluster.checker.violations.isEmpty, "\(name): \(cluster.checker.violations), height \(cluster.height(nodes)) from \(before)")
  }

  /// One holds the notarisation of view 1, two hold its nullification, and either side leads view 2.
  @Test(arguments: [1, 2]) func notarisationHereAndNullificationThere(holderLeadsView holderTurn: Int) throws {
    var cluster = try Cluster(4, seed: 1)
    let leaders = try cluster.leaders()
    let dead = leaders[0], holder = leaders[holderTurn], others = leaders.dropFirst().filter { $0 != holder }
    let block = cluster.block(on: Cluster.genesis, by: dead, timestamp: cluster.wall)
    let notarisation = try cluster.certificate(.notarise, view: 1, block: block, by: [dead, holder, others[0]])
    let nullification = try cluster.certificate(.nullify, view: 1, by: [dead] + others)
    cluster.nodes[holder].journal = [.vote(cluster.vote(.notarise, by: holder, view: 1, block: block)), .certificate(notarisation)]
    cluster.nodes[holder].bodies = [block]
    cluster.nodes[others[0]].journal = [.vote(cluster.vote(.notarise, by: others[0], view: 1, block: block))]
    for other in others {
      cluster.nodes[other].journal += [.vote(cluster.vote(.nullify, by: other, view: 1)), .certificate(nullification)]
    }
    try cluster.crash(dead)
    for index in [holder] + others { try cluster.restart(index) }
    try expectProgress(&cluster, [holder] + others, "holder leads \(holderTurn + 1)")
    if holderTurn == 1 { #expect(cluster.checker.final[Height(1)] == block.hash) }
  }

  @Test func everybodyCrashesWithNullifyAtExactlyAQuorum() throws {
    var cluster = try Cluster(4, seed: 2)
    let leaders = try cluster.leaders()
    for index in leaders.dropFirst() { cluster.nodes[index].journal = [.vote(cluster.vote(.nullify, by: index, view: 1))] }
    try cluster.crash(leaders[0])
    for index in leaders.dropFirst() { try cluster.restart(index) }
    try expectProgress(&cluster, Array(leaders.dropFirst()), "three alive")
  }

  @Test func everybodyCrashesWithANotarisedBlockThatIsOnNoDisk() throws {
    var cluster = try Cluster(4, seed: 3)
    cluster.losesBodies = true
    try cluster.start()
    try cluster.run(milliseconds: 100)
    #expect(cluster.height() == 0)
    for index in 0..<4 {
      let isNotarised = cluster.nodes[index].journal.contains { record in
        if case .certificate(let certificate) = record { certificate.vote.kind == .notarise } else { false }
      }
      #expect(isNotarised && cluster.nodes[index].bodies.isEmpty)
      try cluster.crash(index)
    }
    cluster.losesBodies = false
    for index in 0..<4 { try cluster.restart(index) }
    try expectProgress(&cluster, [0, 1, 2, 3], "no body")
  }

  @Test func aLeaderThatCrashedBeforeSendingSendsTheSameBlock() throws {
    var cluster = try Cluster(4, seed: 4)
    let leader = try cluster.leaders()[0]
    let block = cluster.block(on: Cluster.genesis, by: leader, timestamp: cluster.wall)
    cluster.nodes[leader].journal = [.vote(cluster.vote(.notarise, by: leader, view: 1, block: block))]
    cluster.nodes[leader].bodies = [block]
    for index in 0..<4 { try cluster.restart(index) }
    try expectProgress(&cluster, [0, 1, 2, 3], "sent again")
    #expect(cluster.checker.final[Height(1)] == block.hash)
  }

  @Test func aLeaderThatCrashedBeforeItsSyncMayProposeAnew() throws {
    var cluster = try Cluster(4, seed: 5)
    let leader = try cluster.leaders()[0]
    cluster.nodes[leader].bodies = [cluster.block(on: Cluster.genesis, by: leader, timestamp: cluster.wall, salt: 99)]
    for index in 0..<4 { try cluster.restart(index) }
    try expectProgress(&cluster, [0, 1, 2, 3], "anew")
    #expect(cluster.nodes[leader].builds >= 1)
  }

  @Test func aPowerCutBetweenFinaliseAndTheStoreLosesNothingFinal() throws {
    for seed in 6...7 as ClosedRange<UInt64> {
      var cluster = try Cluster(4, seed: seed)
      cluster.conditions.apply = 60_000_000...60_000_000
      try cluster.start()
      let reached = try cluster.run(milliseconds: 5000) { $0.height() >= 6 }
      #expect(reached)
      for index in 0..<4 {
        #expect(cluster.nodes[index].floor.block.height == Height(0))
        try cluster.crash(index)
      }
      cluster.conditions.apply = 500...3000
      for index in 0..<4 { try cluster.restart(index) }
      // Heights 1 to 6 become final again with the same hashes: the checker compares.
      let done = try cluster.run(milliseconds: 60_000) { $0.height() >= 10 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations), height \(cluster.height())")
    }
  }

  @Test func theBoundaryIsProposedAgainUntilItIsFinalItself() throws {
    var cluster = try Cluster(4, seed: 8, epochLength: 3)
    cluster.filter = { _, _, message in
      switch message {
      case .vote(let vote): !(vote.vote.kind == .finalise && vote.vote.epoch == Epoch(0) && vote.vote.height == Height(3) && vote.vote.view < View(6))
      case .certificate(let certificate):
        !(certificate.vote.kind == .finalise && certificate.vote.epoch == Epoch(0) && certificate.vote.height == Height(3) && certificate.vote.view < View(6))
      default: true
      }
    }
    try cluster.start()
    let done = try cluster.run(milliseconds: 60_000) { $0.height() >= 8 }
    #expect(done && cluster.checker.violations.isEmpty, "\(cluster.checker.violations), height \(cluster.height())")
  }

  @Test func aChildOfTheBoundaryIsRefusedInItsEpoch() throws {
    var (cluster, node) = try Cluster.single(9, epochLength: 1)
    let leaders = try cluster.leaders()
    let block = cluster.block(on: Cluster.genesis, by: leaders[0], timestamp: cluster.wall)
    let child = cluster.block(on: block, by: leaders[1], timestamp: Timestamp(milliseconds: block.timestamp.rawValue + 1))
    cluster.post(.proposal(cluster.proposal(by: leaders[0], view: 1, block: block)), from: leaders[0], to: node)
    try cluster.run(milliseconds: 20)
    let notarisation = try cluster.certificate(.notarise, view: 1, block: block, by: Array(leaders.prefix(3)))
    cluster.post(.proposal(cluster.proposal(by: leaders[1], view: 2, parentView: 1, block: child, justification: [notarisation])), from: leaders[1], to: node)
    try cluster.run(milliseconds: 20)
    let votes = cluster.nodes[node].journal.compactMap { if case .vote(let vote) = $0 { vote.vote } else { nil } }
    #expect(votes.contains { $0.kind == .nullify && $0.view == View(2) } && !votes.contains { $0.blockHash == child.hash })
  }

  @Test func aNodeThatEntersTheEpochLateCatchesUp() throws {
    var cluster = try Cluster(4, seed: 10, epochLength: 5)
    try cluster.start()
    try cluster.run(milliseconds: 5000) { $0.height() >= 3 }
    for other in 0..<3 { try cluster.disconnect(3, other) }
    let left = try cluster.run(milliseconds: 30_000) { $0.height([0, 1, 2]) >= 6 }
    #expect(left && cluster.nodes[3].machine.epoch == Epoch(0))
    for other in 0..<3 { try cluster.connect(3, other) }
    try expectProgress(&cluster, [0, 1, 2, 3], blocks: 8, "late")
  }

  @Test(arguments: [[[0, 1, 2, 3], [1, 2, 3]], [[0, 1, 2], [0, 1, 2, 3, 4]], [[0, 1, 2, 3], [4, 5, 6, 7]]] as [[[Int]]])
  func setsChangeBetweenEpochs(members: [[Int]]) throws {
    var cluster = try Cluster(8, seed: 11, members: members, epochLength: 4)
    try cluster.start()
    let done = try cluster.run(milliseconds: 60_000) { $0.height() >= 14 }
    #expect(done && cluster.checker.violations.isEmpty, "\(members): \(cluster.checker.violations), height \(cluster.height())")
  }

  @Test func anEquivocatingLeaderSplitsTheSetForOneViewOnly() throws {
    var cluster = try Cluster(4, seed: 12)
    let leaders = try cluster.leaders(), liar = leaders[0], honest = Array(leaders.dropFirst())
    cluster.nodes[liar].isPuppet = true
    try cluster.start()
    let first = cluster.block(on: Cluster.genesis, by: liar, timestamp: cluster.wall, salt: 1)
    let second = cluster.block(on: Cluster.genesis, by: liar, timestamp: cluster.wall, salt: 2)
    cluster.post(.proposal(cluster.proposal(by: liar, view: 1, block: first)), from: liar, to: honest[0])
    cluster.post(.proposal(cluster.proposal(by: liar, view: 1, block: second)), from: liar, to: honest[1])
    try cluster.run(milliseconds: 10)
    cluster.post(.vote(cluster.vote(.notarise, by: liar, view: 1, block: second)), from: liar, to: honest[0])
    try expectProgress(&cluster, honest, "split")
    #expect(cluster.nodes[honest[0]].evidence.count == 1 && cluster.nodes[honest[1]].evidence.isEmpty)
  }

  @Test func aCertifiedBlockThatWasNeverProposedHereIsFetched() throws {
    var cluster = try Cluster(4, seed: 13)
    cluster.filter = { _, to, message in if case .proposal(let proposal) = message { to != 3 || proposal.vote.vote.view > View(4) } else { true } }
    try cluster.start()
    try expectProgress(&cluster, [0, 1, 2, 3], blocks: 8, "fetched")
    #expect(cluster.nodes[3].fetches >= 1)
  }

  @Test func aStarMovesOnWhereItsCentreLeads() throws {
    var cluster = try Cluster(4, seed: 14)
    try cluster.start(connected: false)
    for other in 1..<4 { try cluster.connect(0, other) }
    try expectProgress(&cluster, [0, 1, 2, 3], blocks: 3, milliseconds: 900_000, "star")
  }

  @Test func aFrozenLeaderIsPassedAndComesBack() throws {
    var cluster = try Cluster(4, seed: 15)
    let leaders = try cluster.leaders()
    try cluster.start()
    cluster.freeze(leaders[0])
    try expectProgress(&cluster, Array(leaders.dropFirst()), "frozen")
    try cluster.thaw(leaders[0])
    try expectProgress(&cluster, [0, 1, 2, 3], "thawed")
  }

  @Test func wallClocksFarOffAndSteppedBackDoNotStopTheChain() throws {
    var cluster = try Cluster(4, seed: 16)
    cluster.nodes[0].wallOffset = 3_600_000
    try cluster.start()
    try expectProgress(&cluster, [1, 2, 3], "ahead")
    cluster.nodes[0].wallOffset = -3_600_000
    try expectProgress(&cluster, [1, 2, 3], milliseconds: 120_000, "behind")
    cluster.nodes[0].wallOffset = 0
    try expectProgress(&cluster, [0, 1, 2, 3], milliseconds: 120_000, "right")
  }

  @Test func observersFollowAndNeverVote() throws {
    var cluster = try Cluster(6, seed: 17, members: [[0, 1, 2, 3]])
    try cluster.start()
    try expectProgress(&cluster, Array(0..<6), blocks: 10, "observers")
    for observer in [4, 5] { #expect(!cluster.nodes[observer].journal.contains { if case .vote = $0 { true } else { false } }) }
  }

  @Test func unequalPowersAgree() throws {
    var cluster = try Cluster(4, seed: 18, powers: [5, 3, 2, 1])
    try cluster.start()
    try expectProgress(&cluster, [0, 1, 2, 3], blocks: 10, "powers")
  }

  @Test func aNodeFarBehindSynchronises() throws {
    var cluster = try Cluster(4, seed: 19, epochLength: 6)
    try cluster.start()
    try cluster.run(milliseconds: 300)
    try cluster.crash(3)
    let left = try cluster.run(milliseconds: 120_000) { $0.height([0, 1, 2]) >= 20 }
    #expect(left)
    try cluster.restart(3)
    cluster.sync(3)
    try expectProgress(&cluster, [0, 1, 2, 3], blocks: 5, "far behind")
  }
}
