import Audit
import Bytes
import Ed25519
import Foundation
import Testing

@Suite(.serialized) struct LifeCycleTests {
  /// Rounds of kill -9; the full drill of 200 runs with `MOLOCH_KILL_ROUNDS=200`.
  static let rounds = ProcessInfo.processInfo.environment["MOLOCH_KILL_ROUNDS"].flatMap { Int($0) } ?? 12

  @Test func nothingReportedFinalIsLostByKillNine() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(state: seed)
    let scratch = try ScratchDirectory()
    let key = try SigningKey.forTest()
    var finalIDs: [EventID] = []
    var lastHead: (height: Int, root: String) = (0, "")
    for round in 0..<Self.rounds {
      let node = try NodeProcess(home: scratch.url)
      let client = try node.client()
      let records = try RecordMaker(client, key: key)
      let status = try client.get("/v1/status").json
      let height = try #require(status["head_height"] as? Int)
      #expect(height >= lastHead.height, "seed \(seed), round \(round): height went back")
      for id in finalIDs.suffix(40) {
        let answer = try client.get("/v1/events/\(id)")
        #expect(answer.json["status"] as? String == "finalized", "seed \(seed), round \(round): \(id) is lost: \(answer.text)")
      }
      // The kill comes at a moment drawn from the seed, while batches are under way: the pause chooses that moment, nothing waits for it. In the first round it
      // begins with a batch that is final, so that there is something to lose.
      let killer = Thread { [identifier = node.identifier, microseconds = random.next() % 400_000] in
        usleep(UInt32(microseconds))
        kill(identifier, SIGKILL)
      }
      var isArmed = round > 0
      if isArmed { killer.start() }
      while true {
        let batch = (0..<20).map { _ in records.next() }
        guard
          let answer = try? client.post(
            "/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes }), answer.status == 201
        else { break }
        finalIDs += batch.map { $0.id }
        lastHead.height = max(lastHead.height, Int(answer.fields["moloch-height"] ?? "") ?? 0)
        if !isArmed { killer.start() }
        isArmed = true
      }
      try #require(isArmed, "seed \(seed): no batch became final in the first round")
      node.waitForExit()
    }
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    for id in finalIDs {
      #expect(try client.get("/v1/events/\(id)").json["status"] as? String == "finalized", "seed \(seed): \(id) is lost")
    }
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", scratch.url.path)
    #expect(verified.status == 0, "seed \(seed): \(verified.output)\(verified.errors)")
  }

  @Test func sigtermDrainsAndKeepsPendingEvents() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let (record, id) = records.next()
    #expect(try client.post("/v1/events", type: SubmissionTests.event, body: record).status == 202)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log)")
    #expect(node.log.contains("shutdown complete"))
    let again = try NodeProcess(home: scratch.url)
    let found = try again.client().get("/v1/events/\(id)?wait=finalized")
    #expect(found.json["status"] as? String == "finalized", "\(found.text)")
  }

  @Test func aSecondSignalSkipsTheDrain() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "api.drain_delay=30s"])
    node.signal(SIGTERM)
    // Readiness turns at once; its answer is the proof that the first signal was seen.
    let client = try node.client()
    while try client.get("/v1/ready").status != 503 {}
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log)")
  }

  @Test func aSecondProcessOnTheSameHomeIsRefused() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let second = try Command.moloch("dev", "--home", scratch.url.path, "--json", "--set", "api.listen_addr=127.0.0.1:0", "--set", "metrics.prometheus_addr=127.0.0.1:0")
    #expect(second.status == 75, "\(second.errors)")
    #expect(second.errors.contains("\(node.identifier)"))
    #expect(try node.client().get("/v1/health").status == 200)
  }

  @Test func aTakenPortIsNamed() throws {
    let scratch = try ScratchDirectory(), other = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let second = try Command.moloch(
      "dev", "--home", other.url.path, "--json", "--set", "api.listen_addr=127.0.0.1:\(node.apiPort)", "--set", "metrics.prometheus_addr=127.0.0.1:0")
    #expect(second.status == 75, "\(second.errors)")
    #expect(second.errors.contains("127.0.0.1:\(node.apiPort)") && second.errors.contains("api.listen_addr"), "\(second.errors)")
  }
}

/// A small seeded generator for choices in tests.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
