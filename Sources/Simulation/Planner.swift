import Ambient

/// Draws the roles and faults of a scenario.
struct Planner {
  let seed: UInt64
  let family: Scenario.Family
  let nodes: Int
  let powers: [UInt64]
  let observers: Int
  let hasByzantine: Bool
  let hasFaults: Bool

  struct Plan {
    var roles: [(node: Int, role: Role)]
    var dead: [Int] = []
    var faults: [PlannedFault] = []
    var changes: [PlannedChange] = []
    var healsAt: Instant
  }

  func plan(_ random: inout SeededGenerator) -> Plan {
    var order = Array(0..<nodes)
    random.shuffle(&order)
    var plan = Plan(roles: roles(order, &random), healsAt: World.begin.adding(milliseconds: 2000))
    if family == .checkpoints { plan.roles = withForgers(plan.roles, order) }
    guard hasFaults else { return plan }
    let honest = order.filter { node in !plan.roles.contains { $0.node == node } }
    plan.dead = dead(honest, plan.roles, &random)
    let length = random.between(1500, family == .slow ? 12_000 : 7000)
    let twins = plan.roles.count { $0.role == .twins }
    let victims = honest + (0..<observers).map { nodes + twins + $0 }
    // What is to be an idle chain must have got over the troubles before.
    let (count, span) = family == .idle ? (random.below(5), max(200, length - 1500)) : (random.between(2, 14), length)
    for _ in 0..<count { plan.faults += faults(victims, honest, span, &random) }
    if family == .idle { plan.faults.append(lastCut(victims, length, &random)) }
    if observers > 0, random.below(2) == 0 { plan.changes = changes(plan.roles, plan.dead, length, &random) }
    if !plan.changes.isEmpty {
      for _ in 0..<random.below(4) {
        let kind = PlannedFault.Kind.crashAt(node: random.pick(victims), .handover, losesJournal: false, downMilliseconds: random.between(1, 600))
        plan.faults.append(PlannedFault(at: World.begin.adding(milliseconds: 100), kind: kind))
      }
    }
    let isPruning = random.below(4) == 0
    if isPruning {
      let kind = PlannedFault.Kind.wipeChain(node: random.pick(victims), downMilliseconds: random.between(10, 600))
      plan.faults.append(PlannedFault(at: World.begin.adding(milliseconds: random.between(length / 2, length)), kind: kind))
    }
    plan.faults = bounded(plan)
    if isPruning { plan.faults += prunes(plan, victims, length, &random) }
    if family == .checkpoints { plan.faults = beginnings(plan, victims, length) }
    plan.faults.sort { ($0.at.nanoseconds, "\($0.kind)") < ($1.at.nanoseconds, "\($1.kind)") }
    plan.healsAt = World.begin.adding(milliseconds: length + 500)
    return plan
  }

  /// Some nodes give up old bodies, all but one validator that keeps everything, at times while one that has lost its chain sees only those who have.
  private func prunes(_ plan: Plan, _ victims: [Int], _ length: UInt64, _ random: inout SeededGenerator) -> [PlannedFault] {
    let wiped = plan.faults.compactMap { if case .wipeChain(let node, _) = $0.kind { ($0.at, node) } else { nil } }
    let archives = victims.filter { node in node < nodes && !plan.dead.contains(node) && !wiped.contains { $0.1 == node } }
    guard let archive = archives.first else { return [] }
    let pruned = victims.filter { $0 != archive && random.below(3) > 0 }
    var faults = pruned.map { node in
      let kind = PlannedFault.Kind.prune(node: node, keptBlocks: random.between(2, 20), downMilliseconds: random.below(2) * random.between(1, 300))
      return PlannedFault(at: World.begin.adding(milliseconds: random.between(length / 4, length * 3 / 4)), kind: kind)
    }
    if let (at, node) = wiped.last {
      let group = ([node] + pruned.filter { $0 != node }).sorted()
      faults.append(PlannedFault(at: at.adding(milliseconds: 1), kind: .partition(group: group, milliseconds: random.between(500, 3000))))
    }
    return faults
  }

  func power(_ nodes: some Sequence<Int>) -> UInt64 { nodes.reduce(0) { $0 + ($1 < powers.count ? powers[$1] : 0) } }

  /// Leaves out what would break the assumptions of the protocol: some node must keep the chain, and only a minority's clock may be an hour off.
  /// (Whether a journal may be lost is decided when it happens.)
  private func bounded(_ plan: Plan) -> [PlannedFault] {
    let tolerated = Scenario.tolerated(powers)
    let failed = plan.roles.map(\.node) + plan.dead
    var wiped: [Int] = []
    var jumped: [Int] = []
    return plan.faults.filter { fault in
      switch fault.kind {
      case .wipeChain(let node, _):
        guard nodes > 1, power(Set(failed + wiped + [node])) <= tolerated else { return false }
        wiped.append(node)
      case .clockJump(let node, let milliseconds) where abs(milliseconds) > 2000:
        guard nodes > 1, power(Set(failed + jumped + [node])) <= tolerated else { return false }
        jumped.append(node)
      default: break
      }
      return true
    }
  }

  private func roles(_ order: [Int], _ random: inout SeededGenerator) -> [(node: Int, role: Role)] {
    // On an idle chain the time within which all must know the head is shorter than what one vain question costs.
    guard hasByzantine, nodes >= 4, family != .idle, random.below(family == .lonely ? 4 : 2) == 0 else { return [] }
    var left = Scenario.tolerated(powers)
    var roles: [(node: Int, role: Role)] = []
    for node in order where powers[node] <= left && (roles.isEmpty || random.below(2) == 0) {
      left -= powers[node]
      roles.append((node, random.pick(Role.drawn)))
    }
    return roles
  }

  private func dead(_ honest: [Int], _ roles: [(node: Int, role: Role)], _ random: inout SeededGenerator) -> [Int] {
    guard nodes >= 4, family == .lonely || random.below(8) == 0 else { return [] }
    var left = Scenario.tolerated(powers) - power(roles.map(\.node))
    var dead: [Int] = []
    for node in honest where powers[node] <= left {
      left -= powers[node]
      dead.append(node)
    }
    return dead
  }

  /// What happens at one time: mostly one fault, in some families one with the circumstances that make it hard.
  private func faults(_ victims: [Int], _ validators: [Int], _ length: UInt64, _ random: inout SeededGenerator) -> [PlannedFault] {
    let start = random.between(100, length)
    let node = random.pick(validators)
    func fault(_ kind: PlannedFault.Kind, after milliseconds: UInt64 = 0) -> PlannedFault {
      PlannedFault(at: World.begin.adding(milliseconds: start + milliseconds), kind: kind)
    }
    let blink = random.between(1, 60)
    switch family {
    case .stuck where nodes > 1 && random.below(3) > 0:
      let time = random.between(200, 1500)
      let trouble: PlannedFault.Kind =
        random.below(2) == 0 ? .star(centre: node, milliseconds: time) : .noise(loss: random.between(200_000, 600_000), duplication: 0, straggling: 300_000, milliseconds: time)
      var faults = [fault(trouble), fault(.crashAt(node: node, .vote, losesJournal: random.below(3) > 0, downMilliseconds: blink), after: random.below(time))]
      if random.below(2) == 0 {
        faults.append(fault(.crashAt(node: node, .recovery(milliseconds: random.below(200)), losesJournal: false, downMilliseconds: blink), after: time))
      }
      return faults
    case .powerCuts where random.below(2) == 0:
      let factor = random.between(50, 500)
      return [fault(.slowStores(factor: factor, milliseconds: 1500)), fault(.powerCut(downMilliseconds: blink), after: random.between(20, 1400))]
    case .lonely where random.below(3) == 0:
      return [fault(.noise(loss: random.between(100_000, 500_000), duplication: 0, straggling: 300_000, milliseconds: random.between(300, 2500)))]
    default: return [fault(anything(random.pick(victims), &random))]
    }
  }

  /// Cuts off one node in one or both directions, or makes all lose a little, while the last events come; nothing mends it before the end.
  private func lastCut(_ victims: [Int], _ length: UInt64, _ random: inout SeededGenerator) -> PlannedFault {
    let time: UInt64 = 5000
    // Who only follows has no votes to repeat, and so nothing that would bring it an answer.
    let group = [random.below(2) == 0 ? random.pick(victims) : random.pick(victims.filter { $0 >= nodes })]
    let kind: PlannedFault.Kind
    switch random.below(4) {
    case 0: kind = .noise(loss: random.between(20_000, 200_000), duplication: 0, straggling: 300_000, milliseconds: time)
    case 1: kind = .oneWay(group: (0..<nodes).filter { !group.contains($0) }, milliseconds: time)
    default: kind = .partition(group: group, milliseconds: time)
    }
    return PlannedFault(at: World.begin.adding(milliseconds: length - min(length, random.between(500, 1500))), kind: kind)
  }

  private func anything(_ node: Int, _ random: inout SeededGenerator) -> PlannedFault.Kind {
    let isLong = random.below(4) == 0
    let down = random.between(10, isLong ? 2500 : 600)
    let time = random.between(100, isLong ? 3500 : 1200)
    var group = Array(0..<nodes)
    random.shuffle(&group)
    group.removeLast(group.count - Int(random.between(1, UInt64(max(1, nodes / 2)))))
    group.sort()
    switch random.below(nodes == 1 ? 8 : 26) {
    case 0, 1: return .crash(node: node, downMilliseconds: down)
    case 2, 3, 4: return .crashAt(node: node, .effects(random.between(1, 200)), losesJournal: false, downMilliseconds: down)
    case 5: return .crashAt(node: node, .boundary, losesJournal: false, downMilliseconds: down)
    case 6: return .slowDisk(node: node, factor: random.between(2, 100), milliseconds: time)
    case 7: return .clockJump(node: node, milliseconds: Int64(random.below(2000)) - 1000)
    case 8: return .crashAt(node: node, .vote, losesJournal: random.below(3) == 0, downMilliseconds: down)
    case 9: return .star(centre: node % nodes, milliseconds: time)
    case 10, 11, 12: return .partition(group: group, milliseconds: time)
    case 13, 14: return .oneWay(group: group, milliseconds: time)
    case 15: return .flapping(group: group, periods: Int(random.between(2, 6)), milliseconds: time)
    case 16, 17: return .breakLink(node, Int(random.below(UInt64(nodes))), milliseconds: time)
    case 18, 19, 20: return .noise(loss: random.below(300_000), duplication: random.below(200_000), straggling: random.below(500_000), milliseconds: time)
    case 21: return .powerCut(downMilliseconds: down)
    case 22: return .wipeChain(node: node, downMilliseconds: down)
    case 23: return .loseJournal(node: node, downMilliseconds: down)
    case 24: return .slowStores(factor: random.between(2, 300), milliseconds: time)
    default: return .clockJump(node: node, milliseconds: random.pick([-3_600_000, -60_000, 60_000, 3_600_000]))
    }
  }
}
