import Ambient
import Audit
import Digests
import Ed25519

// Finality, the end of an epoch, and the beginning of the next (rules R9, R10).
extension Machine {
  /// R9: commits the block of the newest finalisation whose ancestors are all here.
  mutating func commitFinal(_ now: Times, _ effects: inout [Effect]) -> Bool {
    guard !isEpochOver else { return false }
    for round in rounds.reversed() where round.view > floor.view {
      guard let certificate = round.finalisation, isCertified(round), let chain = chain(to: certificate.vote.blockHash), let tip = chain.last else { continue }
      // R2: only the direct finalisation of a view that this node did not give up shows that the timers are long enough.
      if round.ownNullify == nil { backOff = max(0, backOff - 1) }
      outcomes.finalised += UInt64(chain.count)
      effects.append(.commit(chain, certificate))
      raiseFloor(Floor(block: tip, view: round.view, certificate: certificate))
      return true
    }
    return false
  }

  /// The blocks from above the floor up to a block; nil when one is missing or not valid, or when the block does not descend from the floor.
  private func chain(to hash: Digest) -> [BlockReference]? {
    var chain: [BlockReference] = []
    var hash = hash
    while hash != floor.block.hash {
      guard let entry = entry(hash), entry.verdict == .valid else { return nil }
      chain.append(entry.reference)
      hash = entry.reference.parentHash
    }
    return chain.isEmpty ? nil : chain.reversed()
  }

  private mutating func raiseFloor(_ new: Floor) {
    floorHeard = heardTime(new.block.hash)
    floor = new
    blocks.removeAll { $0.reference.height <= new.block.height }
    rounds.removeAll { $0.view.rawValue + ConsensusLimit.windowViews < new.view.rawValue }
    retry = nil
    isEpochOver = parameters.isLastOfEpoch(new.block.height)
    hasAskedForEpoch = false
  }

  /// R10: once the last block of the epoch is final and applied, the next epoch is asked for.
  mutating func closeEpoch(_ effects: inout [Effect]) -> Bool {
    guard isEpochOver, !hasAskedForEpoch, appliedHeight >= floor.block.height else { return false }
    hasAskedForEpoch = true
    effects.append(.enterEpoch(Epoch(epoch.rawValue + 1), boundary: floor.block.hash))
    return false
  }

  /// Starts an epoch with a fresh instance at view 1, and hears what was said in it before.
  mutating func open(_ facts: EpochFacts, _ now: Times, _ effects: inout [Effect]) {
    let old = self.facts
    let before = set
    self.facts = facts
    if isLeftOut(.oldSetAfterBoundary) { self.facts.set = before }
    votedHeights = set.validators.map { validator in before.index(of: validator.publicKey).map { votedHeights[$0] } ?? Height(0) }
    if self.facts.boundaryCertificate == nil, floor.block.hash == facts.boundary { self.facts.boundaryCertificate = floor.certificate }
    epoch = facts.epoch
    schedule = LeaderSchedule(set, epoch: epoch, boundary: facts.boundary)
    chooseKey()
    if floor.block.hash == facts.boundary { floor.view = View(0) }
    view = floor.view.next
    entered = now.monotonic
    (hasPleaded, pleadedView) = (false, View(0))
    isEpochOver = false
    hasAskedForEpoch = false
    rounds.removeAll()
    relays.removeAll()
    fetches.removeAll()
    building = .idle
    retry = nil
    // Witnesses are of the set of their epoch; a bound that was found stays one.
    if recovery?.boundSequence == nil { recovery?.witnesses = [] }
    heard = Array(repeating: now.monotonic, count: set.count)
    votedViews = Array(repeating: View(0), count: set.count)
    for index in peers.indices {
      peers[index].index = peers[index].validator.flatMap { set.index(of: $0) }
      peers[index].shown = View(0)
    }
    restoreLaterVotes()
    noteFirstEpoch(after: old, &effects)
    armTimers(now.monotonic)
    guard isStarted else { return }
    effects.append(.send(.status(status(now)), to: .all, after: 0))
    let early = peers.map { ($0.link, $0.early) }
    for index in peers.indices { peers[index].early.removeAll() }
    for (link, messages) in early { for message in messages { receive(message, from: link, now, &effects) } }
  }

  /// Final blocks were applied by certificate: the floor jumps, possibly into a later epoch.
  mutating func adopt(_ new: Floor, _ facts: EpochFacts?, _ now: Times, _ effects: inout [Effect]) {
    guard new.block.height > floor.block.height || facts.map({ $0.epoch > epoch }) ?? false else { return }
    appliedHeight = max(appliedHeight, new.block.height)
    syncAgain = now.monotonic
    if let facts, facts.epoch > epoch {
      floor = new
      floorHeard = now.monotonic
      blocks.removeAll { $0.reference.height <= new.block.height }
      open(facts, now, &effects)
      return
    }
    guard parameters.epoch(of: new.block.height) == epoch else { return }
    raiseFloor(new)
    floorHeard = now.monotonic
  }
}
