import Foundation
import Testing

/// `moloch top` with and without a terminal.
@Suite struct TopTests {
  @Test func withoutATerminalItPrintsALinePerLook() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    let top = try Command.moloch("top", "--count", "3", "--interval", "50ms", "--home", scratch.url.path)
    #expect(top.status == 0, "\(top.errors)")
    let lines = top.output.split(separator: "\n")
    #expect(lines.count == 3 && !top.output.contains("\u{1B}"), "\(top.output)")
    for line in lines {
      #expect(line.contains(#/^live height=[1-9]\d* lag=0 events=1 /#) && line.contains(" peers=0 ") && line.hasSuffix(" offenders=0"), "\(line)")
      #expect(line.contains(#/\ p50_ms=\d+\.\d{3} p99_ms=\d+\.\d{3} offenders/#), "\(line)")
    }
    let json = try Command.moloch("top", "--count", "1", "--json", "--home", scratch.url.path)
    #expect(json.output.contains(#/^\{"schema":"moloch.top\/1","state":"live","head_height":[1-9]\d*,/#), "\(json.output)")
    #expect(json.output.contains(#/"api_latency_ms":\{"p50":\d+\.\d{3},"p99":\d+\.\d{3}\},"offenders":\[\],"banned_peers":\[\]\}\n$/#), "\(json.output)")
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let gone = try Command.moloch("top", "--count", "1", "--home", scratch.url.path)
    #expect(gone.status == 69, "\(gone.errors)")
  }

  @Test func whoAsksBeyondItsRateIsAnOffender() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(
      home: scratch.url, arguments: ["--set", "api.rate_limit.enabled=true", "--set", "api.rate_limit.requests_per_minute=1", "--set", "api.rate_limit.burst_size=5"])
    let client = try node.client()
    let refused = try (0..<20).count { _ in try client.get("/v1/validators").status == 429 }
    #expect(refused >= 14)
    let json = try Command.moloch("top", "--count", "1", "--json", "--home", scratch.url.path)
    #expect(json.output.contains("\"offenders\":[{\"address\":\"127.0.0.1\",\"refused\":\(refused)}]"), "\(json.output)")
    let line = try Command.moloch("top", "--count", "1", "--home", scratch.url.path)
    #expect(line.output.hasSuffix(" offenders=1\n"), "\(line.output)")
    // Addresses are not for everybody.
    #expect(try client.get("/v1/admin/load").status == 404)
  }

  /// script(1) gives the command a terminal of 80 columns.
  @Test func onATerminalItDrawsAScreenOfEightyColumns() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let command = "stty cols 80 rows 24; \(NodeProcess.moloch.path) top --count 2 --interval 50ms --home \(scratch.url.path)"
    let shown = try Command.run(
      URL(fileURLWithPath: "/usr/bin/script"), ["-qec", command, "/dev/null"], environment: ["TERM": "xterm", "NO_COLOR": "1"])
    #expect(shown.status == 0, "\(shown.output)")
    let screens = shown.output.components(separatedBy: "\u{1B}[H").dropFirst()
    #expect(screens.count == 2, "\(shown.output)")
    for screen in screens {
      let plain = screen.replacingOccurrences(of: "\u{1B}[K", with: "").replacingOccurrences(of: "\u{1B}[J", with: "").replacingOccurrences(of: "\r", with: "")
      for part in ["moloch-dev  live  validator", "Height", "Consensus  view ", "API        p50 ", "VALIDATOR", "PEER", "OFFENDER              none"] { #expect(plain.contains(part), "\(part): \(plain)") }
      for line in plain.split(separator: "\n") { #expect(line.count < 80, "\(line)") }
    }
    #expect(node.isRunning)
  }
}
