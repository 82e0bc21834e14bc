import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Replication
import Testing

/// A network whose validators change its set.
@Suite struct GovernanceClusterTests {
  @Test func aValidatorLeavesTheSetAndTheOthersGoOn() throws {
    let cluster = try Cluster(validators: 4, seed: 31, epochLength: 12)
    try cluster.startAll()
    let next = try ValidatorSet(cluster.set.validators.filter { $0.name != "v3" })
    try cluster.propose(next, from: Epoch(1), by: [0, 1, 2])
    for round in 0..<40 {
      cluster.admit(at: round % 4)
      cluster.run(milliseconds: 300)
      if round == 12 {
        cluster.crash(1)
        try cluster.start(1)
      }
    }
    cluster.settle(withinMilliseconds: 40_000)
    cluster.expectAgreement(heightMin: 20)
    for node in cluster.nodes {
      #expect(node.replica?.chain.validators == next, "node \(node.index)")
      let handoffs = try node.store.handoffs(from: Height(0), countMax: 9)
      #expect(handoffs.map(\.header.height) == [Height(12)], "node \(node.index)")
      for handoff in handoffs { try handoff.verify(from: cluster.set, epochLength: 12) }
      // Every certificate is by the set of its height.
      for height in 1...node.store.head.height.rawValue {
        guard let header = node.store.header(at: Height(height)), let bytes = node.store.certificate(at: Height(height)), !bytes.isEmpty else { continue }
        let set = try node.store.validators(at: Height(height), genesis: cluster.set)
        try Certificate(decoding: bytes.bytes, chainTag: Cluster.tag).verifyFinality(of: header, in: set, epochLength: 12)
      }
    }
  }

  /// From the last block of an epoch until it is on disk the chain has the next set, and the machine votes in the old one: its indexes mean the old one.
  @Test(arguments: [3, 5]) func whatIsSaidOfAViewIsAboutItsOwnSet(members: Int) throws {
    let cluster = try Cluster(validators: 4, newcomers: 1, seed: 32, epochLength: 12)
    try cluster.startAll()
    let next = try cluster.validators(Array(0..<members))
    try cluster.propose(next, from: Epoch(1), by: [0, 1, 2])
    let node = cluster.nodes[0], replica = try #require(node.replica)
    cluster.heldPersists = (0, [])
    for round in 0..<60 where replica.chain.validators != next {
      cluster.admit(at: round % 3)
      cluster.run(milliseconds: 200)
    }
    #expect(replica.chain.validators == next && replica.durable.header.height < Height(12))
    let facts = replica.viewFacts
    #expect(facts.validators == cluster.set && facts.heard.count == 4 && facts.validators.validators.indices.contains(facts.leader))
    #expect(cluster.set.index(of: replica.leader) == facts.leader)
    for validator in cluster.set.validators + next.validators {
      #expect(replica.machine.votedHeight(validator.publicKey) <= Height(12))
      let slot = replica.machine.nextHeight(ofLeader: validator.publicKey)
      #expect((slot == nil) == (cluster.set.index(of: validator.publicKey) == nil), "\(validator.name) \(String(describing: slot))")
    }
    try cluster.releasePersists()
    cluster.run(milliseconds: 500)
    #expect(replica.viewFacts.validators == next)
  }

  /// The rules of an epoch that this program does not know are announced, and the nodes stop in front of it: with everything before it on disk, and without a vote in it.
  @Test func nobodyVotesInAnEpochOfAnUnknownProtocol() throws {
    let cluster = try Cluster(validators: 4, observers: 1, seed: 38, epochLength: 12)
    var epochs: Set<UInt64> = []
    cluster.spy = { _, message in
      switch message {
      case .consensus(.vote(let vote)): epochs.insert(vote.vote.epoch.rawValue)
      case .propose(let proposal, _, _): epochs.insert(proposal.vote.vote.epoch.rawValue)
      default: break
      }
    }
    try cluster.startAll()
    cluster.crash(4)
    var parameters = cluster.parameters
    parameters.protocolVersion = 2
    let id = try cluster.admit(.proposeParameters(ParametersProposal(effectiveEpoch: Epoch(1), parameters: parameters)), by: 0)
    for _ in 0..<50 where cluster.nodes[0].replica?.chain.tip.governance.open.contains(where: { $0.id == id }) != true { cluster.run(milliseconds: 100) }
    for index in 1...2 { try cluster.admit(.decide(GovernanceDecision(.approve, of: id)), by: index) }
    for round in 0..<60 where cluster.nodes.contains(where: { $0.replica != nil && $0.halted == nil }) {
      cluster.admit(at: round % 4)
      cluster.run(milliseconds: 200)
    }
    for node in cluster.nodes.dropLast() { #expect(node.halted == "version 2 from 13" && node.store.head.height == Height(12), "node \(node.index): \(node.halted ?? "-")") }
    #expect(epochs == [0])
    // Who was away follows up to there, and stops as well.
    try cluster.start(4)
    for node in cluster.nodes.dropLast() { node.halted = nil }
    for _ in 0..<100 where cluster.nodes[4].halted == nil { cluster.run(milliseconds: 200) }
    #expect(cluster.nodes[4].halted == "version 2 from 13" && cluster.nodes[4].store.head.height == Height(12))
    #expect(epochs == [0])
  }

  /// The keys of the certificate signers of each height of an epoch and later ones, as seen by one node.
  private func signers(_ cluster: Cluster, node: Int, from height: UInt64) throws -> Set<String> {
    let store = cluster.nodes[node].store
    var names: Set<String> = []
    for height in stride(from: height, through: store.head.height.rawValue, by: 1) {
      guard let bytes = store.certificate(at: Height(height)), !bytes.isEmpty else { continue }
      let set = try store.validators(at: Height(height), genesis: cluster.set)
      for signer in try Certificate(decoding: bytes.bytes, chainTag: Cluster.tag).signers { names.insert(set.validators[signer].name) }
    }
    return names
  }

  @Test func aNewcomerVotesFromItsEpochOnAndARemovedOneNoMore() throws {
    let cluster = try Cluster(validators: 4, newcomers: 1, seed: 32, epochLength: 12)
    var votes: [(node: Int, vote: Vote)] = []
    var cosigned: [Int: UInt64] = [:]
    cluster.spy = { from, message in
      switch message {
      case .consensus(.vote(let vote)) where vote.publicKey == Cluster.key(from).publicKey: votes.append((from, vote.vote))
      case .propose(let proposal, _, _) where proposal.vote.publicKey == Cluster.key(from).publicKey: votes.append((from, proposal.vote.vote))
      case .cosignature(let cosignature): cosigned[from] = max(cosigned[from] ?? 0, cosignature.size)
      default: break
      }
    }
    try cluster.startAll()
    // v4 takes the place of v3.
    try cluster.propose(try cluster.validators([0, 1, 2, 4]), from: Epoch(1), by: [0, 1, 2])
    try cluster.run(until: 15)
    // Three of four are a quorum: without v2 the newcomer is needed.
    cluster.crash(2)
    for round in 0..<10 {
      cluster.admit(at: round % 2)
      cluster.run(milliseconds: 400)
    }
    #expect(cluster.nodes[4].store.head.height.rawValue > 17, "heads: \(cluster.nodes.map { $0.store.head.height.rawValue })")
    try cluster.start(2)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 40_000)
    cluster.expectAgreement(heightMin: 20)
    cluster.expectEveryEventOnce()
    #expect(votes.contains { $0.node == 4 } && votes.allSatisfy { $0.node != 4 || $0.vote.epoch >= Epoch(1) })
    #expect(votes.contains { $0.node == 3 } && votes.allSatisfy { $0.node != 3 || $0.vote.epoch == Epoch(0) })
    let names = try signers(cluster, node: 0, from: 13)
    #expect(names.contains("v4") && !names.contains("v3"), "\(names)")
    // It cosigns too, and the heads that were published are those of the sets of their blocks.
    let size = cluster.nodes[0].store.head.treeSize
    #expect(cosigned[4] == size, "\(cosigned) of \(size)")
    let head = try #require(cluster.nodes[3].heads.last)
    #expect(head.size == size && head.validators.validators.contains { $0.name == "v4" })
  }

  @Test(arguments: [[1], [0, 1], [1, 2, 3, 4]]) func aSoleValidatorHandsOver(next members: [Int]) throws {
    let cluster = try Cluster(validators: 1, newcomers: 4, seed: 33, epochLength: 10)
    var early: [String] = []
    cluster.spy = { from, message in
      let node = cluster.nodes[from]
      // What a sole voter says before its disk has it could be taken back by a crash.
      guard from == 0, node.replica?.machine.isSole == true else { return }
      switch message {
      case .consensus(.vote), .propose: early.append("a vote at height \(node.store.head.height.rawValue)")
      case .consensus(.certificate(let certificate)) where certificate.vote.height > node.store.head.height: early.append("\(certificate.vote)")
      default: break
      }
    }
    try cluster.startAll()
    for round in 0..<3 {
      cluster.admit(at: round % 5)
      cluster.run(milliseconds: 600)
    }
    let height = cluster.nodes[0].store.head.height
    #expect(cluster.nodes[4].store.head.height.rawValue + 2 >= height.rawValue && height.rawValue >= 2, "heads: \(cluster.nodes.map { $0.store.head.height.rawValue })")
    try cluster.propose(try cluster.validators(members), from: Epoch(1), by: [0])
    for round in 0..<30 {
      cluster.admit(at: round % 5)
      cluster.run(milliseconds: 400)
      if round == 20 {
        cluster.crash(0)
        try cluster.start(0)
      }
    }
    cluster.settle(withinMilliseconds: 40_000)
    #expect(early.isEmpty, "\(early.prefix(3))")
    cluster.expectAgreement(heightMin: 20)
    let names = Set(members.map { "v\($0)" })
    #expect(try signers(cluster, node: 0, from: 11).isSubset(of: names))
    for node in cluster.nodes {
      #expect(node.replica?.machine.isSole == (members == [node.index]))
      #expect(node.replica?.syncFacts.isSyncing == false && node.replica?.syncFacts.lag ?? 9 <= 1, "node \(node.index)")
    }
  }
}
