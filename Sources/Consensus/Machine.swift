public import Ambient
public import Audit
public import Digests
public import Ed25519

/// The voting machine of one validator: inputs and the time go in, effects come out. See the header of this target for the protocol.
public struct Machine: Sendable {
  /// What the machine is told once.
  public struct Options: Sendable {
    public var chainTag: ChainTag
    public var parameters: ChainParameters
    /// Base delay of the timers, milliseconds: 100 on a LAN.
    public var baseDelayMilliseconds: UInt64
    public init(chainTag: ChainTag, parameters: ChainParameters, baseDelayMilliseconds: UInt64 = 100) {
      self.chainTag = chainTag
      self.parameters = parameters
      self.baseDelayMilliseconds = baseDelayMilliseconds
    }
  }

  /// The newest final block that the store has applied, with the view of its finality certificate (0 for genesis or the last block of an epoch).
  public struct Floor: Sendable, Hashable {
    public var block: BlockReference
    public var view: View
    public init(block: BlockReference, view: View) {
      self.block = block
      self.view = view
    }
  }

  let options: Options
  let set: ValidatorSet
  /// The key that votes; nil for an observer.
  let key: SigningKey?
  let ownIndex: Int?
  var schedule: LeaderSchedule

  public internal(set) var epoch: Epoch
  public internal(set) var view: View
  public internal(set) var floor: Floor
  /// Votes at or below this (epoch, view) are not made.
  public internal(set) var bound: (epoch: Epoch, view: View)?
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
  ///   - boundary: hash of the last block of the epoch before the floor's successor (genesis for the first epoch).
  ///   - records: the journal's records, oldest first. Votes above the floor bind again.
  public init(options: Options, set: ValidatorSet, key: SigningKey?, floor: Floor, boundary: Digest, records: [JournalRecord], now: Instant) {
    self.options = options
    self.set = set
    self.key = key
    self.floor = floor
    ownIndex = key.flatMap { set.index(of: $0.publicKey) }
    epoch = options.parameters.epoch(of: floor.block.height.next)
    schedule = LeaderSchedule(set, epoch: epoch, boundary: boundary)
    let opensEpoch = floor.block.height.rawValue == 0 || options.parameters.isLastOfEpoch(floor.block.height)
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
    case .received(let message): receive(message, now, &effects)
    case .built(let view, let block): propose(view, block, now, &effects)
    case .validated(let hash, let isValid): validated(hash, isValid, now, &effects)
    case .journalSynced(let sequence): release(sequence)
    case .bodyDurable(let hash):
      for index in rounds.indices where rounds[index].proposal?.block.hash == hash && rounds[index].blockState == .valid {
        rounds[index].blockState = .durable
      }
    case .pendingChanged(let hasEvents, let fillsBlock):
      if hasEvents && !self.hasEvents && leaderDeadline != .distantFuture { armViewTimers(now.monotonic, hasEvents: true) }
      self.hasEvents = hasEvents
      self.fillsBlock = fillsBlock
    case .timer: break
    }
    guard isStarted else { return }
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
    return (epoch, view) <= (bound.epoch, bound.view)
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
        if bound.map({ ($0.epoch, $0.view) < (epoch, view) }) ?? true { bound = (epoch, view) }
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
  private mutating func release(_ sequence: UInt64) {
    synced = max(synced, sequence)
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
    let interval = UInt64(hasEvents ? options.parameters.blockTime : options.parameters.emptyBlockInterval)
    let elapsed = now.milliseconds(since: lastProposal)
    return elapsed >= interval ? 0 : interval - elapsed
  }
}
