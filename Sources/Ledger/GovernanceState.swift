public import Audit
public import Digests
import Ed25519

/// What governance has made of the chain up to a block: the set, the parameters and the signers of the next height, and what may change them.
///
/// A value: every tip carries its own, so that blocks that are not final yet have theirs.
///
///     proposal -> open -- quorum of the set of that height --> approved: registry, redaction at once; set, parameters with their epoch
///                     \-- 30 days of block time, or its epoch begins -> lapsed
///
/// Rules where the specification leaves a choice:
/// * Of several approved sets for an epoch the first approved one whose base is in force at the end of the epoch before wins.
/// * A proposal whose epoch can no longer be met is lapsed from the start; one above the limits of `Limits.swift` has no effect.
/// * The changes of a signer proposal are made in its order; a put that would overfill the registry and a revocation of an unknown key do nothing.
public struct GovernanceState: Hashable, Sendable {
  public let chainID: String
  public let chainTag: ChainTag
  /// The block after which this is the state.
  public private(set) var height: Height
  /// The set of `height` + 1.
  public private(set) var validators: ValidatorSet
  /// The parameters of `height` + 1; `signersHash` is that of `signers`.
  public private(set) var parameters: ChainParameters
  /// `params_hash` of `height` + 1.
  public private(set) var parametersHash: Digest
  /// The registry of `height` + 1.
  public private(set) var signers: SignerRegistry
  /// In the order of the chain.
  public private(set) var open: [OpenProposal] = []
  /// In the order of approval.
  public private(set) var scheduled: [ScheduledChange] = []
  /// The set has changed since the last governance event: powers are new, and any open proposal may have its quorum with the next event.
  private var isReweighed = false

  /// The state after genesis.
  public init(genesis: Genesis) {
    self.init(chainID: genesis.chainID, chainTag: genesis.chainTag, validators: genesis.validators, parameters: genesis.parameters, signers: genesis.signers)
  }

  /// The state after height 0 of a chain with these beginnings.
  public init(chainID: String, chainTag: ChainTag, validators: ValidatorSet, parameters: ChainParameters, signers: SignerRegistry) {
    self.chainID = chainID
    self.chainTag = chainTag
    height = Height(0)
    self.validators = validators
    self.signers = signers
    self.parameters = parameters
    self.parameters.signersHash = signers.hash
    parametersHash = self.parameters.hash
  }

  /// The set of the height after `height` + 1: `next_validators_hash` of the next block. Its own events have no say in it.
  public var validatorsAfterNext: ValidatorSet {
    let next = height.next
    guard parameters.isLastOfEpoch(next) else { return validators }
    return successor(in: Epoch(next.rawValue / UInt64(parameters.epochLength)))?.0 ?? validators
  }

  /// The first epoch, from that of the next height on, whose parameters name a protocol version that this program does not know.
  /// A node stops before it begins; blocks of it are refused.
  public var unknownProtocolEpoch: Epoch? {
    if parameters.protocolVersion > ProtocolVersion.newest { return parameters.epoch(of: height.next) }
    let epochs = scheduled.compactMap { change -> Epoch? in
      guard let (next, _) = followingParameters(in: change.effectiveEpoch), next.protocolVersion > ProtocolVersion.newest else { return nil }
      return change.effectiveEpoch
    }
    return epochs.min()
  }

  // MARK: Validity

  /// Whether an act may stand in the next block; `nil` when it may. The signer is checked by the caller, who has the statement.
  public func violation(of act: GovernanceAct) -> GovernanceViolation? {
    switch act {
    case .proposeValidators(let proposal):
      guard !proposal.next.validators.contains(where: { $0.name == chainID }) else { return .name }
      return proposal.isAccepted(by: validators, chainTag: chainTag) ? nil : .acceptances
    case .proposeParameters(let proposal):
      let (old, new) = (parameters, proposal.parameters)
      let isFixed = new.epochLength == old.epochLength && new.pastWindow == old.pastWindow && new.futureWindow == old.futureWindow
      return isFixed && new.signerMode == old.signerMode ? nil : .fixedParameters
    case .decide, .proposeSigners, .proposeRedaction, .recordPrune: return nil
    }
  }

  // MARK: Transition

  /// Moves on to the state after the block of `height` with this time and these valid governance events in leaf order. Blocks between, if any,
  /// held none. Traps when the height is not above this state's.
  /// - Returns: events named by redactions that were approved here, in the order of approval.
  public mutating func advance(to height: Height, timestamp: Timestamp, _ events: [GovernanceEvent] = []) -> [EventID] {
    var outcomes: [ProposalOutcome] = []
    return advance(to: height, timestamp: timestamp, events, &outcomes)
  }

  /// The same, telling what became of proposals, in the order in which it happened.
  public mutating func advance(
    to height: Height, timestamp: Timestamp, _ events: [GovernanceEvent], _ outcomes: inout [ProposalOutcome]
  ) -> [EventID] {
    precondition(height > self.height, "blocks ascend")
    cross(to: Height(height.rawValue - 1), &outcomes)
    lapse(at: timestamp, &outcomes)
    var redactions: [EventID] = []
    for event in events { apply(event, height, timestamp, &redactions, &outcomes) }
    cross(to: height, &outcomes)
    if parameters.signersHash != signers.hash {
      parameters.signersHash = signers.hash
      parametersHash = parameters.hash
    }
    return redactions
  }

  private mutating func apply(
    _ event: GovernanceEvent, _ height: Height, _ timestamp: Timestamp, _ redactions: inout [EventID], _ outcomes: inout [ProposalOutcome]
  ) {
    var touched: EventID?
    switch event.act {
    case .decide(let decision):
      if let place = open.firstIndex(where: { $0.id == decision.proposal }) {
        open[place].decide(decision.verdict, by: event.signer)
        open[place].weigh(in: validators)
        touched = decision.proposal
      }
    case .recordPrune: break
    case .proposeValidators, .proposeSigners, .proposeRedaction, .proposeParameters:
      if canOpen(event, height) {
        var proposal = OpenProposal(
          id: event.id, signer: event.signer, height: height, timestamp: timestamp, act: event.act, approvals: [event.signer], power: 0)
        proposal.weigh(in: validators)
        open.append(proposal)
        touched = event.id
      } else if !open.contains(where: { $0.id == event.id }) {
        outcomes.append(ProposalOutcome(id: event.id, fate: .lapsed))
      }
    }
    // Between changes of the set only the proposal that was decided on can have gained power.
    let due = isReweighed ? open.map(\.id) : touched.map { [$0] } ?? []
    isReweighed = false
    for id in due {
      guard let place = open.firstIndex(where: { $0.id == id }), validators.isQuorum(open[place].power) else { continue }
      // In the last block before its epoch, an approval comes too late.
      if let epoch = open[place].effectiveEpoch, !isBefore(epoch, height) { continue }
      approve(open.remove(at: place), height, &redactions, &outcomes)
    }
  }

  private func canOpen(_ event: GovernanceEvent, _ height: Height) -> Bool {
    if let epoch = event.act.effectiveEpoch, !isBefore(epoch, height) { return false }
    guard open.count < LedgerLimit.openProposals, !open.contains(where: { $0.id == event.id }) else { return false }
    return open.count(where: { $0.signer == event.signer }) < LedgerLimit.openProposalsPerSigner
  }

  /// Whether `height` lies before the last block of the epoch that precedes `epoch`.
  private func isBefore(_ epoch: Epoch, _ height: Height) -> Bool { height.rawValue / UInt64(parameters.epochLength) < epoch.rawValue }

  private mutating func approve(_ proposal: OpenProposal, _ height: Height, _ redactions: inout [EventID], _ outcomes: inout [ProposalOutcome]) {
    switch proposal.act {
    case .proposeValidators(let next): return schedule(proposal, next.effectiveEpoch, &outcomes)
    case .proposeParameters(let next): return schedule(proposal, next.effectiveEpoch, &outcomes)
    case .proposeSigners(let changes): signers = signers.applying(changes, from: height.next)
    case .proposeRedaction(let redaction): redactions += redaction.events
    case .decide, .recordPrune: break
    }
    outcomes.append(ProposalOutcome(id: proposal.id, fate: .active))
  }

  private mutating func schedule(_ proposal: OpenProposal, _ epoch: Epoch, _ outcomes: inout [ProposalOutcome]) {
    let hasRoom = scheduled.count < LedgerLimit.scheduledChanges
    outcomes.append(ProposalOutcome(id: proposal.id, fate: hasRoom ? .approved : .lapsed))
    if hasRoom { scheduled.append(ScheduledChange(id: proposal.id, effectiveEpoch: epoch, act: proposal.act)) }
  }

  private mutating func lapse(at time: Timestamp, _ outcomes: inout [ProposalOutcome]) {
    // Open proposals are in the order of their blocks.
    let lapsed = open.prefix { $0.timestamp.rawValue + LedgerLimit.proposalLifetimeMilliseconds <= time.rawValue }
    for proposal in lapsed { outcomes.append(ProposalOutcome(id: proposal.id, fate: .lapsed)) }
    open.removeFirst(lapsed.count)
  }

  // MARK: Epochs

  /// Moves to `height`, making the changes of every epoch that begins behind a height up to it.
  private mutating func cross(to height: Height, _ outcomes: inout [ProposalOutcome]) {
    let length = UInt64(parameters.epochLength)
    let last = height.rawValue / length
    if last > self.height.rawValue / length {
      while let epoch = scheduled.map(\.effectiveEpoch).min(), epoch.rawValue <= last { begin(epoch, &outcomes) }
      func isLate(_ proposal: OpenProposal) -> Bool { proposal.effectiveEpoch.map { $0.rawValue <= last } ?? false }
      for proposal in open where isLate(proposal) { outcomes.append(ProposalOutcome(id: proposal.id, fate: .lapsed)) }
      open.removeAll(where: isLate)
    }
    self.height = height
  }

  private mutating func begin(_ epoch: Epoch, _ outcomes: inout [ProposalOutcome]) {
    var winners: [EventID] = []
    if let (next, id) = followingParameters(in: epoch) {
      parameters = next
      parametersHash = next.hash
      winners.append(id)
    }
    if let (next, id) = successor(in: epoch) {
      validators = next
      for place in open.indices { open[place].weigh(in: next) }
      isReweighed = true
      winners.append(id)
    }
    for change in scheduled where change.effectiveEpoch <= epoch {
      outcomes.append(ProposalOutcome(id: change.id, fate: winners.contains(change.id) ? .active : .lapsed))
    }
    scheduled.removeAll { $0.effectiveEpoch <= epoch }
  }

  /// The set that an epoch brings with the proposal that named it, given that the set in force is that of the epoch before.
  private func successor(in epoch: Epoch) -> (ValidatorSet, EventID)? {
    for change in scheduled where change.effectiveEpoch == epoch {
      if case .proposeValidators(let proposal) = change.act, proposal.base == validators.hash { return (proposal.next, change.id) }
    }
    return nil
  }

  private func followingParameters(in epoch: Epoch) -> (ChainParameters, EventID)? {
    for change in scheduled where change.effectiveEpoch == epoch {
      guard case .proposeParameters(let proposal) = change.act else { continue }
      var next = proposal.parameters
      next.signersHash = signers.hash
      return (next, change.id)
    }
    return nil
  }
}

/// Versions of the rules of a chain.
public enum ProtocolVersion {
  /// The newest that this program knows; all below it are known.
  public static let newest: UInt32 = 1
}
