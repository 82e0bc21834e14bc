public import Ambient
public import Audit
public import Consensus
public import Digests
public import Ed25519
public import Ledger
public import Mempool

/// The newest final and durable head.
public struct Head: Sendable, Hashable {
  public var header: BlockHeader
  public var hash: Digest
  public init(header: BlockHeader, hash: Digest) {
    self.header = header
    self.hash = hash
  }
}

/// A block that has just become final and durable.
public struct FinalBlock: Sendable {
  public let header: BlockHeader
  public let hash: Digest
  public let ids: [EventID]
  public let byteCount: Int
  /// From the proposal to the durable commit, nanoseconds.
  public let productionNanoseconds: UInt64
}

/// What the driver does for the replica.
public enum ReplicaEffect: Sendable {
  /// Write the blocks with one synced write, then the records to the vote journal, synced; answer with `persisted(height)`.
  case persist([BlockCommit], [JournalRecord], Height)
  /// Call `timer` at this time; replaces an earlier request.
  case setTimer(Instant)
  /// Tell whoever waits.
  case final(FinalBlock)
}

/// The chain thread's engine: chain state, voting machine and pool. Not thread-safe; everything is called by one thread.
public final class Replica {
  public let pool: EventPool
  public private(set) var chain: Chain
  public private(set) var machine: Machine
  /// The newest head that is on disk.
  public private(set) var durable: Head

  private struct Decided {
    var commit: BlockCommit
    var proposal: Proposal
    var began: Instant
    var byteCount: Int
  }

  private var candidate: (candidate: Candidate, proposal: Proposal, began: Instant)?
  private var decided: [Decided] = []
  private var deferredBuild: (view: View, parent: BlockReference, timestamp: Timestamp)?
  private var machineEffects: [Effect] = []
  private var appended: UInt64 = 0
  private var spareProposals: [Proposal] = []

  public typealias Proposal = Mempool.Proposal

  /// - Parameters:
  ///   - chain: the state of the durable head, with its replay window restored.
  ///   - key: the validator key; the set in force must consist of this key alone in this version.
  ///   - view: the view of the head's finality certificate, 0 for genesis.
  ///   - boundary: hash of the last block of the epoch before the next height.
  public init(
    chain: Chain, pool: EventPool, key: SigningKey, view: View, boundary: Digest, records: [JournalRecord], options: Machine.Options, now: Instant
  ) {
    precondition(chain.validators.count == 1 && chain.validators.index(of: key.publicKey) == 0, "the caller has checked that this key is the whole set")
    self.chain = chain
    self.pool = pool
    durable = Head(header: chain.tip.header, hash: chain.tip.hash)
    let block = BlockReference(chain.tip.header, hash: chain.tip.hash)
    let epoch = EpochFacts(
      epoch: chain.parameters.epoch(of: block.height.next), set: chain.validators, parameters: chain.parameters, boundary: boundary)
    machine = Machine(options: options, epoch: epoch, key: key, floor: Machine.Floor(block: block, view: view), journal: records, now: now)
  }

  /// Starts voting.
  public func start(now: Times, _ effects: inout [ReplicaEffect]) { step(.start, now, &effects) }

  /// The time asked for by `setTimer` has come.
  public func timer(now: Times, _ effects: inout [ReplicaEffect]) { step(.timer, now, &effects) }

  /// Looks at the pool: what was admitted since the last call may be proposed from now on.
  public func collect(now: Times, _ effects: inout [ReplicaEffect]) {
    pool.collect(now: now.monotonic)
    reportPending(now, &effects)
  }

  /// The driver has written everything up to this height.
  public func persisted(_ height: Height, now: Times, _ effects: inout [ReplicaEffect]) {
    while let first = decided.first, first.commit.header.height <= height {
      decided.removeFirst()
      durable = Head(header: first.commit.header, hash: first.commit.hash)
      pool.committed(first.proposal, now: now.monotonic)
      effects.append(
        .final(
          FinalBlock(
            header: first.commit.header, hash: first.commit.hash, ids: first.commit.ids, byteCount: first.byteCount,
            productionNanoseconds: now.monotonic.nanoseconds(since: first.began))))
      var spare = first.proposal
      spare.removeAll()
      spareProposals.append(spare)
    }
    if let build = deferredBuild, decided.count < ReplicationLimit.blocksInFlight {
      deferredBuild = nil
      assemble(build.view, build.parent, build.timestamp, now, &effects)
    }
    reportPending(now, &effects)
  }

  /// Blocks decided and not yet on disk.
  public var blocksInFlight: Int { decided.count }

  /// Leaf of an event that is final and durable, as long as it is in the replay window.
  public func finalLeaf(of id: EventID, timestamp: Timestamp) -> LeafIndex? {
    guard let leaf = chain.window.leaf(of: id, timestamp: timestamp), leaf.rawValue < durable.header.treeSize else { return nil }
    return leaf
  }

  /// Whether an event is decided: in the replay window, durable or about to be.
  public func isDecided(_ id: EventID, timestamp: Timestamp) -> Bool { chain.window.leaf(of: id, timestamp: timestamp) != nil }

  // MARK: The machine

  private func reportPending(_ now: Times, _ effects: inout [ReplicaEffect]) { step(pending, now, &effects) }

  /// What the pool holds, for the pacing.
  private var pending: Input {
    let statistics = pool.statistics
    let fills =
      statistics.proposable >= Int(chain.parameters.eventsPerBlockMax) || statistics.proposableBytes >= Int(chain.parameters.blockBytesMax) * 3 / 4
    return .pendingChanged(hasEvents: statistics.proposable > 0, fillsBlock: fills)
  }

  private func step(_ input: Input, _ now: Times, _ effects: inout [ReplicaEffect]) {
    var inputs = [input]
    var timer: Instant?
    var next = 0
    while next < inputs.count {
      machineEffects.removeAll(keepingCapacity: true)
      machine.step(inputs[next], now: now, &machineEffects)
      next += 1
      for effect in machineEffects {
        switch effect {
        case .append(_, let sequence):
          // Sole voter: the certificate in the store's batch is the durable form of its votes (see the header of this target).
          inputs.append(.journalSynced(sequence))
        case .build(let view, let parent, let timestamp):
          guard decided.count < ReplicationLimit.blocksInFlight else {
            deferredBuild = (view, parent, timestamp)
            continue
          }
          if let block = build(parent, timestamp, now) { inputs += [.built(view, block), pending] }
        case .validate(let block): inputs.append(.validated(block.hash, .valid))
        case .storeBody(let block): inputs.append(.bodyDurable(block.hash))
        case .setTimer(let instant): timer = instant
        case .commit(let blocks, let certificate):
          commit(blocks, certificate, &effects)
          // The chain state has moved on; what waits for the disk is the answer to the clients, not the next view.
          inputs.append(.applied(blocks[blocks.count - 1].height))
        case .enterEpoch(let epoch, let boundary):
          inputs.append(.epochOpened(EpochFacts(epoch: epoch, set: chain.validators, parameters: chain.parameters, boundary: boundary)))
        // A sole validator has no peers to talk to or to ask, and believes nobody but itself.
        case .send, .fetch, .requestSync, .evidence, .penalise, .halt: break
        }
      }
    }
    if let timer { effects.append(.setTimer(timer)) }
  }

  private func assemble(_ view: View, _ parent: BlockReference, _ timestamp: Timestamp, _ now: Times, _ effects: inout [ReplicaEffect]) {
    if let block = build(parent, max(timestamp, now.wall), now) { step(.built(view, block), now, &effects) }
  }

  private func build(_ parent: BlockReference, _ timestamp: Timestamp, _ now: Times) -> BlockReference? {
    precondition(parent.hash == chain.tip.hash, "a sole validator builds on its own head")
    let parameters = chain.parameters
    var proposal = spareProposals.popLast() ?? Proposal()
    let time = timestamp.rawValue
    let earliest = time > parameters.pastWindow ? time - parameters.pastWindow : 0
    pool.propose(
      eventsMax: Int(parameters.eventsPerBlockMax), bytesMax: Int(parameters.blockBytesMax),
      timestamps: Timestamp(milliseconds: earliest)...Timestamp(milliseconds: time + parameters.futureWindow), into: &proposal)
    do {
      let built = try chain.build(on: chain.tip, records: pool.body(of: proposal), timestamp: timestamp, proposer: chain.validators.validators[0].publicKey)
      candidate = (built, proposal, now.monotonic)
      return BlockReference(built.block.header, hash: built.block.hash)
    } catch {
      preconditionFailure("the pool holds records that were parsed at admission, and one cannot be read: \(error)")
    }
  }

  private func commit(_ blocks: [BlockReference], _ certificate: Certificate, _ effects: inout [ReplicaEffect]) {
    precondition(blocks.count == 1, "a sole validator finalises every block by itself")
    guard let built = candidate, built.candidate.block.hash == blocks[0].hash else { preconditionFailure("the final block is the one just built") }
    candidate = nil
    let commit = chain.apply(built.candidate, certificate: certificate.encoded)
    decided.append(Decided(commit: commit, proposal: built.proposal, began: built.began, byteCount: built.candidate.block.body.count))
    let floor = JournalRecord.floor(
      epoch: certificate.vote.epoch, view: certificate.vote.view, height: commit.header.height, blockHash: commit.hash)
    effects.append(.persist([commit], [floor], commit.header.height))
  }
}

extension BlockReference {
  public init(_ header: BlockHeader, hash: Digest) {
    self.init(hash: hash, parentHash: header.parentHash, height: header.height, timestamp: header.timestamp, proposer: header.proposer)
  }
}
