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
    /// The last answer.
    var last = "none"
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

  /// Waits until the node has reported events final.
  func waitForFirst(within seconds: Double = 180) throws {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while finalIDs.isEmpty {
      let (hasEnded, last) = state.withLock { ($0.hasEnded, $0.last) }
      guard !hasEnded, Date() < deadline else { throw NodeProcess.Failure(description: "no event became final; the last answer: \(last)") }
      usleep(5000)
    }
  }

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
      var answer: HTTPClient.Answer?
      repeat {
        if answer != nil { usleep(50_000) }
        answer = try? client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
        // A full mempool says when to come again.
      } while [429, 503].contains(answer?.status) && !state.withLock({ $0.isStopping })
      state.withLock { $0.last = answer.map { "\($0.status): \($0.text.prefix(300))" } ?? "none" }
      guard let answer, [200, 201, 202].contains(answer.status) else { return }
      if answer.status == 201 { state.withLock { $0.finalIDs += batch.map { $0.id } } }
    }
  }
}
