import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool

/// A range whose blocks are verified one after the other, a few in each turn.
struct RangeVerification: Sendable {
  let range: BlockSync.Range
  /// Blocks of it that were valid, from the first above the applied ones on.
  var candidates: [Candidate] = []
  /// Position of the next block.
  var position = 0
}

extension Replica {
  /// Asks for the boundaries and ranges that are due.
  func synchronise(_ now: Times, _ effects: inout [ReplicaEffect]) {
    let (asked, late) = boundaries.plan(sync.sources, applied: sync.applied, isEager: search != nil, now: now.monotonic)
    if let late { sync.strike(late, now.monotonic) }
    if let asked { effects.append(.send(.getBoundaries(from: boundaries.epoch), to: .peer(asked))) }
    if search != nil { return seek(now, &effects) }
    for request in sync.plan(epochLength: chain.parameters.epochLength, now: now.monotonic) {
      let (from, count, bytes) = (request.from, request.blocksMax, ReplicationLimit.rangeBytesMax)
      let message: ReplicaMessage =
        if let anchor = request.anchor { .historyRequest(from: from, blocksMax: count, bytesMax: bytes, anchor: anchor.height) } else {
          .syncRequest(from: from, blocksMax: count, bytesMax: bytes)
        }
      effects.append(.send(message, to: .peer(request.peer)))
    }
  }

  // MARK: Where others stand

  /// This node is behind, or does not know that it is not.
  var isProbing: Bool {
    guard !peers.isEmpty, !isAlone else { return false }
    return sync.isSyncing || sync.certified.map { $0 > durable.header.height } ?? true
  }

  /// Says where this node stands. Who is further answers with its own head and what proves it; claims from the time of the connection grow old.
  func probe(_ now: Times, _ effects: inout [ReplicaEffect]) {
    guard now.monotonic >= probeDue else { return }
    probeDue = now.monotonic.adding(milliseconds: ReplicationLimit.probeMilliseconds)
    if isProbing { effects.append(.send(.consensus(.status(machine.status(now))), to: .all)) }
  }

  /// A peer that is behind learns how far this node is, so that it knows whom to ask.
  func answerStatus(_ status: PeerStatus, _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) {
    guard status.finalHeight < durable.header.height else { return }
    if let last = peers[index].statusAnswered, now.monotonic.milliseconds(since: last) < ReplicationLimit.statusAnswerMilliseconds { return }
    peers[index].statusAnswered = now.monotonic
    effects.append(.send(.consensus(.status(machine.status(now))), to: .peer(peers[index].link)))
    // Its machine has no use for the newest certificate before it is in that epoch; its synchroniser has.
    if status.epoch < machine.epoch, let certificate = machine.floor.certificate, !machine.isSole || certificate.vote.height <= durable.header.height {
      effects.append(.send(.consensus(.certificate(certificate)), to: .peer(peers[index].link)))
    }
  }

  /// Whether validators of a quorum, this one included, stand where this node stands: then it holds the tip, also when nothing is final yet.
  func confirmTip() {
    guard sync.isSyncing, search == nil, !isAlone, !peers.isEmpty else { return }
    let set = chain.validators
    var confirming = key.flatMap { set.index(of: $0.publicKey) }.map { [$0] } ?? []
    for peer in peers where peer.head.rawValue <= durable.header.height.rawValue + 2 {
      if let index = peer.validator.flatMap({ set.index(of: $0) }), !confirming.contains(index) { confirming.append(index) }
    }
    if set.isQuorum(confirming.reduce(0) { $0 + set.validators[$1].power }) { sync.confirm() }
  }

  // MARK: Boundaries

  /// Follows the sets ahead of the blocks, a few signatures in each turn.
  func proveBoundaries(_ now: Times, _ effects: inout [ReplicaEffect]) {
    var budget = ReplicationLimit.signaturesPerTurn
    while budget > 0, boundaries.hasWork {
      budget -= boundaries.set.count
      switch boundaries.prove() {
      case .proven(let block):
        search?.see(boundaries.set)
        search?.proven(block)
        sync.proven(block)
      case .refused(let peer):
        sync.strike(peer, now.monotonic)
        effects.append(.penalise(peer, .invalidCertificate))
      case nil: break
      }
    }
  }

  // MARK: Ranges

  /// Verifies blocks of the next range, up to the budget of a turn; a range that is valid as a whole is applied as a whole, so that the head always
  /// has a certificate of its own.
  func verifyRange(_ now: Times, _ effects: inout [ReplicaEffect]) {
    var budget = ReplicationLimit.signaturesPerTurn
    while budget > 0 {
      if verifying == nil {
        guard let range = sync.take() else { return }
        guard begin(range, now, &effects) else { continue }
      }
      guard let state = verifying else { return }
      if state.position == state.range.blocks.count {
        guard decided.count < ReplicationLimit.blocksInFlight else { return }
        verifying = nil
        finish(state, now, &effects)
        continue
      }
      let block = state.range.blocks[state.position]
      verifying?.position += 1
      budget -= max(8, Int(block.header.eventCount))
      if block.header.height > chain.tip.header.height, !verify(block, state, now, &effects) { verifying = nil }
    }
  }

  /// The certificate first: it names the last block, and the hashes lead from there to the first.
  private func begin(_ range: BlockSync.Range, _ now: Times, _ effects: inout [ReplicaEffect]) -> Bool {
    guard let last = range.blocks.last else { return false }
    do {
      try range.certificate.verifyFinality(of: last.header, in: chain.validators, epochLength: chain.parameters.epochLength)
    } catch {
      sync.failed(range, now: now.monotonic)
      effects.append(.penalise(range.peer, .invalidCertificate))
      return false
    }
    sync.certify(last.header.height)
    verifying = RangeVerification(range: range)
    return true
  }

  private func verify(_ block: Block, _ state: RangeVerification, _ now: Times, _ effects: inout [ReplicaEffect]) -> Bool {
    let parent: ChainTip
    if block.header.parentHash == chain.tip.hash { parent = chain.tip } else if let last = state.candidates.last, last.block.hash == block.header.parentHash {
      parent = last.tip
    } else {
      effects.append(.halt("two final blocks at height \(block.header.height.rawValue - 1): \(chain.tip.hash) and \(block.header.parentHash)"))
      return false
    }
    if let node = tree[block.hash] {
      verifying?.candidates.append(node.candidate)
      return true
    }
    let isVouched = state.range.isHistory && sync.isVouched(block.header.height)
    do {
      verifying?.candidates.append(try chain.validate(block, on: parent, batch: &batch) { isVouched || pool.isVerified($0, $1) })
      return true
    } catch {
      switch error {
      case .bodyLayout, .eventsRoot, .event(_, .format):
        // The certificate, or the anchor, proves the header; the body is not the header's.
        sync.failed(state.range, now: now.monotonic)
        effects.append(.penalise(state.range.peer, .malformed))
      default:
        effects.append(.halt("the final block \(block.header.height.rawValue) \(block.hash) fails a check: \(error)"))
      }
      return false
    }
  }

  private func finish(_ state: RangeVerification, _ now: Times, _ effects: inout [ReplicaEffect]) {
    // Blocks that became final by votes in the meantime are the same blocks.
    let candidates = state.candidates.filter { $0.block.header.height > chain.tip.header.height }
    sync.succeeded(state.range)
    guard let first = candidates.first else { return }
    guard first.block.header.parentHash == chain.tip.hash else {
      return effects.append(.halt("two final blocks at height \(chain.tip.header.height.rawValue): \(chain.tip.hash) and \(first.block.header.parentHash)"))
    }
    var blocks: [(candidate: Candidate, held: Mempool.Proposal, isStored: Bool, began: Instant?)] = []
    for candidate in candidates {
      if let node = tree.take(candidate.block.hash) {
        blocks.append((candidate, node.held, node.storage != .absent, nil))
      } else {
        var held = Mempool.Proposal()
        pool.hold(candidate.ids, in: &held)
        blocks.append((candidate, held, false, nil))
      }
    }
    // The range goes on beyond the anchor, without bodies.
    if state.range.isHistory, let anchor = sync.anchor, let last = candidates.last?.block, last.header.height > anchor.height {
      let end = Anchor(height: last.header.height, hash: last.hash)
      sync.begin(from: end)
      effects.append(.adopt(end))
    }
    apply(blocks, state.range.certificate, now, &effects)
    let floor = Machine.Floor(
      block: BlockReference(chain.tip.header, hash: chain.tip.hash), view: state.range.certificate.vote.view, certificate: state.range.certificate)
    let facts = epochFacts
    step(.synced(floor, facts.epoch == machine.epoch ? nil : facts), now, &effects)
    synchronise(now, &effects)
  }
}
