import Dispatch
import Glibc
import Testing

@testable import MolochNode

@Suite struct MaintenanceTaskTests {
  /// What a piece of work holds, as a database.
  private final class Held: Sendable {}

  /// A database that the work has used closes when its thread lets go of it: after the outcome can be seen, and before `join` returns.
  @Test func joinedWorkHoldsNothing() {
    let task = MaintenanceTask("compact", unit: "bytes")
    let seen = DispatchSemaphore(value: 0)
    weak var left: Held?
    do {
      let held = Held()
      left = held
      task.start({ _ in withExtendedLifetime(held) { [] } }) { seen.wait() }
    }
    while case .running = task.outcome { usleep(1000) }
    #expect(left != nil)
    seen.signal()
    task.join()
    #expect(left == nil)
    // Once is enough.
    task.join()
  }

  @Test func whoWaitsSeesHowFarTheWorkIs() throws(NodeFailure) {
    let go = DispatchSemaphore(value: 0)
    var seen: [UInt64] = []
    let result = try MaintenanceTask(unit: "bytes").perform({ task in
      task.setTotal(10)
      task.add(4)
      go.wait()
      return 42
    }) { task in
      if seen.last != task.done { seen.append(task.done) }
      if task.done == 4, task.total == 10 { go.signal() }
    }
    #expect(result == 42 && seen.last == 4, "\(seen)")
  }

  @Test func workThatFailsSaysWhy() {
    let failure = #expect(throws: NodeFailure.self) {
      try MaintenanceTask(unit: "bytes").perform({ (_) throws(NodeFailure) -> Int in throw NodeFailure(65, "a file is damaged") }, look: { _ in })
    }
    #expect(failure?.code == 65 && failure?.message == "a file is damaged")
  }

  /// Without a budget nothing waits, however much was gone through; one that is lifted ends a wait that has begun. At 1 MB/s these would be hours.
  @Test(.timeLimit(.minutes(2))) func workWithoutABudgetDoesNotWait() {
    let free = MaintenanceTask("compact", unit: "bytes", budget: ByteBudget(megabytesPerSecond: 0))
    free.wait(after: 10_000_000_000)
    #expect(free.megabytesPerSecond == 0)
    let budget = ByteBudget(megabytesPerSecond: 1)
    let paced = MaintenanceTask("compact", unit: "bytes", budget: budget)
    #expect(paced.megabytesPerSecond == 1)
    paced.start({ task in
      task.setDone(1)
      task.wait(after: 10_000_000_000)
      return []
    }) {}
    while paced.done == 0 { usleep(1000) }
    budget.bytesPerSecond = 0
    paced.join()
    #expect(paced.megabytesPerSecond == 0 && !paced.isCancelled)
  }
}
