import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import LedgerFixtures
import Merkle
import Testing

/// Governance events as signed records of real blocks.
@Suite struct GovernanceChainTests {
  /// What a proposer builds, every validator finds valid, on final parents and on others; a store can bring the state back at any head.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func builtBlocksAreValidAndARestartFindsTheSameState(seed: UInt64) throws {
    var history = GovernanceHistory(seed: seed, chainTag: ChainFixture.tag)
    var chain = try GovernanceFixture.chain()
    let genesis = chain.tip
    let store = MemoryStore(genesis: genesis.header)
    var batch = SignatureBatch(capacity: 16, seed: Bytes32(repeating: 3))
    var sequence: UInt64 = 0
    var pending: [Candidate] = []
    for height in 1...60 as ClosedRange<UInt64> {
      let parent = pending.last?.tip ?? chain.tip
      let records = GovernanceFixture.records(&history, on: parent, &sequence)
      let proposer = parent.governance.validators.validators[0].publicKey
      let time = Timestamp(milliseconds: GovernanceFixture.start + height * 1000)
      let built = try chain.build(on: parent, records: records, timestamp: time, proposer: proposer)
      let valid = try chain.validate(built.block, on: parent, batch: &batch)
      #expect(valid.tip.governance == built.tip.governance && valid.redactions == built.redactions)
      pending.append(valid)
      // Ancestors become final behind the tip.
      if pending.count > history.dice.below(4) {
        let final = pending.removeFirst()
        try store.commit([chain.apply(final, certificate: [1])])
        #expect(chain.tip.governance.validators.hash == chain.tip.header.nextValidatorsHash)
        #expect(try store.governance(from: genesis.governance) == chain.tip.governance, "seed \(seed) height \(height)")
        let header = chain.tip.header
        #expect(try store.validators(at: header.height, genesis: genesis.governance.validators).hash == header.validatorsHash)
        #expect(try store.validators(at: header.height.next, genesis: genesis.governance.validators).hash == header.nextValidatorsHash)
      }
    }
    let handoffs = try store.handoffs(from: Height(0), countMax: 100)
    #expect(!handoffs.isEmpty, "seed \(seed): the set changes")
    var set = genesis.governance.validators
    for handoff in handoffs {
      #expect(handoff.header.validatorsHash == set.hash && handoff.next.hash == handoff.header.nextValidatorsHash && handoff.header.height.rawValue % 3 == 0)
      set = handoff.next
    }
    #expect(set == chain.validators)
    #expect(try store.handoffs(from: handoffs[0].header.height.next, countMax: 2).map(\.header) == handoffs.dropFirst().prefix(2).map(\.header))
  }

  @Test func forksCarryTheirOwnStates() throws {
    let chain = try GovernanceFixture.chain()
    let keys = GovernanceHistory.keys
    let change = SignerChange(.put, SignerRecord(key: SigningKey(seed: Bytes32(repeating: 50)).publicKey, validFrom: Height(0), validTo: Height(0), name: "app"))
    let proposal = GovernanceFixture.record(.proposeSigners([change]), by: keys[0], at: GovernanceFixture.start, sequence: 1)
    let id = EventID(SHA256.hash(Array(proposal[..<128])))
    let approvals = (1...2).flatMap { GovernanceFixture.record(.decide(GovernanceDecision(.approve, of: id)), by: keys[$0], at: GovernanceFixture.start, sequence: 2) }
    let proposer = keys[0].publicKey
    let approved = try chain.build(on: chain.tip, records: proposal + approvals, timestamp: Timestamp(milliseconds: GovernanceFixture.start + 1000), proposer: proposer)
    let open = try chain.build(on: chain.tip, records: proposal, timestamp: Timestamp(milliseconds: GovernanceFixture.start + 1000), proposer: proposer)
    #expect(approved.tip.governance.signers.records.count == 1 && open.tip.governance.signers.records.isEmpty)
    let children = try [approved, open].map { try chain.build(on: $0.tip, records: [], timestamp: Timestamp(milliseconds: GovernanceFixture.start + 2000), proposer: proposer).block.header }
    #expect(approved.block.header.parametersHash == open.block.header.parametersHash, "in force from the block after")
    #expect(children[0].parametersHash != children[1].parametersHash)
  }

  @Test func governanceEventsThatBreakARuleAreRefused() throws {
    let chain = try GovernanceFixture.chain()
    let keys = GovernanceHistory.keys
    let decide = GovernanceAct.decide(GovernanceDecision(.approve, of: EventID(.zero)))
    let time = Timestamp(milliseconds: GovernanceFixture.start + 1000)
    var malformed = GovernanceFixture.record(decide, by: keys[0], at: GovernanceFixture.start, sequence: 1)
    let blob = [UInt8](repeating: 9, count: 16) + [0, 2] + decide.encoded.dropFirst(2)
    let old = try Statement(decoding: malformed.bytes)
    var statement = old
    statement.bodyDigest = SHA256.hash(blob)
    malformed = Entry(statement: statement, signature: keys[0].sign(statement.encoded.bytes)).encoded + blob
    let table: [(GovernanceViolation, [UInt8])] = [
      (.flags, GovernanceFixture.record(decide, by: keys[0], at: GovernanceFixture.start, sequence: 1, flags: .detached)), (.flags, GovernanceFixture.record(decide, by: keys[0], at: GovernanceFixture.start, sequence: 1, flags: .encrypted)),
      (.signerIsNoValidator, GovernanceFixture.record(decide, by: keys[6], at: GovernanceFixture.start, sequence: 1)), (.body(.outOfRange("version")), malformed),
    ]
    for (violation, record) in table {
      #expect(throws: BlockViolation.event(position: 0, .governance(violation))) {
        try chain.build(on: chain.tip, records: record, timestamp: time, proposer: keys[0].publicKey)
      }
    }
  }

  @Test func blocksOfAnUnknownProtocolAreNeitherBuiltNorValid() throws {
    var chain = try GovernanceFixture.chain()
    let keys = GovernanceHistory.keys
    var parameters = chain.parameters
    parameters.protocolVersion = 2
    let proposal = GovernanceFixture.record(.proposeParameters(ParametersProposal(effectiveEpoch: Epoch(1), parameters: parameters)), by: keys[0], at: GovernanceFixture.start, sequence: 1)
    let id = EventID(SHA256.hash(Array(proposal[..<128])))
    let approvals = (1...2).flatMap { GovernanceFixture.record(.decide(GovernanceDecision(.approve, of: id)), by: keys[$0], at: GovernanceFixture.start, sequence: 2) }
    for height in 1...3 as ClosedRange<UInt64> {
      let built = try chain.build(
        on: chain.tip, records: height == 1 ? proposal + approvals : [], timestamp: Timestamp(milliseconds: GovernanceFixture.start + height * 1000), proposer: keys[0].publicKey)
      _ = chain.apply(built, certificate: [])
    }
    #expect(chain.tip.governance.unknownProtocolEpoch == Epoch(1))
    #expect(throws: BlockViolation.protocolVersion(2)) {
      try chain.build(on: chain.tip, records: [], timestamp: Timestamp(milliseconds: GovernanceFixture.start + 4000), proposer: keys[0].publicKey)
    }
  }
}
