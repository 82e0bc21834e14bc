import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import LedgerFixtures
import Testing

@Suite struct GovernanceStateTests {
  /// Random blocks: sets, parameters, registry, redactions and open proposals are those of the naive reading, at every height.
  @Test(arguments: 1...12 as ClosedRange<UInt64>)
  func randomHistoriesAgreeWithTheNaiveReading(seed: UInt64) throws {
    var history = GovernanceHistory(seed: seed, chainTag: ChainFixture.tag)
    var state = try GovernanceFixture.state([1, 2, 1, 1], epochLength: UInt32(1 + history.dice.below(5)))
    var model = GovernanceModel(set: state.validators, parameters: state.parameters)
    var time: UInt64 = 1_700_000_000_000
    for height in 1...80 as ClosedRange<UInt64> {
      // A jump of days now and then lets proposals lapse.
      time += history.dice.below(40) == 0 ? 20 * 86_400_000 : 1000
      let events = history.events(under: state)
      for event in events { #expect(state.violation(of: event.act) == nil) }
      let predicted = state.validatorsAfterNext
      let redactions = state.advance(to: Height(height), timestamp: Timestamp(milliseconds: time), events)
      model.append(time: time, events)
      let expected = try SignerRegistry(model.registries[Int(height)])
      var parameters = model.parameters[Int(height)]
      parameters.signersHash = expected.hash
      #expect(state.validators == model.sets[Int(height)] && predicted == state.validators, "seed \(seed) height \(height)")
      #expect(state.parameters == parameters && state.parametersHash == parameters.hash, "seed \(seed) height \(height)")
      #expect(state.signers == expected && redactions == model.redactions[Int(height - 1)], "seed \(seed) height \(height)")
      #expect(state.open.map(\.id) == model.open, "seed \(seed) height \(height)")
    }
    #expect(!model.approvals.isEmpty && Set(model.sets.map(\.hash)).count > 1, "seed \(seed): the history changes something")
  }

  /// A state that is moved along the governance blocks alone is the one that saw every block.
  @Test(arguments: 100...105 as ClosedRange<UInt64>)
  func blocksWithoutGovernanceNeedNotBeSeen(seed: UInt64) throws {
    var history = GovernanceHistory(seed: seed, chainTag: ChainFixture.tag)
    var continuous = try GovernanceFixture.state(epochLength: UInt32(1 + history.dice.below(4)))
    var sparse = continuous
    var time: UInt64 = 1_700_000_000_000
    for height in 1...80 as ClosedRange<UInt64> {
      time += history.dice.below(30) == 0 ? 20 * 86_400_000 : 1000
      let events = history.events(under: continuous)
      _ = continuous.advance(to: Height(height), timestamp: Timestamp(milliseconds: time), events)
      if !events.isEmpty { _ = sparse.advance(to: Height(height), timestamp: Timestamp(milliseconds: time), events) }
    }
    if sparse.height < continuous.height { _ = sparse.advance(to: continuous.height, timestamp: Timestamp(milliseconds: time)) }
    #expect(sparse == continuous, "seed \(seed)")
  }

  private func proposal(_ state: GovernanceState, epoch: UInt64, members: [Int]) throws -> GovernanceAct {
    let next = try ValidatorSet(members.map { Validator(publicKey: GovernanceHistory.keys[$0].publicKey, cosignerKey: GovernanceHistory.keys[$0].publicKey, power: 1, name: "v\($0)") })
    return .proposeValidators(ValidatorsProposal(effectiveEpoch: Epoch(epoch), base: state.validators.hash, next: next, acceptances: []))
  }

  private func id(_ number: UInt8) -> EventID { EventID(SHA256.hash([number])) }
  private func event(_ number: UInt8, _ signer: Int, _ act: GovernanceAct) -> GovernanceEvent {
    GovernanceEvent(id: id(number), signer: GovernanceHistory.keys[signer].publicKey, act: act)
  }
  private func time(_ height: UInt64) -> Timestamp { Timestamp(milliseconds: 1_700_000_000_000 + height * 1000) }

  @Test func exactlyTwoThirdsIsNoQuorumAndOneMoreIs() throws {
    var state = try GovernanceFixture.state([1, 1, 1])
    let act = try proposal(state, epoch: 1, members: [0, 1])
    _ = state.advance(to: Height(1), timestamp: time(1), [event(1, 0, act), event(2, 1, .decide(GovernanceDecision(.approve, of: id(1))))])
    #expect(state.open.count == 1 && state.scheduled.isEmpty)
    _ = state.advance(to: Height(2), timestamp: time(2), [event(3, 2, .decide(GovernanceDecision(.approve, of: id(1))))])
    #expect(state.open.isEmpty && state.scheduled.map(\.id) == [id(1)])
  }

  @Test func anApprovalInTheLastBlockBeforeTheEpochIsTooLate() throws {
    for (height, isTimely) in [(3, true), (4, false)] as [(UInt64, Bool)] {
      var state = try GovernanceFixture.state([1])
      let old = state.validators
      let act = try proposal(state, epoch: 1, members: [1])
      _ = state.advance(to: Height(height), timestamp: time(height), [event(1, 0, act)])
      if height < 4 {
        #expect(state.validatorsAfterNext != old, "the last block of the epoch names the next set")
        _ = state.advance(to: Height(4), timestamp: time(4))
      }
      #expect((state.validators != old) == isTimely && state.open.isEmpty, "height \(height)")
    }
  }

  @Test func ofSeveralTheFirstApprovedWithTheBaseInForceWins() throws {
    var state = try GovernanceFixture.state([1])
    let (first, second) = (try proposal(state, epoch: 2, members: [1]), try proposal(state, epoch: 2, members: [2]))
    guard case .proposeValidators(var stale) = try proposal(state, epoch: 2, members: [3]) else { return }
    stale.base = SHA256.hash([1])
    _ = state.advance(to: Height(1), timestamp: time(1), [event(1, 0, .proposeValidators(stale)), event(2, 0, first), event(3, 0, second)])
    _ = state.advance(to: Height(8), timestamp: time(8))
    #expect(state.validators.validators.map(\.publicKey) == [GovernanceHistory.keys[1].publicKey])
    #expect(state.scheduled.isEmpty, "the others have lapsed")
  }

  @Test func aNewSetMayCompleteAQuorumWithTheNextGovernanceEvent() throws {
    var state = try GovernanceFixture.state([1, 1, 1, 1])
    let redaction = GovernanceAct.proposeRedaction(RedactionProposal(reason: .other, requesterHash: .zero, events: [id(99)], note: ""))
    let approve = { (target: UInt8) in GovernanceAct.decide(GovernanceDecision(.approve, of: self.id(target))) }
    var change = [event(1, 0, try proposal(state, epoch: 1, members: [0, 1]))]
    for index in 1...2 { change.append(event(UInt8(10 + index), index, approve(1))) }
    #expect(state.advance(to: Height(1), timestamp: time(1), change + [event(2, 0, redaction), event(3, 1, approve(2))]).isEmpty)
    #expect(state.advance(to: Height(4), timestamp: time(4)).isEmpty)
    #expect(state.open.map(\.id) == [id(2)], "the whole new set approves, and no event has come since")
    let notice = GovernanceAct.recordPrune(PruneNotice(isDeep: false, beforeHeight: Height(1), firstLeafWithBody: LeafIndex(0), minimumIndex: LeafIndex(0)))
    #expect(state.advance(to: Height(6), timestamp: time(6), [event(4, 0, notice)]) == [id(99)])
  }

  @Test func openProposalsAreBounded() throws {
    var state = try GovernanceFixture.state([1, 1])
    let redaction = GovernanceAct.proposeRedaction(RedactionProposal(reason: .other, requesterHash: .zero, events: [id(99)], note: ""))
    _ = state.advance(to: Height(1), timestamp: time(1), (0..<40).map { event($0, 0, redaction) })
    #expect(state.open.count == 16)
    _ = state.advance(to: Height(2), timestamp: time(2), (40..<50).map { event($0, 1, redaction) })
    #expect(state.open.count == 26, "another signer has a share of its own")
  }

  @Test func anUnknownProtocolVersionIsSeenBeforeItsEpoch() throws {
    var state = try GovernanceFixture.state([1])
    var parameters = state.parameters
    parameters.protocolVersion = 2
    #expect(state.unknownProtocolEpoch == nil)
    _ = state.advance(to: Height(1), timestamp: time(1), [event(1, 0, .proposeParameters(ParametersProposal(effectiveEpoch: Epoch(2), parameters: parameters)))])
    #expect(state.unknownProtocolEpoch == Epoch(2))
    _ = state.advance(to: Height(8), timestamp: time(8))
    #expect(state.unknownProtocolEpoch == Epoch(2) && state.parameters.protocolVersion == 2)
  }

  @Test func actsThatTheStateForbidsAreInvalid() throws {
    let state = try GovernanceFixture.state([1, 1])
    guard case .proposeValidators(var proposal) = try proposal(state, epoch: 1, members: [0, 1]) else { return }
    #expect(state.violation(of: .proposeValidators(proposal)) == nil)
    proposal.acceptances = [Signature(Bytes64())]
    #expect(state.violation(of: .proposeValidators(proposal)) == .acceptances)
    proposal.next = try ValidatorSet([Validator(publicKey: GovernanceHistory.keys[0].publicKey, cosignerKey: GovernanceHistory.keys[0].publicKey, power: 1, name: "test")])
    #expect(state.violation(of: .proposeValidators(proposal)) == .name)
    let changes: [(inout ChainParameters) -> Void] = [
      { $0.epochLength += 1 }, { $0.pastWindow += 1 }, { $0.futureWindow += 1 }, { $0.signerMode = .registered },
    ]
    for change in changes {
      var parameters = state.parameters
      change(&parameters)
      #expect(state.violation(of: .proposeParameters(ParametersProposal(effectiveEpoch: Epoch(1), parameters: parameters))) == .fixedParameters)
    }
    var parameters = state.parameters
    parameters.blockTime = 10
    #expect(state.violation(of: .proposeParameters(ParametersProposal(effectiveEpoch: Epoch(1), parameters: parameters))) == nil)
  }
}
