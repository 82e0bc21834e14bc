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
}
