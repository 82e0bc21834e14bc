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
    /// Without events the chain rests for a minute: whoever was away has to catch up with what is there, because nothing new comes.
    public var isIdle = false
    public init() {}
  }

  public let seed: UInt64
  public var nodes: Int
  public var powers: [UInt64]
  public var epochLength: UInt32
  public var blockTimeMilliseconds: UInt32
  public var emptyBlockIntervalMilliseconds: UInt32
  public var baseDelayMilliseconds: UInt64
  public var delayMillisecondsMin: UInt64
  public var delayMillisecondsMax: UInt64
  public var keepsOrder: Bool
  public var eventsPerSecond: UInt64
  /// Role of each byzantine node.
  public var roles: [(node: Int, role: Role)]
  public var faults: [PlannedFault]
  /// When the last fault is over.
  public var healsAt: Instant
  public var isIdle: Bool

  public init(seed: UInt64, options: Options = Options()) {
    self.seed = seed
    var random = SeededGenerator(seed: seed)
    let drawn = random.below(100)
    let size = drawn < 2 ? 1 : drawn < 70 ? 4 : drawn < 88 ? 7 : drawn < 98 ? 10 : 31
    nodes = options.nodes ?? size
    let isWeighted = random.below(4) == 0
    powers = (0..<nodes).map { _ in isWeighted ? random.between(1, 5) : 1 }
    epochLength = UInt32(random.pick([3, 5, 8, 20, 100]))
    blockTimeMilliseconds = UInt32(random.pick([10, 20, 50, 100]))
    emptyBlockIntervalMilliseconds = blockTimeMilliseconds * UInt32(random.pick([1, 4, 10]))
    delayMillisecondsMin = 1
    delayMillisecondsMax = random.pick([4, 20, 100, 300])
    baseDelayMilliseconds = random.pick([50, 100])
    keepsOrder = random.below(3) > 0
    eventsPerSecond = random.pick([0, 5, 20, 60])
    let plan = Planner(nodes: nodes, powers: powers, hasByzantine: options.hasByzantine, hasFaults: options.hasFaults).plan(&random)
    roles = plan.roles
    faults = plan.faults
    if let most = options.faultsMax, faults.count > most { faults.removeLast(faults.count - most) }
    healsAt = plan.healsAt
    isIdle = options.isIdle
    if isIdle {
      emptyBlockIntervalMilliseconds = 60_000
      // The last 16 blocks of an epoch do not wait for events.
      epochLength = 40
    }
  }

  /// `F`: power that may lie.
  public static func tolerated(_ powers: [UInt64]) -> UInt64 { (powers.reduce(0, +) - 1) / 3 }
}

/// Something that breaks at a time.
public struct PlannedFault: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// The process ends at once and starts again after some milliseconds.
    case crash(node: Int, downMilliseconds: UInt64)
    /// The process ends in the middle of what its next inputs make it do, after this many effects.
    case crashAtEffect(node: Int, effects: UInt64, downMilliseconds: UInt64)
    /// All processes end at once.
    case powerCut(downMilliseconds: UInt64)
    /// Both directions between the groups are cut.
    case partition(group: [Int], milliseconds: UInt64)
    /// Nothing from these nodes arrives at the others.
    case oneWay(group: [Int], milliseconds: UInt64)
    /// The cut comes and goes.
    case flapping(group: [Int], periods: Int, milliseconds: UInt64)
    /// The connection of two nodes breaks and is made again.
    case breakLink(Int, Int, milliseconds: UInt64)
    /// Lossy, stuttering network; parts per million.
    case noise(loss: UInt64, duplication: UInt64, straggling: UInt64, milliseconds: UInt64)
    case slowDisk(node: Int, factor: UInt64, milliseconds: UInt64)
    case clockJump(node: Int, milliseconds: Int64)
    /// Chain, tree and index are deleted while the process is down; keys and journal stay.
    case wipeChain(node: Int, downMilliseconds: UInt64)
    /// The vote journal is lost while the process is down.
    case loseJournal(node: Int, downMilliseconds: UInt64)
  }
  public var at: Instant
  public var kind: Kind
}
