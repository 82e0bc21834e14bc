import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Testing

/// Who may sign at all (rule R15).
@Suite struct StandingTests {
  static let window: UInt64 = 2000

  /// A cluster of four in which `absent` is down from the beginning, at least three blocks high.
  private func cluster(seed: UInt64, absent: Int? = nil, epochLength: UInt32 = 1000) throws -> Cluster {
    var cluster = try Cluster(4, seed: seed, epochLength: epochLength, listenMilliseconds: Self.window)
    try cluster.start()
    if let absent { try cluster.crash(absent) }
    let others = (0..<4).filter { $0 != absent }
    #expect(try cluster.run(milliseconds: 20_000) { $0.height(others) >= 3 })
    return cluster
  }

  private func votes(_ cluster: Cluster, _ node: Int) -> Int { cluster.nodes[node].journal.count { if case .vote = $0 { true } else { false } } }

  /// Nullify votes of a view ahead with the signature of `node`, as only somebody else with its key could have made it.
  private func foreignCertificate(_ cluster: Cluster, _ node: Int) throws -> Certificate {
    let machine = cluster.nodes[node].machine
    let vote = Vote(nullify: View(machine.view.rawValue + 5), epoch: machine.epoch, chainTag: Cluster.chainTag)
    let set = try cluster.set(machine.epoch)
    let signatures = [node, (node + 1) % 4, (node + 2) % 4].map { signer in
      (index: set.index(of: cluster.keys[signer].publicKey) ?? 0, SignedVote(signing: vote, with: cluster.keys[signer]).signature)
    }.sorted { $0.index < $1.index }
    return Certificate(vote: vote, signatures: signatures, in: set)
  }

  @Test func newKeysVoteAtGenesisOnceAQuorumIsThere() throws {
    var cluster = try Cluster(4, seed: 60, listenMilliseconds: Self.window)
    try cluster.start(connected: false)
    try cluster.connect(0, 1)
    try cluster.run(milliseconds: 3000)
    // Two of four are no quorum: nothing was signed, whatever the timers say.
    #expect((0..<4).allSatisfy { votes(cluster, $0) == 0 })
    for a in 0..<4 { for b in 0..<4 where a < b { try cluster.connect(a, b) } }
    #expect(try cluster.run(milliseconds: 20_000) { $0.height() >= 5 })
    #expect(cluster.nodes.allSatisfy { $0.standings.isEmpty && $0.machine.standing == .voting } && cluster.checker.violations.isEmpty)
  }

  @Test func aJournalWithoutAPromiseListensOnAChainThatHasGoneOn() throws {
    var cluster = try cluster(seed: 61, absent: 3)
    cluster.nodes[3].journal = []
    let begin = cluster.now
    try cluster.restart(3)
    #expect(try cluster.run(milliseconds: 5000) { $0.nodes[3].machine.standing == .listening })
    #expect(cluster.nodes[3].standings == [.listens(.untried)])
    #expect(try cluster.run(milliseconds: 20_000) { $0.nodes[3].machine.standing == .voting })
    #expect(cluster.nodes[3].standings == [.listens(.untried), .votes] && votes(cluster, 3) == 0)
    #expect(cluster.now.milliseconds(since: begin) >= Self.window && cluster.nodes[3].machine.bound != nil)
    #expect(try cluster.run(milliseconds: 20_000) { votes($0, 3) > 0 })
    #expect(cluster.checker.violations.isEmpty)
  }

  @Test func aJournalInDoubtListensForTheWindowWithAPeer() throws {
    var cluster = try cluster(seed: 62)
    try cluster.crash(0)
    cluster.nodes[0].isDoubtful = true
    try cluster.restart(0, connected: false)
    // Time without a peer does not count.
    try cluster.run(milliseconds: 2 * Self.window)
    #expect(cluster.nodes[0].machine.standing == .listening)
    let (begin, before) = (cluster.now, votes(cluster, 0))
    for other in 1..<4 { try cluster.connect(0, other) }
    #expect(try cluster.run(milliseconds: 20_000) { $0.nodes[0].machine.standing == .voting })
    #expect(cluster.now.milliseconds(since: begin) >= Self.window && votes(cluster, 0) <= before)
    // With another one gone it is needed.
    try cluster.crash(1)
    let height = cluster.height([0, 2, 3])
    #expect(try cluster.run(milliseconds: 60_000) { $0.height([0, 2, 3]) >= height + 3 })
    #expect(cluster.nodes[0].standings == [.votes] && cluster.checker.violations.isEmpty)
  }

  @Test func aRestartWhileListeningKeepsTheRecordOfIt() throws {
    var cluster = try cluster(seed: 63)
    try cluster.crash(0)
    cluster.nodes[0].isDoubtful = true
    try cluster.restart(0)
    #expect(try cluster.run(milliseconds: 1000) { $0.nodes[0].journal.contains(.recovering) })
    try cluster.crash(0)
    // The binding, which would say it too, was not written.
    cluster.nodes[0].isDoubtful = false
    cluster.nodes[0].journal.removeAll { if case .bound = $0 { true } else { false } }
    try cluster.restart(0)
    #expect(cluster.nodes[0].machine.standing == .listening)
  }

  @Test func aVoteAboveTheBoundHaltsWhoListens() throws {
    var cluster = try cluster(seed: 64)
    try cluster.crash(0)
    cluster.nodes[0].isDoubtful = true
    try cluster.restart(0)
    // A vote that may be a forgotten one says nothing.
    let early = try foreignCertificate(cluster, 0)
    #expect(cluster.nodes[0].machine.bound == nil)
    cluster.post(.certificate(early), from: 1, to: 0)
    try cluster.run(milliseconds: 4)
    #expect(cluster.nodes[0].standings.isEmpty)
    var second = try self.cluster(seed: 65)
    try second.crash(0)
    second.nodes[0].isDoubtful = true
    try second.restart(0)
    #expect(try second.run(milliseconds: 1500) { $0.nodes[0].machine.bound != nil && $0.nodes[0].journal.contains { if case .bound = $0 { true } else { false } } })
    #expect(second.nodes[0].machine.standing == .listening)
    let before = votes(second, 0)
    let certificate = try foreignCertificate(second, 0)
    second.post(.certificate(certificate), from: 1, to: 0)
    #expect(try second.run(milliseconds: 1000) { $0.nodes[0].machine.standing == .halted })
    #expect(second.nodes[0].standings == [.halts(certificate.vote)])
    try second.run(milliseconds: 3 * Self.window)
    #expect(second.nodes[0].machine.standing == .halted && votes(second, 0) <= before)
  }

  @Test func aVoteThatTheJournalDoesNotKnowStopsTheVoting() throws {
    var cluster = try cluster(seed: 66)
    let certificate = try foreignCertificate(cluster, 2)
    cluster.post(.certificate(certificate), from: 1, to: 2)
    #expect(try cluster.run(milliseconds: 1000) { $0.nodes[2].machine.standing == .listening })
    #expect(cluster.nodes[2].standings == [.listens(.overtaken(certificate.vote))])
    #expect(try cluster.run(milliseconds: 200) { $0.nodes[2].journal.contains(.recovering) })
  }

  @Test func aConnectionThatProvesTheSameKeyIsListenedTo() throws {
    var cluster = try cluster(seed: 67)
    let node = 1, link = PeerLink(9999), machine = cluster.nodes[node].machine
    try cluster.step(node, .peerUp(link, validator: cluster.keys[node].publicKey))
    let own = cluster.nodes[node].journal.compactMap { record -> SignedVote? in if case .vote(let vote) = record { vote } else { nil } }
    // What it has said itself is no news.
    for vote in own { try cluster.step(node, .received(.vote(vote), from: link)) }
    #expect(cluster.nodes[node].standings.isEmpty)
    let foreign = SignedVote(signing: Vote(nullify: View(machine.view.rawValue + 5), epoch: machine.epoch, chainTag: Cluster.chainTag), with: cluster.keys[node])
    try cluster.step(node, .received(.vote(foreign), from: link))
    #expect(cluster.nodes[node].standings == [.listens(.overtaken(foreign.vote))])
  }

  @Test func aKeyOfANewSetVotesInItsFirstEpoch() throws {
    var cluster = try Cluster(4, seed: 68, members: [[0, 1, 2], [0, 1, 2, 3]], epochLength: 6, listenMilliseconds: Self.window)
    try cluster.start()
    #expect(try cluster.run(milliseconds: 60_000) { $0.nodes[3].journal.contains(.bound(epoch: Epoch(1), view: View(0))) })
    #expect(cluster.nodes[3].machine.bound == nil && cluster.nodes[3].standings.isEmpty)
    // The record lasts: after a restart further on in the epoch it still votes at once.
    try cluster.crash(3)
    let height = cluster.height([0, 1, 2])
    #expect(try cluster.run(milliseconds: 60_000) { $0.height([0, 1, 2]) >= height + 2 })
    try cluster.restart(3)
    try cluster.crash(0)
    let before = cluster.height([1, 2, 3])
    #expect(try cluster.run(milliseconds: 60_000) { $0.height([1, 2, 3]) >= before + 2 })
    #expect(cluster.nodes[3].standings.isEmpty && cluster.checker.violations.isEmpty)
  }

  /// The chain is gone, the journal is not, and it had no time to note the newest floor: the certificate of that block, which this key has signed, comes before
  /// the blocks do.
  @Test func ownVotesBelowASyncedFloorAreNotThoseOfAnother() throws {
    var signed = 0
    for seed in 80..<100 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed, epochLength: 6, listenMilliseconds: Self.window)
      try cluster.start()
      #expect(try cluster.run(milliseconds: 60_000) { $0.height() >= 9 })
      let victim = 3, epoch = cluster.nodes[2].machine.epoch
      // Nothing becomes final any more.
      for node in [0, 1, victim] { try cluster.crash(node) }
      let newest = try #require(cluster.nodes[2].machine.floor.certificate), own = SignedVote(signing: newest.vote, with: cluster.keys[victim])
      guard let index = try cluster.set(epoch).index(of: cluster.keys[victim].publicKey), newest.signers.contains(index), newest.vote.epoch == epoch, epoch.rawValue > 0 else { continue }
      signed += 1
      cluster.nodes[victim].journal.removeAll { record in
        switch record {
        case .floor(let place, _, _, _), .voted(_, let place, _): place == epoch
        default: false
        }
      }
      // That of the end of the epoch before is the newest that it knows.
      let last = epoch.rawValue * 6
      cluster.nodes[victim].journal.append(
        .floor(epoch: Epoch(epoch.rawValue - 1), view: View(last + 100), height: Height(last), blockHash: cluster.nodes[2].chain[Int(last)].hash))
      if !cluster.nodes[victim].journal.contains(.vote(own)) { cluster.nodes[victim].journal.append(.vote(own)) }
      cluster.resetStore(victim)
      try cluster.restart(victim)
      let link = try #require(cluster.nodes[victim].links[2])
      try cluster.step(victim, .received(.certificate(newest), from: link))
      #expect(try cluster.run(milliseconds: 60_000) { $0.height([victim]) >= $0.height([2]) }, "seed \(seed)")
      try cluster.run(milliseconds: 3000)
      #expect(cluster.nodes[victim].standings.isEmpty, "seed \(seed): \(cluster.nodes[victim].standings)")
      for node in [0, 1] { try cluster.restart(node) }
      let before = cluster.height()
      #expect(try cluster.run(milliseconds: 60_000) { $0.height() >= before + 3 } && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations)")
    }
    #expect(signed >= 3, "\(signed)")
  }

  /// Crashes and lost journals of one validator after the other: nobody takes what was forgotten for the votes of another.
  @Test func forgottenVotesAreNotTakenForThoseOfAnother() throws {
    for seed in 70..<73 as Range<UInt64> {
      var cluster = try Cluster(4, seed: seed, epochLength: 9, listenMilliseconds: 300)
      try cluster.start()
      for round in 0..<4 {
        let victim = Int(cluster.number(below: 4))
        try cluster.run(milliseconds: 100 + cluster.number(below: 400))
        try cluster.crash(victim)
        if round % 2 == 0 { cluster.wipeJournal(victim) }
        try cluster.run(milliseconds: cluster.number(below: 200))
        try cluster.restart(victim)
        let isBack = try cluster.run(milliseconds: 60_000) { $0.nodes[victim].machine.standing == .voting && !$0.nodes[victim].mustRecover }
        #expect(isBack, "seed \(seed), round \(round)")
        _ = try cluster.run(milliseconds: 60_000) { $0.isFree(victim) && $0.nodes[victim].machine.epoch > ($0.nodes[victim].machine.bound?.epoch ?? Epoch(0)) }
      }
      let before = cluster.height()
      let done = try cluster.run(milliseconds: 60_000) { $0.height() >= before + 5 }
      #expect(done && cluster.checker.violations.isEmpty, "seed \(seed): \(cluster.checker.violations)")
      for node in cluster.nodes { #expect(node.standings.allSatisfy { $0 == .votes }, "seed \(seed): \(node.standings)") }
    }
  }
}
