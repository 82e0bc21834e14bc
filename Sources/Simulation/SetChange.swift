public import Ambient

/// A change of the validator set that somebody proposes at a time. Who is in the set then, and who leads, decides what exactly is proposed.
public struct PlannedChange: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// The leader of the view in which the proposer is leaves the set.
    case removeLeader
    case remove(node: Int)
    /// A node that follows gets a vote.
    case add(node: Int, power: UInt64)
    /// Another key votes for the same node.
    case rotate(node: Int)
    case power(node: Int, UInt64)
    /// A key that no node has gets so much power that all others together are no quorum: nobody honest approves.
    case loseQuorum
  }

  public var at: Instant
  public var kind: Kind
  /// What another validator proposes for the same epoch, soon after: the first that is approved wins.
  public var rival: Kind?
}

extension Planner {
  /// Chains of at least four whose blocks come often change their set in every third run.
  func changes(_ roles: [(node: Int, role: Role)], _ dead: [Int], _ length: UInt64, _ random: inout SeededGenerator) -> [PlannedChange] {
    let honest = (0..<nodes).filter { node in !roles.contains { $0.node == node } && !dead.contains(node) }
    guard hasFaults, (4...10).contains(nodes), family != .idle, !honest.isEmpty, observers > 0 else { return [] }
    let twins = roles.count { $0.role == .twins }
    let newcomers = (0..<observers).map { nodes + twins + $0 }
    return (0..<random.between(1, 5)).map { _ in
      let kind = change(honest, newcomers, &random)
      let rival = random.below(4) == 0 ? change(honest, newcomers, &random) : nil
      return PlannedChange(at: World.begin.adding(milliseconds: random.between(100, length)), kind: kind, rival: rival)
    }
  }

  private func change(_ honest: [Int], _ newcomers: [Int], _ random: inout SeededGenerator) -> PlannedChange.Kind {
    switch random.below(9) {
    case 0, 1: .removeLeader
    case 2: .remove(node: Int(random.below(UInt64(nodes))))
    case 3, 4: .add(node: random.pick(newcomers), power: random.between(1, 3))
    case 5, 6: .rotate(node: random.pick(honest))
    case 7: .power(node: Int(random.below(UInt64(nodes))), random.between(1, 5))
    default: .loseQuorum
    }
  }
}
