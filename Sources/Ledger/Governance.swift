public import Audit
public import Ed25519

/// A valid governance event of a block.
public struct GovernanceEvent: Sendable {
  public let id: EventID
  public let signer: PublicKey
  public let act: GovernanceAct

  public init(id: EventID, signer: PublicKey, act: GovernanceAct) {
    self.id = id
    self.signer = signer
    self.act = act
  }
}

/// A proposal that is neither approved nor lapsed.
public struct OpenProposal: Hashable, Sendable {
  public let id: EventID
  public let signer: PublicKey
  /// Of its block.
  public let height: Height
  public let timestamp: Timestamp
  public let act: GovernanceAct
  /// Keys whose latest decision is to approve, ascending; keys that have left the set stay, and count when they come back.
  public internal(set) var approvals: [PublicKey]
  /// Power of the approvals in the set in force.
  public internal(set) var power: UInt64

  /// The epoch from which it would hold; nil for acts that take effect with their approval.
  public var effectiveEpoch: Epoch? { act.effectiveEpoch }

  mutating func decide(_ verdict: GovernanceDecision.Verdict, by key: PublicKey) {
    let place = approvals.firstIndex { $0 >= key } ?? approvals.endIndex
    let isThere = place < approvals.endIndex && approvals[place] == key
    switch verdict {
    case .approve: if !isThere { approvals.insert(key, at: place) }
    case .withdraw: if isThere { approvals.remove(at: place) }
    }
  }

  mutating func weigh(in set: ValidatorSet) {
    power = approvals.reduce(0) { $0 + (set.index(of: $1).map { set.validators[$0].power } ?? 0) }
  }
}

/// An approved change of the set or of the parameters, waiting for its epoch.
public struct ScheduledChange: Hashable, Sendable {
  public let id: EventID
  public let effectiveEpoch: Epoch
  public let act: GovernanceAct
}

/// Where a proposal stands.
public enum ProposalFate: String, Hashable, Sendable {
  /// Waits for approvals.
  case open
  /// Waits for its epoch.
  case approved
  /// In force, or was until another change.
  case active
  /// Without effect: too late, on another base, or beaten by one approved earlier.
  case lapsed
}

/// What became of a proposal.
public struct ProposalOutcome: Hashable, Sendable {
  public let id: EventID
  public let fate: ProposalFate
}

/// A redaction that has its quorum: salts and bodies of these events are deleted on every node.
public struct ApprovedRedaction: Hashable, Sendable {
  public let proposal: EventID
  public let events: [EventID]

  /// Those that a block has approved: its outcomes, the proposals that were open before it, and its own events.
  static func all(in outcomes: [ProposalOutcome], open: [OpenProposal], _ events: [GovernanceEvent]) -> [ApprovedRedaction] {
    outcomes.compactMap { outcome in
      guard outcome.fate == .active, let act = open.first(where: { $0.id == outcome.id })?.act ?? events.first(where: { $0.id == outcome.id })?.act,
        case .proposeRedaction(let redaction) = act
      else { return nil }
      return ApprovedRedaction(proposal: outcome.id, events: redaction.events)
    }
  }
}

extension GovernanceAct {
  /// Of a proposal of a set or of parameters.
  public var effectiveEpoch: Epoch? {
    switch self {
    case .proposeValidators(let proposal): proposal.effectiveEpoch
    case .proposeParameters(let proposal): proposal.effectiveEpoch
    case .decide, .proposeSigners, .proposeRedaction, .recordPrune: nil
    }
  }

  public var isProposal: Bool {
    switch self {
    case .proposeValidators, .proposeSigners, .proposeRedaction, .proposeParameters: true
    case .decide, .recordPrune: false
    }
  }
}

/// The rule of section 9 that a governance event breaks.
public enum GovernanceViolation: Error, Hashable, Sendable {
  /// Governance events are inline, not encrypted and not attested by a gateway.
  case flags
  case signerIsNoValidator
  case body(FormatError)
  /// Not exactly the newcomers of the next set accept, or an acceptance is not theirs.
  case acceptances
  /// A validator is named as the chain is.
  case name
  /// Epoch length, windows and signer mode never change.
  case fixedParameters
}
