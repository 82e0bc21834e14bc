public import Ambient
public import Audit
public import Digests
public import Ed25519

/// The voting machine of one validator: inputs and the time go in, effects come out. See the header of this target for the protocol.
public struct Machine: Sendable {
  /// What the machine is told once.
  public struct Options: Sendable {
    public var chainTag: ChainTag
    /// Base delay of the timers, milliseconds: 100 on a LAN, 500 on a WAN.
    public var baseDelayMilliseconds: UInt64
    /// A leader that was silent for so long is not waited for while a quorum is active, milliseconds.
    public var skipTimeoutMilliseconds: UInt64
    /// How far a block's time may be ahead of the own clock, milliseconds.
    public var clockAheadMilliseconds: UInt64
    /// How old a block's time may be when it is received, milliseconds; doubled for every view that was nullified before it.
    public var clockStaleMilliseconds: UInt64
    /// Entropy of this process, fresh at every start: the nonce by which a validator without its journal recognises answers (rule R14).
    public var nonce: Digest
    public init(
      chainTag: ChainTag, baseDelayMilliseconds: UInt64 = 100, skipTimeoutMilliseconds: UInt64 = 3000, clockAheadMilliseconds: UInt64 = 500,
      clockStaleMilliseconds: UInt64 = 2000, nonce: Digest = .zero
    ) {
      self.chainTag = chainTag
      self.baseDelayMilliseconds = baseDelayMilliseconds
      self.skipTimeoutMilliseconds = skipTimeoutMilliseconds
      self.clockAheadMilliseconds = clockAheadMilliseconds
      self.clockStaleMilliseconds = clockStaleMilliseconds
      self.nonce = nonce
    }
  }

  /// The newest final block, with the view of its finality certificate (0 for genesis or the last block of the epoch before).
  public struct Floor: Sendable, Hashable {
    public var block: BlockReference
    public var view: View
    /// The finality certificate; nil for genesis.
    public var certificate: Certificate?
    public init(block: BlockReference, view: View, certificate: Certificate? = nil) {
      self.block = block
      self.view = view
      self.certificate = certificate
    }
  }

  let options: Options
  var facts: EpochFacts
  var set: ValidatorSet { facts.set }
  var parameters: ChainParameters { facts.parameters }
  /// The key that votes; nil for an observer.
  let key: SigningKey?
  var ownIndex: Int?
  var isEpochOver = false
  var held: [(sequence: UInt64, message: Message)] = []
  var schedule: LeaderSchedule

  public internal(set) var epoch: Epoch
  public internal(set) var view: View
  public internal(set) var floor: Floor
  /// Votes at or below this (epoch, view) are not made.
  public internal(set) var bound: Bound?
  var rounds: [Round] = []
  var isStarted = false

  var appended: UInt64 = 0
  var synced: UInt64 = 0
  /// Own votes that wait for their journal record, with its sequence number.
  var unsynced: [(sequence: UInt64, vote: SignedVote)] = []

  var hasEvents = false
  var fillsBlock = false
  /// When the newest block this node knows of was proposed here or received.
  var lastProposal: Instant
  var isBuilding = false
  var leaderDeadline = Instant.distantFuture
  var advanceDeadline = Instant.distantFuture
  /// Half steps of the back-off.
  var backOff = 0

  /// - Parameters:
  ///   - epoch: the facts of the epoch of the floor's successor.
  ///   - journal: the journal's records, oldest first. Votes above the floor bind again.
  ///   - mustRecover: the key's journal is lost or damaged, so that no vote may be made before rule R14 has set a bound.
  public init(
    options: Options, epoch facts: EpochFacts, key: SigningKey?, floor: Floor, journal records: [JournalRecord], mustRecover: Bool = false, now: Instant
  ) {
    self.options = options
    self.facts = facts
    self.key = key
    self.floor = floor
    ownIndex = key.flatMap { facts.set.index(of: $0.publicKey) }
    epoch = facts.epoch
    schedule = LeaderSchedule(facts.set, epoch: epoch, boundary: facts.boundary)
    let opensEpoch = floor.block.height.rawValue == 0 || facts.parameters.isLastOfEpoch(floor.block.height)
    if opensEpoch { self.floor.view = View(0) }
    view = self.floor.view.next
    lastProposal = now
    restore(records)
  }

  /// Validator index of the leader of the current view.
  public var leader: Int { schedule.leader(of: view) }
  public var isMember: Bool { ownIndex != nil }
  /// The only voter: nothing it signs can meet a conflicting vote of another.
  public var isSole: Bool { isMember && set.count == 1 }

  /// The next height, at or after the floor's successor, that this validator leads if no view fails; nil for an observer.
  public var nextOwnHeight: Height? {
    guard let ownIndex else { return nil }
    for step in 0..<UInt64(schedule.cycle.count) where schedule.leader(of: View(view.rawValue + step)) == ownIndex {
      return Height(floor.block.height.rawValue + 1 + step)
    }
    return nil
  }

  public mutating func step(_ input: Input, now: Times, _ effects: inout [Effect]) {
    switch input {
    case .start: begin(now, &effects)
    case .received(let message, _): receive(message, now, &effects)
    case .built(let view, let block?): propose(view, block, now, &effects)
    case .built(_, nil): isBuilding = false
    case .validated(let hash, let verdict): validated(hash, verdict == .valid, now, &effects)
    case .journalSynced(let sequence): release(sequence, &effects)
    case .bodyDurable(let hash):
      for index in rounds.indices where rounds[index].proposal?.block.hash == hash && rounds[index].blockState == .valid {
        rounds[index].blockState = .durable
      }
    case .pendingChanged(let hasEvents, let fillsBlock, _):
      if hasEvents && !self.hasEvents && leaderDeadline != .distantFuture { armViewTimers(now.monotonic, hasEvents: true) }
      self.hasEvents = hasEvents
      self.fillsBlock = fillsBlock
    case .epochOpened(let facts):
      guard facts.epoch.rawValue == epoch.rawValue + 1 else { break }
      self.facts = facts
      ownIndex = key.flatMap { facts.set.index(of: $0.publicKey) }
      epoch = facts.epoch
      schedule = LeaderSchedule(set, epoch: epoch, boundary: facts.boundary)
      floor.view = View(0)
      rounds.removeAll()
      view = View(1)
      isBuilding = false
      isEpochOver = false
      armViewTimers(now.monotonic, hasEvents: hasEvents)
    case .applied(let height):
      if isEpochOver, height >= floor.block.height { effects.append(.enterEpoch(Epoch(epoch.rawValue + 1), boundary: floor.block.hash)) }
    case .peerUp, .peerDown, .available, .synced: break
    case .timer: break
    }
    guard isStarted, !isEpochOver else { return }
    settle(now, &effects)
  }

  // MARK: Rounds

  /// Index of the round of a view, made when it is missing.
  mutating func round(_ view: View) -> Int {
    if let index = rounds.firstIndex(where: { $0.view >= view }) {
      if rounds[index].view == view { return index }
      rounds.insert(Round(view: view, validators: set.count), at: index)
      return index
    }
    rounds.append(Round(view: view, validators: set.count))
    return rounds.count - 1
  }

  func existingRound(_ view: View) -> Round? { rounds.first { $0.view == view } }

  func isInWindow(_ view: View) -> Bool {
    view.rawValue + ConsensusLimit.windowViews > floor.view.rawValue && view.rawValue <= self.view.rawValue + ConsensusLimit.windowViews
  }

  func isBound(_ view: View) -> Bool {
    guard let bound else { return false }
    return Bound(epoch: epoch, view: view) <= bound
  }

  private mutating func restore(_ records: [JournalRecord]) {
    for record in records {
      switch record {
      case .vote(let vote) where vote.vote.epoch == epoch && vote.vote.view > floor.view:
        guard let ownIndex, vote.publicKey == key?.publicKey else { continue }
        let index = round(vote.vote.view)
        remember(vote, index)
        // A vote from the journal was synced then; it counts again.
        _ = rounds[index].record(vote, signer: ownIndex)
      case .certificate(let certificate) where certificate.vote.epoch == epoch && certificate.vote.view > floor.view:
        rounds[round(certificate.vote.view)].set(certificate)
      case .bound(let epoch, let view):
        bound = max(bound ?? Bound(epoch: epoch, view: view), Bound(epoch: epoch, view: view))
      default: continue
      }
    }
    // A view in which this node already voted and whose block is not known any more can only be left by a nullification.
    while let round = existingRound(view), round.nullification != nil { view = view.next }
  }

  mutating func remember(_ vote: SignedVote, _ index: Int) {
    switch vote.vote.kind {
    case .notarise: rounds[index].ownNotarise = vote
    case .nullify: rounds[index].ownNullify = vote
    case .finalise: rounds[index].ownFinalise = vote
    }
  }

  /// Own votes count, once their records are on disk.
  private mutating func release(_ sequence: UInt64, _ effects: inout [Effect]) {
    synced = max(synced, sequence)
    while let first = held.first, first.sequence <= synced {
      held.removeFirst()
      effects.append(.send(first.message, to: .all, after: first.sequence))
    }
    while let first = unsynced.first, first.sequence <= synced {
      unsynced.removeFirst()
      guard let ownIndex, first.vote.vote.epoch == epoch, first.vote.vote.view > floor.view else { continue }
      _ = rounds[round(first.vote.vote.view)].record(first.vote, signer: ownIndex)
    }
  }
}

extension Machine {
  /// Milliseconds until the next block of this validator may be due, 0 when it is due now.
  public func millisecondsToProposal(_ now: Instant) -> UInt64 {
    let interval = UInt64(hasEvents ? parameters.blockTime : parameters.emptyBlockInterval)
    let elapsed = now.milliseconds(since: lastProposal)
    return elapsed >= interval ? 0 : interval - elapsed
  }
}
