import Ambient
import Audit
import Bytes
import Consensus
public import Digests
import Ed25519
import Ledger
import Mempool
import Merkle
import Replication

/// A cluster, and everything that happens to it.
public struct World {
  /// Monotonic and wall-clock time at which every run begins: 2025-01-01T00:00:00Z.
  static let begin = Instant(milliseconds: 1_735_689_600_000)

  enum Item {
    case deliver(to: Int, from: Int, link: PeerLink, type: UInt8, [UInt8])
    case timer(node: Int, incarnation: Int, generation: Int)
    case disk(node: Int, incarnation: Int, line: Int)
    /// The replica has more to do than one turn allows.
    case work(node: Int, incarnation: Int)
    case start(node: Int)
    case connect(Int, Int)
    case submit
    case propose(PlannedChange, for: Epoch?, triesLeft: Int)
    case approve(campaign: Int, node: Int, triesLeft: Int)
    /// The node votes with another key.
    case rekey(node: Int, incarnation: Int)
    case fault(PlannedFault.Kind)
    /// The trap of a node that has found its bound.
    case spring(node: Int, incarnation: Int)
    case undo(Undo)
    case heal
  }

  /// The end of a fault that lasts.
  enum Undo {
    case cut([Int], both: Bool)
    case cutAgain([Int])
    case star([Int])
    case noise
    case disk(Int)
    case stores
  }

  let scenario: Scenario
  let genesis: Genesis
  /// What one machine has verified, the others need not.
  let signatures = SignatureMemory()
  var random: SeededGenerator
  var agenda = Agenda<Item>()
  var network: NetworkModel
  var nodes: [SimulatedNode] = []
  var now = World.begin
  var linkNumber: UInt64 = 0
  var auditor = Auditor()
  var statistics = Statistics()

  var votes = VoteDiscipline()
  var certificates: CertificateLaws
  var chainLaws: ChainLaws
  var setLaws: SetLaws
  var cosignatureLaws: CosignatureLaws
  /// What progress costs.
  var views = ViewCount()
  var memory: MemoryLaws
  var campaigns: [Campaign] = []
  /// Checkpoints that nodes may be told to begin from, ascending.
  var published: [Published] = []
  /// When everything but the checkpoints was done, milliseconds after the faults.
  var settledMilliseconds: UInt64?
  var workload: Workload
  var healed: Healing?

  /// What progress is measured against.
  struct Healing {
    var height: UInt64
    /// The height that must become final everywhere.
    var goal: UInt64
    var at: Instant
    var viewsBefore: UInt64
    /// The longest delay on which a timer was built then.
    var delayMilliseconds: UInt64
  }

  public struct Statistics: Sendable {
    public var steps: UInt64 = 0
    public var messages: UInt64 = 0
    public var crashes: UInt64 = 0
    public var partitions: UInt64 = 0
    public var lies: UInt64 = 0
    public var events: UInt64 = 0
    public var views: UInt64 = 0
    public var blocks: UInt64 = 0
    public var certificates: UInt64 = 0
    public var evidence: UInt64 = 0
    public var wipes: UInt64 = 0
    public var journalsLost: UInt64 = 0
    /// Validator sets that were proposed in earnest, those that would have lost the quorum, and those that came into force.
    public var proposals: UInt64 = 0
    public var unsafeProposals: UInt64 = 0
    public var setChanges: UInt64 = 0
    /// Nodes that went on with another key, and processes that ended at a block that hands over.
    public var rotations: UInt64 = 0
    public var handoverCrashes: UInt64 = 0
    /// Handoffs verified in the stores of honest nodes at the end.
    public var handoffs: UInt64 = 0
    /// Cosignatures that honest nodes sent, and checkpoints of a quorum that they put together.
    public var cosignatures: UInt64 = 0
    public var checkpoints: UInt64 = 0
    /// Stores that gave up bodies, and syncs that stood still because nobody connected had the bodies.
    public var prunes: UInt64 = 0
    public var stranded: UInt64 = 0
    /// Nodes that were told where to begin, checkpoints whose block was found, and nodes that had taken nothing because they were told something false.
    public var beginnings: UInt64 = 0
    public var adoptions: UInt64 = 0
    public var refusals: UInt64 = 0
    /// From the end of the faults until every honest node had its blocks.
    public var recoveryMilliseconds: UInt64 = 0
    /// Views that the furthest honest node has entered in that time.
    public var recoveryViews: UInt64 = 0
    /// Until every honest node had what was final when the faults ended, and until the run ended.
    public var catchUpMilliseconds: UInt64 = 0
    public var endMilliseconds: UInt64 = 0
    public init() {}

    /// One line for reports.
    public var text: String {
      "views \(views), blocks \(blocks), crashes \(crashes), caught up after \(catchUpMilliseconds) ms, went on after \(recoveryMilliseconds) ms and "
        + "\(recoveryViews) views, ended after \(endMilliseconds) ms"
    }
  }

  /// How a run ended.
  public struct Outcome: Sendable {
    public var failure: Failure?
    public var statistics: Statistics
    /// Hash of everything that happened.
    public var digest: Digest
  }

  let options: Options
  /// What a run is told besides its scenario.
  public struct Options: Sendable {
    /// Called with a line for each thing that happens; nil: silent.
    public var trace: (@Sendable (String) -> Void)?
    #if MOLOCH_MUTANTS
      /// The rule that every machine leaves out.
      var mutant: Mutant?

      public static var mutants: [String] { Mutant.allCases.map { "\($0)" } }

      /// False when there is no such mutant.
      public mutating func setMutant(_ name: String) -> Bool {
        mutant = Mutant.allCases.first { "\($0)" == name }
        return mutant != nil
      }
    #endif
    public init() {}
  }

  public init(_ scenario: Scenario, options: Options = Options()) {
    self.scenario = scenario
    self.options = options
    random = SeededGenerator(seed: scenario.seed ^ 0x9E37_79B9)
    certificates = CertificateLaws(signatures: signatures)
    let keys = (0..<scenario.nodes).map { Self.key($0) }
    genesis = Self.genesis(scenario, keys)
    let twins = scenario.roles.filter { $0.role == .twins }
    let voters = scenario.nodes + twins.count, count = voters + scenario.observers
    network = NetworkModel(scenario, nodes: count)
    chainLaws = ChainLaws(genesis: genesis.header, nodes: count)
    setLaws = SetLaws(chainTag: genesis.chainTag, epochLength: scenario.epochLength, genesis: genesis.validators)
    cosignatureLaws = CosignatureLaws(origin: genesis.origin, nodes: count)
    memory = MemoryLaws(validators: scenario.nodes + scenario.observers + 1)
    workload = Workload(chainTag: genesis.chainTag)
    for index in 0..<count {
      let slot = index < scenario.nodes || index >= voters ? index : twins[index - scenario.nodes].node
      let role = scenario.roles.first { $0.node == slot }?.role
      let hasKey = slot < scenario.nodes || !scenario.changes.isEmpty
      nodes.append(
        SimulatedNode(
          index: index, key: hasKey ? Self.key(slot) : nil, nextKey: Self.nextKey(slot, isHonest: role == nil, scenario), isHonest: role == nil,
          liar: role?.liar, seed: random.next(), chainTag: genesis.chainTag, genesis: genesis.header, nodes: count))
    }
    for index in 0..<count {
      nodes[index].clockOffset = Int64(random.below(200)) - 100
      agenda.add(.start(node: index), at: now.adding(milliseconds: random.below(50)))
    }
    for fault in scenario.faults { agenda.add(.fault(fault.kind), at: fault.at) }
    for change in scenario.changes { agenda.add(.propose(change, for: nil, triesLeft: Self.triesMax), at: change.at) }
    agenda.add(.heal, at: scenario.healsAt)
    if scenario.eventsPerSecond > 0 { agenda.add(.submit, at: now.adding(milliseconds: 100)) }
  }

  private static func key(_ index: Int, generation: UInt64 = 4) -> SigningKey { SigningKey(seed: Bytes32(UInt64(index) + 1, 2, 3, generation)) }

  /// Where sets change, every honest validator of genesis has a key that can take over.
  private static func nextKey(_ index: Int, isHonest: Bool, _ scenario: Scenario) -> SigningKey? {
    !scenario.changes.isEmpty && isHonest && index < scenario.nodes ? key(index, generation: 5) : nil
  }

  private static func genesis(_ scenario: Scenario, _ keys: [SigningKey]) -> Genesis {
    var parameters = ChainParameters()
    parameters.blockTime = scenario.blockTimeMilliseconds
    parameters.emptyBlockInterval = scenario.emptyBlockIntervalMilliseconds
    parameters.epochLength = scenario.epochLength
    let validators = keys.indices.map {
      Validator(publicKey: keys[$0].publicKey, cosignerKey: keys[$0].publicKey, power: scenario.powers[$0], name: "v\($0 + 1)")
    }
    let text = Genesis.text(
      chainID: "simulation", timestamp: Timestamp(milliseconds: begin.milliseconds - 10_000), domain: "moloch.internal", validators: validators,
      parameters: parameters, signers: [])
    do { return try Genesis(json: text) } catch { preconditionFailure("the scenario gives a valid genesis: \(error)") }
  }

  /// Runs to the end: progress after the faults, or the first property that does not hold.
  public mutating func run() -> Outcome {
    var failure: Failure?
    do throws(Failure) {
      while try !isFinished(), let (time, item) = agenda.next() {
        now = time
        statistics.steps += 1
        if statistics.steps > SimulationLimit.stepsMax { throw failureNow(.bounds, "more than \(SimulationLimit.stepsMax) steps") }
        try handle(item)
      }
      try examineStores()
    } catch { failure = error }
    statistics.messages = network.sent
    statistics.blocks = chainLaws.height
    statistics.certificates = UInt64(certificates.count)
    statistics.views = views.total
    statistics.setChanges = setLaws.changes
    statistics.cosignatures = cosignatureLaws.cosignatures
    statistics.checkpoints = cosignatureLaws.checkpoints
    return Outcome(failure: failure, statistics: statistics, digest: auditor.digest)
  }

  func failureNow(_ kind: Failure.Class, _ detail: String) -> Failure { Failure(kind: kind, milliseconds: now.milliseconds - Self.begin.milliseconds, detail: detail) }
  var milliseconds: UInt64 { now.milliseconds - Self.begin.milliseconds }

  func trace(_ line: @autoclosure () -> String) { if let trace = options.trace { trace("\(milliseconds) ms  \(line())") } }

  private mutating func handle(_ item: Item) throws(Failure) {
    switch item {
    case .deliver(let to, let from, let link, let type, let bytes): try deliver(to, from, link, type, bytes)
    case .timer(let node, let incarnation, let generation):
      guard nodes[node].incarnation == incarnation, nodes[node].timerGeneration == generation else { return }
      try act(node) { $0.timer(now: $1, &$2) }
    case .disk(let node, let incarnation, let line):
      guard nodes[node].incarnation == incarnation else { return }
      try diskDone(node, line)
    case .work(let node, let incarnation):
      guard nodes[node].incarnation == incarnation else { return }
      nodes[node].isWorkDue = false
      try act(node) { $0.collect(now: $1, &$2) }
    case .start(let node): try start(node)
    case .connect(let a, let b): try connect(a, b)
    case .submit: try submit()
    case .propose(let change, let epoch, let tries): propose(change, for: epoch, triesLeft: tries)
    case .approve(let campaign, let node, let tries): approve(campaign, node, triesLeft: tries)
    case .rekey(let node, let incarnation): if nodes[node].incarnation == incarnation { rekey(node) }
    case .fault(let fault): try begin(fault)
    case .spring(let node, let incarnation): if nodes[node].incarnation == incarnation { spring(node) }
    case .undo(let undo): end(undo)
    case .heal: try heal()
    }
  }
}
