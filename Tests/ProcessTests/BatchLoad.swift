import Audit
import Ed25519
import Foundation
import Synchronization

/// Submits batches to a member until it no longer answers or is told to stop, and remembers which events it reported final.
final class BatchLoad: Sendable {
  private struct State {
    var finalIDs: [EventID] = []
    var hasEnded = false
    var isStopping = false
  }

  private let state = Mutex(State())
  private let port: UInt16
  private let genesis: [UInt8]
  private let key: SigningKey

  var finalIDs: [EventID] { state.withLock { $0.finalIDs } }

  init(member: Cluster.Member, genesis: [UInt8], key: SigningKey) {
    port = member.apiPort
    self.genesis = genesis
    self.key = key
  }

  func start() { Thread { [self] in run() }.start() }

  /// Submits no further batch, and waits for the last one.
  func stop() -> [EventID] {
    state.withLock { $0.isStopping = true }
    return finish()
  }

  /// Waits for the end of the load, which the end of the node brings.
  func finish() -> [EventID] {
    while !state.withLock({ $0.hasEnded }) { usleep(5000) }
    return finalIDs
  }

  private func run() {
    defer { state.withLock { $0.hasEnded = true } }
    guard let client = try? HTTPClient(port: port) else { return }
    let records = RecordMaker(genesis: genesis, key: key)
    while !state.withLock({ $0.isStopping }) {
      let batch = (0..<20).map { _ in records.next() }
      let answer = try? client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      guard let answer, [201, 202].contains(answer.status) else { return }
      if answer.status == 201 { state.withLock { $0.finalIDs += batch.map { $0.id } } }
    }
  }
}
