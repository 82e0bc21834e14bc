public import Ambient

/// What a seed decides before the first step: the cluster, the network, who lies, and when what breaks.
public struct Scenario: Sendable {
  /// What a run may be told besides its seed.
  public struct Options: Sendable, Hashable {
    /// Validators; nil: the seed decides among 1, 4, 7, 10 and 31.
    public var nodes: Int?
    public var hasByzantine = true
    public var hasFaults = true
    /// Number of planned faults that are left out from the end of the plan: what shrinking tries.
    public var faultsMax: Int?
    /// Nil: the seed decides.
    public var family: Family?
    public init() {}
  }

  /// What kind of trouble a run is about; every kind has some of the others too.
  public enum Family: String, Sendable, CaseIterable {
    /// A little of everything.
    case mixed
    /// Nothing gets on: those who have lost something come back to the view in which they left.
    case stuck
    /// Bodies reach the disk late, and the power goes before.
    case powerCuts
    /// As many as may fail have failed for ever: exactly a quorum is left.
    case lonely
    /// Every message takes several base delays, also after healing.
    case slow
    /// Events have stopped, and some have missed the end of it. The next block is far off: what they lack they hear when they connect again, or not for long.
    case idle
    /// Nodes that have lost their chain begin from a checkpoint, with pruned peers and peers that serve false ranges. No seed draws it: it is asked for.
    case checkpoints
  }

  public let seed: UInt64
  public var family: Family
  public var nodes: Int
  public var powers: [UInt64]
  /// Nodes without a validator key.
  public var observers: Int
  public var epochLength: UInt32
  public var blockTimeMilliseconds: UInt32
  public var emptyBlockIntervalMilliseconds: UInt32
  public var baseDelayMilliseconds: UInt64
  public var skipTimeoutMilliseconds: UInt64
  /// Events that wait are offered to the others again after so long.
  public var rebroadcastMilliseconds: UInt64
  public var delayMillisecondsMin: UInt64
  /// Longest delay of a message that nothing holds up.
  public var delayMillisecondsTypical: UInt64
  public var delayMillisecondsMax: UInt64
  public var keepsOrder: Bool
  public var eventsPerSecond: UInt64
  /// Events stop so long before the faults.
  public var quietMilliseconds: UInt64 = 0
  /// How often a write that a crash interrupts is there all the same, parts per million.
  public var landing: UInt64
  /// At the end of the faults all connections are made anew; else those that have lost messages go on.
  public var reconnectsAll: Bool
  /// Role of each byzantine node.
  public var roles: [(node: Int, role: Role)]
  /// Honest validators that are gone when the faults are over, and stay so.
  public var dead: [Int]
  public var faults: [PlannedFault]
  /// Proposals of other validator sets.
  public var changes: [PlannedChange]
  /// When the last fault is over.
  public var healsAt: Instant

  public init(seed: UInt64, options: Options = Options()) {
    self.seed = seed
    var random = SeededGenerator(seed: seed)
    let drawn = random.below(100)
    let size = drawn < 2 ? 1 : drawn < 70 ? 4 : drawn < 88 ? 7 : drawn < 98 ? 10 : 31
    nodes = options.nodes ?? size
    let drawnFamily: Family = random.pick([.mixed, .mixed, .mixed, .stuck, .stuck, .powerCuts, .lonely, .slow, .idle])
    family = options.family ?? (options.hasFaults ? drawnFamily : .mixed)
    let isWeighted = random.below(4) == 0
    powers = (0..<nodes).map { _ in isWeighted ? random.between(1, 5) : 1 }
    observers = family == .idle || family == .checkpoints || random.below(2) == 0 ? Int(random.between(1, 2)) : 0
    epochLength = UInt32(random.pick([3, 5, 8, 20, 100]))
    blockTimeMilliseconds = UInt32(random.pick([10, 20, 50, 100]))
    emptyBlockIntervalMilliseconds = blockTimeMilliseconds * UInt32(random.pick([1, 4, 10, 100]))
    baseDelayMilliseconds = random.pick([50, 100])
    skipTimeoutMilliseconds = random.pick([500, 3000])
    rebroadcastMilliseconds = random.pick([1000, 5000])
    delayMillisecondsMin = 1
    delayMillisecondsMax = random.pick([4, 20, 100, 300])
    delayMillisecondsTypical = max(1, delayMillisecondsMax / 4)
    if family == .slow {
      delayMillisecondsMin = random.between(2, 5) * baseDelayMilliseconds
      delayMillisecondsMax = 6 * baseDelayMilliseconds
      delayMillisecondsTypical = random.between(delayMillisecondsMin, delayMillisecondsMax)
    }
    keepsOrder = random.below(3) > 0
    eventsPerSecond = random.pick([0, 5, 20, 60])
    landing = random.pick([0, 100_000, 500_000, 900_000])
    reconnectsAll = random.below(2) == 0
    if family == .idle {
      emptyBlockIntervalMilliseconds = UInt32(random.between(20_000, 60_000))
      // Towards the end of an epoch a chain is never idle.
      epochLength = random.pick([100, 1000])
      eventsPerSecond = random.pick([2, 3, 5])
      quietMilliseconds = random.between(500, 1000)
      delayMillisecondsMax = min(delayMillisecondsMax, 100)
      delayMillisecondsTypical = max(1, delayMillisecondsMax / 4)
      reconnectsAll = true
    }
    if family == .checkpoints { eventsPerSecond = max(5, eventsPerSecond) }
    let plan = Planner(
      seed: seed, family: family, nodes: nodes, powers: powers, observers: observers, hasByzantine: options.hasByzantine, hasFaults: options.hasFaults
    ).plan(&random)
    (roles, dead, faults, changes) = (plan.roles, plan.dead, plan.faults, plan.changes)
    if !changes.isEmpty {
      // Several epochs pass in a run, and approvals find their way in time.
      epochLength = min(epochLength, 8)
      blockTimeMilliseconds = max(blockTimeMilliseconds, 50)
      emptyBlockIntervalMilliseconds = max(blockTimeMilliseconds, min(emptyBlockIntervalMilliseconds, 10 * blockTimeMilliseconds))
    }
    if let most = options.faultsMax, faults.count > most { faults.removeLast(faults.count - most) }
    healsAt = plan.healsAt
  }

  /// One line for reports.
  public var text: String {
    "seed \(seed) \(family.rawValue), nodes \(nodes), observers \(observers), lying \(roles.count), dead \(dead.count), faults \(faults.count), "
      + "changes \(changes.count)"
  }

  /// Nodes that lose the chain at some time.
  var wiped: [Int] { faults.compactMap { if case .wipeChain(let node, _) = $0.kind { node } else { nil } } }
  /// Nodes whose clock is far off at some time.
  var jumped: [Int] { faults.compactMap { if case .clockJump(let node, let time) = $0.kind, abs(time) > 2000 { node } else { nil } } }

  /// `F`: power that may lie.
  public static func tolerated(_ powers: [UInt64]) -> UInt64 { (powers.reduce(0, +) - 1) / 3 }
}

/// Something that breaks at a time.
public struct PlannedFault: Sendable, Hashable {
  /// Where in its work a process ends.
  public enum Moment: Sendable, Hashable {
    /// After so many effects, in the middle of what an input makes the replica do.
    case effects(UInt64)
    /// Right after an own vote has left.
    case vote
    /// Some milliseconds after it has found its bound without a journal.
    case recovery(milliseconds: UInt64)
    /// When the last block of an epoch is handed to the disk.
    case boundary
    /// When a block that hands over to another set is.
    case handover
  }

  public enum Kind: Sendable, Hashable {
    /// The process ends at once and starts again after some milliseconds.
    case crash(node: Int, downMilliseconds: UInt64)
    /// The process ends at this moment, the next time that it comes; the vote journal may be gone too.
    case crashAt(node: Int, Moment, losesJournal: Bool, downMilliseconds: UInt64)
    /// All processes end at once.
    case powerCut(downMilliseconds: UInt64)
    /// Both directions between the groups are cut.
    case partition(group: [Int], milliseconds: UInt64)
    /// Nothing from these nodes arrives at the others.
    case oneWay(group: [Int], milliseconds: UInt64)
    /// Only one node can talk to the others.
    case star(centre: Int, milliseconds: UInt64)
    /// The cut comes and goes.
    case flapping(group: [Int], periods: Int, milliseconds: UInt64)
    /// The connection of two nodes breaks and is made again.
    case breakLink(Int, Int, milliseconds: UInt64)
    /// Lossy, stuttering network; parts per million.
    case noise(loss: UInt64, duplication: UInt64, straggling: UInt64, milliseconds: UInt64)
    case slowDisk(node: Int, factor: UInt64, milliseconds: UInt64)
    /// The stores of all nodes are slow, their journals are not.
    case slowStores(factor: UInt64, milliseconds: UInt64)
    case clockJump(node: Int, milliseconds: Int64)
    /// Chain, tree and index are deleted while the process is down; keys and journal stay.
    case wipeChain(node: Int, downMilliseconds: UInt64)
    /// Chain, tree and index are deleted, and the node is told where to begin.
    case beginFrom(node: Int, Beginning, downMilliseconds: UInt64)
    /// All but the newest blocks give up their bodies; the process runs meanwhile, or is down for some milliseconds.
    case prune(node: Int, keptBlocks: UInt64, downMilliseconds: UInt64)
    /// The vote journal is lost while the process is down.
    case loseJournal(node: Int, downMilliseconds: UInt64)
  }
  public var at: Instant
  public var kind: Kind
}
