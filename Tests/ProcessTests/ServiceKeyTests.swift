import Foundation
import Testing

/// Keys of `api` and `metrics` that change what a client sees.
@Suite struct ServiceKeyTests {
  @Test func metricsHaveThePathThatIsConfiguredAndAreCompressed() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "metrics.path=/internal/prom"])
    let client = try HTTPClient(port: node.metricsPort)
    #expect(try client.get("/metrics").status == 404)
    let plain = try client.get("/internal/prom")
    #expect(plain.status == 200 && plain.text.contains(/\nmoloch_chain_height \d+\n/) && plain.fields["content-encoding"] == nil)
    let packed = try client.exchange("GET", "/internal/prom", fields: [("Accept-Encoding", "deflate, gzip;q=1.0")], body: nil)
    #expect(packed.fields["content-encoding"] == "gzip" && packed.fields["vary"] == "Accept, Accept-Encoding", "\(packed.fields)")
    #expect(packed.body.count * 3 < plain.body.count, "\(packed.body.count) of \(plain.body.count) bytes")
    #expect(try client.exchange("GET", "/internal/prom", fields: [("Accept-Encoding", "gzip;q=0")], body: nil).fields["content-encoding"] == nil)
    // curl unpacks it and finds the same families.
    let curl = try GuideTests.shell("curl -s --compressed http://localhost:\(node.metricsPort)/internal/prom | grep -c '^# TYPE'")
    #expect(curl.output == "\(plain.text.components(separatedBy: "# TYPE ").count - 1)\n", "\(curl.output)")
    let scrape = try Command.moloch("gen", "prometheus", "--home", scratch.url.path)
    #expect(!scrape.output.contains("metrics_path"))
    let moved = try Command.run(NodeProcess.moloch, ["gen", "prometheus", "--home", scratch.url.path], environment: ["MOLOCH_METRICS_PATH": "/internal/prom"])
    #expect(moved.output.hasSuffix("    scrape_interval: 15s\n    metrics_path: '/internal/prom'\n"), "\(moved.output)")
  }

  /// Buckets of rates belong to whom a trusted proxy names, and to the proxy itself otherwise.
  @Test func onlyTrustedProxiesNameTheClient() throws {
    let scratch = try ScratchDirectory()
    let limits = ["api.rate_limit.enabled=true", "api.rate_limit.requests_per_minute=1", "api.rate_limit.burst_size=2"]
    func statuses(_ node: NodeProcess, _ forwarded: [String]) throws -> [Int] {
      let client = try node.client()
      return try forwarded.map { try client.exchange("GET", "/v1/genesis", fields: $0.isEmpty ? [] : [("X-Forwarded-For", $0)], body: nil).status }
    }
    let trusting = try NodeProcess(home: scratch.url.appendingPathComponent("a"), arguments: (limits + ["api.trusted_proxies=127.0.0.0/8,fd00::/8"]).flatMap { ["--set", $0] })
    // Two requests each; what a client writes itself stands on the left and counts for nothing.
    #expect(try statuses(trusting, ["203.0.113.7", "203.0.113.7", "203.0.113.7"]) == [200, 200, 429])
    #expect(try statuses(trusting, ["203.0.113.8", "198.51.100.1, 203.0.113.8", "203.0.113.8, 127.0.0.9"]) == [200, 200, 429])
    #expect(try statuses(trusting, ["2001:db8::5", "2001:db8::5,fd00::1", "2001:db8::5"]) == [200, 200, 429])
    #expect(try statuses(trusting, ["", "nonsense", ""]) == [200, 200, 429], "without a client's address the proxy's own counts")
    let other = try NodeProcess(home: scratch.url.appendingPathComponent("b"), arguments: limits.flatMap { ["--set", $0] })
    #expect(try statuses(other, ["203.0.113.7", "203.0.113.8", "203.0.113.9"]) == [200, 200, 429], "nobody is trusted unless that is said")
  }

  @Test func pagesOfConfiguredOriginsMayReadAnswers() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(
      home: scratch.url, arguments: ["--set", "api.cors.enabled=true", "--set", "api.cors.origins=https://console.example.org,https://other.example.org"])
    let client = try node.client()
    for path in ["/v1/status", "/v1/genesis", "/v1/nothing"] {
      let allowed = try client.exchange("GET", path, fields: [("Origin", "https://console.example.org")], body: nil)
      #expect(allowed.fields["access-control-allow-origin"] == "https://console.example.org" && allowed.fields["vary"] == "Origin", "\(path): \(allowed.fields)")
      #expect(allowed.fields["access-control-expose-headers"]?.contains("Moloch-Height") == true)
      #expect(allowed.fields["access-control-allow-credentials"] == nil)
      let refused = try client.exchange("GET", path, fields: [("Origin", "https://evil.example.org")], body: nil)
      #expect(refused.fields["access-control-allow-origin"] == nil && refused.fields["vary"] == "Origin", "\(refused.fields)")
    }
    let preflight = try client.exchange("OPTIONS", "/v1/events", fields: [("Origin", "https://other.example.org"), ("Access-Control-Request-Method", "POST")], body: nil)
    #expect(preflight.status == 204 && preflight.fields["access-control-allow-methods"] == "POST, OPTIONS" && preflight.fields["access-control-max-age"] == "600", "\(preflight.fields)")
    #expect(preflight.fields["access-control-allow-headers"]?.contains("Content-Type") == true)
    let plain = try NodeProcess(home: scratch.url.appendingPathComponent("plain"))
    let answer = try plain.client().exchange("GET", "/v1/status", fields: [("Origin", "https://console.example.org")], body: nil)
    #expect(answer.fields["access-control-allow-origin"] == nil && answer.fields["vary"] == nil)
  }
}
