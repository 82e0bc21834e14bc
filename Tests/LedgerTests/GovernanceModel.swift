import Audit
import Bytes
import Digests
import Ed25519
import Ledger

/// Section 9 of the ledger formats, read off sentence by sentence: everything is kept for ever and counted anew after every event.
struct GovernanceModel {
  enum Fate { case open, approved, lapsed }
  struct Proposal {
    var id: EventID
    var height: UInt64
    var time: UInt64
    var act: GovernanceAct
    var fate = Fate.open
  }
  static let thirtyDays: UInt64 = 30 * 24 * 3600 * 1000

  let length: UInt64
  /// The set and the parameters of every height from 1 on; position 0 is height 1.
  private(set) var sets: [ValidatorSet]
  private(set) var parameters: [ChainParameters]
  private(set) var registries: [[SignerRecord]]
  private(set) var proposals: [Proposal] = []
  private(set) var approvals: [(proposal: Proposal, height: UInt64)] = []
  private(set) var redactions: [[EventID]] = []
  /// Every decision that was made: the last one of a key on a proposal counts.
  private var decisions: [(proposal: EventID, key: PublicKey, verdict: GovernanceDecision.Verdict)] = []

  init(set: ValidatorSet, parameters: ChainParameters) {
    length = UInt64(parameters.epochLength)
    (sets, registries, self.parameters) = ([set], [[]], [parameters])
  }

  var height: UInt64 { UInt64(sets.count - 1) }

  private func power(_ proposal: EventID, in set: ValidatorSet) -> UInt64 {
    set.validators.filter { validator in decisions.last { $0.proposal == proposal && $0.key == validator.publicKey }?.verdict == .approve }.reduce(0) { $0 + $1.power }
  }

  private func epoch(of act: GovernanceAct) -> UInt64? {
    switch act {
    case .proposeValidators(let next): next.effectiveEpoch.rawValue
    case .proposeParameters(let next): next.effectiveEpoch.rawValue
    default: nil
    }
  }

  mutating func append(time: UInt64, _ events: [GovernanceEvent]) {
    let height = height + 1, set = sets[Int(height - 1)]
    var registry = registries[Int(height - 1)]
    var redacted: [EventID] = []
    for index in proposals.indices where proposals[index].fate == .open && time >= proposals[index].time + Self.thirtyDays { proposals[index].fate = .lapsed }
    for event in events {
      switch event.act {
      case .recordPrune: break
      case .decide(let decision): if proposals.contains(where: { $0.id == decision.proposal }) { decisions.append((decision.proposal, event.signer, decision.verdict)) }
      default:
        proposals.append(Proposal(id: event.id, height: height, time: time, act: event.act))
        decisions.append((event.id, event.signer, .approve))
      }
      for index in proposals.indices where proposals[index].fate == .open && 3 * power(proposals[index].id, in: set) > 2 * set.totalPower {
        // The last block of the epoch before the effective one has height epoch * length.
        if let epoch = epoch(of: proposals[index].act), height >= epoch * length { continue }
        proposals[index].fate = .approved
        approvals.append((proposals[index], height))
        switch proposals[index].act {
        case .proposeRedaction(let redaction): redacted += redaction.events
        case .proposeSigners(let changes):
          for change in changes {
            var record = change.record
            let old = registry.first { $0.key == record.key }
            if change.operation == .revoke {
              guard let old else { continue }
              record = old
              record.validTo = Height(height + 1)
            }
            registry = registry.filter { $0.key != record.key } + [record]
          }
        default: break
        }
      }
    }
    redactions.append(redacted)
    registries.append(registry)
    let next = successors(after: height)
    sets.append(next.set)
    parameters.append(next.parameters)
  }

  /// The set and the parameters of `height` + 1.
  private func successors(after height: UInt64) -> (set: ValidatorSet, parameters: ChainParameters) {
    var (set, parameters) = (sets[Int(height - 1)], parameters[Int(height - 1)])
    guard height % length == 0 else { return (set, parameters) }
    let timely = approvals.filter { epoch(of: $0.proposal.act) == height / length && $0.height < height }.map(\.proposal.act)
    for case .proposeValidators(let proposal) in timely.reversed() where proposal.base == sets[Int(height - 1)].hash { set = proposal.next }
    for case .proposeParameters(let proposal) in timely.reversed() { parameters = proposal.parameters }
    return (set, parameters)
  }

  /// Proposals that are open after the last block and whose epoch can still be met.
  var open: [EventID] {
    proposals.filter { proposal in proposal.fate == .open && (epoch(of: proposal.act).map { height < $0 * length } ?? true) }.map(\.id)
  }
}
