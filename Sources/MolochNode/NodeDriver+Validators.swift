import Ambient
import Audit
import Ed25519
import Ledger
import Reactor
import Replication

/// What the log says of changes of the validator set: when one is approved, and when it is in force.
extension NodeDriver {
  /// Longest time that a node whose program is too old serves its last block.
  private static let lingerMilliseconds: UInt64 = 5000

  /// A set is in force from a height on.
  /// - Parameter before: the set that was in force until then; nil at the start of the process.
  func logSet(_ set: ValidatorSet, before: ValidatorSet?, height: Height) {
    let isMember = holds(set)
    if let before {
      log.notice("consensus", "validator set in force", [("height", "\(height.rawValue)")] + Self.changes(from: before, to: set))
    }
    guard let own = replica?.key?.publicKey, !isMember else { return }
    guard let before, holds(before) else {
      return log.warn("consensus", "this validator key is not in the set: the node follows without a vote", [("key", "\(own)")])
    }
    let fields = [("key", "\(own)"), ("height", "\(height.rawValue)"), ("validators", Self.names(set))]
    if before.count == 1 {
      log.error(
        "consensus", "this node was the only validator and is none any more: the chain goes on when the new set holds it and votes; keep this node running, "
          + "they fetch the chain from it", fields)
    } else {
      log.warn("consensus", "this validator has left the set: the node follows without a vote", fields)
    }
  }

  /// Changes that are approved and wait for their epoch, each once.
  func logApprovedSets(_ replica: Replica) {
    let state = replica.chain.tip.governance
    guard let change = state.scheduled.last(where: { if case .proposeValidators = $0.act { true } else { false } }), change.id != loggedChange,
      case .proposeValidators(let proposal) = change.act
    else { return }
    loggedChange = change.id
    let first = change.effectiveEpoch.rawValue * UInt64(state.parameters.epochLength) + 1
    log.notice("consensus", "change of the validator set approved", [("height", "\(first)")] + Self.changes(from: state.validators, to: proposal.next))
    guard let own = replica.key?.publicKey, holds(state.validators), !holds(proposal.next) else { return }
    let fields = [("key", "\(own)"), ("last_height", "\(first - 1)"), ("validators", Self.names(proposal.next))]
    if state.validators.count == 1 {
      log.error(
        "consensus", "the only validator leaves the set: above the last height nothing becomes final before the new validators have the chain and vote; "
          + "start them as followers of this node now", fields)
    } else {
      log.warn("consensus", "this validator leaves the set", fields)
    }
  }

  /// An approved change of the protocol that this program does not know ends it before its epoch: from the approval on there is time to install another one.
  func warnOfUnknownProtocol(_ replica: Replica) {
    let state = replica.chain.tip.governance
    let epoch = state.unknownProtocolEpoch
    guard epoch != unknownEpoch else { return }
    unknownEpoch = epoch
    guard let epoch else { return }
    let height = epoch.rawValue * UInt64(state.parameters.epochLength) + 1
    log.warn(
      "node", "the chain changes to a version of the protocol that this program does not know: it stops before that height and votes on nothing from there on; install a newer release",
      [("height", "\(height)"), ("epoch", "\(epoch.rawValue)"), ("known", "\(ProtocolVersion.newest)")])
  }

  /// The process ends with this reason once the connected validators have the last block, too: the certificates that this node holds may be what they lack, and two
  /// that leave first would strand a third. Nothing is voted on meanwhile.
  func linger(_ reason: NodeFailure, _ loop: Loop) {
    guard lingering == nil else { return }
    lingering = (reason, loop.now.adding(milliseconds: Self.lingerMilliseconds))
    log.notice("node", "the last block that this program can follow is stored: it is served to the connected validators", [("ms", "\(Self.lingerMilliseconds)")])
  }

  /// With every sweep of the reactor.
  func endLingering(_ loop: Loop) {
    guard let (reason, until) = lingering, let replica else { return }
    let last = replica.durable.header.height
    let behind = replica.peerHeads.count { $0.validator != nil && $0.head < last }
    guard behind == 0 || loop.now >= until else { return }
    if behind == 0 {
      log.info("node", "the connected validators have the last block", [("height", "\(last.rawValue)")])
    } else {
      log.warn("node", "connected validators have not shown that they have the last block", [("height", "\(last.rawValue)"), ("validators", "\(behind)")])
    }
    end(reason, loop)
  }

  /// Whether a key of this node is in a set: the one it votes with, or the one that takes over.
  private func holds(_ set: ValidatorSet) -> Bool { validatorKeys.contains { set.index(of: $0.publicKey) != nil } }

  private static func changes(from old: ValidatorSet, to new: ValidatorSet) -> [(String, String)] {
    func missing(_ a: ValidatorSet, in b: ValidatorSet) -> String {
      let names = a.validators.filter { b.index(of: $0.publicKey) == nil }.map(\.name)
      return names.isEmpty ? "-" : names.joined(separator: ",")
    }
    return [("validators", "\(new.count)"), ("joins", missing(new, in: old)), ("leaves", missing(old, in: new)), ("power", "\(new.totalPower)")]
  }

  private static func names(_ set: ValidatorSet) -> String { set.validators.prefix(8).map(\.name).joined(separator: ",") + (set.count > 8 ? ",..." : "") }
}
