public import Ambient
public import Audit
public import Digests
public import Ed25519

/// The voting machine of one validator or observer: inputs and the time go in, effects come out. See the header of this target for the protocol.
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
    /// How long a validator that doubts its journal listens before it votes, milliseconds. Nil: until rule R14 is done, and other instances of its key are
    /// not looked for (rule R15).
    public var listenMilliseconds: UInt64?
    /// The key that takes over from the machine's own in the first epoch whose set names it and not the other.
    public var nextKey: SigningKey?
    /// Entropy of this process, fresh at every start: the nonce by which a validator without its journal recognises answers (rule R14).
    public var nonce: Digest
    /// What the machines of a simulated cluster know together; a node leaves it out.
    public var signatures: SignatureMemory?
    #if MOLOCH_MUTANTS
      /// The rule to leave out.
      public var mutant: Mutant?
    #endif

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

  enum Building: Sendable, Equatable {
    case idle, asked
    /// The driver could not build; ask again then.
    case declined(until: Instant)
  }

  let options: Options
  /// The key that votes in this epoch; nil for an observer.
  public private(set) var key: SigningKey?
  /// The machine's own key, and the one that takes over from it.
  private let firstKey: SigningKey?
  private var nextKey: SigningKey?

  // The epoch and where this node stands in it.
  var facts: EpochFacts
  var ownIndex: Int?
  var schedule: LeaderSchedule
  public internal(set) var epoch: Epoch
  public internal(set) var view: View
  public internal(set) var floor: Floor
  /// When the floor's block was proposed here or received.
  var floorHeard: Instant
  /// The last block of the epoch is final: nothing more happens in it, and the next one waits for the block to be applied.
  var isEpochOver = false
  var hasAskedForEpoch = false
  var appliedHeight: Height
  /// The highest height that a finality certificate has named which was verified or made here; nil before the first.
  public internal(set) var certifiedHeight: Height?
  var isStarted = false

  // What is known above the floor and a little below it.
  var rounds: [Round] = []
  var blocks: [BlockEntry] = []
  var fetches: [Fetch] = []
  var syncAgain = Instant.zero
  var relays: [Relay] = []
  /// By link.
  var peers: [Peer] = []
  /// Turns through the peers, so that repeated questions meet different ones.
  var turn = 0
  /// When each validator of the set was heard last, and the highest view that it voted in.
  var heard: [Instant]
  var votedViews: [View]
  /// Height of the newest block that each validator is known to have voted for, by its own vote or in a certificate.
  var votedHeights: [Height]
  /// What became of views since the start.
  public internal(set) var outcomes = ViewOutcomes()
  var steps = StepDurations()
  /// When the current view was entered, and since when events have been pending.
  var entered: Instant
  var pendingSince = Instant.zero

  // Promises: on disk, on their way to it, and from before the last restart.
  var appended: UInt64 = 0
  var synced: UInt64 = 0
  var outbox: [Held] = []
  var recovery: Recovery?
  /// Another instance votes with this key.
  var isHalted: Bool
  /// The journal has promised nothing yet, and whether the key is new is not known.
  var isUntried = false
  /// The new journal does not say yet that there was another.
  private var marksRecovery = false
  /// Votes at or below this are not made (rule R14).
  public internal(set) var bound: Bound?
  var pledges = Pledges()

  // Pacing and timers.
  var hasEvents = false
  var fillsBlock = false
  var isUrgent = false
  /// The leader of the view has been told that events wait here.
  var hasPleaded = false
  /// The last view, led by this node, of which a validator has said that events wait at it.
  var pleadedView = View(0)
  var building = Building.idle
  var leaderDeadline = Instant.distantFuture
  var advanceDeadline = Instant.distantFuture
  var isLeaderSkipped = false
  /// Half steps of the back-off.
  var backOff = 0
  var askAgain = Instant.zero
  var retry: Retry?
  /// When something that waits for the wall clock is due.
  var wallDeadline = Instant.distantFuture

  /// - Parameters:
  ///   - epoch: the facts of the epoch of the floor's successor.
  ///   - journal: the journal's records, oldest first. Votes above the floor bind again.
  ///   - mustRecover: the key's journal is lost, damaged or in doubt, so that no vote may be made before rule R14 has set a bound.
  ///   - isHalted: another instance was seen to vote with the key.
  public init(
    options: Options, epoch facts: EpochFacts, key: SigningKey?, floor: Floor, journal records: [JournalRecord], mustRecover: Bool = false,
    isHalted: Bool = false, now: Instant
  ) {
    self.options = options
    self.facts = facts
    self.isHalted = isHalted
    firstKey = key
    nextKey = options.nextKey
    self.key = Self.key(of: facts.set, key, options.nextKey)
    self.floor = floor
    ownIndex = self.key.flatMap { facts.set.index(of: $0.publicKey) }
    epoch = facts.epoch
    schedule = LeaderSchedule(facts.set, epoch: epoch, boundary: facts.boundary)
    let opensEpoch = floor.block.height.rawValue == 0 || facts.parameters.isLastOfEpoch(floor.block.height)
    if opensEpoch { self.floor.view = View(0) }
    view = self.floor.view.next
    floorHeard = now
    entered = now
    appliedHeight = floor.block.height
    heard = Array(repeating: now, count: facts.set.count)
    votedViews = Array(repeating: View(0), count: facts.set.count)
    votedHeights = Array(repeating: Height(0), count: facts.set.count)
    pledges.opened = Bound(epoch: epoch, view: self.floor.view)
    isUntried = options.listenMilliseconds != nil && key != nil && !mustRecover && !records.contains(where: \.isPromise)
    restore(records)
    if mustRecover {
      beginRecovery()
      marksRecovery = recovery != nil
    }
  }

  /// Which of two keys votes in a set: the one that is in it, the first before the second.
  private static func key(of set: ValidatorSet, _ first: SigningKey?, _ next: SigningKey?) -> SigningKey? {
    guard let first, set.index(of: first.publicKey) == nil, let next, set.index(of: next.publicKey) != nil else { return first }
    return next
  }

  /// Chooses the key of the epoch's set.
  mutating func chooseKey() {
    key = Self.key(of: facts.set, firstKey, nextKey)
    ownIndex = key.flatMap { facts.set.index(of: $0.publicKey) }
  }

  /// Names the key that takes over. In an epoch whose set has it already it votes from the next epoch on.
  public mutating func setNextKey(_ key: SigningKey?) { nextKey = key }

  /// Whether a vote in the journal is of one of this machine's keys.
  func isOwn(_ vote: SignedVote) -> Bool { vote.publicKey == firstKey?.publicKey || vote.publicKey == nextKey?.publicKey }

  var set: ValidatorSet { facts.set }
  var parameters: ChainParameters { facts.parameters }
  /// Validator index of the leader of the current view.
  public var leader: Int { schedule.leader(of: view) }
  public var isMember: Bool { ownIndex != nil }
  /// The only voter: nothing it signs can meet a conflicting vote of another.
  public var isSole: Bool { isMember && set.count == 1 }
  /// The journal is lost and no bound is known yet: this validator listens.
  public var isRecovering: Bool { recovery != nil }

  /// The next height, at or after the floor's successor, that a validator leads if no view fails; nil for one that never leads in this epoch.
  public func nextHeight(ofLeader key: PublicKey) -> Height? {
    guard let index = set.index(of: key) else { return nil }
    for step in 0..<UInt64(schedule.cycle.count) where schedule.leader(of: View(view.rawValue + step)) == index {
      return Height(floor.block.height.rawValue + 1 + step)
    }
    return nil
  }

  public mutating func step(_ input: Input, now: Times, _ effects: inout [Effect]) {
    switch input {
    case .start: begin(now, &effects)
    case .timer: break
    case .received(.vote(let vote), _) where vote.vote.epoch == epoch && vote.vote.chainTag == options.chainTag && !isInWindow(vote.vote.view):
      // The cheapest thing to send in any number is the cheapest to drop.
      return
    case .received(let message, let link): receive(message, from: link, now, &effects)
    case .peerUp(let link, let validator): connect(link, validator, now, &effects)
    case .peerDown(let link):
      peers.removeAll { $0.link == link }
      if peers.isEmpty { recovery?.pause(now.monotonic) }
    case .built(let view, let block): built(view, block, now, &effects)
    case .validated(let hash, let verdict): judged(hash, verdict, now, &effects)
    case .journalSynced(let sequence): release(through: sequence, &effects)
    case .bodyDurable(let hash): if let index = block(hash) { blocks[index].isStored = true }
    case .available(let block): take(block, now)
    case .applied(let height): appliedHeight = max(appliedHeight, height)
    case .synced(let floor, let facts): adopt(floor, facts, now, &effects)
    case .epochOpened(let facts): if facts.epoch.rawValue == epoch.rawValue + 1, isEpochOver { open(facts, now, &effects) }
    case .journalRefused: isHalted = true
    case .pendingChanged(let hasEvents, let fillsBlock, let isUrgent): pendingChanged(hasEvents, fillsBlock, isUrgent, now)
    }
    guard isStarted else { return }
    settle(now, &effects)
  }

  private mutating func begin(_ now: Times, _ effects: inout [Effect]) {
    guard !isStarted else { return }
    isStarted = true
    // What is written next makes the journal look whole; so its first record says that it is not.
    if marksRecovery {
      appended += 1
      effects.append(.append(.recovering, sequence: appended))
    }
    floorHeard = now.monotonic
    entered = now.monotonic
    for index in heard.indices { heard[index] = now.monotonic }
    armTimers(now.monotonic)
  }

  /// Applies the rules until nothing changes, then looks at what is due and asks for the next timer.
  private mutating func settle(_ now: Times, _ effects: inout [Effect]) {
    var changed = true
    while changed {
      changed = validateReady(now, &effects)
      changed = certify(now, &effects) || changed
      changed = finalise(&effects) || changed
      changed = commitFinal(now, &effects) || changed
      changed = enterNewest(now, &effects) || changed
      changed = considerProposal(now, &effects) || changed
      changed = nullifyIfDue(now, &effects) || changed
      changed = closeEpoch(&effects) || changed
      changed = concludeRecovery(now, &effects) || changed
      changed = considerFirstVote(now, &effects) || changed
    }
    restoreOwnProposal(now, &effects)
    pleadIfDue(now, &effects)
    buildIfDue(now, &effects)
    fetchMissing(now, &effects)
    askForMissing(now, &effects)
    relayDue(now, &effects)
    retryIfDue(now, &effects)
    effects.append(.setTimer(nextDeadline(now)))
  }

  // MARK: Rounds

  /// Position of the first round at or above a view.
  private func position(_ view: View) -> Int {
    var (low, high) = (0, rounds.count)
    while low < high {
      let middle = (low + high) / 2
      if rounds[middle].view < view { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Index of the round of a view, made when it is missing.
  mutating func round(_ view: View) -> Int {
    let index = position(view)
    if index == rounds.count || rounds[index].view != view { rounds.insert(Round(view: view), at: index) }
    return index
  }

  func existingRound(_ view: View) -> Round? {
    let index = position(view)
    return index < rounds.count && rounds[index].view == view ? rounds[index] : nil
  }

  /// Whether votes of a view are remembered (rule R12).
  func isInWindow(_ view: View) -> Bool {
    view.rawValue >= 1 && view.rawValue + ConsensusLimit.windowViews >= floor.view.rawValue
      && view.rawValue <= self.view.rawValue + ConsensusLimit.windowViews
  }

  /// The least power that certifies: more than two thirds.
  var quorum: UInt64 { isLeftOut(.exactTwoThirdsQuorum) ? 2 * set.totalPower / 3 : set.quorumPower }
  /// The power that may be faulty.
  var tolerated: UInt64 { (set.totalPower - 1) / 3 }
}

extension Machine {
  /// What the machine remembers, in entries: for metrics and for checking bounds.
  public struct Footprint: Sendable, Hashable {
    public var rounds = 0
    public var votes = 0
    public var certificates = 0
    public var blocks = 0
    public var earlyMessages = 0
    public var heldMessages = 0
  }

  public var footprint: Footprint {
    var footprint = Footprint(rounds: rounds.count, blocks: blocks.count, heldMessages: outbox.count)
    for round in rounds {
      for ballot in round.ballots { footprint.votes += ballot.votes.count { $0 != nil } }
      footprint.certificates += round.certificates.count { $0 != nil }
    }
    footprint.earlyMessages = peers.reduce(0) { $0 + $1.early.count }
    return footprint
  }
}
