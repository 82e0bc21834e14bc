import Ambient
import Audit
import Ledger

extension World {
  mutating func begin(_ fault: PlannedFault.Kind) throws(Failure) {
    trace("\(fault)")
    switch fault {
    case .crash(let node, let down): crash(node, downMilliseconds: down)
    case .crashAt(let node, let moment, let losesJournal, let down):
      nodes[node].trap = SimulatedNode.Trap(moment: moment, losesJournal: losesJournal, downMilliseconds: down)
    case .powerCut(let down): for index in nodes.indices { crash(index, downMilliseconds: down + random.below(300)) }
    case .partition(let group, let time): cut(group, both: true, time)
    case .oneWay(let group, let time): cut(group, both: false, time)
    case .star(let centre, let time):
      let ends = nodes.indices.filter { $0 != centre }
      setStar(ends, true)
      agenda.add(.undo(.star(ends)), at: now.adding(milliseconds: time))
    case .flapping(let group, let periods, let time):
      for period in 0..<UInt64(periods) {
        agenda.add(.undo(.cutAgain(group)), at: now.adding(milliseconds: 2 * period * time / UInt64(2 * periods)))
        agenda.add(.undo(.cut(group, both: true)), at: now.adding(milliseconds: (2 * period + 1) * time / UInt64(2 * periods)))
      }
    case .breakLink(let a, let b, let time): breakLink(a, b, milliseconds: time)
    case .noise(let loss, let duplication, let straggling, let time):
      network.faults = NetworkModel.Faults(loss: loss, duplication: duplication, straggling: straggling)
      agenda.add(.undo(.noise), at: now.adding(milliseconds: time))
    case .slowDisk(let node, let factor, let time):
      nodes[node].diskFactors = [factor, factor]
      agenda.add(.undo(.disk(node)), at: now.adding(milliseconds: time))
    case .slowStores(let factor, let time):
      for node in nodes { node.diskFactors[0] = factor }
      agenda.add(.undo(.stores), at: now.adding(milliseconds: time))
    case .clockJump(let node, let milliseconds): nodes[node].clockOffset += milliseconds
    case .wipeChain(let node, let down):
      crash(node, downMilliseconds: down)
      nodes[node].store = MemoryStore(genesis: genesis.header)
      nodes[node].isWiped = true
      statistics.wipes += 1
    case .beginFrom(let node, let beginning, let down): begin(node, from: beginning, downMilliseconds: down)
    case .prune(let node, let kept, let down):
      if down > 0 { crash(node, downMilliseconds: down) }
      nodes[node].store.prune(before: prunable(node, keptBlocks: kept))
      statistics.prunes += 1
    case .loseJournal(let node, let down): crash(node, losesJournal: true, downMilliseconds: down)
    }
  }

  /// A planned moment has come.
  mutating func spring(_ index: Int) {
    guard let trap = nodes[index].trap else { return }
    nodes[index].trap = nil
    if trap.moment == .handover { statistics.handoverCrashes += 1 }
    crash(index, losesJournal: trap.losesJournal, downMilliseconds: trap.downMilliseconds)
  }

  private mutating func crash(_ index: Int, losesJournal: Bool, downMilliseconds: UInt64) {
    let node = nodes[index]
    crash(index, downMilliseconds: downMilliseconds)
    guard losesJournal, node.hasVoted, mayLoseJournal(index) else { return }
    trace("node \(index) has lost its journal")
    node.journal.wipe()
    cosignatureLaws.lostJournal(index)
    node.isRestricted = true
    statistics.journalsLost += 1
  }

  private mutating func cut(_ group: [Int], both: Bool, _ time: UInt64) {
    setCut(group, both: both, true)
    agenda.add(.undo(.cut(group, both: both)), at: now.adding(milliseconds: time))
  }

  private mutating func setCut(_ group: [Int], both: Bool, _ isCut: Bool) {
    statistics.partitions += isCut ? 1 : 0
    for inside in group {
      for outside in nodes.indices where !group.contains(outside) {
        network.cut(inside, outside, isCut)
        if both { network.cut(outside, inside, isCut) }
        // Some connections survive a cut and go on losing what is sent; others are given up and made again.
        if isCut && random.below(2) == 0 { breakLink(inside, outside, milliseconds: 200) }
      }
    }
  }

  private mutating func setStar(_ ends: [Int], _ isCut: Bool) {
    statistics.partitions += isCut ? 1 : 0
    for a in ends {
      for b in ends where a != b {
        network.cut(a, b, isCut)
        if isCut && a < b && random.below(2) == 0 { breakLink(a, b, milliseconds: 200) }
      }
    }
  }

  mutating func end(_ undo: Undo) {
    guard healed == nil else { return }
    switch undo {
    case .cut(let group, let both): setCut(group, both: both, false)
    case .cutAgain(let group): setCut(group, both: true, true)
    case .noise: network.faults = NetworkModel.Faults()
    case .star(let ends): setStar(ends, false)
    case .disk(let node): nodes[node].diskFactors = [1, 1]
    case .stores: for node in nodes { node.diskFactors[0] = 1 }
    }
  }

  /// Everything works from here on: whoever is down starts, clocks are right again, nothing is lost.
  mutating func heal() throws(Failure) {
    trace("healed")
    network.heal()
    for index in scenario.dead {
      nodes[index].isDead = true
      crash(index, downMilliseconds: 0)
    }
    try correctMisled()
    for index in nodes.indices where !nodes[index].isDead {
      nodes[index].diskFactors = [1, 1]
      nodes[index].clockOffset = Int64(random.below(200)) - 100
      nodes[index].trap = nil
      if !nodes[index].isUp { try start(index) }
    }
    if scenario.reconnectsAll { for a in nodes.indices { for b in nodes.indices where a < b { dropLink(a, b) } } }
    for a in nodes.indices { for b in nodes.indices where a < b && nodes[a].links[b] == nil { agenda.add(.connect(a, b), at: now.adding(milliseconds: random.between(1, 300))) } }
    // A change that is approved has to come into force, too.
    let goal = max(chainLaws.height + SimulationLimit.blocksAfterHealing, setLaws.lastPlanned ?? 0)
    healed = Healing(height: chainLaws.height, goal: goal, at: now, viewsBefore: views.total, delayMilliseconds: delayMilliseconds)
  }
}
