import API
import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Metrics
import PeerWire
import Peering
import Reactor
import Replication

extension NodeDriver {
  /// Performs what the replica asks for and hands it what peers said, until both are done.
  func settle(_ loop: Loop) {
    repeat {
      perform(loop)
      takePeeringEvents(loop)
    } while !effects.isEmpty
    // A name that finds no room is asked for again by the next dial.
    for lookup in network.lookups { _ = resolver?.resolve(lookup.token, host: lookup.host, family: lookup.family) }
    network.lookups.removeAll(keepingCapacity: true)
  }

  private func perform(_ loop: Loop) {
    var index = 0
    while index < effects.count {
      switch effects[index] {
      case .persist(let blocks, let floor, let height): post(.persist(blocks, floor, height), loop)
      case .journal(let records, let through):
        // A node that does not vote keeps no journal: what it notes binds nobody.
        if journal == nil { replica?.journalSynced(through, now: times(loop), &effects) } else { record(.votes(records, through: through), loop) }
      case .store(let block): post(.store(block), loop)
      case .fill(let work): post(.fill(work), loop)
      case .adopt(let anchor):
        post(.adopt(anchor), loop)
        gate.surroundings.earliestBodyHeight = anchor.height.next.rawValue
        log.notice("sync", "the block to begin from is found and proven", [("height", "\(anchor.height.rawValue)"), ("hash", "\(anchor.hash)")])
      case .load(let query): load(query, loop)
      case .send(let message, let destination): send(message, destination, loop)
      case .checkpoint(let head): publish(head, loop)
      case .penalise(let link, let fault):
        log.warn("peering", "peer at fault", [("link", "\(link.rawValue)"), ("fault", "\(fault)")])
        network.penalise(LinkID(rawValue: link.rawValue), .ban, "\(fault)", loop)
      case .standing(let change): note(change, loop)
      case .evidence(let evidence, let isKept): report(evidence, isKept: isKept, loop)
      case .unknownProtocol(let version, let height): linger(.unknownProtocol(version, from: height), loop)
      case .halt(let reason): fail(NodeFailure(70, reason), loop)
      case .setTimer(let instant): setReplicaTimer(instant, loop)
      case .final(let block): final(block, loop)
      }
      index += 1
    }
    effects.removeAll(keepingCapacity: true)
  }

  /// Hands a job to the journal thread, where there is one. The process ends when it takes no more.
  func record(_ job: JournalJob.Kind, _ loop: Loop) {
    do throws(NodeFailure) { try journal?.post(job) } catch { fail(error, loop) }
  }

  private func report(_ evidence: Evidence, isKept: Bool, _ loop: Loop) {
    guard let replica else { return }
    if isKept {
      figures.found(evidence)
      post(.evidence(replica.evidence.flatMap(\.encoded)), loop)
      log.error(
        "consensus", "conflicting votes",
        [("validator", "\(evidence.signer)"), ("epoch", "\(evidence.first.vote.epoch.rawValue)"), ("view", "\(evidence.first.vote.view.rawValue)")])
    }
    figures.metrics.consensus.evidenceDropped.set(replica.evidenceDropped)
    if replica.evidenceDropped > 0, complaints.mayReportDroppedEvidence(loop.now) {
      log.error(
        "consensus", "evidence finds no room: the oldest pieces and some of every guilty validator are kept",
        [("kept", "\(replica.evidence.count)"), ("dropped", "\(replica.evidenceDropped)"), ("validator", "\(evidence.signer)")])
    }
  }

  private func final(_ block: FinalBlock, _ loop: Loop) {
    figures.final(events: block.ids.count, bytes: block.byteCount, production: block.productionNanoseconds, now: loop.now)
    if validatorKeys.contains(where: { $0.publicKey == block.header.proposer }) { figures.metrics.consensus.proposed.add() }
    gate.final(block, loop)
    guard let replica else { return }
    announce(replica, loop)
    guard block.header.eventCount > 0 else { return }
    newestHeads.append(block.header)
    if newestHeads.count > 64 { newestHeads.removeFirst() }
    cosign(block.header, block.validators, loop)
    log.info(
      "consensus", "block final",
      [
        ("height", "\(block.header.height.rawValue)"), ("events", "\(block.header.eventCount)"),
        ("ms", "\((block.productionNanoseconds ?? 0) / 1_000_000)"),
      ])
  }

  /// The store holds everything up to this height. The replica hears of it when the journal has the floor, if that is awaited, else at once.
  func persisted(_ height: Height, _ floor: FloorRecord, _ loop: Loop) {
    record(.floor(floor, height), loop)
    guard journal == nil || !floor.isAwaited else { return }
    replica?.persisted(height, now: times(loop), &effects)
  }

  func takeJournalReports(_ loop: Loop) {
    guard let journal else { return }
    while let report = journal.reports.take() {
      switch report.kind {
      case .synced(let sequence, let nanoseconds):
        figures.metrics.storage.fsync["journal"].observe(nanoseconds)
        replica?.journalSynced(sequence, now: times(loop), &effects)
      case .floored(let height): replica?.persisted(height, now: times(loop), &effects)
      case .cosigned(let cosignature): replica?.cosigned(cosignature, now: times(loop), &effects)
      case .refused(let reason): refused(reason, loop)
      case .stopped: break
      case .failed(let failure): fail(failure, loop)
      }
    }
  }

  // MARK: Checkpoints

  /// Keys of this validator: the one it was started with, and the one that takes over from it.
  var validatorKeys: [SigningKey] { [home.validatorKey, nextValidatorKey].compactMap { $0 } }

  /// Asks the journal thread for this validator's cosignature of a final, durable tree head, as a member of the set of its block.
  func cosign(_ header: BlockHeader, _ set: ValidatorSet, _ loop: Loop) {
    guard journal != nil, replica?.machine.standing == .voting else { return }
    let own = validatorKeys.lazy.compactMap { key in set.index(of: key.publicKey).map { (key, $0) } }.first
    guard let (key, index) = own else { return }
    guard set.validators[index].cosignerKey == key.publicKey else {
      return log.warn("consensus", "the validator set names another cosigner key: this node cosigns no checkpoints")
    }
    let checkpoint = Checkpoint(origin: home.genesis.origin, size: header.treeSize, root: header.treeRoot)
    let name = "\(home.genesis.domain)/\(set.validators[index].name)"
    record(.cosign(CosignRequest(checkpoint: checkpoint, key: key, validator: index, name: name)), loop)
  }

  /// Serves a checkpoint: this node's log line and the cosignatures of a quorum.
  private func publish(_ head: CosignedHead, _ loop: Loop) {
    let checkpoint = Checkpoint(origin: home.genesis.origin, size: head.size, root: head.root)
    var lines = [checkpoint.logLine(home.nodeKey)]
    for cosignature in head.cosignatures {
      let validator = head.validators.validators[cosignature.validator]
      lines.append(
        SignatureLine(
          VerifierKey(name: "\(home.genesis.domain)/\(validator.name)", type: .cosignature, key: validator.cosignerKey), seconds: cosignature.seconds,
          signature: cosignature.signature))
    }
    let height = newestHeads.last { $0.treeSize == head.size }?.height ?? Height(0)
    gate.published(
      Publication(
        note: checkpoint.note(lines), size: head.size, root: head.root, height: height,
        lines: lines.map {
          Publication.Line(name: $0.name, keyID: Hex.encode($0.keyID), type: $0.type == .log ? "log" : "cosignature", time: $0.seconds)
        }), loop)
  }
}
