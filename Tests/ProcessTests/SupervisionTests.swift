import Foundation
import Synchronization
import Testing

/// A datagram socket that collects what a node tells its supervisor. A thread of its own reads it: what finds its queue full is lost.
final class NoticeSocket {
  let path: String
  private let inbox: Inbox
  /// Messages up to the one that was waited for last.
  private(set) var messages: [String] = []

  init(in directory: URL) throws {
    let path = directory.appendingPathComponent("notify").path
    self.path = path
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // The path of a scratch directory fits into the field; both are plain bytes.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
    // The kernel reads the structure during the call.
    let bound = unsafe withUnsafeBytes(of: &address) { unsafe bind(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
    guard bound == 0 else { throw NodeProcess.Failure(description: "no socket at \(path)") }
    inbox = Inbox(descriptor)
    inbox.start()
  }

  deinit { inbox.end() }

  /// Takes messages until one satisfies `accept`.
  @discardableResult func wait(_ what: String, within seconds: Double = 180, until accept: (String) -> Bool) throws -> String {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while Date() < deadline {
      guard let message = inbox.take() else {
        usleep(5000)
        continue
      }
      messages.append(message)
      if accept(message) { return message }
    }
    throw NodeProcess.Failure(description: "\(what) did not come; got \(messages)")
  }

  private final class Inbox: Sendable {
    private let descriptor: Int32
    private let state = Mutex<(waiting: [String], isEnding: Bool)>(([], false))

    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    func take() -> String? { state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() } }

    func start() {
      Thread { [self] in
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
          // The kernel writes at most the buffer's length.
          let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
          guard count > 0, !state.withLock({ $0.isEnding }) else { return }
          state.withLock { $0.waiting.append(String(decoding: buffer[..<count], as: UTF8.self)) }
        }
      }.start()
    }

    /// Ends the thread: a receiver that is shut down gets the end.
    func end() {
      state.withLock { $0.isEnding = true }
      shutdown(descriptor, Int32(SHUT_RDWR))
    }
  }
}

/// What a node says to its supervisor and takes from it, and what it does on a full disk.
@Suite struct SupervisionTests {
  @Test func theSupervisorHearsOfStartLifeReloadAndStop() throws {
    let scratch = try ScratchDirectory()
    let notices = try NoticeSocket(in: scratch.url)
    let node = try NodeProcess(
      home: scratch.url.appendingPathComponent("home"), environment: ["NOTIFY_SOCKET": notices.path, "WATCHDOG_USEC": "3000000"])
    try notices.wait("READY=1") { $0.hasPrefix("READY=1") }
    #expect(notices.messages.first?.hasPrefix("EXTEND_TIMEOUT_USEC=") == true, "\(notices.messages)")
    #expect(try node.client().get("/v1/ready").status == 200, "what is ready serves")
    for _ in 0..<3 { try notices.wait("WATCHDOG=1") { $0 == "WATCHDOG=1" } }
    let status = try notices.wait("STATUS") { $0.hasPrefix("STATUS=Height") }
    #expect(status.wholeMatch(of: /STATUS=Height \d+( \(\d+\.\d s ago\))?, validator active, peers 0, lag 0, mempool 0/) != nil, "\(status)")
    node.signal(SIGHUP)
    let reload = try notices.wait("RELOADING=1") { $0.hasPrefix("RELOADING=1") }
    #expect(reload.contains("\nMONOTONIC_USEC="))
    try notices.wait("READY=1 after the reload") { $0.hasPrefix("READY=1") }
    node.signal(SIGTERM)
    try notices.wait("STOPPING=1") { $0.hasPrefix("STOPPING=1") }
    #expect(node.waitForExit() == 0)
  }

  /// A node may stay drained for days.
  @Test(arguments: [("60s", "Draining. "), ("0s", "Drained, no requests are taken. ")]) func theSupervisorHearsOfADrain(_ delay: String, _ prefix: String) throws {
    let scratch = try ScratchDirectory(), home = scratch.url.appendingPathComponent("home")
    let notices = try NoticeSocket(in: scratch.url)
    let node = try NodeProcess(home: home, arguments: ["--set", "api.drain_delay=\(delay)"], environment: ["NOTIFY_SOCKET": notices.path])
    try notices.wait("STATUS") { $0.hasPrefix("STATUS=Height") }
    #expect(try Command.moloch("drain", "--home", home.path).status == 0)
    for _ in 0..<2 { try notices.wait("STATUS of the drain") { $0.hasPrefix("STATUS=\(prefix)Height 0") } }
    #expect(try Command.moloch("drain", "--cancel", "--home", home.path).status == 0)
    try notices.wait("STATUS after the drain") { $0.hasPrefix("STATUS=Height") }
    #expect(node.isRunning)
  }

  @Test func aWatchdogThatIsMeantForAnotherProcessIsNotFed() throws {
    let scratch = try ScratchDirectory()
    let notices = try NoticeSocket(in: scratch.url)
    let node = try NodeProcess(
      home: scratch.url.appendingPathComponent("home"), environment: ["NOTIFY_SOCKET": notices.path, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"])
    try notices.wait("STATUS") { $0.hasPrefix("STATUS=Height") }
    #expect(!notices.messages.contains("WATCHDOG=1"), "the watchdog is meant for process 1")
    #expect(node.isRunning)
  }

  @Test func listenersOfTheSupervisorAreServed() throws {
    let scratch = try ScratchDirectory(), ports = try FreePort.three()
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Independent/activate.py").path
    let node = try NodeProcess(home: scratch.url, launcher: ["/usr/bin/python3", script, "api=\(ports[0])", "metrics=\(ports[1])", "--"])
    #expect(node.apiPort == ports[0] && node.metricsPort == ports[1])
    #expect(try node.client().get("/v1/health").status == 200)
    #expect(try HTTPClient(port: ports[1]).get("/metrics").status == 200)
  }

  @Test func aFullDiskMakesTheNodeReadOnlyUntilThereIsSpace() throws {
    let scratch = try ConfigurationTests.home("[storage]\nmin_free_mb = 1048576\nreserve_mb = 1\n")
    let file = scratch.url.appendingPathComponent("config/node.toml")
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    _ = try node.status { $0["state"] as? String == "read_only" }
    let records = try RecordMaker(client, key: .forTest())
    let (bytes, _) = records.next()
    let refused = try client.post("/v1/events", type: SubmissionTests.event, body: bytes)
    #expect(refused.status == 503 && refused.errorCode == "STORAGE_FULL", "\(refused.text)")
    let ready = try client.get("/v1/ready")
    #expect(ready.status == 503 && ready.text.contains("read_only"), "\(ready.text)")
    #expect(try HTTPClient(port: node.metricsPort).get("/metrics").text.contains("\nmoloch_storage_read_only 1\n"))
    try node.logs("the disk is too full")
    #expect(!FileManager.default.fileExists(atPath: scratch.url.path + "/data/reserve"), "the reserve is given up")
    try "[storage]\nmin_free_mb = 0\nreserve_mb = 1\n".write(to: file, atomically: true, encoding: .utf8)
    node.signal(SIGHUP)
    _ = try node.status { $0["state"] as? String == "live" }
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: bytes).status == 201)
    // The reserve comes with the next look at the disk.
    let reserve = scratch.url.path + "/data/reserve"
    let deadline = Date(timeIntervalSinceNow: 120)
    while !FileManager.default.fileExists(atPath: reserve), Date() < deadline { usleep(20_000) }
    #expect(try FileManager.default.attributesOfItem(atPath: reserve)[.size] as? Int == 1 << 20)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
  }

  /// Keys stay out of core dumps: the kernel makes none of a process that asked for that.
  @Test func aNodeInProductionLeavesNoCoreDump() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home").path, trace = scratch.url.appendingPathComponent("trace")
    #expect(try Command.moloch("init", "--chain-id", "dump-1", "--home", home).status == 0)
    let notices = try NoticeSocket(in: scratch.url)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/strace")
    process.arguments =
      ["-f", "-e", "trace=prctl", "-o", trace.path, NodeProcess.moloch.path, "run", "--home", home]
      + ["--set", "api.drain_delay=0s"]
      + ["api.listen_addr", "metrics.prometheus_addr", "network.listen_addr"].flatMap { ["--set", "\($0)=127.0.0.1:0"] }
    process.environment = ProcessInfo.processInfo.environment.merging(["NOTIFY_SOCKET": notices.path]) { _, new in new }
    process.standardError = FileHandle.nullDevice
    try process.run()
    defer { kill(process.processIdentifier, SIGKILL) }
    try notices.wait("READY=1") { $0.hasPrefix("READY=1") }
    // strace ignores the signal; the node is told itself. Its lock file says who it is.
    let lock = try String(contentsOfFile: home + "/data/LOCK", encoding: .utf8)
    let node = try #require(Int32(lock.trimmingCharacters(in: .whitespacesAndNewlines)))
    kill(node, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    // What it writes is whole when it has ended.
    let text = try String(contentsOf: trace, encoding: .utf8)
    #expect(text.contains("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE"), "\(text.prefix(2000))")
  }
}
