import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool

/// A range whose blocks are checked one after the other, a few in each turn. Helper threads, where there are some, check the signatures of a block beside that.
struct RangeVerification: Sendable {
  let range: BlockSync.Range
  /// Names it in the tokens of its signatures.
  let serial: UInt64
  /// Blocks of it that were valid, from the first above the applied ones on; so far as `signatures` allows.
  var candidates: [Candidate] = []
  /// Position of the next block.
  var position = 0
  /// Those that wait for room with the helpers: positions of records in a block of the range.
  var signatures: [(block: Int, records: ArraySlice<Int>)] = []
  /// Those that have no verdict yet.
  var outstanding = 0

  var isPrepared: Bool { position == range.blocks.count }
  var isVerified: Bool { isPrepared && signatures.isEmpty && outstanding == 0 }
}

extension Replica {
  /// Asks for the boundaries and ranges that are due.
  func synchronise(_ now: Times, _ effects: inout [ReplicaEffect]) {
    let (asked, late) = boundaries.plan(sync.sources, applied: sync.applied, isEager: search != nil, now: now.monotonic)
    if let late { sync.strike(late, now.monotonic) }
    if let asked { effects.append(.send(.getBoundaries(from: boundaries.epoch), to: .peer(asked))) }
    if search != nil { return seek(now, &effects) }
    let planned = sync.plan(epochLength: chain.parameters.epochLength, now: now.monotonic)
    for (peer, from) in sync.listsWanted { effects.append(.send(.getParts(from: from), to: .peer(peer))) }
    sync.listsWanted.removeAll()
    for request in planned {
      let (from, count, bytes) = (request.from, request.blocksMax, request.bytesMax)
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

  /// Checks blocks of the next range, up to the budget of a turn; a range that is valid as a whole is applied as a whole, so that the head always
  /// has a certificate of its own. While helpers check signatures of one range, the next one is prepared on top of it.
  func verifyRange(_ now: Times, _ effects: inout [ReplicaEffect]) {
    var budget = ReplicationLimit.signaturesPerTurn
    offerSignatures()
    while budget > 0 {
      if let first = verifying.first, first.isVerified, decided.count < ReplicationLimit.blocksInFlight {
        verifying.removeFirst()
        finish(first, now, &effects)
        continue
      }
      if verifying.last?.isPrepared ?? true {
        guard verifying.count < rangesVerifiedMax, Self.unknownProtocol(after: frontier) == nil, let range = sync.take() else { return }
        guard begin(range, now, &effects) else { continue }
      }
      let last = verifying.count - 1
      let block = verifying[last].range.blocks[verifying[last].position]
      verifying[last].position += 1
      budget -= max(8, Int(block.header.eventCount))
      if block.header.height > frontier.header.height, !verify(block, last, now, &effects) { verifying.remove(at: last) }
      offerSignatures()
    }
  }

  /// Without helpers there is nothing to wait for, and one range is verified at a time.
  private var rangesVerifiedMax: Int { helpers == nil ? 1 : ReplicationLimit.rangesVerified }

  /// A call of `verifyRange` would get on.
  var hasRangeWork: Bool {
    if let first = verifying.first, first.isVerified, decided.count < ReplicationLimit.blocksInFlight { return true }
    guard verifying.last?.isPrepared ?? true else { return true }
    return verifying.count < rangesVerifiedMax && sync.isReady && Self.unknownProtocol(after: frontier) == nil
  }

  /// The state after the last block that is applied or being verified: what the next one must build on.
  private var frontier: ChainTip {
    guard let last = verifying.last(where: { !$0.candidates.isEmpty })?.candidates.last?.tip, last.header.height > chain.tip.header.height else { return chain.tip }
    return last
  }

  /// The certificate first: it names the last block, and the hashes lead from there to the first.
  private func begin(_ range: BlockSync.Range, _ now: Times, _ effects: inout [ReplicaEffect]) -> Bool {
    guard let last = range.blocks.last else { return false }
    // Another range that overlaps it has brought all of it, and the set in force may be a later one.
    guard last.header.height > frontier.header.height else {
      sync.succeeded(range)
      return false
    }
    do {
      // The set of the height behind the frontier is that of the range: no range leads past the end of an epoch.
      try range.certificate.verifyFinality(of: last.header, in: frontier.governance.validators, epochLength: chain.parameters.epochLength)
    } catch {
      sync.failed(range, now: now.monotonic)
      effects.append(.penalise(range.peer, .invalidCertificate))
      return false
    }
    sync.certify(last.header.height)
    rangeSerial += 1
    verifying.append(RangeVerification(range: range, serial: rangeSerial))
    return true
  }

  /// Checks a block of a range but, with helpers, for its signatures. False when the range is not gone on with.
  private func verify(_ block: Block, _ index: Int, _ now: Times, _ effects: inout [ReplicaEffect]) -> Bool {
    let parent = frontier, range = verifying[index].range
    guard block.header.parentHash == parent.hash else {
      effects.append(.halt("two final blocks at height \(block.header.height.rawValue - 1): \(parent.hash) and \(block.header.parentHash)"))
      return false
    }
    if let node = tree[block.hash] {
      verifying[index].candidates.append(node.candidate)
      return true
    }
    let isVouched = range.isHistory && sync.isVouched(block.header.height)
    do {
      guard helpers != nil else {
        verifying[index].candidates.append(try chain.validate(block, on: parent, batch: &batch) { isVouched || pool.isVerified($0, $1) })
        return true
      }
      let (candidate, unverified) = try chain.prepare(block, on: parent) { isVouched || pool.isVerified($0, $1) }
      verifying[index].candidates.append(candidate)
      if !unverified.isEmpty { verifying[index].signatures.append((verifying[index].position - 1, unverified[...])) }
      return true
    } catch {
      switch error {
      case .bodyLayout, .eventsRoot, .event(_, .format):
        // The certificate, or the anchor, proves the header; the body is not the header's.
        sync.failed(range, now: now.monotonic)
        effects.append(.penalise(range.peer, .malformed))
      default: haltOver(block, error, &effects)
      }
      return false
    }
  }

  func haltOver(_ block: Block, _ violation: BlockViolation, _ effects: inout [ReplicaEffect]) {
    effects.append(.halt("the final block \(block.header.height.rawValue) \(block.hash) fails a check: \(violation)"))
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
    step(.synced(floor, facts.epoch == machine.epoch || unknownProtocol != nil ? nil : facts), now, &effects)
    synchronise(now, &effects)
  }
}
