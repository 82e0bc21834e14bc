import Audit
import Ed25519
import Foundation
import Testing

/// Validators whose journal is copied, lost or behind: they listen, and halt when another instance votes with their key.
@Suite(.serialized) struct StandingProcessTests {

  private func state(_ member: Cluster.Member) throws -> String {
    let status = try Command.moloch("validator", "status", "--home", member.home.path)
    return status.output.split(separator: "\n").first.map { String($0) } ?? "\(status.status) \(status.errors)"
  }

  /// Waits for the first line of `validator status`.
  private func expectState(_ state: String, _ member: Cluster.Member, within seconds: Double = 180) throws {
    let key = try String(contentsOf: member.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    try member.read("/v1/validators/\(key)", within: seconds) { $0["state"] as? String == state }
    #expect(try self.state(member) == "Validator: \(state)")
  }

  private func check(_ member: Cluster.Member, _ name: String) throws -> [String: Any] {
    let checks = try member.client().get("/v1/health").json["checks"] as? [[String: Any]] ?? []
    return checks.first { $0["name"] as? String == name } ?? [:]
  }

  private func binding(_ member: Cluster.Member) throws -> String { try String(contentsOf: member.file("data/validator/binding"), encoding: .utf8) }

  @Test func healthIsDegradedWhileTheQuorumIsAwayAndGoodAgain() throws {
    let cluster = try Cluster(chainID: "moloch-quorum")
    try cluster.start()
    let records = try cluster.records(), member = cluster[0]
    try member.finalise(1, of: records)
    func health(_ status: String) throws {
      let deadline = Date(timeIntervalSinceNow: 180)
      var answer = try member.client().get("/v1/health")
      while answer.json["status"] as? String != status, Date() < deadline {
        usleep(20_000)
        answer = try member.client().get("/v1/health")
      }
      #expect(answer.status == 200 && answer.json["status"] as? String == status, "\(answer.text)")
    }
    try health("ok")
    for index in [2, 3] { cluster[index].kill() }
    try health("degraded")
    #expect(try check(member, "consensus") as? [String: String] == [
      "name": "consensus", "status": "degraded", "detail": "no quorum: validators of power 2 are heard from, 3 are needed",
    ])
    #expect(try member.metric("moloch_healthy") == 1, "alive, and in need of the others")
    // What waits for them has an age.
    #expect(try Command.moloch("status", "--home", member.home.path).output.contains("Mempool:        0\n"))
    #expect(try member.client().post("/v1/events", type: SubmissionTests.event, body: records.next().bytes).status == 202)
    try member.status { ($0["mempool_oldest_age_seconds"] as? Int ?? 0) >= 1 }
    let shown = try Command.moloch("status", "--home", member.home.path)
    #expect(shown.status == 0 && shown.output.contains(#/Mempool:        1, the oldest for \d+ s\n/#), "\(shown.output)\(shown.errors)")
    let watched = try RunningCommand(["status", "--watch", "--json", "--home", member.home.path])
    func ages(_ printed: String) -> [Int] {
      printed.split(separator: "\n").compactMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        .compactMap { ($0["status"] as? [String: Any])?["mempool_oldest_age_seconds"] as? Int }
    }
    let seen = ages(try watched.waitForOutput { Set(ages($0)).count >= 2 })
    #expect(seen == seen.sorted(), "\(seen)")
    watched.signal(SIGKILL)
    for index in [2, 3] { try cluster[index].start() }
    try health("ok")
    #expect(try check(member, "consensus").isEmpty)
    try member.finalise(1, of: records)
  }

  @Test func aCopiedJournalListensBeforeItVotes() throws {
    // As long as it takes to see it listen.
    let cluster = try Cluster(chainID: "moloch-copied", listenWindow: "10m")
    try cluster.start()
    let records = try cluster.records()
    try cluster[0].finalise(5, of: records)
    let member = cluster[3], files = FileManager.default
    #expect(member.stop() == 0, "\(member.lastLines)")
    #expect(try binding(member).hasPrefix("here "))
    // The directory's copy takes its place, as after a restore.
    try files.copyItem(at: member.file("data/validator"), to: member.file("data/copy"))
    try files.removeItem(at: member.file("data/validator"))
    try files.moveItem(at: member.file("data/copy"), to: member.file("data/validator"))
    try ValidatorChangesTests.expectRefusal(member.home, 65, ["copied"], "validator", "protection", "export", cluster.scratch.url.appendingPathComponent("no.json").path)
    try member.start()
    try member.logs("WARN", "the validator listens", "copied, restored or moved")
    try expectState("listening", member)
    #expect(try binding(member) == "listening\n")
    #expect(try Command.moloch("validator", "status", "--check", "--home", member.home.path).status == 2)
    #expect(try check(member, "validator")["status"] as? String == "degraded")
    try member.expectMetric("moloch_validator_listening") { $0 == 1 }
    try member.expectMetric("moloch_validator_active") { $0 == 0 }
    // The others go on without it.
    let (ids, height) = try cluster[0].finalise(5, of: records)
    try expectState("listening", member)
    #expect(member.stop() == 0, "\(member.lastLines)")
    // A window of its own begins with each start.
    let file = member.file("config/node.toml"), settings = try String(contentsOf: file, encoding: .utf8)
    try settings.replacingOccurrences(of: "\"10m\"", with: "\"10s\"").write(to: file, atomically: true, encoding: .utf8)
    let listened = Stopwatch()
    try member.start()
    try expectState("active", member)
    #expect(listened.seconds >= 10)
    listened.report("a copied validator votes, from its start with a window of 10 s")
    try member.logs("has listened and votes again")
    #expect(try check(member, "validator").isEmpty)
    let deadline = Date(timeIntervalSinceNow: 120)
    while try !binding(member).hasPrefix("here "), Date() < deadline { usleep(10_000) }
    #expect(try binding(member).hasPrefix("here "))
    try member.expectFinal(ids)
    // Beyond its bound it is free; with another one gone it is needed for the quorum.
    for _ in 0..<6 { try cluster[0].finalise(1, of: records) }
    cluster[1].kill()
    let after = try cluster[0].finalise(5, of: records)
    try cluster.expectAgreement(at: max(height, after.height), of: [cluster[0], cluster[2], member])
  }

  @Test func aSecondInstanceIsHaltedAndFreedByImport() throws {
    let cluster = try Cluster(chainID: "moloch-twice")
    let scratch = try ScratchDirectory()
    try cluster.start()
    let records = try cluster.records()
    try cluster[0].finalise(5, of: records)
    // A copy of the whole home of v4 with a node key and ports of its own, while v4 runs.
    let copy = try cluster.join("v4-again", in: scratch.url, listenWindow: "10m", hasJournal: false), files = FileManager.default
    for name in ["keys/validator.key", "keys/validator.pub", "keys/validator.key.used"] {
      try? files.removeItem(at: copy.file(name))
      try files.copyItem(at: cluster[3].file(name), to: copy.file(name))
    }
    try files.copyItem(at: cluster[3].file("data/validator"), to: copy.file("data/validator"))
    try copy.start()
    try expectState("listening", copy)
    let deadline = Date(timeIntervalSinceNow: 180)
    while !copy.log.contains("the validator is halted"), Date() < deadline { try cluster[0].finalise(1, of: records) }
    try copy.logs("ERROR", "the validator is halted")
    try expectState("halted", copy)
    #expect(try check(copy, "validator")["detail"] as? String == "halted: another instance votes with its key")
    try copy.expectMetric("moloch_validator_double_sign_refused_total") { $0 == 1 }
    #expect(try cluster[0].client().get("/v1/evidence").json["count"] as? Int == 0)
    // It stays so after a restart, and there is no way around the import.
    #expect(copy.stop() == 0, "\(copy.lastLines)")
    #expect(try binding(copy) == "halted\n")
    let key = try String(contentsOf: copy.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    try ValidatorChangesTests.expectRefusal(copy.home, 78, ["another instance"], "validator", "protection", "reset", "--unsafe", "--key", key)
    try copy.start()
    try expectState("halted", copy)
    #expect(copy.stop() == 0, "\(copy.lastLines)")
    // The original is retired, and the copy takes over at once.
    let file = scratch.url.appendingPathComponent("protection.json").path
    #expect(cluster[3].stop() == 0, "\(cluster[3].lastLines)")
    let exported = try Command.moloch("validator", "protection", "export", "--retire", file, "--yes", "--home", cluster[3].home.path)
    #expect(exported.status == 0, "\(exported.errors)")
    _ = try ValidatorChangesTests.json(copy.home, "validator", "protection", "import", file)
    try copy.start()
    try expectState("active", copy)
    try copy.status { ($0["peer_count"] as? Int ?? 0) >= 3 }
    cluster[1].kill()
    let (_, height) = try cluster[0].finalise(5, of: records)
    try cluster.expectAgreement(at: height, of: [cluster[0], cluster[2], copy])
  }

  @Test func aLostJournalIsResetByTheOperator() throws {
    let cluster = try Cluster(chainID: "moloch-reset")
    try cluster.start()
    let records = try cluster.records()
    try cluster[0].finalise(5, of: records)
    let member = cluster[2]
    #expect(member.stop() == 0, "\(member.lastLines)")
    try FileManager.default.removeItem(at: member.file("data/validator"))
    try member.start()
    try member.logs("WARN", "the validator listens", "is gone")
    try member.status { ($0["peer_count"] as? Int ?? 0) >= 3 }
    #expect(member.stop() == 0, "\(member.lastLines)")
    try member.start()
    try member.logs("WARN", "the validator listens", "stopped while it listened")
    #expect(member.stop() == 0, "\(member.lastLines)")
    let key = try String(contentsOf: member.file("keys/validator.pub"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    _ = try ValidatorChangesTests.json(member.home, "validator", "protection", "reset", "--unsafe", "--key", key)
    try member.start()
    try member.logs("WARN", "was reset by the operator")
    try expectState("active", member)
    try ValidatorChangesTests.expectRefusal(member.home, 75, ["in use"], "validator", "protection", "reset", "--unsafe", "--key", key)
  }
}
