public import Audit
import Bytes
import Digests
public import Ed25519
public import Ledger

/// Splitmix64: histories are the same on every run of a seed.
public struct Dice: RandomNumberGenerator {
  public var state: UInt64
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// Random acts of a pool of eight validators, most of them sensible.
public struct GovernanceHistory {
  public static let keys = (1...8).map { SigningKey(seed: Bytes32(repeating: UInt8($0))) }
  public var dice: Dice
  let chainTag: ChainTag
  /// Ids of proposals so far, newest last.
  private var proposals: [EventID] = []
  /// Newest proposal of a set: half of the decisions are about it, so that sets do change.
  private var newestSet: EventID?
  private var count: UInt64 = 0

  public init(seed: UInt64, chainTag: ChainTag) {
    dice = Dice(state: seed)
    self.chainTag = chainTag
  }

  private mutating func set() -> ValidatorSet {
    let members = Self.keys.indices.filter { _ in dice.below(2) == 0 }
    let chosen = members.isEmpty ? [dice.below(Self.keys.count)] : members
    let validators = chosen.map {
      Validator(publicKey: Self.keys[$0].publicKey, cosignerKey: Self.keys[$0].publicKey, power: UInt64(1 + dice.below(4)), name: "v\($0)")
    }
    guard let set = try? ValidatorSet(validators) else { preconditionFailure("distinct keys and names make a set") }
    return set
  }

  /// An act that is valid in the block after `state`.
  private mutating func act(under state: GovernanceState) -> GovernanceAct {
    let epoch = state.parameters.epoch(of: state.height.next).rawValue + UInt64(dice.below(8) == 0 ? dice.below(4) : 1 + dice.below(2))
    switch dice.below(28) {
    case 0...2:
      let next = set()
      let base = dice.below(8) == 0 ? SHA256.hash([1]) : dice.below(8) == 0 ? next.hash : state.validators.hash
      var proposal = ValidatorsProposal(effectiveEpoch: Epoch(epoch), base: base, next: next, acceptances: [])
      proposal.acceptances = proposal.newcomers(to: state.validators).map { validator in
        let key = Self.keys.first { $0.publicKey == validator.publicKey }
        let message = ValidatorsProposal.acceptanceMessage(validator, effectiveEpoch: Epoch(epoch), chainTag: chainTag)
        return key?.sign(message.bytes) ?? Signature(Bytes64())
      }
      return .proposeValidators(proposal)
    case 3:
      var parameters = state.parameters
      parameters.blockTime = UInt32(100 + dice.below(900))
      parameters.eventsPerBlockMax = UInt32(100 + dice.below(1000))
      return .proposeParameters(ParametersProposal(effectiveEpoch: Epoch(epoch), parameters: parameters))
    case 4:
      let keys = (0..<1 + dice.below(3)).map { _ in SigningKey(seed: Bytes32(repeating: UInt8(50 + dice.below(6)))).publicKey }
      let changes = Set(keys).sorted().map {
        SignerChange(dice.below(3) == 0 ? .revoke : .put, SignerRecord(key: $0, validFrom: Height(UInt64(dice.below(9))), validTo: Height(0), name: "s\(dice.below(9))"))
      }
      return .proposeSigners(changes)
    case 5: return .proposeRedaction(RedactionProposal(reason: .other, requesterHash: .zero, events: [EventID(SHA256.hash([UInt8(dice.below(200))]))], note: ""))
    case 6: return .recordPrune(PruneNotice(isDeep: false, beforeHeight: Height(1), firstLeafWithBody: LeafIndex(1), minimumIndex: LeafIndex(0)))
    default:
      if let newestSet, dice.below(2) == 0 { return .decide(GovernanceDecision(.approve, of: newestSet)) }
      let recent = proposals.suffix(4)
      let target = recent.isEmpty || dice.below(12) == 0 ? EventID(SHA256.hash([9])) : recent[recent.startIndex + dice.below(recent.count)]
      return .decide(GovernanceDecision(dice.below(5) == 0 ? .withdraw : .approve, of: target))
    }
  }

  /// Events of the next block with their signers, members of the set of its height.
  public mutating func events(under state: GovernanceState) -> [GovernanceEvent] {
    guard dice.below(3) > 0 else { return [] }
    return (0..<1 + dice.below(10)).map { _ in
      count += 1
      let signer = state.validators.validators[dice.below(state.validators.count)].publicKey
      let event = GovernanceEvent(id: EventID(SHA256.hash(Bytes16(count, dice.state).array)), signer: signer, act: act(under: state))
      note(event)
      return event
    }
  }

  public mutating func note(_ event: GovernanceEvent) {
    switch event.act {
    case .decide, .recordPrune: return
    case .proposeValidators: newestSet = event.id
    default: break
    }
    proposals.append(event.id)
  }
}
