import Ambient
import Audit
import Ledger

extension World {
  mutating func begin(_ fault: PlannedFault.Kind) throws(Failure) {
    trace("\(fault)")
    switch fault {
    case .crash(let node, let down): crash(node, downMilliseconds: down)
    case .crashAtEffect(let node, let effects, let down):
      nodes[node].effectsToCrash = effects
      nodes[node].downMillisecondsAfterCrash = down
    case .powerCut(let down): for index in nodes.indices { crash(index, downMilliseconds: down + random.below(300)) }
    case .partition(let group, let time): cut(group, both: true, time)
    case .oneWay(let group, let time): cut(group, both: false, time)
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
      nodes[node].diskFactor = factor
      agenda.add(.undo(.disk(node)), at: now.adding(milliseconds: time))
    case .clockJump(let node, let milliseconds): nodes[node].clockOffset += milliseconds
    case .wipeChain(let node, let down):
      crash(node, downMilliseconds: down)
      nodes[node].store = MemoryStore(genesis: genesis.header)
      nodes[node].isWiped = true
      statistics.wipes += 1
    case .loseJournal(let node, let down):
      crash(node, downMilliseconds: down)
      nodes[node].journal.wipe()
      statistics.journalsLost += 1
    }
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

  mutating func end(_ undo: Undo) {
    guard healed == nil else { return }
    switch undo {
    case .cut(let group, let both): setCut(group, both: both, false)
    case .cutAgain(let group): setCut(group, both: true, true)
    case .noise: network.faults = NetworkModel.Faults()
    case .disk(let node): nodes[node].diskFactor = 1
    }
  }

  /// Everything works from here on: whoever is down starts, clocks are right again, nothing is lost.
  mutating func heal() throws(Failure) {
    trace("healed")
    network.heal()
    for index in nodes.indices {
      nodes[index].diskFactor = 1
      nodes[index].clockOffset = Int64(random.below(200)) - 100
      nodes[index].effectsToCrash = nil
      if !nodes[index].isUp { try start(index) }
    }
    for a in nodes.indices { for b in nodes.indices where a < b && nodes[a].links[b] == nil { agenda.add(.connect(a, b), at: now.adding(milliseconds: random.between(1, 300))) } }
    healed = Healing(height: chainLaws.height, at: now, viewsBefore: views)
  }
}
