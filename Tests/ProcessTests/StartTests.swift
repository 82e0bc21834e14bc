import Audit
import Ed25519
import Foundation
import Testing

/// What a node answers before its store is open.
@Suite struct StartTests {
  /// The saved events of the last stop are a pipe that nobody opens for writing: the start stands still there for as long as the test likes.
  @Test func aNodeThatIsStartingSaysSo() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let record: (bytes: [UInt8], id: EventID)
    do {
      let first = try NodeProcess(home: home)
      record = try RecordMaker(first.client(), key: .forTest()).next()
      first.signal(SIGTERM)
      #expect(first.waitForExit() == 0)
    }
    let pipe = home.appendingPathComponent("data/mempool.bin").path
    try? FileManager.default.removeItem(atPath: pipe)
    // The path is lent to the call.
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    let ports = try FreePort.three(), port = ports[0]
    let starting = Starting(home: home, port: port, metrics: ports[1])
    starting.begin()
    var client = try? HTTPClient(port: port)
    while client == nil {
      try #require(starting.isUnderWay, "the node ended: \(starting.outcome)")
      client = try? HTTPClient(port: port)
    }
    let early = try #require(client)
    let health = try early.get("/v1/health")
    #expect(health.status == 200 && health.json["status"] as? String == "ok", "\(health.text)")
    let ready = try early.get("/v1/ready")
    #expect(ready.status == 503)
    #expect((ready.json["reasons"] as? [String])?.contains("starting") == true, "\(ready.text)")
    for path in ["/v1/status", "/v1/validators", "/v1/checkpoint", "/v1/blocks/0", "/v1/proofs/consistency?from_size=0&to_size=0"] {
      let answer = try early.get(path)
      #expect(answer.status == 503 && answer.errorCode == "NOT_READY", "\(path): \(answer.text)")
    }
    let submission = try early.post("/v1/events", type: SubmissionTests.event, body: record.bytes)
    #expect(submission.status == 503 && submission.errorCode == "NOT_READY", "\(submission.text)")
    // The admin socket is there, too: who watches the sync waits, and who asks for more is told why not.
    let watched = try Command.moloch("sync", "--watch", "--timeout", "3s", "--home", home.path)
    #expect(watched.status == 75 && watched.errors.contains("not caught up"), "\(watched.errors)")
    let status = try Command.moloch("status", "--home", home.path)
    #expect(status.status == 75 && status.errors.contains("the node is starting"), "\(status.status): \(status.errors)")
    let metrics = try HTTPClient(port: ports[1])
    let figures = try metrics.get("/metrics").text
    #expect(starting.isUnderWay, "the store is still closed")
    let later = ["moloch_earliest_body_height", "moloch_checkpoint_size", "moloch_checkpoint_age_seconds", "moloch_chain_height", "moloch_index_lag"]
    for name in later { #expect(!figures.contains("\n\(name) ") && figures.contains("# TYPE \(name) gauge\n"), "\(name) has a value before there is one") }

    // Opened and closed, the pipe is an empty file: nothing was saved.
    try #require(FileHandle(forWritingAtPath: pipe)).close()
    let node = try starting.wait()
    defer { node.signal(SIGKILL) }
    #expect(try early.get("/v1/ready").status == 200, "the connection made during the start goes on")
    #expect(try early.get("/v1/status").status == 200)
    let opened = try metrics.get("/metrics").text
    #expect(opened.contains("\nmoloch_earliest_body_height 1\n") && !opened.contains("\nmoloch_checkpoint_size "), "no event, no checkpoint")
    #expect(try early.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: record.bytes).status == 201)
    #expect(try early.get("/v1/checkpoint?min_size=1").status == 200)
    #expect(try metrics.get("/metrics").text.contains("\nmoloch_checkpoint_size 1\n"))
  }
}

/// A node whose start takes until the test lets it go on.
private final class Starting: @unchecked Sendable {
  // Sendable: the condition guards what both threads touch.
  private let condition = NSCondition()
  private var result: Result<NodeProcess, any Error>?
  private let home: URL
  private let port: UInt16
  private let metrics: UInt16

  init(home: URL, port: UInt16, metrics: UInt16) {
    self.home = home
    self.port = port
    self.metrics = metrics
  }

  func begin() {
    Thread { [self] in
      let result = Result { try NodeProcess(home: home, arguments: ["--set", "api.listen_addr=127.0.0.1:\(port)", "--set", "metrics.prometheus_addr=127.0.0.1:\(metrics)"]) }
      condition.lock()
      self.result = result
      condition.broadcast()
      condition.unlock()
    }.start()
  }

  var isUnderWay: Bool {
    condition.lock()
    defer { condition.unlock() }
    return result == nil
  }

  var outcome: String {
    condition.lock()
    defer { condition.unlock() }
    if case .failure(let error) = result { return "\(error)" }
    return "it serves"
  }

  func wait() throws -> NodeProcess {
    condition.lock()
    defer { condition.unlock() }
    while result == nil { condition.wait() }
    return try result!.get()
  }
}
