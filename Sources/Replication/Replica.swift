public import Ambient
public import Audit
public import Bytes
public import Consensus
public import Digests
public import Ed25519
public import Ledger
public import Mempool
public import Verification

/// The chain thread's engine: chain state, voting machine, pool, and what it takes to run them among peers. Not thread-safe; one thread calls everything.
public final class Replica {
  /// What a replica is told once.
  public struct Options: Sendable {
    public var machine: Machine.Options
    /// First line of checkpoints, which cosignatures cover.
    public var origin: String
    /// Unpredictable to peers: seeds the coefficients of batch verification.
    public var seed: Bytes32
    /// Ranges of blocks that a sync asks for at a time.
    public var rangesInFlight = ReplicationLimit.rangesInFlight
    /// Keys of known signers, shared with others who verify; nil for a cache of its own.
    public var signers: SignerCache?

    public init(machine: Machine.Options, origin: String, seed: Bytes32) {
      self.machine = machine
      self.origin = origin
      self.seed = seed
    }
  }

  /// A block that is final in memory and on its way to the disk.
  struct Decided {
    var commit: BlockCommit
    /// The set of its height.
    var validators: ValidatorSet
    var held: Mempool.Proposal
    /// Nil for a block that a sync brought.
    var began: Instant?
  }

  public let pool: EventPool
  public internal(set) var chain: Chain
  public internal(set) var machine: Machine
  /// The newest head that is on disk.
  public internal(set) var durable: Head
  let options: Options
  /// The key that votes in this epoch; nil for a node that only follows.
  public var key: SigningKey? { machine.key }
  /// Names the key that takes over in the first epoch whose set has it and not the other.
  public func setNextKey(_ key: SigningKey?) { machine.setNextKey(key) }

  var tree = BlockTree()
  var decided: [Decided] = []
  var deferredBuild: (epoch: Epoch, view: View, parent: BlockReference, timestamp: Timestamp)?
  var spareProposals: [Mempool.Proposal] = []
  /// Last block of the epoch before the next height.
  var boundary: Digest
  var boundaryCertificate: Certificate?
  private var restored: [BlockReference] = []

  var inputs: [Input] = []
  var isStepping = false
  var records: [JournalRecord] = []
  var recordsEnd: UInt64 = 0
  var machineDeadline = Instant.distantFuture
  private var armed = Instant.distantFuture

  var peers: [Peer] = []
  var arrivals: [Arrival] = []
  var batch: SignatureBatch
  var verification: VerificationQueue
  /// Where signatures go that are too many for a turn, of gossiped records and of ranges; nil, as in simulations, for none: then all are checked in line. The driver
  /// wakes the helpers after `takesOffer`, and calls `takeVerdicts` when they have decided.
  public var helpers: Overflow?
  var hasOffered = false
  /// Gossiped records whose signature a helper checks, by token, and the tokens that are free.
  var offered: [OfferedGossip?] = []
  var freeTokens: [Int] = []
  var gossipUnderWay: (events: Int, bytes: Int) = (0, 0)
  var backlog: [GossipedRecords] = []
  var gossipSerial: UInt64 = 0
  /// Events of the current turn that came from validators and go no further.
  var unrelayed: Set<EventHandle> = []
  var fresh: [EventHandle] = []
  /// Events for the peers.
  var log: RelayLog
  /// What was collected last: peers that stand at one place are given the same bytes.
  var lastGossip: (from: UInt64, to: UInt64, bytes: [UInt8]) = (.max, 0, [])
  /// How far the slowest validator was, at times.
  var settled: [(at: Instant, place: UInt64)] = []
  /// Pending events are offered to the peers again after so long.
  public var rebroadcastMilliseconds: UInt64 = 30_000
  var rebroadcasted: Instant
  /// When `gossip` may have more for a peer that was told to wait; the distant future while none was. Set anew by whoever asks.
  public var gossipDue = Instant.distantFuture
  var sync: BlockSync
  var backfill = Backfill()
  var boundaries: BoundaryChain
  /// Looks for the block to begin from; nil when that is known.
  var search: CheckpointSearch?
  /// When the search may ask a peer that is passed over.
  var searchDue = Instant.distantFuture
  /// When this node may say where it stands, to hear where others do.
  var probeDue: Instant
  /// Ranges whose blocks are being verified, each on top of the one before; the last may be incomplete.
  var verifying: [RangeVerification] = []
  var rangeSerial: UInt64 = 0
  /// The chain that the machine follows does not hold the anchor: nothing is applied any more, and the process is about to end.
  var isAstray = false
  var cosignatures: CosignatureBook
  /// Contradictions of validators, oldest first; which ones are kept when there are too many is said at `EvidenceRecord`.
  public var evidence: [Evidence] { evidenceRecord.pieces }
  /// Pieces that found no room since the start.
  public var evidenceDropped: UInt64 { evidenceRecord.dropped }
  var evidenceRecord: EvidenceRecord
  var evidenceRelay = EvidenceRelay()

  /// - Parameters:
  ///   - key: the validator key; nil for a node that only follows.
  ///   - pool: its limits name at least one reactor; admission of gossiped events goes through the lane of reactor 0, on the chain thread.
  public init(_ state: RestoredState, pool: EventPool, key: SigningKey?, options: Options, now: Instant) {
    chain = state.chain
    self.pool = pool
    self.options = options
    durable = Head(header: chain.tip.header, hash: chain.tip.hash)
    boundary = state.boundary
    boundaryCertificate = state.boundaryCertificate
    let block = BlockReference(chain.tip.header, hash: chain.tip.hash)
    let floor = Machine.Floor(block: block, view: state.certificate?.vote.view ?? View(0), certificate: state.certificate)
    let facts = EpochFacts(
      epoch: chain.parameters.epoch(of: block.height.next), set: chain.validators, parameters: chain.parameters, boundary: boundary,
      boundaryCertificate: boundaryCertificate)
    var (records, mustRecover, isHalted): ([JournalRecord], Bool, Bool) = ([], false, false)
    switch state.journal {
    case .records(let found): records = found
    case .lost: mustRecover = true
    case .doubtful(let found): (records, mustRecover) = (found, true)
    case .halted(let found): (records, isHalted) = (found, true)
    }
    machine = Machine(
      options: options.machine, epoch: facts, key: key, floor: floor, journal: records, mustRecover: mustRecover, isHalted: isHalted, now: now)
    let signers = options.signers ?? SignerCache(seed: options.seed)
    batch = SignatureBatch(capacity: 256, seed: options.seed, cache: signers)
    verification = VerificationQueue(seed: Bytes32(options.seed.w3, options.seed.w2, options.seed.w1, options.seed.w0), cache: signers)
    log = RelayLog(eventsMax: pool.limits.eventsMax)
    rebroadcasted = now
    sync = BlockSync(applied: block.height, anchor: state.anchor, awaitsAnchor: state.soughtCheckpoint != nil, rangesInFlight: options.rangesInFlight, now: now)
    boundaries = BoundaryChain(epoch: facts.epoch, set: chain.validators, epochLength: chain.parameters.epochLength)
    search = state.soughtCheckpoint.map { CheckpointSearch($0) }
    #if MOLOCH_MUTANTS
      sync.mutant = options.machine.mutant
      search?.mutant = options.machine.mutant
    #endif
    search?.see(chain.validators)
    probeDue = now.adding(milliseconds: ReplicationLimit.probeMilliseconds)
    cosignatures = CosignatureBook(origin: options.origin)
    evidenceRecord = EvidenceRecord(state.evidence)
    if let (newest, set) = state.newestHead { cosignatures.reached(newest, set: set) }
    restore(state.candidates, now)
  }

  /// Puts stored candidates back into the tree. Their signatures were accepted before they were stored.
  private func restore(_ candidates: [Block], _ now: Instant) {
    for block in candidates {
      guard let parent = tip(of: block.header.parentHash) else { continue }
      guard let candidate = try? chain.validate(block, on: parent, batch: &batch, isVerified: { _, _ in true }) else { continue }
      tree.insert(BlockTree.Node(candidate: candidate, held: Mempool.Proposal(), began: now, storage: .stored))
      restored.append(BlockReference(block))
    }
  }

  /// Takes what was admitted into the order, and notes it for the peers.
  func collectFresh(_ now: Times) {
    fresh.removeAll(keepingCapacity: true)
    pool.collect(now: now.monotonic, into: &fresh)
    if !machine.isSole {
      settleFresh()
      relay()
    }
    unrelayed.removeAll(keepingCapacity: true)
  }

  // MARK: Inputs

  /// Starts voting; a store that looks for its beginning starts when it is found.
  public func start(now: Times, _ effects: inout [ReplicaEffect]) {
    guard search == nil else { return finish(now, &effects) }
    step(.start, now, &effects)
    for block in restored {
      step(.available(block), now, &effects)
      step(.bodyDurable(block.hash), now, &effects)
    }
    restored.removeAll()
    finish(now, &effects)
  }

  /// The time asked for by `setTimer` has come.
  public func timer(now: Times, _ effects: inout [ReplicaEffect]) {
    armed = .distantFuture
    if now.monotonic >= machineDeadline {
      machineDeadline = .distantFuture
      step(.timer, now, &effects)
    }
    askAgain(now, &effects)
    rebroadcast(now)
    relayEvidence(now, &effects)
    synchronise(now, &effects)
    probe(now, &effects)
    finish(now, &effects)
  }

  /// Called at the end of a turn: verifies and admits gossiped events, takes admitted ones into the order and sends them on, and goes on with a sync.
  public func collect(now: Times, _ effects: inout [ReplicaEffect]) {
    notePlaces(now.monotonic)
    admitGossip(now, &effects)
    collectFresh(now)
    proveBoundaries(now, &effects)
    verifyRange(now, &effects)
    synchronise(now, &effects)
    reportPending(now, &effects)
    finish(now, &effects)
  }

  /// Ranges of blocks that a sync asks for at a time.
  public var rangesInFlight: Int {
    get { sync.rangesInFlight }
    set { sync.rangesInFlight = newValue }
  }

  /// Work is left that was put off to keep turns short: call `collect` again soon.
  public var hasWork: Bool {
    takesGossip && backlog.contains { !$0.isRead } || boundaries.hasWork || hasRangeWork
  }

  /// The journal holds every record up to this sequence number.
  public func journalSynced(_ sequence: UInt64, now: Times, _ effects: inout [ReplicaEffect]) {
    step(.journalSynced(sequence), now, &effects)
    finish(now, &effects)
  }

  /// The journal refuses records: nothing is signed any more in this process.
  public func halt(now: Times, _ effects: inout [ReplicaEffect]) {
    step(.journalRefused, now, &effects)
    finish(now, &effects)
  }

  /// The store holds the candidate.
  public func stored(_ hash: Digest, now: Times, _ effects: inout [ReplicaEffect]) {
    tree.setStorage(.stored, of: hash)
    step(.bodyDurable(hash), now, &effects)
    finish(now, &effects)
  }

  /// The driver has written everything up to this height.
  public func persisted(_ height: Height, now: Times, _ effects: inout [ReplicaEffect]) {
    var count = 0
    while count < decided.count, decided[count].commit.header.height <= height {
      report(decided[count], now, &effects)
      count += 1
    }
    if let newest = decided.prefix(count).last { announce(newest.commit, &effects) }
    decided.removeFirst(count)
    if let version = unknownProtocol, durable.header.height == chain.tip.header.height {
      // Nobody waits for a peer that is known to have all of it.
      if !peers.isEmpty { effects.append(.send(.consensus(.status(machine.status(now))), to: .all)) }
      effects.append(.unknownProtocol(version, from: durable.header.height.next))
    }
    if !machine.isSole { step(.applied(height), now, &effects) }
    publish(&effects)
    if let build = deferredBuild, decided.count < ReplicationLimit.blocksInFlight {
      deferredBuild = nil
      // The view may have ended meanwhile: a block for it would only keep its events from the blocks that are wanted.
      if build.epoch == machine.epoch, build.view == machine.view {
        step(.built(build.view, assemble(build.parent, max(build.timestamp, now.wall), now)), now, &effects)
      }
    }
    synchronise(now, &effects)
    reportPending(now, &effects)
    finish(now, &effects)
  }

  private func report(_ block: Decided, _ now: Times, _ effects: inout [ReplicaEffect]) {
    durable = Head(header: block.commit.header, hash: block.commit.hash)
    pool.committed(block.held, now: now.monotonic)
    cosignatures.reached(durable.header, set: block.validators)
    effects.append(
      .final(
        FinalBlock(
          header: block.commit.header, hash: block.commit.hash, validators: block.validators, ids: block.commit.ids, byteCount: block.commit.block.body.count,
          productionNanoseconds: block.began.map { now.monotonic.nanoseconds(since: $0) })))
    var spare = block.held
    spare.removeAll()
    if spareProposals.count < ReplicationLimit.blocksInFlight { spareProposals.append(spare) }
  }

  // MARK: Look-ups

  /// Blocks decided and not yet on disk.
  public var blocksInFlight: Int { decided.count }

  /// Leaf of an event that is final and durable, as long as it is in the replay window.
  public func finalLeaf(of id: EventID, timestamp: Timestamp) -> LeafIndex? {
    guard let leaf = chain.window.leaf(of: id, timestamp: timestamp), leaf.rawValue < durable.header.treeSize else { return nil }
    return leaf
  }

  /// Whether an event is decided: in the replay window, durable or about to be.
  public func isDecided(_ id: EventID, timestamp: Timestamp) -> Bool { chain.window.leaf(of: id, timestamp: timestamp) != nil }

  /// Leaf of the final event that has used the statement's signer, stream and sequence; asked of what is no duplicate.
  public func sequenceHolder(_ statement: Statement) -> LeafIndex? { chain.sequences.leaf(of: statement) }

  /// The state after a block that is the final head or a candidate.
  func tip(of hash: Digest) -> ChainTip? { hash == chain.tip.hash ? chain.tip : tree[hash]?.candidate.tip }

  // MARK: The end of every input

  /// Hands out what the machine has appended, and asks for the next call.
  func finish(_ now: Times, _ effects: inout [ReplicaEffect]) {
    if !records.isEmpty {
      effects.append(.journal(records, through: recordsEnd))
      records.removeAll(keepingCapacity: true)
    }
    confirmTip()
    refill(now, &effects)
    var next = min(machineDeadline, sync.deadline, boundaries.deadline, backfill.deadline, search?.deadline ?? .distantFuture)
    if search?.isOver == false { next = min(next, searchDue) }
    if isProbing { next = min(next, probeDue) }
    if !evidenceRelay.pending.isEmpty { next = min(next, evidenceRelay.due) }
    for arrival in arrivals { next = min(next, arrival.deadline) }
    if !peers.isEmpty { next = min(next, rebroadcasted.adding(milliseconds: rebroadcastMilliseconds)) }
    if next != armed {
      armed = next
      effects.append(.setTimer(next))
    }
  }
}
