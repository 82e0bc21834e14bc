import Ambient

/// Draws the roles and faults of a scenario.
struct Planner {
  let nodes: Int
  let powers: [UInt64]
  let hasByzantine: Bool
  let hasFaults: Bool

  func plan(_ random: inout SeededGenerator) -> (roles: [(node: Int, role: Role)], faults: [PlannedFault], healsAt: Instant) {
    var order = Array(0..<nodes)
    random.shuffle(&order)
    let roles = roles(order, &random)
    let length = random.between(3000, 15_000)
    var faults: [PlannedFault] = []
    guard hasFaults else { return (roles, [], World.begin.adding(milliseconds: 2000)) }
    let honest = order.filter { node in !roles.contains { $0.node == node } }
    let count = random.between(2, 14)
    for _ in 0..<count { faults.append(fault(honest, length, roles, &random)) }
    faults = bounded(faults, roles)
    faults.sort { ($0.at.nanoseconds, "\($0.kind)") < ($1.at.nanoseconds, "\($1.kind)") }
    return (roles, faults, World.begin.adding(milliseconds: length + 4000))
  }

  /// Leaves out what would break the assumptions of the protocol: recovery of a lost journal needs a quorum of honest others, some node must keep the
  /// chain, and only a minority's clock may be an hour off.
  private func bounded(_ faults: [PlannedFault], _ roles: [(node: Int, role: Role)]) -> [PlannedFault] {
    let total = powers.reduce(0, +), tolerated = Scenario.tolerated(powers)
    let lying = roles.reduce(0) { $0 + powers[$1.node] }
    var hasLostJournal = false
    var wiped: [Int] = []
    var jumped: [Int] = []
    func power(_ nodes: [Int]) -> UInt64 { nodes.reduce(0) { $0 + powers[$1] } }
    return faults.filter { fault in
      switch fault.kind {
      case .loseJournal(let node, _):
        guard !hasLostJournal, 3 * (total - lying - powers[node]) > 2 * total else { return false }
        hasLostJournal = true
      case .wipeChain(let node, _):
        guard nodes > 1, lying + power(wiped.filter { $0 != node } + [node]) <= tolerated else { return false }
        wiped.append(node)
      case .clockJump(let node, let milliseconds) where abs(milliseconds) > 2000:
        guard nodes > 1, lying + power(jumped.filter { $0 != node } + [node]) <= tolerated else { return false }
        jumped.append(node)
      default: break
      }
      return true
    }
  }

  private func roles(_ order: [Int], _ random: inout SeededGenerator) -> [(node: Int, role: Role)] {
    guard hasByzantine, nodes >= 4, random.below(2) == 0 else { return [] }
    var left = Scenario.tolerated(powers)
    var roles: [(node: Int, role: Role)] = []
    for node in order where powers[node] <= left && (roles.isEmpty || random.below(2) == 0) {
      left -= powers[node]
      roles.append((node, random.pick(Role.allCases)))
    }
    return roles
  }

  private func fault(_ honest: [Int], _ length: UInt64, _ roles: [(node: Int, role: Role)], _ random: inout SeededGenerator) -> PlannedFault {
    let at = World.begin.adding(milliseconds: random.between(100, length))
    let node = random.pick(honest)
    let down = random.between(10, 2500)
    let time = random.between(100, 3500)
    var group = Array(0..<nodes)
    random.shuffle(&group)
    group.removeLast(group.count - Int(random.between(1, UInt64(max(1, nodes / 2)))))
    group.sort()
    let kind: PlannedFault.Kind
    switch random.below(nodes == 1 ? 6 : 24) {
    case 0, 1: kind = .crash(node: node, downMilliseconds: down)
    case 2, 3: kind = .crashAtEffect(node: node, effects: random.between(1, 60), downMilliseconds: down)
    case 4: kind = .slowDisk(node: node, factor: random.between(2, 100), milliseconds: time)
    case 5: kind = .clockJump(node: node, milliseconds: Int64(random.below(2000)) - 1000)
    case 6, 7, 8: kind = .crashAtEffect(node: node, effects: random.between(1, 200), downMilliseconds: down)
    case 9, 10, 11: kind = .partition(group: group, milliseconds: time)
    case 12, 13: kind = .oneWay(group: group, milliseconds: time)
    case 14: kind = .flapping(group: group, periods: Int(random.between(2, 6)), milliseconds: time)
    case 15, 16: kind = .breakLink(node, Int(random.below(UInt64(nodes))), milliseconds: time)
    case 17, 18, 19: kind = .noise(loss: random.below(300_000), duplication: random.below(200_000), straggling: random.below(500_000), milliseconds: time)
    case 20: kind = .powerCut(downMilliseconds: down)
    case 21: kind = .wipeChain(node: node, downMilliseconds: down)
    case 22: kind = .loseJournal(node: node, downMilliseconds: down)
    default: kind = .clockJump(node: node, milliseconds: random.pick([-3_600_000, -60_000, 60_000, 3_600_000]))
    }
    return PlannedFault(at: at, kind: kind)
  }
}
