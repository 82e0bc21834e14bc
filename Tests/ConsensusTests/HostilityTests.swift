import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

/// One machine, and peers that lie to it.
@Suite struct HostilityTests {
  private func signed(_ cluster: Cluster, _ node: Int, _ kind: VoteKind) -> [Vote] {
    cluster.nodes[node].journal.compactMap { if case .vote(let vote) = $0, vote.vote.kind == kind { vote.vote } else { nil } }
  }

  @Test func aBadSignatureCostsOneVerificationAndTheConnection() throws {
    var (cluster, node) = try Cluster.single(50)
    let liar = try cluster.leaders()[0]
    var vote = cluster.vote(.nullify, by: liar, view: 1)
    vote.signature = cluster.vote(.nullify, by: liar, view: 2).signature
    for _ in 0..<3 { try cluster.step(node, .received(.vote(vote), from: cluster.link(node, liar))) }
    try cluster.step(node, .received(.vote(cluster.vote(.nullify, by: liar, view: 1)), from: cluster.link(node, liar)))
    #expect(cluster.nodes[node].penalties == [.badSignature] && cluster.nodes[node].machine.footprint.votes == 0)
  }

  @Test func votesCountOnlyOverTheConnectionOfTheirSigner() throws {
    var (cluster, node) = try Cluster.single(51)
    let leaders = try cluster.leaders()
    for signer in leaders.prefix(3) { cluster.post(.vote(cluster.vote(.nullify, by: signer, view: 1)), from: leaders[0], to: node) }
    try cluster.run(milliseconds: 20)
    // Only the leader's own nullify was taken, which is a reason to nullify; the view is not left.
    #expect(cluster.nodes[node].machine.view == View(1) && cluster.nodes[node].penalties.isEmpty && signed(cluster, node, .nullify).count == 1)
  }

  @Test func messagesOfAnotherChainAndProposalsOfOthersEndTheConnection() throws {
    var (cluster, node) = try Cluster.single(52)
    let leaders = try cluster.leaders()
    let foreign = Vote(nullify: View(1), epoch: Epoch(0), chainTag: ChainTag(Bytes16(8, 8)))
    try cluster.step(node, .received(.vote(SignedVote(signing: foreign, with: cluster.keys[leaders[0]])), from: cluster.link(node, leaders[0])))
    let block = cluster.block(on: Cluster.genesis, by: leaders[1], timestamp: cluster.wall)
    cluster.post(.proposal(cluster.proposal(by: leaders[1], view: 1, block: block)), from: leaders[1], to: node)
    try cluster.run(milliseconds: 20)
    #expect(cluster.nodes[node].penalties == [.wrongChain, .malformed])
    #expect(signed(cluster, node, .notarise).isEmpty)
  }

  @Test func certificatesBelowAQuorumOrWithAForgedSignatureEndTheConnection() throws {
    var (cluster, node) = try Cluster.single(53)
    let leaders = try cluster.leaders()
    cluster.post(.certificate(try cluster.certificate(.nullify, view: 1, by: Array(leaders.prefix(2)))), from: leaders[0], to: node)
    let set = try cluster.set(Epoch(0))
    let vote = cluster.vote(.nullify, by: leaders[0], view: 1)
    let forged = Certificate(vote: vote.vote, signatures: [(0, vote.signature), (1, vote.signature), (2, vote.signature)], in: set)
    cluster.post(.certificate(forged), from: leaders[1], to: node)
    try cluster.run(milliseconds: 20)
    #expect(cluster.nodes[node].penalties == [.invalidCertificate, .invalidCertificate] && cluster.nodes[node].machine.view == View(1))
  }

  /// 10^6 future votes and 10^4 invalid certificates from one validator.
  @Test func floodsLeaveNothingBehind() throws {
    let (cluster, node) = try Cluster.single(54)
    let leaders = try cluster.leaders(), link = cluster.link(node, leaders[0])
    var machine = cluster.nodes[node].machine
    var effects: [Effect] = []
    let times = Times(monotonic: cluster.now, wall: cluster.wall)
    let before = machine.footprint
    // The signatures are never looked at, so one does for all.
    var vote = cluster.vote(.nullify, by: leaders[0], view: 100)
    for view in 0..<1_000_000 as Range<UInt64> {
      vote.vote.view = View(100 + view)
      machine.step(.received(.vote(vote), from: link), now: times, &effects)
      effects.removeAll(keepingCapacity: true)
    }
    #expect(machine.footprint == before)
    for view in 0..<1000 as Range<UInt64> {
      vote.vote.epoch = Epoch(1)
      vote.vote.view = View(1 + view)
      machine.step(.received(.vote(vote), from: link), now: times, &effects)
    }
    #expect(machine.footprint.earlyMessages == ConsensusLimit.earlyMessages)
    effects.removeAll()
    let set = try cluster.set(Epoch(0))
    for view in 0..<10_000 as Range<UInt64> {
      vote.vote.epoch = Epoch(0)
      vote.vote.view = View(1 + view)
      let forged = Certificate(vote: vote.vote, signatures: [(0, vote.signature), (1, vote.signature), (2, vote.signature)], in: set)
      machine.step(.received(.certificate(forged), from: link), now: times, &effects)
    }
    let penalties = effects.count { if case .penalise = $0 { true } else { false } }
    #expect(penalties == 1 && machine.footprint == before)
  }

  @Test func contradictionsAreEvidenceOnceAndOtherPairsAreNot() throws {
    var (cluster, node) = try Cluster.single(55)
    let leaders = try cluster.leaders()
    let blocks = (0..<3 as Range<UInt64>).map { cluster.block(on: Cluster.genesis, by: leaders[0], timestamp: cluster.wall, salt: $0) }
    // Notarise and nullify, and finalise for another block than the notarised one, are no offence.
    for vote in [
      cluster.vote(.notarise, by: leaders[0], view: 1, block: blocks[0]), cluster.vote(.nullify, by: leaders[0], view: 1),
      cluster.vote(.notarise, by: leaders[1], view: 1, block: blocks[0]), cluster.vote(.finalise, by: leaders[1], view: 1, block: blocks[1]),
    ] {
      let signer = vote.publicKey == cluster.keys[leaders[0]].publicKey ? leaders[0] : leaders[1]
      try cluster.step(node, .received(.vote(vote), from: cluster.link(node, signer)))
    }
    #expect(cluster.nodes[node].evidence.isEmpty)
    let link = cluster.link(node, leaders[2])
    try cluster.step(node, .received(.vote(cluster.vote(.notarise, by: leaders[2], view: 2, block: blocks[0])), from: link))
    for block in blocks.dropFirst() { try cluster.step(node, .received(.vote(cluster.vote(.notarise, by: leaders[2], view: 2, block: block)), from: link)) }
    try cluster.step(node, .received(.vote(cluster.vote(.finalise, by: leaders[2], view: 3, block: blocks[0])), from: link))
    try cluster.step(node, .received(.vote(cluster.vote(.finalise, by: leaders[2], view: 3, block: blocks[1])), from: link))
    try cluster.step(node, .received(.vote(cluster.vote(.nullify, by: leaders[2], view: 4)), from: link))
    try cluster.step(node, .received(.vote(cluster.vote(.finalise, by: leaders[2], view: 4, block: blocks[1])), from: link))
    #expect(cluster.nodes[node].evidence.map { $0.first.vote.view.rawValue } == [2, 3, 4])
    for evidence in cluster.nodes[node].evidence {
      #expect(evidence.first.isAccepted() && evidence.second.isAccepted() && evidence.first.vote != evidence.second.vote)
    }
    #expect(cluster.nodes[node].penalties.isEmpty)
  }

  @Test func aProposalMayNotSkipAViewThatIsNotNullified() throws {
    var (cluster, node) = try Cluster.single(56)
    let leaders = try cluster.leaders()
    let block = cluster.block(on: Cluster.genesis, by: leaders[1], timestamp: cluster.wall)
    cluster.post(.proposal(cluster.proposal(by: leaders[1], view: 2, block: block)), from: leaders[1], to: node)
    let first = cluster.block(on: Cluster.genesis, by: leaders[0], timestamp: cluster.wall)
    cluster.post(.proposal(cluster.proposal(by: leaders[0], view: 1, block: first)), from: leaders[0], to: node)
    cluster.post(.certificate(try cluster.certificate(.notarise, view: 1, block: first, by: Array(leaders.prefix(3)))), from: leaders[0], to: node)
    try cluster.run(milliseconds: 100)
    #expect(cluster.nodes[node].machine.view == View(2) && !signed(cluster, node, .notarise).contains { $0.blockHash == block.hash })
    // It asks for what is missing, and votes when the nullification comes.
    let asked = leaders.contains { cluster.nodes[$0].inbox.contains { $0.message == .getCertificate(Epoch(0), View(1)) } }
    #expect(asked)
    cluster.post(.certificate(try cluster.certificate(.nullify, view: 1, by: Array(leaders.prefix(3)))), from: leaders[1], to: node)
    try cluster.run(milliseconds: 20)
    #expect(signed(cluster, node, .notarise).contains { $0.blockHash == block.hash && $0.view == View(2) })
  }

  @Test func timesAheadAreWaitedForAndOldOnesRefused() throws {
    for (offset, expected) in [(Int64(300), "vote"), (700, "wait"), (-3000, "nullify"), (-1500, "vote")] {
      var (cluster, node) = try Cluster.single(57)
      let leader = try cluster.leaders()[0]
      let block = cluster.block(on: Cluster.genesis, by: leader, timestamp: Timestamp(milliseconds: UInt64(Int64(cluster.now.milliseconds) + offset)))
      cluster.post(.proposal(cluster.proposal(by: leader, view: 1, block: block)), from: leader, to: node)
      try cluster.run(milliseconds: 30)
      let notarised = signed(cluster, node, .notarise).count, nullified = signed(cluster, node, .nullify).count
      #expect(expected == "vote" ? notarised == 1 : notarised == 0, "\(offset)")
      #expect(expected == "nullify" ? nullified == 1 : nullified == 0, "\(offset)")
      guard expected == "wait" else { continue }
      try cluster.run(milliseconds: 180)
      #expect(signed(cluster, node, .notarise).count == 1, "\(offset)")
    }
  }

  @Test func invalidBlocksAndForeignProposersAreNullified() throws {
    for isInvalid in [true, false] {
      var (cluster, node) = try Cluster.single(58)
      let leaders = try cluster.leaders()
      let block = cluster.block(on: Cluster.genesis, by: isInvalid ? leaders[0] : leaders[1], timestamp: cluster.wall)
      if isInvalid { cluster.invalid.insert(block.hash) }
      cluster.post(.proposal(cluster.proposal(by: leaders[0], view: 1, block: block)), from: leaders[0], to: node)
      try cluster.run(milliseconds: 30)
      #expect(signed(cluster, node, .notarise).isEmpty && signed(cluster, node, .nullify).count == 1)
    }
  }

  /// The notarisation comes after the view was nullified here and left: the block still becomes a parent, and is never finalised by this node.
  @Test func aNullifiedViewCanStillBeCertified() throws {
    var (cluster, node) = try Cluster.single(59)
    let leaders = try cluster.leaders()
    try cluster.run(milliseconds: 600)
    #expect(signed(cluster, node, .nullify).map(\.view) == [View(1)])
    cluster.post(.certificate(try cluster.certificate(.nullify, view: 1, by: Array(leaders.prefix(3)))), from: leaders[0], to: node)
    try cluster.run(milliseconds: 10)
    let block = cluster.block(on: Cluster.genesis, by: leaders[0], timestamp: cluster.wall)
    let notarisation = try cluster.certificate(.notarise, view: 1, block: block, by: Array(leaders.prefix(3)))
    let child = cluster.block(on: block, by: leaders[1], timestamp: Timestamp(milliseconds: block.timestamp.rawValue + 1))
    cluster.post(.proposal(cluster.proposal(by: leaders[1], view: 2, parentView: 1, block: child, justification: [notarisation])), from: leaders[1], to: node)
    try cluster.run(milliseconds: 60)
    #expect(cluster.nodes[node].fetches >= 1)
    try cluster.step(node, .available(block))
    try cluster.run(milliseconds: 30)
    #expect(signed(cluster, node, .notarise).contains { $0.blockHash == child.hash } && signed(cluster, node, .finalise).isEmpty)
  }
}
