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
    case fault(PlannedFault.Kind)
    case undo(Undo)
    case heal
  }

  /// The end of a fault that lasts.
  enum Undo {
    case cut([Int], both: Bool)
    case cutAgain([Int])
    case noise
    case disk(Int)
  }

  let scenario: Scenario
  let genesis: Genesis
  var random: SeededGenerator
  var agenda = Agenda<Item>()
  var network: NetworkModel
  var nodes: [SimulatedNode] = []
  var now = World.begin
  var linkNumber: UInt64 = 0
  var auditor = Auditor()
  var statistics = Statistics()

  var votes = VoteDiscipline()
  var certificates = CertificateLaws()
  var chainLaws: ChainLaws
  var workload: Workload
  var healed: Healing?

  /// What progress is measured against.
  struct Healing {
    var height: UInt64
    var at: Instant
    var viewsBefore: UInt64
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
    /// From the end of the faults until every honest node had its blocks.
    public var recoveryMilliseconds: UInt64 = 0
    public init() {}
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
    let keys = (0..<scenario.nodes).map { SigningKey(seed: Bytes32(UInt64($0) + 1, 2, 3, 4)) }
    genesis = Self.genesis(scenario, keys)
    let twins = scenario.roles.filter { $0.role == .twins }
    let count = scenario.nodes + twins.count
    network = NetworkModel(
      nodes: count, delayMillisecondsMin: scenario.delayMillisecondsMin, delayMillisecondsMax: scenario.delayMillisecondsMax, keepsOrder: scenario.keepsOrder)
    chainLaws = ChainLaws(genesis: genesis.header, nodes: count)
    workload = Workload(chainTag: genesis.chainTag)
    for index in 0..<count {
      let slot = index < scenario.nodes ? index : twins[index - scenario.nodes].node
      let role = scenario.roles.first { $0.node == slot }?.role
      nodes.append(
        SimulatedNode(
          index: index, key: keys[slot], isHonest: role == nil, liar: role?.liar, seed: random.next(), chainTag: genesis.chainTag,
          genesis: genesis.header, nodes: count))
    }
    for index in 0..<count {
      nodes[index].clockOffset = Int64(random.below(200)) - 100
      agenda.add(.start(node: index), at: now.adding(milliseconds: random.below(50)))
    }
    for fault in scenario.faults { agenda.add(.fault(fault.kind), at: fault.at) }
    agenda.add(.heal, at: scenario.healsAt)
    if scenario.eventsPerSecond > 0 { agenda.add(.submit, at: now.adding(milliseconds: 100)) }
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
    } catch { failure = error }
    statistics.messages = network.sent
    statistics.blocks = chainLaws.height
    statistics.certificates = UInt64(certificates.count)
    statistics.views = views
    if failure == nil, let healed { statistics.recoveryMilliseconds = now.milliseconds(since: healed.at) }
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
    case .fault(let fault): try begin(fault)
    case .undo(let undo): end(undo)
    case .heal: try heal()
    }
  }

  // MARK: Progress

  /// Views over all heights and epochs, as far as honest nodes have got: what progress costs.
  var views: UInt64 { nodes.filter { $0.isHonest }.map(\.viewsEntered).max() ?? 0 }

  private func isFinished() throws(Failure) -> Bool {
    guard let healed else { return false }
    let honest = nodes.filter(\.isHonest)
    let lowest = honest.map { chainLaws.reportedHeight(of: $0.index) }.min() ?? 0
    let catchUp = healed.at.adding(milliseconds: SimulationLimit.catchUpMilliseconds + SimulationLimit.healingDelays * scenario.delayMillisecondsMax)
    if scenario.isIdle, now > catchUp, lowest < healed.height {
      throw failureNow(.liveness, "height \(lowest) after \(now.milliseconds(since: healed.at)) ms, others had \(healed.height) at the beginning")
    }
    let isThere = lowest >= healed.height + SimulationLimit.blocksAfterHealing
    if isThere && honest.allSatisfy({ $0.admitted.allSatisfy { chainLaws.heights[$0] != nil } }) { return true }
    let limit = healed.at.adding(milliseconds: healingMilliseconds)
    if now > limit {
      let heights = nodes.map { "\($0.isUp ? "" : "down ")\(chainLaws.reportedHeight(of: $0.index))\($0.isHonest ? "" : "*")" }.joined(separator: " ")
      throw failureNow(
        .liveness,
        isThere ? "events of a node that never crashed are not final" : "heights \(heights), \(healed.height + SimulationLimit.blocksAfterHealing) wanted")
    }
    return false
  }

  /// Time for the blocks after healing: the waits that the back-off may have grown to, and the pace of an idle chain.
  var healingMilliseconds: UInt64 {
    let delay = max(scenario.delayMillisecondsMax, scenario.baseDelayMilliseconds)
    return SimulationLimit.healingDelays * 6 * delay + 20 * UInt64(scenario.emptyBlockIntervalMilliseconds) + 60_000
  }
}
