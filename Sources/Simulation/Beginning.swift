import Ambient

/// What a node is told to begin from when its chain was deleted.
public enum Beginning: Sendable, Hashable {
  /// Height and hash of the final block so many below the newest.
  case block(back: UInt64)
  /// A published checkpoint, so many before the newest.
  case checkpoint(back: Int)
  /// A published checkpoint with the cosignatures of too few.
  case fewCosignatures
  /// A checkpoint of another tree, cosigned by too few.
  case forged
  /// The right height and a hash that was misread.
  case misread

  /// The node must not begin from it.
  var isFalse: Bool {
    switch self {
    case .block, .checkpoint: false
    case .fewCosignatures, .forged, .misread: true
    }
  }
}

extension Planner {
  /// The trouble of the family `checkpoints`, in place of wiped chains and pruned bodies. Its draws are a stream of their own.
  func beginnings(_ plan: Plan, _ victims: [Int], _ length: UInt64) -> [PlannedFault] {
    var random = SeededGenerator(seed: seed ^ 0x626567_696E6E)
    var faults = plan.faults.filter { fault in
      switch fault.kind {
      case .wipeChain, .prune: false
      default: true
      }
    }
    func add(_ kind: PlannedFault.Kind, at milliseconds: UInt64) { faults.append(PlannedFault(at: World.begin.adding(milliseconds: min(milliseconds, length)), kind: kind)) }
    let failed = plan.roles.map(\.node) + plan.dead
    var chosen: [Int] = []
    let wanted = Int(random.between(1, 3))
    for node in victims.reversed() where chosen.count < wanted && !plan.dead.contains(node) {
      if node >= nodes || power(Set(failed + chosen + [node])) <= Scenario.tolerated(powers) { chosen.append(node) }
    }
    for node in victims where random.below(4) > 0 {
      add(.prune(node: node, keptBlocks: random.below(10), downMilliseconds: random.below(2) * random.between(1, 300)), at: random.between(length / 4, length))
    }
    for node in chosen {
      var at = random.between(length / 3, length * 3 / 4)
      if random.below(3) == 0 {
        // The others go on where the node and its neighbours do not see it: what it is told lies above all that they have.
        let neighbours = victims.filter { $0 != node && random.below(3) == 0 && ($0 >= nodes || power(Set([node, $0])) <= Scenario.tolerated(powers)) }.prefix(2)
        let time = random.between(600, 2500)
        add(.partition(group: ([node] + neighbours).sorted(), milliseconds: time), at: at)
        at += random.between(time / 2, time)
      }
      for _ in 0..<random.between(1, 2) {
        let down = random.between(1, 400)
        let beginning: Beginning =
          switch random.below(12) {
          case 0...3: .block(back: random.below(30))
          case 4...8: .checkpoint(back: Int(random.below(8)))
          case 9: .fewCosignatures
          case 10: .forged
          default: .misread
          }
        add(.beginFrom(node: node, beginning, downMilliseconds: down), at: at)
        for _ in 0..<random.below(3) {
          add(.crashAt(node: node, .effects(random.between(1, 80)), losesJournal: false, downMilliseconds: random.between(1, 200)), at: at + down + random.between(1, 300))
        }
        at += random.between(300, 1500)
      }
    }
    return faults
  }

  /// In the family `checkpoints` somebody mostly serves false ranges.
  func withForgers(_ drawn: [(node: Int, role: Role)], _ order: [Int]) -> [(node: Int, role: Role)] {
    var random = SeededGenerator(seed: seed ^ 0x666F72_676572)
    var roles = drawn.map { (node: $0.node, role: random.below(2) == 0 ? Role.historyForger : $0.role) }
    if roles.isEmpty, hasByzantine, nodes >= 4, random.below(4) > 0, let node = order.first(where: { powers[$0] <= Scenario.tolerated(powers) }) {
      roles.append((node, .historyForger))
    }
    return roles
  }
}
