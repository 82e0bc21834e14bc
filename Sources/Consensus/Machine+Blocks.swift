import Ambient
import Audit
import Digests

/// What the machine knows of a block above the floor.
struct BlockEntry: Sendable {
  enum Verdict: Sendable, Equatable {
    /// Waits for its parent to be found valid.
    case held
    case validating, valid, invalid
    case postponed(Timestamp)
  }

  let reference: BlockReference
  /// When it was first proposed here or received.
  let heard: Instant
  var verdict: Verdict
  var isStored = false
  var isBeingStored = false

  init(reference: BlockReference, heard: Instant, verdict: Verdict) {
    self.reference = reference
    self.heard = heard
    self.verdict = verdict
  }

  /// Others may build on it, as far as this node is concerned.
  var isDurable: Bool { verdict == .valid && isStored }
}

/// A block that is certified and not here.
struct Fetch: Sendable {
  var hash: Digest
  var height: Height
  var again: Instant
}

// Blocks: validated in the order of their heights, stored as soon as they are valid, fetched when only their certificate came.
extension Machine {
  func block(_ hash: Digest) -> Int? { blocks.firstIndex { $0.reference.hash == hash } }
  func entry(_ hash: Digest) -> BlockEntry? { blocks.first { $0.reference.hash == hash } }
  func heardTime(_ hash: Digest) -> Instant { entry(hash)?.heard ?? floorHeard }

  mutating func add(_ entry: BlockEntry) {
    guard block(entry.reference.hash) == nil, entry.reference.height > floor.block.height else { return }
    blocks.append(entry)
  }

  /// A block whose bytes the driver has found or fetched.
  mutating func take(_ reference: BlockReference, _ now: Times) {
    guard blocks.count < ConsensusLimit.blocksMax else { return }
    add(BlockEntry(reference: reference, heard: now.monotonic, verdict: .held))
    fetches.removeAll { $0.hash == reference.hash }
  }

  /// Has every block judged whose parent is valid.
  mutating func validateReady(_ now: Times, _ effects: inout [Effect]) -> Bool {
    var changed = false
    for index in blocks.indices {
      switch blocks[index].verdict {
      case .held: break
      case .postponed(let time): guard time <= now.wall else { continue }
      case .validating, .valid, .invalid: continue
      }
      let reference = blocks[index].reference
      let parent: BlockReference
      if reference.parentHash == floor.block.hash { parent = floor.block } else if let known = entry(reference.parentHash) {
        if known.verdict == .invalid {
          blocks[index].verdict = .invalid
          changed = true
        }
        guard known.verdict == .valid else { continue }
        parent = known.reference
      } else {
        // Nothing that is final any more leads to it.
        if reference.height <= floor.block.height.next {
          blocks[index].verdict = .invalid
          changed = true
        }
        continue
      }
      changed = true
      guard reference.height == parent.height.next else {
        blocks[index].verdict = .invalid
        continue
      }
      blocks[index].verdict = .validating
      effects.append(.validate(reference))
    }
    return changed
  }

  mutating func judged(_ hash: Digest, _ verdict: Verdict, _ now: Times, _ effects: inout [Effect]) {
    guard let index = block(hash), blocks[index].verdict == .validating else { return }
    switch verdict {
    case .valid:
      blocks[index].verdict = .valid
      storeValid(hash, &effects)
    case .invalid:
      blocks[index].verdict = .invalid
      if rounds.contains(where: { $0.finalisation?.vote.blockHash == hash }) { effects.append(.halt(.finalBlockInvalid(hash))) }
    case .notBefore(let time): blocks[index].verdict = .postponed(max(time, Timestamp(milliseconds: now.wall.rawValue + 1)))
    }
  }

  mutating func storeValid(_ hash: Digest, _ effects: inout [Effect]) {
    guard let index = block(hash), !blocks[index].isStored, !blocks[index].isBeingStored else { return }
    blocks[index].isBeingStored = true
    effects.append(.storeBody(blocks[index].reference))
  }

  /// The first block on the way from a certified one down to the floor that is not here; nil when the way is complete or leads nowhere.
  private func missing(from hash: Digest, _ height: Height) -> (hash: Digest, height: Height)? {
    var (hash, height) = (hash, height)
    while hash != floor.block.hash, height > floor.block.height {
      guard let entry = entry(hash) else { return (hash, height) }
      guard entry.verdict != .invalid else { return nil }
      (hash, height) = (entry.reference.parentHash, Height(height.rawValue - 1))
    }
    return nil
  }

  /// Asks for certified blocks that are not here, of two peers at a time; a long way to a final one is the synchroniser's.
  mutating func fetchMissing(_ now: Times, _ effects: inout [Effect]) {
    var needed: [(hash: Digest, height: Height)] = []
    for round in rounds.reversed() where round.view > floor.view && needed.count < ConsensusLimit.fetches && !isEpochOver {
      guard let naming = round.naming, let want = missing(from: naming.vote.blockHash, naming.vote.height) else { continue }
      if let finalisation = round.finalisation, want.height.rawValue > floor.block.height.rawValue + UInt64(ConsensusLimit.fetches) {
        if now.monotonic >= syncAgain {
          syncAgain = now.monotonic.adding(nanoseconds: 10 * baseDelay)
          effects.append(.requestSync(to: finalisation.vote.height, finalisation))
        }
        continue
      }
      if !needed.contains(where: { $0.hash == want.hash }) { needed.append(want) }
    }
    fetches.removeAll { fetch in !needed.contains { $0.hash == fetch.hash } }
    for want in needed where !fetches.contains(where: { $0.hash == want.hash }) {
      // The proposal may be on its way, slower than the votes for it.
      fetches.append(Fetch(hash: want.hash, height: want.height, again: now.monotonic.adding(nanoseconds: baseDelay / 4)))
    }
    for index in fetches.indices where fetches[index].again <= now.monotonic {
      fetches[index].again = now.monotonic.adding(nanoseconds: baseDelay)
      let asked = someone(2)
      if !asked.isEmpty { effects.append(.fetch(fetches[index].hash, height: fetches[index].height, from: asked)) }
    }
  }

  /// The next peers in turn.
  mutating func someone(_ count: Int, besides: PeerLink? = nil) -> [PeerLink] {
    let candidates = peers.filter { !$0.isFaulty && $0.link != besides }
    guard !candidates.isEmpty else { return [] }
    let chosen = (0..<min(count, candidates.count)).map { candidates[(turn + $0) % candidates.count].link }
    turn = (turn + count) % (1 << 20)
    return chosen
  }

  /// Bounds the table when nothing becomes final for long: keeps what is certified, what leads there, own votes and the newest proposals.
  mutating func dropUnreferencedBlocks() {
    guard blocks.count > ConsensusLimit.blocks else { return }
    var kept: Set<Digest> = []
    for round in rounds where round.view > floor.view {
      if let proposal = round.proposal, round.view.rawValue + ConsensusLimit.windowViews >= view.rawValue { kept.insert(proposal.proposal.block.hash) }
      if let own = round.ownNotarise { kept.insert(own.vote.blockHash) }
      var hash = round.naming?.vote.blockHash
      while let next = hash, !kept.contains(next), let entry = entry(next) {
        kept.insert(next)
        hash = entry.reference.parentHash
      }
    }
    blocks.removeAll { !kept.contains($0.reference.hash) }
  }
}
