import Audit
import Ed25519
import Foundation
import Testing

/// Validators that are killed, frozen or wiped: the others go on, and the faulty one comes back.
@Suite(.serialized) struct ValidatorFaultTests {
  /// Seconds that a validator stays frozen; the full drill sets a minute.
  static let freezeSeconds = ProcessInfo.processInfo.environment["MOLOCH_FREEZE_SECONDS"].flatMap { Double($0) } ?? 6

  @Test func fourValidatorsFinaliseTheSameRecords() throws {
    let cluster = try Cluster()
    let begin = Stopwatch()
    try cluster.start()
    begin.report("start of four validators until all are connected")
    let records = try cluster.records()
    let first = Stopwatch()
    var ids = try cluster[0].finalise(1, of: records).ids
    first.report("first block of a new chain")
    var height = 0
    for round in 0..<8 {
      let (some, at) = try cluster[round % 4].finalise(25, of: records)
      ids += some
      height = max(height, at)
    }
    try cluster.expectAgreement(at: height)
    for index in 0..<4 {
      try cluster[index].expectFinal(ids)
      let live = try cluster[index].status { $0["state"] as? String == "live" }
      #expect(live["syncing"] as? Bool == false && live["validator"] as? Bool == true)
      try cluster[index].expectBundleVerifies(ids[40 + index], genesis: cluster.genesis)
    }
    // Published checkpoints of one size name one root, whoever serves them.
    var roots: [String: Set<String>] = [:]
    for member in cluster.members {
      let lines = try member.client().get("/v1/checkpoint?min_size=1&timeout_ms=30000", accept: "text/plain").text.split(separator: "\n").map { String($0) }
      #expect(lines.count >= 3, "\(lines)")
      if lines.count >= 3 { roots[lines[1], default: []].insert(lines[2]) }
    }
    #expect(roots.values.allSatisfy { $0.count == 1 }, "\(roots)")
    for member in cluster.members { #expect(member.stop() == 0, "\(member.lastLines)") }
    for member in cluster.members {
      let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", member.home.path)
      #expect(verified.status == 0, "\(member.name): \(verified.output)\(verified.errors)")
    }
  }

  @Test func killedValidatorsComeBackAndNothingFinalIsLost() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(state: seed)
    let cluster = try Cluster()
    try cluster.start()
    let records = try cluster.records()
    var (ids, height) = try cluster[0].finalise(20, of: records)

    // One of four: the others are a quorum.
    cluster[3].kill()
    let others = Stopwatch()
    (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[0].finalise(20, of: records))
    others.report("finality after one of four was killed")
    for _ in 0..<4 { (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[1].finalise(20, of: records)) }
    let back = Stopwatch()
    try cluster[3].start()
    try cluster.expectAgreement(at: height, "seed \(seed)")
    back.report("a killed validator has caught up, from its start")
    try cluster[3].expectFinal(ids)

    // Two of four: no quorum, so what is submitted stays pending until one returns.
    cluster[2].kill()
    cluster[3].kill()
    let (record, id) = records.next()
    #expect(try cluster[0].client().post("/v1/events", type: SubmissionTests.event, body: record).status == 202)
    let stuck = try cluster[0].client().get("/v1/events/\(id)?wait=finalized&timeout_ms=3000")
    #expect(stuck.json["status"] as? String == "pending", "\(stuck.text)")
    let resumed = Stopwatch()
    try cluster[2].start()
    try cluster[0].expectFinal([id])
    resumed.report("finality after the third of four came back, from its start")
    try cluster[3].start()
    ids.append(id)

    // All at once, while batches are under way, and back in any order.
    let loads = try (0..<2).map { BatchLoad(member: cluster[$0], genesis: cluster.genesis, key: try .generate()) }
    for load in loads { load.start() }
    for load in loads { try load.waitForFirst() }
    for member in cluster.members.shuffled(using: &random) { member.kill() }
    for load in loads { ids += load.finish() }
    let whole = Stopwatch()
    for member in cluster.members.shuffled(using: &random) { try member.start() }
    let after = try cluster[2].finalise(10, of: records)
    whole.report("finality after all were killed, from the first start")
    try cluster.expectAgreement(at: after.height, "seed \(seed)")
    for member in cluster.members { try member.expectFinal(ids + after.ids, "seed \(seed)") }
  }

  @Test func aFrozenValidatorCatchesUp() throws {
    let cluster = try Cluster()
    try cluster.start()
    let records = try cluster.records()
    var (ids, height) = try cluster[0].finalise(10, of: records)
    cluster[2].signal(SIGSTOP)
    let frozen = Stopwatch()
    var longest = 0.0
    while frozen.seconds < Self.freezeSeconds {
      let turn = Stopwatch()
      let (some, at) = try cluster[0].finalise(5, of: records)
      longest = max(longest, turn.seconds)
      ids += some
      height = at
    }
    print("MEASURED longest finality while one of four was frozen for \(Self.freezeSeconds) s: \(longest) s")
    cluster[2].signal(SIGCONT)
    let thawed = Stopwatch()
    try cluster.expectAgreement(at: height)
    thawed.report("a frozen validator has caught up")
    try cluster[2].expectFinal(ids)
    // It takes part again: with another one gone it is needed for the quorum.
    cluster[1].kill()
    let needed = Stopwatch()
    let (last, at) = try cluster[2].finalise(5, of: records)
    needed.report("finality that needs the validator that was frozen")
    try cluster.expectAgreement(at: at, of: [cluster[0], cluster[2], cluster[3]])
    try cluster[0].expectFinal(last)
  }

  @Test func aWipedValidatorRebuildsFromItsPeers() throws {
    let cluster = try Cluster()
    try cluster.start()
    let records = try cluster.records()
    var (ids, height) = try cluster[0].finalise(10, of: records)
    for _ in 0..<10 { (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[1].finalise(10, of: records)) }
    let member = cluster[3]
    #expect(member.stop() == 0, "\(member.lastLines)")
    let files = FileManager.default
    for directory in ["chain", "mmr", "index"] {
      let directory = member.file("data/\(directory)")
      for name in (try? files.contentsOfDirectory(atPath: directory.path)) ?? [] { try files.removeItem(at: directory.appendingPathComponent(name)) }
    }
    let keys = try files.contentsOfDirectory(atPath: member.file("keys").path).sorted()
    let journal = try files.contentsOfDirectory(atPath: member.file("data/validator").path)
    #expect(!journal.isEmpty)
    let rebuilt = Stopwatch()
    try member.start()
    try cluster.expectAgreement(at: height)
    rebuilt.report("a wiped validator has rebuilt \(height) blocks, from its start")
    try member.expectFinal(ids)
    try member.expectBundleVerifies(ids[7], genesis: cluster.genesis)
    #expect(try files.contentsOfDirectory(atPath: member.file("keys").path).sorted() == keys)
    // Its journal was kept, so it votes again at once: with another one gone it is needed for the quorum.
    cluster[0].kill()
    let needed = Stopwatch()
    let (_, at) = try cluster[1].finalise(5, of: records)
    needed.report("finality that needs the rebuilt validator")
    try cluster.expectAgreement(at: at, of: [cluster[1], cluster[2], member])
    #expect(member.stop() == 0, "\(member.lastLines)")
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", member.home.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
  }
}
