import Foundation
import Testing

/// Caching, entity tags, preferences and methods: what HTTP offers around the resources.
@Suite struct ConditionalRequestTests {
  @Test func finalResourcesHaveStrongTagsAndAreNotSentTwice() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let (record, id) = records.next()
    let final = try client.exchange(
      "POST", "/v1/events", fields: [("Prefer", "return=minimal, wait=10"), ("Content-Type", SubmissionTests.event)], body: record)
    #expect(final.status == 201 && final.json["bundle"] == nil, "\(final.text)")
    let height = try #require(final.json["block_height"] as? Int)
    var tags: Set<String> = []
    let fixed = [
      "/v1/genesis", "/v1/blocks/\(height)", "/v1/blocks/\(height)?include=ids", "/v1/proofs/consistency?from_size=0&to_size=1", "/tlog/tile/0/000.p/1",
    ]
    // A redaction deletes the body in these: no cache may keep it.
    let erasable = ["/v1/blocks/\(height)?include=events", "/v1/events/\(id)", "/v1/events/\(id)/raw", "/v1/events/\(id)/raw?part=body"]
    for path in fixed + erasable {
      let caching = fixed.contains(path) ? "public, max-age=31536000, immutable" : "no-store"
      let first = try client.get(path)
      #expect(first.status == 200, "\(path): \(first.text)")
      let tag = try #require(first.fields["etag"], "\(path)")
      #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && tags.insert(tag).inserted, "\(path): \(tag)")
      #expect(first.fields["cache-control"] == caching, "\(path)")
      for condition in [tag, "\"other\", W/\(tag)", "*"] {
        let again = try client.exchange("GET", path, fields: [("If-None-Match", condition)], body: nil)
        #expect(again.status == 304 && again.fields["etag"] == tag && again.fields["content-length"] == nil, "\(path) \(condition): \(again.status)")
        #expect(again.fields["cache-control"] == caching, "\(path)")
      }
      let changed = try client.exchange("GET", path, fields: [("If-None-Match", "\"other\"")], body: nil)
      #expect(changed.status == 200 && changed.body == first.body)
      let head = try client.exchange("HEAD", path, fields: [], body: nil)
      #expect(head.status == 200 && head.fields["etag"] == tag && head.fields["content-length"] == String(first.body.count))
    }
    let octets = try client.get("/v1/blocks/\(height)", accept: "application/octet-stream")
    #expect(octets.body.count > 320 && octets.fields["vary"] == "Accept" && !tags.contains(octets.fields["etag"] ?? ""))
  }

  @Test func whatChangesIsNotStored() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    // The cosignature of a final head follows its own barrier.
    #expect(try client.get("/v1/checkpoint?min_size=1").status == 200)
    for path in ["/v1/health", "/v1/ready", "/v1/status", "/v1/peers", "/v1/validators", "/v1/blocks/latest", "/v1/checkpoint"] {
      let answer = try client.get(path)
      #expect(answer.status == 200 && answer.fields["cache-control"] == "no-store", "\(path): \(answer.status) \(answer.fields)")
      #expect(answer.fields["etag"] == nil && answer.fields["moloch-height"] != nil && answer.fields["date"] != nil)
    }
    #expect(try client.get("/tlog/checkpoint").fields["cache-control"] == "max-age=1")
  }

  @Test func methodsAreAnsweredByTheTable() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    for (path, allowed) in [("/v1/health", "GET, HEAD, OPTIONS"), ("/v1/events", "POST, OPTIONS"), ("/v1/events/batch", "POST, OPTIONS")] {
      let options = try client.exchange("OPTIONS", path, fields: [], body: nil)
      #expect(options.status == 204 && options.fields["allow"] == allowed && options.body.isEmpty)
      let wrong = try client.exchange("PATCH", path, fields: [], body: nil)
      #expect(wrong.status == 405 && wrong.fields["allow"] == allowed && wrong.errorCode == "METHOD_NOT_ALLOWED")
    }
    let named = try client.exchange("GET", "/v1/health", fields: [("X-Request-Id", "abc.DEF_1-2")], body: nil)
    #expect(named.fields["x-request-id"] == "abc.DEF_1-2")
    let unnamed = try client.exchange("GET", "/v1/health", fields: [("X-Request-Id", "a b")], body: nil)
    #expect(unnamed.fields["x-request-id"]?.hasPrefix("r-") == true)
    let refused = try client.exchange("GET", "/v1/nothing", fields: [("X-Request-Id", "q1")], body: nil)
    #expect(refused.status == 404 && (refused.json["error"] as? [String: Any])?["request_id"] as? String == "q1")
  }

  @Test func limitedAnswersSayWhatIsLeft() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(
      home: scratch.url,
      arguments: [
        "--set", "api.rate_limit.enabled=true", "--set", "api.rate_limit.requests_per_minute=60", "--set", "api.rate_limit.burst_size=3",
      ])
    let client = try node.client()
    let first = try client.get("/v1/genesis")
    #expect(first.fields["x-ratelimit-limit"] == "60" && first.fields["x-ratelimit-remaining"] == "2", "\(first.fields)")
    #expect(first.fields["ratelimit-policy"] == "\"default\";q=60;w=60")
    #expect(first.fields["ratelimit"]?.hasPrefix("\"default\";r=2;t=") == true)
    var refused: HTTPClient.Answer?
    for _ in 0..<5 where refused == nil {
      let answer = try client.get("/v1/genesis")
      if answer.status != 200 { refused = answer }
    }
    #expect(refused?.status == 429 && refused?.errorCode == "RATE_LIMITED" && refused?.fields["retry-after"] != nil)
    #expect(try client.get("/v1/status").status == 200, "has no budget")
  }
}
