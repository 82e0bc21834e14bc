import Ambient
public import Audit
import Digests
import Ed25519

/// Whether a validator signs.
public enum Standing: Hashable, Sendable {
  case voting
  /// It signs nothing: what its key has promised is in doubt, and it hears others out.
  case listening
  /// It signs nothing any more: another instance votes with its key.
  case halted
}

/// What makes a running validator doubt its journal.
public enum Doubt: Hashable, Sendable {
  /// The journal has never promised anything, and the chain has gone on with this key in its set.
  case untried
  /// A vote of this key that the journal does not know.
  case overtaken(Vote)
}

/// The driver is to remember it beyond the process.
public enum StandingChange: Hashable, Sendable {
  case listens(Doubt)
  case votes
  /// The vote is one that this instance cannot have forgotten.
  case halts(Vote)
}

// Who may sign at all (rule R15). Nothing of it is in force without a listening window.
extension Machine {
  /// R14 is under way.
  var wantsWitnesses: Bool { recovery != nil && recovery?.boundSequence == nil && !isHalted }

  public var standing: Standing { isHalted ? .halted : recovery != nil ? .listening : .voting }

  /// The first words of a recovery at run time: no vote that waits for its record leaves any more.
  private mutating func listen(_ doubt: Doubt, _ now: Times, _ effects: inout [Effect]) {
    isUntried = false
    beginRecovery()
    guard recovery != nil else { return }
    if !peers.isEmpty { recovery?.resume(now.monotonic) }
    outbox.removeAll { $0.vote != nil }
    effects.append(.standing(.listens(doubt)))
    appended += 1
    effects.append(.append(.recovering, sequence: appended))
    effects.append(.send(.witnessRequest(options.nonce), to: .all, after: 0))
  }

  // MARK: A journal without promises

  /// A key whose journal has promised nothing may be new, or a copy of one that votes elsewhere. It is new where nothing of the epoch can have been signed
  /// without it being heard of: at genesis, when a quorum says that nothing is final; and in the first epoch whose set names it, while nothing of that is final.
  mutating func considerFirstVote(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard isUntried, isMember, !isSole else { return false }
    guard epoch.rawValue == 0, floor.block.height.rawValue == 0 else {
      listen(.untried, now, &effects)
      return true
    }
    var power = ownIndex.map { set.validators[$0].power } ?? 0
    for peer in peers where peer.claimsGenesis { if let index = peer.index, index != ownIndex { power += set.validators[index].power } }
    guard set.isQuorum(power) else { return false }
    isUntried = false
    return true
  }

  /// In the epoch that has just been opened this key is new: the record says so after a restart, too. A bound at view 0 bars nothing.
  mutating func noteFirstEpoch(after old: EpochFacts, _ effects: inout [Effect]) {
    guard isUntried, isMember, let key, old.set.index(of: key.publicKey) == nil, old.epoch.rawValue + 1 == epoch.rawValue, floor.block.hash == facts.boundary
    else { return }
    isUntried = false
    appended += 1
    effects.append(.append(.bound(epoch: epoch, view: View(0)), sequence: appended))
  }

  // MARK: Another instance

  /// Whether a vote of this key was made here, or may have been made here and forgotten.
  private func isOwnPromise(_ vote: Vote) -> Bool {
    let place = Bound(epoch: vote.epoch, view: vote.view)
    if let own = existingRound(vote.view)?.own[vote.kind.slot] { return own.vote == vote }
    if let bound, place <= bound || bound.view.rawValue > 0 && vote.epoch.rawValue == bound.epoch.rawValue + 1 && vote.view.rawValue == 1 { return true }
    if let floor = pledges.floor, place <= floor { return true }
    if let voted = pledges.voted[vote.kind.slot], place <= voted { return true }
    return place <= pledges.opened
  }

  /// Whether a vote of this key would show another instance, or a journal that is older than its key.
  ///
  /// While the bound is unknown any vote may be a forgotten one. Once it is known none above it can be: the reason stands at `concludeRecovery`.
  func isForeign(_ vote: Vote) -> Bool {
    guard options.listenMilliseconds != nil, isMember, !isSole, !isHalted, vote.epoch == epoch, vote.view.rawValue >= 1,
      vote.view.rawValue + ConsensusLimit.windowViews >= floor.view.rawValue, recovery == nil || recovery?.boundSequence != nil
    else { return false }
    return !isOwnPromise(vote)
  }

  /// A vote of this key with an accepted signature that this instance has not made: one that listens knows that another votes, one that votes begins to listen.
  mutating func heed(_ vote: Vote, _ now: Times, _ effects: inout [Effect]) {
    guard isForeign(vote) else { return }
    guard recovery != nil else { return listen(.overtaken(vote), now, &effects) }
    isHalted = true
    effects.append(.standing(.halts(vote)))
  }
}
