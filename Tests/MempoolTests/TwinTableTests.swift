import Testing

@testable import Mempool

/// Reactors and a chain thread around one twin table, every switch between them chosen by a seed. All ids share one table key with a decoy that stands in
/// front of them, so that every probe asks about the decoy first: there the turn may change, inside of claims and look-ups.
private final class Stage: @unchecked Sendable {
  // Sendable: the interleaving runs one thread at a time.
  private static let key: UInt64 = 5 << 32 | 3
  private static let decoyID: UInt64 = 99
  let interleaving: Interleaving
  let table = TwinTable(cells: 128)
  private var ids: [UInt64] = [decoyID]
  private var pending = [0]
  private var lanes: [[(slot: Int, isWithdrawn: Bool)]]
  private var epoch: UInt64 = 0
  private var passed: [UInt64]
  private var running: Int
  private var fillers = 0
  /// Whether steps wait until the reactors have passed a tick: without it the table must fail the check.
  private let waits: Bool
  private(set) var history: [Operation] = []
  private(set) var withdrawn = 0

  init(seed: UInt64, reactors: Int, waits: Bool) {
    interleaving = Interleaving(seed: seed)
    lanes = Array(repeating: [], count: reactors)
    passed = Array(repeating: 0, count: reactors)
    running = reactors
    self.waits = waits
    _ = table.claim(Self.key, slot: 0) { _ in false }
  }

  private func matches(_ id: UInt64) -> (Int) -> Bool {
    { slot in
      self.interleaving.yield()
      return self.ids[slot] == id
    }
  }

  func reactor(_ number: Int, operations: Int) {
    for _ in 0..<operations {
      let id = UInt64(interleaving.choose(2)), begin = interleaving.stamp()
      let answer = interleaving.choose(3) == 0 ? lookup(id) : admit(id, number)
      history.append(Operation(key: id, begin: begin, end: interleaving.stamp(), answer: answer))
      interleaving.yield()
      if interleaving.choose(2) == 0 { passed[number] = epoch }
    }
    passed[number] = UInt64.max
    running -= 1
  }

  private func lookup(_ id: UInt64) -> Operation.Answer { table.find(Self.key, where: matches(id)) == nil ? .absent : .present }

  private func admit(_ id: UInt64, _ number: Int) -> Operation.Answer {
    if table.find(Self.key, where: matches(id)) != nil { return .present }
    let slot = ids.count
    ids.append(id)
    switch table.claim(Self.key, slot: slot, where: matches(id)) {
    case .claimed:
      lanes[number].append((slot, false))
      return .accepted
    case .known: return .present
    case .noRoom: return .refused
    case .withdrawn(let other):
      withdrawn += 1
      lanes[number].append((slot, true))
      return other == nil ? .refused : .present
    }
  }

  func chain() {
    while running > 0 {
      collect()
      interleaving.yield()
      if pending.count > 1, interleaving.choose(3) == 0 { retire(1 + interleaving.choose(pending.count - 1)) }
      fill()
      interleaving.yield()
    }
  }

  private func collect() {
    let passed = waits ? self.passed.min()! : UInt64.max
    for number in lanes.indices {
      for (slot, isWithdrawn) in lanes[number] {
        if isWithdrawn { table.remove(Self.key, slot: slot) } else { pending.append(slot) }
      }
      lanes[number] = []
    }
    if table.isDue(passed: passed) {
      table.advance(epoch: epoch) { put in
        for slot in pending {
          interleaving.yield()
          put(Self.key, slot)
        }
      }
    }
    epoch += 1
  }

  private func retire(_ position: Int) {
    let slot = pending.remove(at: position), begin = interleaving.stamp()
    table.remove(Self.key, slot: slot)
    history.append(Operation(key: ids[slot], begin: begin, end: interleaving.stamp(), answer: .removed))
  }

  /// Tombstones of other keys, so that the table in use becomes crowded again and again.
  private func fill() {
    guard fillers < 70 * (table.moves + 1) else { return }
    for _ in 0..<6 {
      fillers += 1
      _ = table.claim(UInt64(fillers) << 32 | 40, slot: 1 << 20) { _ in false }
      table.remove(UInt64(fillers) << 32 | 40, slot: 1 << 20)
    }
  }
}

@Suite struct TwinTableTests {
  private func run(seed: UInt64, waits: Bool = true) -> Stage {
    let stage = Stage(seed: seed, reactors: 3, waits: waits)
    var bodies: [@Sendable () -> Void] = [{ stage.chain() }]
    for number in 0..<3 { bodies.append { stage.reactor(number, operations: 14) } }
    stage.interleaving.run(bodies)
    return stage
  }

  @Test func answersAreLinearizableInEveryInterleavingTried() {
    var moves = 0, withdrawn = 0
    for seed in 1...1500 as ClosedRange<UInt64> {
      let stage = run(seed: seed)
      moves += stage.table.moves
      withdrawn += stage.withdrawn
      if let violation = Linearizability.firstViolation(stage.history) {
        Issue.record("seed \(seed): \(violation.map { "\($0.begin)-\($0.end) \($0.answer)" }.joined(separator: ", "))")
        return
      }
    }
    #expect(moves > 500 && withdrawn > 0, "seeds 1 to 1500: \(moves) moves, \(withdrawn) withdrawals")
  }

  /// The canary: when the chain thread does not wait for the reactors, the same check finds an id that was accepted twice or lost.
  @Test func withoutTheWaitsTheCheckFindsAViolation() {
    let found = (1...1500 as ClosedRange<UInt64>).first { !Linearizability.holds(run(seed: $0, waits: false).history) }
    #expect(found != nil)
  }

  @Test func theSameSeedGivesTheSameRun() {
    #expect(run(seed: 7).history.map { "\($0)" } == run(seed: 7).history.map { "\($0)" })
  }
}
