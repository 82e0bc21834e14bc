import Ambient
import Audit
import Consensus
import Digests
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
  /// Asks for the ranges that are due.
  func synchronise(_ now: Times, _ effects: inout [ReplicaEffect]) {
    for request in sync.plan(epochLength: chain.parameters.epochLength, now: now.monotonic) {
      effects.append(
        .send(.syncRequest(from: request.from, blocksMax: request.blocksMax, bytesMax: ReplicationLimit.rangeBytesMax), to: .peer(request.peer)))
    }
  }

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
    do {
      verifying?.candidates.append(try chain.validate(block, on: parent, batch: &batch) { pool.isVerified($0, $1) })
      return true
    } catch {
      switch error {
      case .bodyLayout, .eventsRoot, .event(_, .format):
        // The certificate proves the header; the body is not the header's.
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
    apply(blocks, state.range.certificate, now, &effects)
    let floor = Machine.Floor(
      block: BlockReference(chain.tip.header, hash: chain.tip.hash), view: state.range.certificate.vote.view, certificate: state.range.certificate)
    let facts = epochFacts
    step(.synced(floor, facts.epoch == machine.epoch ? nil : facts), now, &effects)
    synchronise(now, &effects)
  }
}
