import Simulation

/// Sums over many runs.
struct Totals {
  private(set) var runs: UInt64 = 0
  private(set) var sum = World.Statistics()
  private var recoveries: [UInt64] = []
  var failures = 0
  var firstFailure: Failure.Class?

  mutating func add(_ outcome: World.Outcome) {
    let one = outcome.statistics
    runs += 1
    sum.steps += one.steps
    sum.messages += one.messages
    sum.crashes += one.crashes
    sum.partitions += one.partitions
    sum.lies += one.lies
    sum.events += one.events
    sum.views += one.views
    sum.blocks += one.blocks
    sum.certificates += one.certificates
    sum.evidence += one.evidence
    sum.wipes += one.wipes
    sum.journalsLost += one.journalsLost
    sum.proposals += one.proposals
    sum.unsafeProposals += one.unsafeProposals
    sum.setChanges += one.setChanges
    sum.rotations += one.rotations
    sum.handoverCrashes += one.handoverCrashes
    sum.handoffs += one.handoffs
    sum.cosignatures += one.cosignatures
    sum.checkpoints += one.checkpoints
    sum.prunes += one.prunes
    sum.stranded += one.stranded
    sum.beginnings += one.beginnings
    sum.adoptions += one.adoptions
    sum.refusals += one.refusals
    recoveries.append(one.recoveryMilliseconds)
  }

  private var members: [(name: String, value: UInt64)] {
    let sorted = recoveries.sorted()
    return [
      ("runs", runs), ("failures", UInt64(failures)), ("steps", sum.steps), ("messages", sum.messages), ("views", sum.views), ("blocks", sum.blocks),
      ("certificates", sum.certificates), ("events", sum.events), ("crashes", sum.crashes), ("partitions", sum.partitions), ("lies", sum.lies),
      ("evidence", sum.evidence), ("wipes", sum.wipes), ("journals_lost", sum.journalsLost),
      ("proposals", sum.proposals), ("unsafe_proposals", sum.unsafeProposals),
      ("set_changes", sum.setChanges), ("rotations", sum.rotations), ("handover_crashes", sum.handoverCrashes), ("handoffs", sum.handoffs),
      ("cosignatures", sum.cosignatures), ("checkpoints", sum.checkpoints), ("prunes", sum.prunes), ("stranded", sum.stranded),
      ("beginnings", sum.beginnings), ("adoptions", sum.adoptions), ("refusals", sum.refusals),
      ("recovery_ms_median", sorted.isEmpty ? 0 : sorted[sorted.count / 2]), ("recovery_ms_max", sorted.last ?? 0),
    ]
  }

  func text(first: UInt64) -> String { "first seed \(first): " + members.map { "\($0.name) \($0.value)" }.joined(separator: ", ") }

  func json(first: UInt64) -> String {
    "{\"schema\":\"moloch-sim/1\",\"first_seed\":\(first)," + members.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
  }
}
