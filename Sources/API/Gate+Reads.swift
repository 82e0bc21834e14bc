import Audit
import Bytes
public import Reactor
import Replication

// What the storage thread answers.
extension Gate {
  /// Hands a read to the storage thread; the session waits.
  func read(_ slot: Int, _ request: ReadRequest, _ loop: Loop) {
    guard let replica else { return }
    guard readsInFlight < APILimit.readsInFlight else {
      sessions[slot].request.refusal = Refusal(.notReady, "too many reads are waiting for the store")
      return respondRefusal(slot, loop)
    }
    readsInFlight += 1
    sessions[slot].phase = .waitingForStore
    reads.append(
      ReadJob(sessions[slot].connection, sessions[slot].serial, request, publication: surroundings.publication, durableSize: replica.durable.header.treeSize))
  }

  /// A read is answered. The request may be gone by now.
  public func answered(_ job: ReadJob, _ result: ReadResult, _ loop: Loop) {
    readsInFlight -= 1
    let slot = job.connection.slot
    guard isOpen(slot, job.connection), sessions[slot].serial == job.serial, sessions[slot].phase == .waitingForStore else { return }
    switch result.outcome {
    case .success(let answer): respond(slot, answer, loop)
    case .failure(let refusal):
      sessions[slot].request.refusal = refusal
      respondRefusal(slot, loop)
    }
  }
}

/// What the storage thread found.
public final class ReadResult: Sendable {
  public let outcome: Result<Answer, Refusal>
  public init(_ outcome: Result<Answer, Refusal>) { self.outcome = outcome }
}
