import Ed25519
import Foundation
import Synchronization
import Testing

/// The drills of `docs/drills.md`: a balancer in front of nodes that restart, a disk that fills up, a clock that is off.
@Suite(.serialized) struct DrillTests {
  /// A haproxy with the configuration that `moloch gen haproxy` prints.
  private final class Balancer {
    let port: UInt16
    /// Where it says what it thinks of its servers.
    private let figures: String
    private let process = Process()

    init(_ scratch: URL, servers: [UInt16], drainDelay: String) throws {
      let ports = try FreePort.three()
      port = ports[0]
      figures = "http://127.0.0.1:\(ports[1])/figures;csv"
      let list = servers.map { "127.0.0.1:\($0)" }.joined(separator: ",")
      let printed = try Command.run(NodeProcess.moloch, ["gen", "haproxy", "--servers", list, "--home", "/opt/moloch"], environment: ["MOLOCH_API_DRAIN_DELAY": drainDelay])
      let file = scratch.appendingPathComponent("haproxy.cfg")
      let observed = "\nfrontend observed\n    bind 127.0.0.1:\(ports[1])\n    mode http\n    stats enable\n    stats uri /figures\n"
      try (printed.output.replacingOccurrences(of: "bind :8000", with: "bind 127.0.0.1:\(port)") + observed).write(to: file, atomically: true, encoding: .utf8)
      process.executableURL = URL(fileURLWithPath: "/usr/sbin/haproxy")
      process.arguments = ["-db", "-q", "-f", file.path]
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      try waitForAll(servers.count)
    }

    /// Waits until it sends requests to so many servers: until its checks have found every node, and none on its way down.
    func waitForAll(_ count: Int) throws {
      try wait("haproxy does not serve") { $0.map { $0.state } == Array(repeating: "UP", count: count) }
    }

    /// Waits until it sends requests to this server no more, and has none there that is not answered.
    func waitUntilOut(_ index: Int) throws {
      try wait("server \(index + 1) is not taken out") { index < $0.count && !$0[index].state.hasPrefix("UP") && $0[index].sessions == "0" }
    }

    private func wait(_ fault: String, until accept: ([(state: String, sessions: String)]) -> Bool) throws {
      let deadline = Date(timeIntervalSinceNow: 180)
      var servers: [(state: String, sessions: String)] = []
      repeat {
        guard Date() < deadline, process.isRunning else { throw NodeProcess.Failure(description: "\(fault): \(servers)") }
        let shown = try Command.run(URL(fileURLWithPath: "/usr/bin/curl"), ["-fsS", figures]).output
        let rows = shown.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        // Name, sessions and state are columns 2, 5 and 18 of the table.
        servers = rows.filter { $0.count > 17 && !$0[0].hasPrefix("#") && !["FRONTEND", "BACKEND"].contains($0[1]) }.map { (String($0[17]), String($0[4])) }
        usleep(50_000)
      } while !accept(servers)
    }

    deinit {
      process.terminate()
      process.waitUntilExit()
    }
  }

  /// Requests through the balancer, each on a connection of its own: a submission, then a read.
  private final class Clients: @unchecked Sendable {
    // Sendable: the lock guards what the threads share.
    private let lock = NSLock()
    private var accepted: [String] = []
    private var requests = 0
    private var failures: [String] = []
    private var isEnding = false
    private let group = DispatchGroup()

    init(port: UInt16, genesis: [UInt8], count: Int) throws {
      for _ in 0..<count {
        group.enter()
        Thread.detachNewThread { [self] in
          defer { group.leave() }
          guard let key = try? SigningKey.generate() else { return lock.withLock { failures.append("no key") } }
          let records = RecordMaker(genesis: genesis, key: key)
          while !lock.withLock({ isEnding }) {
            let (bytes, id) = records.next()
            note("submission", { try $0.post("/v1/events", type: SubmissionTests.event, body: bytes) }, port, wanted: 202, id: "\(id)")
            note("read", { try $0.get("/v1/blocks/latest") }, port, wanted: 200, id: nil)
            // The nodes share the machine with whoever asks.
            usleep(5000)
          }
        }
      }
    }

    private func note(_ what: String, _ request: (HTTPClient) throws -> HTTPClient.Answer, _ port: UInt16, wanted: Int, id: String?) {
      var fault: String?
      do {
        let answer = try request(HTTPClient(port: port))
        if answer.status != wanted { fault = "\(what): \(answer.status) \(answer.text.prefix(200))" }
      } catch { fault = "\(what): \(error)" }
      lock.withLock {
        requests += 1
        if let fault { failures.append(fault) } else if let id { accepted.append(id) }
      }
    }

    func end() -> (requests: Int, accepted: [String], failures: [String]) {
      lock.withLock { isEnding = true }
      group.wait()
      return lock.withLock { (requests, accepted, failures) }
    }
  }

  @Test func nodesBehindABalancerRestartOneByOneWithoutAFailedRequest() throws {
    let cluster = try Cluster(chainID: "moloch-rolling")
    // The first signal begins a drain that lasts until the balancer is seen to have left the node; the second ends it.
    let options = ["--set", "api.drain_delay=300s"]
    for member in cluster.members { try member.start(options: options) }
    for member in cluster.members { try member.status { ($0["peer_count"] as? Int ?? 0) == 3 } }
    let balancer = try Balancer(cluster.scratch.url, servers: cluster.members[0..<3].map { $0.apiPort }, drainDelay: "4s")
    let clients = try Clients(port: balancer.port, genesis: cluster.genesis, count: 4)
    let load = try Load(cluster, port: balancer.port)
    for (index, member) in cluster.members[0..<3].enumerated() {
      let left = Stopwatch()
      member.signal(SIGTERM)
      try balancer.waitUntilOut(index)
      left.report("the balancer has left a node that drains")
      #expect(member.isRunning, "\(member.lastLines)")
      #expect(member.stop() == 0, "\(member.lastLines)")
      try member.start(options: options)
      try member.status { $0["state"] as? String == "live" && ($0["peer_count"] as? Int ?? 0) == 3 }
      try member.read("/v1/ready") { $0["ready"] as? Bool == true }
      // The next one goes when the balancer has taken this one back.
      try balancer.waitForAll(3)
    }
    let runs = load.end()
    // 3: the generator fell behind its own plan, which says nothing of the nodes; 4 would be an event that was refused or lost.
    #expect(!runs.isEmpty && runs.allSatisfy { [0, 3].contains($0.status) }, "\(runs)")
    let (requests, accepted, failures) = clients.end()
    print("DrillTests: rolling restart: \(requests) requests, \(failures.count) failed")
    #expect(failures.isEmpty, "\(failures.count) of \(requests) failed, the first: \(failures.prefix(5)); \(Self.readiness(cluster))")
    #expect(requests > 100)
    // A clean stop keeps what was answered with 202.
    for id in accepted { try cluster[3].read("/v1/events/\(id)") { $0["status"] as? String == "finalized" } }
    try cluster.expectAgreement(at: try cluster[3].headHeight())
  }

  @Test func aDrainByCommandTakesANodeOutWithoutAFailedRequest() throws {
    let cluster = try Cluster(chainID: "moloch-drain")
    // Longer than the balancer is told: its checks may come late on a busy machine.
    for member in cluster.members { try member.start(options: ["--set", "api.drain_delay=20s"]) }
    for member in cluster.members { try member.status { ($0["peer_count"] as? Int ?? 0) == 3 } }
    let balancer = try Balancer(cluster.scratch.url, servers: cluster.members[0..<3].map { $0.apiPort }, drainDelay: "4s")
    let clients = try Clients(port: balancer.port, genesis: cluster.genesis, count: 4)
    let home = cluster[1].home.path
    #expect(try Command.moloch("drain", "--home", home).output == "State: draining\n")
    try balancer.waitUntilOut(1)
    let drained = try Command.moloch("drain", "--wait", "--home", home)
    #expect(drained.status == 0 && drained.output == "State: drained\n", "\(drained.output)\(drained.errors)")
    // It votes on: its height grows while nobody can ask it.
    let before = try #require(try Self.height(home))
    let deadline = Date(timeIntervalSinceNow: 180)
    while try Self.height(home) ?? 0 <= before + 3, Date() < deadline { usleep(50_000) }
    #expect(try Self.height(home) ?? 0 > before + 3)
    let (requests, accepted, failures) = clients.end()
    #expect(failures.isEmpty && requests > 50, "\(failures.count) of \(requests) failed, the first: \(failures.prefix(5)); \(Self.readiness(cluster))")
    #expect(try Command.moloch("drain", "--cancel", "--home", home).output == "State: serving\n")
    for id in accepted.suffix(20) { try cluster[1].read("/v1/events/\(id)") { $0["status"] as? String == "finalized" } }
  }

  /// The load generator of the project, beside clients that ask other things, too: 40 events a second, one run after another until the end is asked for.
  private final class Load: Sendable {
    static let seconds = 15
    typealias Run = (status: Int32, report: String)

    private let isEnding = Mutex(false)
    private let runs = Mutex<[Run]>([])
    private let ended = DispatchSemaphore(value: 0)
    private let directory: URL
    private let target: String

    init(_ cluster: Cluster, port: UInt16) throws {
      directory = cluster.scratch.url
      target = "127.0.0.1:\(port)"
      try Data(cluster.genesis).write(to: file("load-genesis.json"))
      Thread.detachNewThread { [self] in
        repeat {
          let seed = runs.withLock { $0.count + 1 }
          let run: Run
          do { run = try self.run(seed: seed) } catch { run = (-1, "\(error)") }
          runs.withLock { $0.append(run) }
        } while !isEnding.withLock { $0 }
        ended.signal()
      }
    }

    private func file(_ name: String) -> URL { directory.appendingPathComponent(name) }

    /// Makes events of signers of its own and sends them.
    private func run(seed: Int) throws -> Run {
      let program = NodeProcess.moloch.deletingLastPathComponent().appendingPathComponent("moloch-load")
      let (corpus, report) = (file("corpus-\(seed)").path, file("load-\(seed).json"))
      let made = try Command.run(
        program, ["corpus", "make", "--out", corpus, "--genesis", file("load-genesis.json").path, "--events", "\(40 * Self.seconds)", "--signers", "4", "--seed", "\(seed)"])
      guard made.status == 0 else { return (made.status, made.errors) }
      let options = ["--rate", "40", "--duration", "\(Self.seconds)", "--connections", "4", "--out", report.path]
      let done = try Command.run(program, ["run", "--target", target, "--corpus", corpus] + options)
      return (done.status, (try? String(contentsOf: report, encoding: .utf8)) ?? done.errors)
    }

    /// Waits for the end of the last run. Returns all of them.
    func end() -> [Run] {
      isEnding.withLock { $0 = true }
      ended.wait()
      return runs.withLock { $0 }
    }
  }

  /// Why nodes are not ready, for a failed expectation.
  private static func readiness(_ cluster: Cluster) -> [String] { cluster.members.map { "\($0.name): \((try? $0.client().get("/v1/ready").text) ?? "no answer")" } }

  private static func height(_ home: String) throws -> Int? {
    let status = try Command.moloch("status", "--json", "--home", home)
    return (try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]).flatMap { ($0["status"] as? [String: Any])?["head_height"] as? Int }
  }

  /// A file system of its own, filled by somebody else.
  @Test(.enabled(if: getuid() == 0, "a file system is mounted")) func aDiskThatFillsUpMakesTheNodeReadOnlyAndLosesNothing() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home"), data = home.appendingPathComponent("data")
    try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
    let mounted = try Command.run(URL(fileURLWithPath: "/bin/mount"), ["-t", "tmpfs", "-o", "size=512m", "tmpfs", data.path])
    #expect(mounted.status == 0, "\(mounted.errors)")
    defer { _ = try? Command.run(URL(fileURLWithPath: "/bin/umount"), ["-l", data.path]) }
    let node = try NodeProcess(home: home, arguments: ["--set", "storage.min_free_mb=32", "--set", "storage.reserve_mb=4", "--set", "storage.warn_free_percent=30"])
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let (first, id) = records.next()
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: first).status == 201)
    let fat = data.appendingPathComponent("somebody-elses")
    let filled = try Command.run(URL(fileURLWithPath: "/usr/bin/dd"), ["if=/dev/zero", "of=" + fat.path, "bs=1M", "count=1000"])
    #expect(filled.status != 0, "the file system is full")
    _ = try node.status { $0["state"] as? String == "read_only" }
    let refused = try client.post("/v1/events", type: SubmissionTests.event, body: records.next().bytes)
    #expect(refused.status == 503 && refused.errorCode == "STORAGE_FULL", "\(refused.text)")
    #expect(try client.get("/v1/events/\(id)").status == 200, "what is there is served")
    #expect(try client.get("/v1/health").status == 503)
    let metrics = try HTTPClient(port: node.metricsPort).get("/metrics").text
    func value(_ name: String) -> Double { metrics.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.split(separator: " ")[1]) } ?? -1 }
    // What MolochDiskSpaceLow and MolochReadOnly look at; the filler counts as data of the directory here.
    #expect(value("moloch_storage_read_only") == 1 && value("moloch_storage_bytes") / value("moloch_storage_capacity") > 0.8)
    try FileManager.default.removeItem(at: fat)
    _ = try node.status { $0["state"] as? String == "live" }
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: records.next().bytes).status == 201)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0, "\(node.log)")
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", home.path)
    #expect(verified.status == 0, "\(verified.output)")
  }

  @Test func aNodeWithAWrongClockSaysSoAndTheOthersGoOn() throws {
    let cluster = try Cluster(chainID: "moloch-clock")
    for member in cluster.members[0..<3] { try member.start() }
    let skewed = OldChain.clock(5).map { "\($0)=\($1)" }
    try cluster[3].start(["/usr/bin/env"] + skewed + OldChain.launcher)
    try cluster[3].logs("ERROR", "consensus", "this clock is not that of the peers", "chronyc tracking")
    let metrics = try HTTPClient(port: cluster[3].metricsPort).get("/metrics").text
    let skew = metrics.split(separator: "\n").first { $0.hasPrefix("moloch_clock_skew_seconds ") }.flatMap { Double($0.split(separator: " ")[1]) } ?? 0
    #expect(skew > 4 && skew < 6, "MolochClockSkew looks at it: \(skew)")
    let doctor = try Command.moloch("doctor", "--home", cluster[3].home.path)
    #expect(doctor.status == 2 && doctor.output.contains("FAIL  skew") && doctor.output.contains("fix: chronyc tracking"), "\(doctor.output)")
    let (_, height) = try cluster[0].finalise(5, of: try cluster.records())
    try cluster.expectAgreement(at: height)
    #expect(!cluster[0].log.contains("this clock is not that of the peers"), "three right clocks outvote a wrong one")
  }
}
