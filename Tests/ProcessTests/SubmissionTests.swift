import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Testing

@Suite struct SubmissionTests {
  static let event = "application/vnd.moloch.event"
  static let events = "application/vnd.moloch.events"

  @Test func anEventBecomesFinalAndItsBundleVerifies() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let (record, id) = records.next()
    let answer = try client.post("/v1/events?wait=finalized", type: Self.event, body: record)
    #expect(answer.status == 201, "\(answer.text)")
    #expect(answer.json["id"] as? String == id.description)
    #expect(answer.json["status"] as? String == "finalized")
    let bundle = try client.get("/v1/proofs/inclusion?event_id=\(id)&format=bundle")
    #expect(bundle.status == 200, "\(bundle.text)")
    let file = scratch.url.appendingPathComponent("event.bundle"), genesis = scratch.url.appendingPathComponent("genesis.json")
    try Data(bundle.body).write(to: file)
    try Data(try client.get("/v1/genesis").body).write(to: genesis)
    let verified = try Command.moloch("verify", file.path, "--genesis", genesis.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
    #expect(verified.output.contains("PASS"))
    let unanchored = try Command.moloch("verify", file.path)
    #expect(unanchored.status == 3, "\(unanchored.output)\(unanchored.errors)")
  }

  @Test func theSameRecordAgainIsKnown() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let (record, id) = try RecordMaker(client, key: .forTest()).next()
    let first = try client.post("/v1/events?wait=finalized", type: Self.event, body: record)
    let again = try client.post("/v1/events", type: Self.event, body: record)
    #expect(first.status == 201, "\(first.text)")
    #expect(again.status == 200, "\(again.text)")
    #expect(again.json["duplicate"] as? Bool == true && again.json["id"] as? String == id.description)
    let batch = try client.post("/v1/events/batch", type: Self.events, body: record + record)
    #expect(batch.status == 202 && batch.json["accepted"] as? Int == 2, "\(batch.text)")
  }

  @Test func everyKindOfBadRecordIsNamedAndOthersAreServed() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    func reason(_ record: [UInt8]) throws -> String? {
      let answer = try client.post("/v1/events", type: Self.event, body: record)
      #expect(answer.status == 400, "\(answer.text)")
      return answer.errorReason
    }
    let good = records.next().bytes
    #expect(try reason(records.next { $0.chainTag = ChainTag(Bytes16(1, 2)) }.bytes) == "wrong_chain")
    #expect(try reason(Array(good.dropLast())) == "truncated_record")
    #expect(try reason(Array(good.prefix(100))) == "truncated_record")
    #expect(try reason([0x00] + good.dropFirst()) == "bad_tag")
    #expect(try reason(flipped(good, 150)) == "bad_signature")
    #expect(try reason(flipped(good, good.count - 3)) == "digest_mismatch")
    #expect(try reason(flipped(good, 18)) == "reserved_bits")
    let now = RecordMaker.now().rawValue
    #expect(try reason(records.next(timestamp: Timestamp(milliseconds: now - 90_000_000)).bytes) == "timestamp_window")
    #expect(try reason(records.next(timestamp: Timestamp(milliseconds: now + 900_000)).bytes) == "timestamp_window")
    #expect(try reason(records.next { $0.contentType = ContentType(rawValue: 0x40) }.bytes) == "bad_content_type")
    #expect(try reason(records.next { $0.flags = .gatewayAttested }.bytes) == "gateway_flag")
    let wrongType = try client.post("/v1/events", type: "text/html", body: good)
    #expect(wrongType.status == 415 && wrongType.errorCode == "UNSUPPORTED_MEDIA_TYPE")
    let served = try client.post("/v1/events?wait=finalized", type: Self.event, body: good)
    #expect(served.status == 201, "\(served.text)")
  }

  /// More signatures than the loop checks itself: the helper threads' verdicts are the same, and an atomic batch waits for them.
  @Test func signaturesBeyondABatchInLineAreCheckedByHelpers() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "runtime.verify_threads=2"])
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let good = (0..<500).map { _ in records.next().bytes }
    var batch = good
    for bad in [3, 127, 128, 300, 499] { batch[bad] = flipped(good[bad], 150) }
    let atomic = try client.post("/v1/events/batch?atomic=true", type: Self.events, body: batch.flatMap { $0 })
    #expect(atomic.status != 202 && atomic.status != 201, "\(atomic.status)")
    let answer = try client.post("/v1/events/batch", type: Self.events, body: batch.flatMap { $0 })
    #expect(answer.json["accepted"] as? Int == 495 && answer.json["rejected"] as? Int == 5, "\(answer.text.prefix(300))")
    let whole = try client.post("/v1/events/batch?atomic=true&wait=finalized", type: Self.events, body: (0..<400).flatMap { _ in records.next().bytes })
    #expect(whole.status == 201, "\(whole.text.prefix(300))")
    let metrics = try HTTPClient(port: node.metricsPort).get("/metrics").text
    let bounds = metrics.split(separator: "\n").filter { $0.hasPrefix("moloch_signature_batch_size_bucket") }
    #expect(bounds.count > 1 && metrics.contains("\nmoloch_signer_keys_total{result=\"hit\"} "), "\(bounds)")
    let hits = metrics.split(separator: "\n").first { $0.hasPrefix("moloch_signer_keys_total{result=\"hit\"} ") }?.split(separator: " ").last
    #expect(try #require(hits.flatMap { Int($0) }) > 0)
    let line = node.log.split(separator: "\n").first { $0.contains("signatures are verified") }
    #expect(line?.contains(Path.best.rawValue) == true, "\(line ?? "no line says by which path")")
  }

  /// A client whose signatures are bad has them checked alone, a few in each turn of the loop; what others send passes them by, behind the same proxy, too.
  @Test func aClientOfBadSignaturesWaitsForItself() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(
      home: scratch.url, arguments: ["--set", "api.trusted_proxies=127.0.0.0/8", "--set", "api.rate_limit.enabled=false"])
    let offender = try node.client(), client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    func metric(_ name: String) throws -> Int {
      let line = try HTTPClient(port: node.metricsPort).get("/metrics").text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
      return try #require(line?.split(separator: " ").last.flatMap { Int($0) })
    }
    // A strike lasts a second: on a slow machine it is over before anybody looks.
    var strikes = 0
    let deadline = Date(timeIntervalSinceNow: 180)
    repeat {
      let struck = try offender.post("/v1/events", type: Self.event, body: flipped(records.next().bytes, 150), fields: [("X-Forwarded-For", "192.0.2.1")])
      #expect(struck.errorReason == "bad_signature", "\(struck.text)")
      strikes += 1
      #expect(try metric("moloch_bad_signatures_total{source=\"client\"}") == strikes)
    } while try metric("moloch_signature_sources_quarantined{source=\"client\"}") != 1 && Date() < deadline
    #expect(Date() < deadline, "never in quarantine")
    // The node gets the end of the offender's body, and what the other one sends, in one turn: the offender's first.
    let last = records.next(), body = (0..<5000).flatMap { _ in flipped(records.next().bytes, 150) }
    let kept = (0..<100).flatMap { _ in records.next().bytes }
    func post(from address: String, _ length: Int) -> [UInt8] {
      Array("POST /v1/events/batch HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: \(address)\r\nContent-Type: \(Self.events)\r\nContent-Length: \(length)\r\n\r\n".utf8)
    }
    let combinations = try metric("moloch_signature_combinations_total{source=\"client\"}")
    try offender.send(post(from: "192.0.2.1", body.count + last.bytes.count) + body)
    try offender.waitUntilRead()
    try node.freeze()
    try offender.send(last.bytes)
    try client.send(post(from: "192.0.2.2", kept.count) + kept + Array("GET /v1/events/\(last.id) HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    node.signal(SIGCONT)
    let good = try client.answer()
    #expect(good.json["accepted"] as? Int == 100, "\(good.text.prefix(300))")
    #expect(try client.answer().status == 404, "the offender's are through already")
    let answer = try offender.answer()
    #expect(answer.json["rejected"] as? Int == 5000 && answer.json["accepted"] as? Int == 1, "\(answer.text.prefix(300))")
    #expect(try client.get("/v1/events/\(last.id)").status == 200)
    #expect(try metric("moloch_bad_signatures_total{source=\"client\"}") == strikes + 5000)
    // In batches of 128 they would cost ten thousand; one may be taken apart when the quarantine was over.
    #expect(try metric("moloch_signature_combinations_total{source=\"client\"}") - combinations < 2000)
  }

  @Test func aBatchReportsEachRecord() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let good = (0..<3).map { _ in records.next().bytes }
    let batch = good[0] + flipped(good[1], 140) + good[2] + good[0].prefix(200)
    let answer = try client.post("/v1/events/batch", type: Self.events, body: batch)
    #expect(answer.status == 202, "\(answer.text)")
    #expect(answer.json["accepted"] as? Int == 2 && answer.json["rejected"] as? Int == 2, "\(answer.text)")
    let results = answer.json["results"] as? [[String: Any]] ?? []
    #expect(results.map { $0["status"] as? String } == ["pending", "rejected", "pending", "rejected"], "\(answer.text)")
    let none = try client.post("/v1/events/batch", type: Self.events, body: Array("garbage".utf8))
    #expect(none.status == 400, "\(none.text)")
  }

  @Test func submissionsThatAreSentAheadAreAllAnsweredInOrder() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let sent = (0..<20).map { _ in records.next() }
    var bytes: [UInt8] = []
    for (record, _) in sent {
      bytes += "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: \(Self.event)\r\nContent-Length: \(record.count)\r\n\r\n".utf8 + record
    }
    try client.send(bytes)
    for (_, id) in sent {
      let answer = try client.answer()
      #expect(answer.status == 202 && answer.json["id"] as? String == id.description, "\(answer.text)")
      #expect(answer.fields["location"] == "/v1/events/\(id)")
    }
  }

  @Test func anAtomicBatchIsAdmittedWholeOrNotAtAll() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let good = (0..<3).map { _ in records.next() }
    let bad = flipped(records.next().bytes, 150)
    let mixed = try client.post("/v1/events/batch?atomic=true", type: Self.events, body: good[0].bytes + bad + good[1].bytes)
    #expect(mixed.status == 400 && mixed.json["accepted"] as? Int == 0 && mixed.json["rejected"] as? Int == 3, "\(mixed.text)")
    let reasons = (mixed.json["results"] as? [[String: Any]] ?? []).map { (($0["error"] as? [String: Any])?["details"] as? [String: Any])?["reason"] as? String }
    #expect(reasons == ["atomic", "bad_signature", "atomic"], "\(mixed.text)")
    #expect(try client.get("/v1/events/\(good[0].id)").status == 404, "nothing was admitted")
    // The last record uses the sequence number of the first: found when the first is in the pool already.
    let rival = records.next { $0.sequence = 1 }.bytes
    let conflicting = try client.post("/v1/events/batch?atomic=true", type: Self.events, body: good[0].bytes + good[1].bytes + rival)
    #expect(conflicting.status == 400 && conflicting.json["accepted"] as? Int == 0, "\(conflicting.text)")
    let whole = try client.post("/v1/events/batch?atomic=true&wait=finalized", type: Self.events, body: good.flatMap(\.bytes))
    #expect(whole.status == 201 && whole.json["accepted"] as? Int == 3, "\(whole.text)")
    let partly = try client.post("/v1/events/batch?atomic=false", type: Self.events, body: bad + records.next().bytes)
    #expect(partly.status == 202 && partly.json["accepted"] as? Int == 1, "\(partly.text)")
  }

  @Test func aSequenceThatAFinalEventHasUsedIsRefused() throws {
    let scratch = try ScratchDirectory()
    var node = try NodeProcess(home: scratch.url)
    let key = try SigningKey.forTest()
    var client = try node.client()
    let records = try RecordMaker(client, key: key)
    let first = records.next()
    #expect(try client.post("/v1/events?wait=finalized", type: Self.event, body: first.bytes).status == 201)
    let rival = records.next { $0.sequence = 1 }
    func expectConflict() throws {
      let answer = try client.post("/v1/events", type: Self.event, body: rival.bytes)
      #expect(answer.status == 409 && answer.errorCode == "SEQ_CONFLICT", "\(answer.text)")
      #expect(try client.get("/v1/events/\(rival.id)").status == 404)
      let same = try client.post("/v1/events", type: Self.event, body: first.bytes)
      #expect(same.status == 200 && same.json["duplicate"] as? Bool == true, "the same event is no conflict: \(same.text)")
    }
    try expectConflict()
    let forged = try client.post("/v1/events", type: Self.event, body: flipped(rival.bytes, 150))
    #expect(forged.errorReason == "bad_signature", "only the signer learns of a conflict: \(forged.text)")
    let atomic = try client.post("/v1/events/batch?atomic=true", type: Self.events, body: records.next().bytes + rival.bytes)
    #expect(atomic.status == 400 && atomic.json["accepted"] as? Int == 0, "\(atomic.text)")
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    node = try NodeProcess(home: scratch.url)
    client = try node.client()
    try expectConflict()
    let free = records.next { $0.stream = ($0.stream + 1) % (1 << 53) }
    #expect(try client.post("/v1/events", type: Self.event, body: free.bytes).status == 202)
  }

  @Test func bodiesOfTheProfileAreCheckedAndOthersAreNot() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let good = #"{"event_type":"push","actor":{"id":"a"},"resource":{"id":"r"},"outcome":"success""#
    for body in [good + #","x":{"a":1,"a":2}}"#, good, #"{"event_type":"push"}"#, good + #","x":"\ud800"}"#, good + #","x":1e999}"#, "[]"] {
      let answer = try client.post("/v1/events", type: Self.event, body: records.next(body: body).bytes)
      #expect(answer.status == 400 && answer.errorReason == "bad_body", "\(body): \(answer.text)")
    }
    let repeated = try client.post("/v1/events", type: Self.event, body: records.next(body: good + #","event_type":"x"}"#).bytes)
    #expect((repeated.json["error"] as? [String: Any])?["message"] as? String == "an object of the body repeats a member", "\(repeated.text)")
    let encrypted = try client.post("/v1/events", type: Self.event, body: records.next(body: "not json") { $0.flags = .encrypted }.bytes)
    #expect(encrypted.status == 202, "\(encrypted.text)")
    let opaque = try client.post("/v1/events", type: Self.event, body: records.next(body: "not json") { $0.contentType = .opaque }.bytes)
    #expect(opaque.status == 202, "\(opaque.text)")
    let batch = try client.post("/v1/events/batch", type: Self.events, body: records.next(body: "{}").bytes + records.next().bytes)
    #expect(batch.json["accepted"] as? Int == 1 && batch.json["rejected"] as? Int == 1, "\(batch.text)")
  }

  private func flipped(_ bytes: [UInt8], _ offset: Int) -> [UInt8] {
    var copy = bytes
    copy[offset] ^= 1
    return copy
  }
}
