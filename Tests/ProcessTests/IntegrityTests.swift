import Foundation
import Testing

/// Damage that a running node meets: named, counted, never served, and no reason to end.
@Suite struct IntegrityTests {
  /// A stopped node with one event of some thousand bytes per block, all in table files. Returns the ids by height.
  static func stopped(_ home: URL, events: Int = 24) throws -> [String] {
    let node = try NodeProcess(home: home)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    var ids: [String] = []
    for _ in 0..<events {
      // Letters at random, so that no table gets much smaller by compression.
      let note = String((0..<3000).map { _ in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".randomElement()! })
      let (bytes, id) = records.next(note: note)
      #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: bytes).status == 201)
      ids.append("\(id)")
    }
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    #expect(try Command.moloch("maintenance", "compact", "--home", home.path).status == 0)
    return ids
  }

  /// Flips a bit in the middle of the largest table of a chain, which is the one of the bodies: in place, as a disk does.
  static func damageBodies(_ data: String) throws {
    let chain = data + "/chain"
    let tables = try FileManager.default.contentsOfDirectory(atPath: chain).filter { $0.hasSuffix(".sst") }.map { chain + "/" + $0 }
    func size(_ path: String) throws -> Int { try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0 }
    let table = try #require(try tables.max { try size($0) < size($1) })
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: table))
    let middle = UInt64(try size(table) / 2)
    try file.seek(toOffset: middle)
    let byte = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: middle)
    try file.write(contentsOf: [byte ^ 1])
    try file.close()
  }

  static func integrityErrors(_ node: NodeProcess, _ component: String = "chain") throws -> Int { try integrityErrors(node.metricsPort, component) }

  static func integrityErrors(_ metricsPort: UInt16, _ component: String = "chain") throws -> Int {
    let text = try HTTPClient(port: metricsPort).get("/metrics").text
    let line = text.split(separator: "\n").first { $0.hasPrefix("moloch_integrity_errors_total{component=\"\(component)\"} ") }
    return line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? -1
  }

  @Test func aRunningNodeIsVerifiedWhileBlocksGoOn() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 9)
    for level in ["quick", "full", "deep"] {
      let verified = try Command.moloch("maintenance", "verify", "--level", level, "--home", node.home.path)
      #expect(verified.status == 0 && verified.errors.contains("online: node pid \(node.identifier)"), "\(verified.output)\(verified.errors)")
      #expect(verified.output.wholeMatch(of: /checked \d+ blocks, 9 events, \d+\.\d [kM]B in \d+ s: 0 minor, 0 major\n/) != nil, "\(level): \(verified.output)")
    }
    #expect(!FileManager.default.fileExists(atPath: node.home.path + "/data/verify-staging"))
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    // A wrong node of the tree is found beside the running node, too.
    try RepairTests.damage(node.home.path + "/data/mmr/level-00", at: 40)
    let damaged = try Command.moloch("maintenance", "verify", "--json", "--home", node.home.path)
    #expect(damaged.status == 65, "\(damaged.output)\(damaged.errors)")
    let json = try #require(try JSONSerialization.jsonObject(with: Data(damaged.output.utf8)) as? [String: Any])
    let damage = try #require((json["damages"] as? [[String: Any]])?.first)
    #expect(damage["path"] as? String == "mmr/level-00" && damage["offset"] as? Int == 32 && damage["grade"] as? String == "minor", "\(json)")
    #expect(try Self.integrityErrors(node, "mmr") >= 1)
    try node.logs("integrity path=mmr/level-00 offset=32")
  }

  @Test func aDamagedItemIsRefusedAndCountedAndTheOthersAreServed() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let ids = try Self.stopped(home)
    try Self.damageBodies(home.path + "/data")
    let node = try NodeProcess(home: home)
    let client = try node.client()
    var refused: [String] = []
    for id in ids {
      let answer = try client.get("/v1/events/\(id)")
      if answer.status == 200 { continue }
      #expect(answer.status == 500 && answer.text.contains("INTEGRITY_ERROR"), "\(answer.status) \(answer.text)")
      refused.append(id)
    }
    #expect(!refused.isEmpty && refused.count < ids.count / 2, "\(refused.count) of \(ids.count) events are refused")
    #expect(try Self.integrityErrors(node) >= refused.count)
    try node.logs("ERROR storage: integrity component=chain")
    // What the damage does not touch goes on, a proof of a damaged event among it.
    #expect(try client.get("/v1/proofs/inclusion?event_id=\(ids[0])").status == 200)
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    // The health check hears of it with the next look of the storage thread.
    let deadline = Date(timeIntervalSinceNow: 180)
    var health = try client.get("/v1/health")
    while health.status != 503, Date() < deadline {
      usleep(20_000)
      health = try client.get("/v1/health")
    }
    #expect(health.status == 503 && health.text.contains("\"integrity\",\"status\":\"failing\""), "\(health.text)")
    // The metric says what the check says.
    try node.expectMetric("moloch_healthy") { $0 == 0 }
    let verified = try Command.moloch("maintenance", "verify", "--home", home.path)
    #expect(verified.status == 65 && verified.output.contains("DAMAGED  chain   height "), "\(verified.output)\(verified.errors)")
    #expect(verified.output.contains("Corruption") && verified.output.contains(".sst"), "\(verified.output)")
    #expect(node.isRunning)
  }

  @Test func aScrubFindsDamageByItselfAndKeepsItsTime() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    _ = try Self.stopped(home)
    // The last one was long ago.
    try "1\n".write(to: home.appendingPathComponent("data/scrub.last"), atomically: true, encoding: .utf8)
    let clean = try NodeProcess(home: home)
    // The scrub has ended.
    try clean.expectMetric("moloch_scrub_age_seconds") { $0 < 3600 }
    #expect(try Self.integrityErrors(clean) == 0)
    #expect(!FileManager.default.fileExists(atPath: home.path + "/data/scrub-staging"))
    clean.signal(SIGTERM)
    #expect(clean.waitForExit() == 0)
    let mark = try String(contentsOf: home.appendingPathComponent("data/scrub.last"), encoding: .utf8)
    #expect(Double(mark.dropLast()) ?? 0 > Date().timeIntervalSince1970 - 3600, "\(mark)")

    try Self.damageBodies(home.path + "/data")
    try "1\n".write(to: home.appendingPathComponent("data/scrub.last"), atomically: true, encoding: .utf8)
    let node = try NodeProcess(home: home)
    let deadline = Date(timeIntervalSinceNow: 180)
    while try Self.integrityErrors(node) < 1, Date() < deadline { usleep(50_000) }
    #expect(try Self.integrityErrors(node) >= 1)
    try node.logs("maintenance: integrity path=chain range=")
    #expect(node.isRunning)
    // Switched off, nothing is looked at.
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    try "1\n".write(to: home.appendingPathComponent("data/scrub.last"), atomically: true, encoding: .utf8)
    let off = try NodeProcess(home: home, arguments: ["--set", "storage.scrub_interval=0s"])
    _ = try off.status { ($0["uptime_seconds"] as? Int ?? 0) >= 3 }
    #expect(try Self.integrityErrors(off) == 0)
    // Its log is whole when it has ended.
    off.signal(SIGTERM)
    #expect(off.waitForExit() == 0 && !off.log.contains("task=scrub"), "\(off.log)")
  }

  @Test func peersGiveWhatWasDamagedOfAChain() throws {
    let cluster = try Cluster(chainID: "moloch-repair")
    try cluster.start()
    let records = try cluster.records()
    var ids: [String] = []
    // Bodies are by far the largest table: what a start reads is whole.
    let client = try cluster[0].client()
    for _ in 0..<16 {
      let (bytes, id) = records.next(note: OldChain.letters(3000))
      #expect(try client.post("/v1/events?wait=finalized&timeout_ms=30000", type: SubmissionTests.event, body: bytes).status == 201)
      ids.append("\(id)")
    }
    let height = try cluster[0].headHeight()
    try cluster.expectAgreement(at: height)
    #expect(cluster[3].stop() == 0)
    let home = cluster[3].home.path
    #expect(try Command.moloch("maintenance", "compact", "--home", home).status == 0)
    try Self.damageBodies(home + "/data")
    let verified = try Command.moloch("maintenance", "verify", "--home", home)
    #expect(verified.status == 65, "\(verified.output)")
    // Somebody who asks it for the damaged blocks gets nothing and ends nothing.
    try cluster[3].start()
    let late = try cluster.join("late", in: cluster.scratch.url, peers: [cluster[3]], extra: "peer_exchange = false")
    try late.start(options: ["--api-only"])
    let deadline = Date(timeIntervalSinceNow: 180)
    while cluster[3].isRunning, try Self.integrityErrors(cluster[3].metricsPort) < 1, Date() < deadline { usleep(50_000) }
    #expect(try cluster[3].isRunning && Self.integrityErrors(cluster[3].metricsPort) >= 1, "\(cluster[3].lastLines)")
    late.kill()
    #expect(cluster[3].stop() == 0)
    let refused = try Command.moloch("maintenance", "repair", "--yes", "--home", home)
    #expect(refused.status == 65 && refused.errors.contains("--from-peers"), "\(refused.errors)")
    let plan = try Command.moloch("maintenance", "repair", "--from-peers", "--dry-run", "--home", home)
    #expect(plan.status == 0 && plan.output.contains("come from peers at the next start"), "\(plan.output)")
    let repaired = try Command.moloch("maintenance", "repair", "--from-peers", "--yes", "--home", home)
    #expect(repaired.status == 0 && repaired.output.contains("repaired at height "), "\(repaired.output)\(repaired.errors)")
    #expect(try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home).status == 0, "what is left is whole")
    try cluster[3].start()
    let later = try cluster[0].finalise(3, of: records)
    try cluster.expectAgreement(at: later.height)
    for id in ids { try cluster[3].read("/v1/events/\(id)") { $0["status"] as? String == "finalized" } }
    #expect(cluster[3].stop() == 0)
    let whole = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home)
    #expect(whole.status == 0, "\(whole.output)")
  }
}
