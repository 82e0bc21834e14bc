import Ambient
import Audit
import Digests
import Ed25519

/// Witnesses heard so far by a validator without its journal.
struct Recovery: Sendable {
  /// By validator index, with the highest view that each has proved to be certified.
  var witnesses: [(index: Int, certified: View)] = []
  /// Sequence of the record with the bound, once it is known.
  var boundSequence: UInt64?
  /// Nanoseconds with a peer connected, and since when one is.
  private var listened: UInt64 = 0
  private var since: Instant?

  mutating func resume(_ now: Instant) { since = since ?? now }

  mutating func pause(_ now: Instant) {
    listened = nanoseconds(now)
    since = nil
  }

  /// How long it has listened with a peer connected, nanoseconds.
  func nanoseconds(_ now: Instant) -> UInt64 { listened + (since.map { now > $0 ? now.nanoseconds(since: $0) : 0 } ?? 0) }

  /// When it will have listened so long; nil while no peer is connected.
  func end(milliseconds: UInt64) -> Instant? { since.map { $0.adding(nanoseconds: milliseconds * 1_000_000 - min(milliseconds * 1_000_000, listened)) } }
}

// After a restart (rule R13) and after the loss of the journal (rule R14).
extension Machine {
  /// R13: takes the journal's promises back. Own votes were synced when they were made, so they count at once.
  mutating func restore(_ records: [JournalRecord]) {
    for record in records {
      switch record {
      case .vote(let vote) where isOwn(vote) && vote.vote.chainTag == options.chainTag:
        if vote.vote.epoch > epoch { pledges.later.append(vote) } else { restore(vote) }
      case .certificate(let certificate) where certificate.vote.epoch == epoch && certificate.vote.view > floor.view:
        rounds[round(certificate.vote.view)].set(certificate)
      case .floor(let epoch, let view, _, _):
        let place = Bound(epoch: epoch, view: view)
        pledges.floor = max(pledges.floor ?? place, place)
      case .bound(let epoch, let view):
        let place = Bound(epoch: epoch, view: view)
        // A bound at view 0 bars nothing.
        if view.rawValue > 0 { bound = max(bound ?? place, place) }
        recovery = nil
      case .recovering: beginRecovery()
      case .voted(let kind, let epoch, let view):
        let place = Bound(epoch: epoch, view: view)
        pledges.voted[kind.slot] = max(pledges.voted[kind.slot] ?? place, place)
      case .vote, .certificate, .cosignature: continue
      }
    }
  }

  /// R14: the journal that this validator had is not there. A sole validator has nobody to ask, and its votes are never seen apart from the certificates in
  /// its store.
  mutating func beginRecovery() {
    if key != nil, !isSole, !isLeftOut(.journalWipedWithoutRecovery) { recovery = Recovery() }
  }

  private mutating func restore(_ vote: SignedVote) {
    // Votes of a key that is not in this epoch's set bind nobody in it.
    guard let ownIndex, vote.publicKey == key?.publicKey, vote.vote.epoch == epoch, vote.vote.view > floor.view else { return }
    if vote.vote.kind == .notarise, isLeftOut(.notariseVotesForgotten) { return }
    let index = round(vote.vote.view)
    rounds[index].own[vote.vote.kind.slot] = vote
    if !isLeftOut(.ownVotesNotRetallied) { rounds[index].ballots[vote.vote.kind.slot].record(vote, signer: ownIndex, in: set) }
  }

  /// The store was older than the journal: votes of the epoch that has now been reached bind again.
  mutating func restoreLaterVotes() {
    for vote in pledges.later where vote.vote.epoch == epoch {
      restore(vote)
      guard vote.vote.view <= floor.view else { continue }
      // It binds nobody any more, and was made here all the same: whoever shows it shows no other instance.
      let place = Bound(epoch: epoch, view: vote.vote.view)
      pledges.voted[vote.vote.kind.slot] = max(pledges.voted[vote.vote.kind.slot] ?? place, place)
    }
    pledges.later.removeAll { $0.vote.epoch <= epoch }
  }

  // MARK: Lost journal

  /// Answers a validator that has lost its journal, if this one is free to vote and can prove where it stands.
  mutating func testify(_ nonce: Digest, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    guard let key, peers[peer].index != nil, mayVote(.nullify, in: view), peers[peer].mayAnswer(now.monotonic) else { return }
    let entry = entryCertificate
    guard entry != nil || view.rawValue == 1 else { return }
    let witness = Witness(nonce: nonce, epoch: epoch, view: view, entry: entry, chainTag: options.chainTag, signing: key)
    effects.append(.send(.witness(witness), to: .peer(peers[peer].link), after: 0))
  }

  mutating func receiveWitness(_ witness: Witness, _ peer: Int, _ now: Times, _ effects: inout [Effect]) {
    guard let recovery, recovery.boundSequence == nil, witness.nonce == options.nonce, witness.chainTag == options.chainTag, witness.epoch == epoch, witness.view.rawValue >= 1,
      peers[peer].validator == witness.publicKey, let index = peers[peer].index, index != ownIndex
    else { return }
    guard witness.isAccepted else { return accuse(peer, .badSignature, &effects) }
    var certified = View(0)
    if witness.view.rawValue > 1 {
      // In view 1 the end of the epoch before is what was certified, and this node knows it to be final.
      guard let entry = witness.entry, entry.vote.epoch == epoch, entry.vote.chainTag == options.chainTag, entry.vote.view.next >= witness.view else {
        return accuse(peer, .malformed, &effects)
      }
      receiveCertificate(entry, peer, now, &effects)
      guard !peers[peer].isFaulty else { return }
      certified = entry.vote.view
    }
    if let known = recovery.witnesses.firstIndex(where: { $0.index == index }) {
      self.recovery?.witnesses[known].certified = certified
    } else {
      self.recovery?.witnesses.append((index, certified))
    }
  }

  /// R14: with witnesses of a quorum, this node excluded, nothing that it may have forgotten lies above the highest certified view by more than two.
  ///
  /// The newest forgotten vote, in view w, needed a certificate of w-1 by a quorum. That quorum and the witnesses share an honest validator, which voted
  /// in w-1 and therefore holds a certificate of w-2 at least. A first vote in the next epoch needed the last block of this one to be final, for
  /// which the same holds: so view 1 of the next epoch is barred too.
  mutating func concludeRecovery(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard let recovery, !isHalted else { return false }
    guard recovery.boundSequence == nil else { return endListening(recovery, now, &effects) }
    guard ownIndex != nil else { return false }
    let power = recovery.witnesses.reduce(UInt64(0)) { $0 + set.validators[$1.index].power }
    guard set.isQuorum(power) else { return false }
    let certified = recovery.witnesses.reduce(View(view.rawValue - 1)) { max($0, $1.certified) }
    let new = Bound(epoch: epoch, view: View(certified.rawValue + 2))
    bound = max(bound ?? new, new)
    // Every later vote's record comes behind this one, and leaves only when both are synced.
    let kept = isLeftOut(.recoveryWithoutBound) ? Bound(epoch: Epoch(0), view: View(0)) : new
    appended += 1
    effects.append(.append(.bound(epoch: kept.epoch, view: kept.view), sequence: appended))
    if options.listenMilliseconds == nil { self.recovery = nil } else { self.recovery?.boundSequence = appended }
    return true
  }

  /// R15: the bound is on disk and the window has passed without a vote of another instance.
  private mutating func endListening(_ recovery: Recovery, _ now: Times, _ effects: inout [Effect]) -> Bool {
    guard let sequence = recovery.boundSequence, synced >= sequence, let window = options.listenMilliseconds,
      recovery.nanoseconds(now.monotonic) >= window * 1_000_000
    else { return false }
    self.recovery = nil
    effects.append(.standing(.votes))
    return true
  }
}
