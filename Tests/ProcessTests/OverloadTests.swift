import Audit
import Ed25519
import Foundation
import Synchronization
import Testing

/// One validator is given more than it can pass on: the chain goes on, and what was accepted becomes final.
@Suite(.serialized) struct OverloadTests {
  /// Events with bodies of a kilobyte: 17 MB, against a window of 1 MiB to each peer.
  static let clients = 4, batches = 8, perBatch = 400

  @Test func aFloodedValidatorStopsNobodyAndLosesNothing() throws {
    let cluster = try Cluster(chainID: "moloch-overload")
    try cluster.start()
    try cluster[0].finalise(1, of: try cluster.records())
    let note = String(repeating: "n", count: 1000)
    let flood = try (0..<Self.clients).map { _ in
      let records = try cluster.records(key: try .generate())
      return (0..<Self.batches).map { _ in (0..<Self.perBatch).map { _ in records.next(note: note) } }
    }
    let before = try cluster[3].headHeight(), begin = Stopwatch()
    let accepted = Accepted(running: Self.clients)
    let member = cluster[0], port = member.apiPort
    for batches in flood {
      Thread {
        Self.submit(batches, to: port, accepted)
        accepted.state.withLock { $0.running -= 1 }
      }.start()
    }
    // The others make blocks all the while.
    var (height, moved, longest) = (before, Stopwatch(), 0.0)
    let total = 1 + Self.clients * Self.batches * Self.perBatch
    while begin.seconds < 600 {
      let status = try cluster[3].status { $0["head_height"] is Int }
      if let now = status["head_height"] as? Int, now > height {
        longest = max(longest, moved.seconds)
        (height, moved) = (now, Stopwatch())
      }
      if accepted.state.withLock({ $0.running }) == 0, status["tree_size"] as? Int ?? 0 >= min(total, 1 + accepted.state.withLock { $0.ids.count }) { break }
      usleep(20_000)
    }
    begin.report("a flood of \(total) events at one of four validators is final")
    print("MEASURED longest time between blocks during the flood: \(longest) s, blocks \(height - before)")
    let (ids, failures) = accepted.state.withLock { ($0.ids, $0.failures) }
    #expect(failures.isEmpty && ids.count == total - 1, "\(ids.count) of \(total - 1) accepted; \(failures.prefix(3))")
    #expect(height - before >= 3)
    for member in cluster.members {
      try member.status { $0["tree_size"] as? Int == total && $0["mempool_size"] as? Int == 0 }
      try member.expectFinal(stride(from: 0, to: ids.count, by: 97).map { ids[$0] })
    }
    try cluster.expectAgreement(at: height)
    // More went through the links than they carry at a time.
    try member.expectMetric("moloch_network_bytes_total{direction=\"out\",channel=\"events\"}") { $0 > 3 * 1_048_576 * 2 }
  }

  private final class Accepted: Sendable {
    let state: Mutex<(ids: [EventID], failures: [String], running: Int)>
    init(running: Int) { state = Mutex(([], [], running)) }
  }

  private static func submit(_ batches: [[(bytes: [UInt8], id: EventID)]], to port: UInt16, _ accepted: Accepted) {
    let deadline = Date(timeIntervalSinceNow: 600)
    var client: HTTPClient?
    for batch in batches {
      let body = batch.flatMap(\.bytes)
      // Told to come later, a client does; so does one that gets no answer in time. What was accepted before is accepted again.
      var outcome = "none"
      var isAccepted = false
      while !isAccepted, Date() < deadline {
        do {
          let connected = try client ?? HTTPClient(port: port)
          client = connected
          let answer = try connected.post("/v1/events/batch", type: SubmissionTests.events, body: body)
          isAccepted = [200, 201, 202].contains(answer.status) && answer.json["accepted"] as? Int ?? 0 == batch.count
          outcome = "\(answer.status) \(answer.text.prefix(300))"
          guard isAccepted || answer.status == 503 || answer.status == 429 else { break }
        } catch { (client, outcome) = (nil, "\(error)") }
        if !isAccepted { usleep(100_000) }
      }
      accepted.state.withLock { if isAccepted { $0.ids += batch.map(\.id) } else { $0.failures.append(outcome) } }
    }
  }
}
