import Audit
import Bytes
import Foundation
import Testing

/// An approved redaction deletes bodies on every node, and what is left still proves what it did.
@Suite(.serialized) struct RedactionTests {
  /// Tables hold octets as they are, so that it can be seen what is in them.
  static let uncompressed = "[storage]\ncompression = \"none\""

  /// Files below a directory that hold these octets.
  static func files(with text: String, below directory: URL) throws -> [String] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
    return names.filter { name in
      (try? Data(contentsOf: directory.appendingPathComponent(name)))?.range(of: Data(text.utf8)) != nil
    }
  }

  private static func expectErased(_ text: String, _ member: Cluster.Member) throws {
    let deadline = Date(timeIntervalSinceNow: 180)
    var left: [String] = []
    repeat {
      left = try files(with: text, below: member.file("data"))
      if left.isEmpty { return }
      usleep(50_000)
    } while Date() < deadline
    Issue.record("\(member.name): the body is still in \(left)\n\(member.lastLines)")
  }

  /// Waits until a member lists the proposal in a state as wanted.
  private static func awaitProposal(_ proposal: Substring, _ member: Cluster.Member, state accept: (String) -> Bool) throws {
    try member.read("/v1/governance") { answer in
      (answer["changes"] as? [[String: Any]] ?? []).contains { $0["id"] as? String == String(proposal) && accept($0["state"] as? String ?? "") }
    }
  }

  /// Approves a proposal at a member, once it is known there.
  private static func approve(_ proposal: Substring, _ member: Cluster.Member) throws {
    try awaitProposal(proposal, member) { _ in true }
    let approved = try Command.moloch("validator", "approve", String(proposal), "--home", member.home.path)
    #expect(approved.status == 0, "\(approved.output)\(approved.errors)")
  }

  private static func expectRedacted(_ id: EventID, by proposal: String, _ member: Cluster.Member, genesis: [UInt8]) throws {
    let event = try member.read("/v1/events/\(id)") { $0["redacted"] as? Bool == true }
    #expect(event["body"] is NSNull && event["redaction_id"] as? String == proposal && event["pruned"] == nil, "\(event)")
    let raw = try member.client().get("/v1/events/\(id)/raw")
    #expect(raw.status == 410 && raw.text.contains("PRUNED"), "\(raw.status) \(raw.text.prefix(300))")
    try member.expectBundleVerifies(id, genesis: genesis)
    let verified = try Command.moloch("verify", member.file("event.bundle").path, "--genesis", member.file("anchor.json").path)
    #expect(verified.output.contains("PASS  redaction") && verified.output.contains("SKIP  body"), "\(verified.output)")
  }

  /// A redaction may name an event that comes later: its body is deleted when its block is final.
  @Test func anEventThatIsNamedBeforeItIsOnTheChainLosesItsBodyWhenItComes() throws {
    let cluster = try Cluster(extra: Self.uncompressed)
    try cluster.start()
    let records = try cluster.records()
    let secret = "early-" + (0..<24).map { _ in String(UInt8.random(in: 0...255), radix: 16) }.joined()
    let (record, id) = records.next(note: secret)
    let proposed = try Command.moloch("redact", "\(id)", "--reason", "1", "--home", cluster[0].home.path)
    #expect(proposed.status == 0, "\(proposed.output)\(proposed.errors)")
    let proposal = try #require(proposed.output.split(separator: " ").first { $0.hasPrefix("evt_") }).split(separator: "\n")[0]
    for index in [1, 2] { try Self.approve(proposal, cluster[index]) }
    for member in cluster.members { try Self.awaitProposal(proposal, member) { $0 != "open" } }
    for member in cluster.members { #expect(try member.client().get("/v1/events/\(id)").status == 404) }
    // One node is killed between the approval and the event, and finds the name again.
    cluster[3].kill()
    try cluster[3].start()
    let answer = try cluster[0].client().post("/v1/events?wait=finalized&timeout_ms=30000", type: SubmissionTests.event, body: record)
    #expect(answer.status == 201, "\(answer.text.prefix(400))")
    for member in cluster.members {
      try Self.expectRedacted(id, by: String(proposal), member, genesis: cluster.genesis)
      try Self.expectErased(secret, member)
    }
  }

  @Test func anApprovedRedactionDeletesTheBodyOnEveryNode() throws {
    let cluster = try Cluster(extra: Self.uncompressed)
    try cluster.start()
    let records = try cluster.records()
    let (others, _) = try cluster[0].finalise(3, of: records)
    let secret = "secret-" + (0..<24).map { _ in String(UInt8.random(in: 0...255), radix: 16) }.joined()
    let record = records.next(body: "{\"event_type\":\"push\",\"actor\":{\"id\":\"user:a\",\"kind\":\"user\"},\"resource\":{\"id\":\"repo:b\",\"kind\":\"repository\"},\"outcome\":\"success\",\"metadata\":{\"note\":\"\(secret)\"}}")
    let answer = try cluster[0].client().post("/v1/events?wait=finalized&timeout_ms=30000", type: SubmissionTests.event, body: record.bytes)
    #expect(answer.status == 201, "\(answer.text.prefix(400))")
    for member in cluster.members { try member.expectFinal([record.id]) }
    #expect(try !Self.files(with: secret, below: cluster[2].file("data")).isEmpty)
    let before = try cluster[2].client().get("/v1/events/\(record.id)")
    let tag = try #require(before.fields["etag"])
    #expect(before.fields["cache-control"] == "no-store" && before.text.contains(secret), "\(before.fields)")

    let proposed = try Command.moloch("redact", "\(record.id)", "--reason", "1", "--home", cluster[0].home.path)
    #expect(proposed.status == 0, "\(proposed.output)\(proposed.errors)")
    let proposal = try #require(proposed.output.split(separator: " ").first { $0.hasPrefix("evt_") }).split(separator: "\n")[0]
    for index in [1, 2] { try Self.approve(proposal, cluster[index]) }
    for member in cluster.members {
      try Self.expectRedacted(record.id, by: String(proposal), member, genesis: cluster.genesis)
      try Self.expectErased(secret, member)
      let whole = try member.read("/v1/events/\(others[1])") { $0["status"] as? String == "finalized" }
      #expect(whole["redacted"] as? Bool == false && whole["body"] is [String: Any], "\(whole)")
    }
    // Who has kept an answer learns that it is no longer the one.
    let after = try cluster[2].client().exchange("GET", "/v1/events/\(record.id)", fields: [("If-None-Match", tag)], body: nil)
    #expect(after.status == 200 && after.fields["etag"] != tag && !after.text.contains(secret), "\(after.status) \(after.fields)")
    // Whoever comes later gets the rest of the block, and knows why something is missing.
    let fresh = try cluster.join("fresh", in: cluster.scratch.url, extra: Self.uncompressed)
    try fresh.start(options: ["--api-only"])
    try fresh.status { $0["syncing"] as? Bool == false }
    try Self.expectRedacted(record.id, by: String(proposal), fresh, genesis: cluster.genesis)
    let whole = try fresh.read("/v1/events/\(others[2])") { $0["status"] as? String == "finalized" }
    #expect(whole["body"] is [String: Any], "\(whole)")
    try cluster.expectAgreement(at: try cluster[0].headHeight(), of: cluster.members + [fresh])
    // A restart finds nothing left to delete.
    #expect(cluster[3].stop() == 0 && fresh.stop() == 0)
    for member in [cluster[3], fresh] {
      let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", member.home.path)
      #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
    }
    try cluster[3].start()
    try Self.expectRedacted(record.id, by: String(proposal), cluster[3], genesis: cluster.genesis)
  }
}
