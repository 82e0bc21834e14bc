import Ambient
public import Audit
import Bytes
import Ledger
import Mempool
public import Reactor
public import Replication

extension Gate {
  /// Keeps the request until its accepted events are final, or its time is up. Those that were admitted in an earlier turn may be final already: nobody
  /// would tell of them again.
  func waitForFinality(_ slot: Int, milliseconds: UInt64, _ loop: Loop) {
    var waiting = 0
    for index in sessions[slot].results.indices {
      switch sessions[slot].results[index].outcome {
      case .pending, .duplicatePending:
        guard let id = sessions[slot].results[index].id else { continue }
        if replica?.finalLeaf(of: id, timestamp: sessions[slot].results[index].timestamp) != nil {
          sessions[slot].results[index].outcome = .final
          continue
        }
        waiters[id, default: []].append(slot)
        waiting += 1
      default: continue
      }
    }
    sessions[slot].unfinalised = waiting
    guard waiting > 0 else { return respondSubmission(slot, loop) }
    sessions[slot].phase = .waitingForFinality
    sessions[slot].deadline = loop.now.adding(milliseconds: milliseconds)
  }

  /// A read of an event that is pending and shall be waited for.
  func waitForFinality(ofEvent id: EventID, _ slot: Int, _ loop: Loop) {
    sessions[slot].results.removeAll(keepingCapacity: true)
    sessions[slot].results.append(SubmissionResult(id: id, range: 0..<0, outcome: .pending))
    waitForFinality(slot, milliseconds: sessions[slot].request.waitMilliseconds ?? APILimit.waitMillisecondsDefault, loop)
  }

  /// Times of blocks that were final before the start, ascending: how fast blocks come is known at once.
  public func notePace(_ times: [Timestamp]) { for time in times { pace.note(time) } }

  /// A block is final and durable: answers whoever waited for its events.
  public func final(_ block: FinalBlock, _ loop: Loop) {
    pace.note(block.header.timestamp)
    guard !waiters.isEmpty else { return }
    for id in block.ids {
      guard let slots = waiters.removeValue(forKey: id) else { continue }
      for slot in slots where sessions[slot].phase == .waitingForFinality {
        for index in sessions[slot].results.indices where sessions[slot].results[index].id == id {
          switch sessions[slot].results[index].outcome {
          case .pending, .duplicatePending:
            sessions[slot].results[index].outcome = .final
            sessions[slot].unfinalised -= 1
          default: continue
          }
        }
        if sessions[slot].unfinalised == 0 { finalityReached(slot, loop) }
      }
    }
  }

  private func finalityReached(_ slot: Int, _ loop: Loop) {
    guard let route = sessions[slot].request.route else { return }
    if route.isSubmission { return respondSubmission(slot, loop) }
    sessions[slot].request.waitMilliseconds = nil
    dispatch(slot, route, loop)
  }

  func finalityTimedOut(_ slot: Int, _ loop: Loop) {
    forget(slot)
    finalityReached(slot, loop)
  }

  /// Takes a session out of everybody's lists.
  func forget(_ slot: Int) {
    guard sessions[slot].phase == .waitingForFinality else { return }
    for index in sessions[slot].results.indices {
      guard let id = sessions[slot].results[index].id, var slots = waiters[id] else { continue }
      slots.removeAll { $0 == slot }
      waiters[id] = slots.isEmpty ? nil : slots
    }
  }
}
