import Audit
import Bytes
import Ed25519
import Foundation
import Synchronization
import Testing

/// Validators of one chain as processes of the build under test, on loopback ports of their own.
final class Cluster {
  let scratch: ScratchDirectory
  let genesis: [UInt8]
  private(set) var members: [Member] = []

  /// Makes homes with keys and one genesis; starts nothing.
  /// - Parameter addresses: where member `from` is told to find member `to`; nil leaves the listening address.
  init(
    count: Int = 4, chainID: String = "moloch-cluster", extra: String = "", epochLength: UInt32 = 100, blockTime: UInt32 = 100, emptyBlockInterval: UInt32? = nil,
    listenWindow: String = "2m", eventsPerBlock: UInt32 = 10_000, timestamp: Timestamp = RecordMaker.now(), addresses: (_ from: Int, _ to: Int, _ port: UInt16) throws -> UInt16? = { _, _, _ in nil }
  ) throws {
    scratch = try ScratchDirectory()
    let keys = try (0..<count).map { _ in try SigningKey.generate() }
    var parameters = ChainParameters()
    parameters.blockTime = blockTime
    parameters.emptyBlockInterval = emptyBlockInterval ?? parameters.emptyBlockInterval
    parameters.epochLength = epochLength
    parameters.eventsPerBlockMax = eventsPerBlock
    let validators = keys.enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0 + 1)") }
    genesis = Genesis.text(
      chainID: chainID, timestamp: timestamp, domain: "cluster.example.com", validators: validators, parameters: parameters, signers: [])
    for (index, key) in keys.enumerated() {
      members.append(try Member(name: "v\(index + 1)", home: scratch.url.appendingPathComponent("v\(index + 1)"), validatorKey: key))
    }
    var peers = [[String]](repeating: [], count: count)
    var external = [String](repeating: "", count: count)
    for (from, to) in (0..<count).flatMap({ from in (0..<count).map { (from, $0) } }) where from != to {
      let port = try addresses(from, to, members[to].peerPort)
      peers[from].append(members[to].address(port: port ?? members[to].peerPort))
      // Who is found at another address says so itself too: peers remember what they hear.
      if let port { external[to] = "external_addr = \"\(members[to].address(port: port))\"\n" }
    }
    for (index, member) in members.enumerated() {
      try member.write(genesis: genesis, peers: peers[index], extra: external[index] + extra, listenWindow: listenWindow)
      try member.beginJournal()
    }
  }

  /// A further node with keys of its own that knows the members; not started.
  /// - Parameters:
  ///   - peers: whom it knows; nil: all members.
  ///   - hasJournal: its validator key has a vote journal, and the mark that says so.
  ///   - address: where it finds one of them; nil: where that one listens.
  func join(
    _ name: String, in directory: URL, peers: [Member]? = nil, extra: String = "", listenWindow: String = "2m", hasJournal: Bool = true,
    address: (Member) throws -> UInt16? = { _ in nil }
  ) throws -> Member {
    let member = try Member(name: name, home: directory.appendingPathComponent(name), validatorKey: try SigningKey.generate())
    let known = try (peers ?? members).map { $0.address(port: try address($0) ?? $0.peerPort) }
    try member.write(genesis: genesis, peers: known, extra: extra, listenWindow: listenWindow)
    if hasJournal { try member.beginJournal() }
    return member
  }

  subscript(index: Int) -> Member { members[index] }

  /// Starts all, one after another, and waits until each serves and is connected to every other. The first has peers before the last has a store.
  func start() throws {
    for member in members { try member.start() }
    for member in members { try member.status { ($0["peer_count"] as? Int ?? 0) >= self.members.count - 1 } }
  }

  func records(key: SigningKey? = nil) throws -> RecordMaker { RecordMaker(genesis: genesis, key: try key ?? .forTest()) }

  /// Waits until the members have reached `height`, and checks that they hold the same chain.
  /// - Returns: the height that was compared.
  @discardableResult func expectAgreement(at height: Int, within seconds: Double = 180, of some: [Member]? = nil, _ note: String = "") throws -> Int {
    let some = some ?? members
    for member in some { try member.status(within: seconds) { ($0["head_height"] as? Int ?? 0) >= height } }
    var heights = Set(stride(from: 1, through: height, by: max(1, height / 16)))
    heights.insert(height)
    for height in heights.sorted() {
      let blocks = try some.map { try $0.client().get("/v1/blocks/\(height)").json }
      for name in ["hash", "tree_root", "tree_size"] {
        let values = blocks.map { "\($0[name] ?? "none")" }
        #expect(Set(values).count == 1 && values[0] != "none", "\(note) \(name) of height \(height): \(values)")
      }
    }
    return height
  }

  /// One validator: its files, its ports and, while it runs, its process.
  final class Member {
    let name: String
    let home: URL
    let apiPort: UInt16
    let peerPort: UInt16
    let metricsPort: UInt16
    let nodeKey: SigningKey
    private var process: Process?
    private let output: URL

    fileprivate init(name: String, home: URL, validatorKey: SigningKey) throws {
      self.name = name
      self.home = home
      nodeKey = try SigningKey.generate()
      let ports = try FreePort.three()
      (apiPort, peerPort, metricsPort) = (ports[0], ports[1], ports[2])
      output = home.appendingPathComponent("output.log")
      for directory in ["config", "data", "logs", "keys"] {
        try FileManager.default.createDirectory(at: home.appendingPathComponent(directory), withIntermediateDirectories: true)
      }
      for (file, key) in [("node", nodeKey), ("validator", validatorKey)] {
        let path = home.appendingPathComponent("keys/\(file).key").path
        _ = FileManager.default.createFile(atPath: path, contents: Data(key.pem()), attributes: [.posixPermissions: 0o600])
        try "\(key.publicKey)\n".write(toFile: home.appendingPathComponent("keys/\(file).pub").path, atomically: true, encoding: .utf8)
      }
      _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    }

    deinit { kill() }

    var peerID: String { PeerID(nodeKey.publicKey).text }
    func address(port: UInt16) -> String { "/ip4/127.0.0.1/tcp/\(port)/p2p/\(peerID)" }
    func file(_ path: String) -> URL { home.appendingPathComponent(path) }

    func write(genesis: [UInt8], peers: [String], extra: String = "", listenWindow: String = "2m") throws {
      try Data(genesis).write(to: file("config/genesis.json"))
      let text = """
        [node]
        name = "\(name)"
        [network]
        listen_addr = "127.0.0.1:\(peerPort)"
        boot_nodes = [\(peers.map { "\"\($0)\"" }.joined(separator: ", "))]
        \(extra)
        [consensus]
        validator = true
        listen_window = "\(listenWindow)"
        [api]
        listen_addr = "127.0.0.1:\(apiPort)"
        drain_delay = "0s"
        [api.rate_limit]
        enabled = false
        [metrics]
        prometheus_addr = "127.0.0.1:\(metricsPort)"

        """
      try text.write(to: file("config/node.toml"), atomically: true, encoding: .utf8)
    }

    /// The vote journal of a key that is new, as an operator makes it.
    func beginJournal() throws {
      let made = try Command.moloch("init", "--validator", "--genesis", file("config/genesis.json").path, "--home", home.path)
      guard made.status == 0 else { throw NodeProcess.Failure(description: "\(name): \(made.errors)") }
    }

    /// Starts the process and waits until its API answers. What it prints is added to what an earlier one printed.
    func start(_ launcher: [String] = [], options: [String] = []) throws {
      let process = Process()
      let words = launcher + [NodeProcess.moloch.path, "run", "--home", home.path] + options
      process.executableURL = URL(fileURLWithPath: words[0])
      process.arguments = Array(words.dropFirst())
      let log = try FileHandle(forWritingTo: output)
      try log.seekToEnd()
      process.standardOutput = log
      process.standardError = log
      process.standardInput = FileHandle.nullDevice
      try process.run()
      self.process = process
      // While it is starting it answers, without a head.
      try status { $0["head_height"] != nil }
    }

    var isRunning: Bool { process?.isRunning ?? false }
    var log: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }
    /// The end of the log, short enough for a failed expectation.
    var lastLines: String { "\(name):\n" + log.split(separator: "\n").suffix(12).joined(separator: "\n") }

    func signal(_ number: Int32) { if let process, process.isRunning { Foundation.kill(process.processIdentifier, number) } }

    /// Ends the process with SIGKILL and waits for it.
    func kill() {
      signal(SIGKILL)
      process?.waitUntilExit()
      process = nil
    }

    /// Ends the process with SIGTERM. Returns its exit status, or minus the signal that ended it.
    @discardableResult func stop() -> Int32 {
      guard let process else { return 0 }
      signal(SIGTERM)
      process.waitUntilExit()
      self.process = nil
      return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    /// Waits until the process ends by itself. Returns its exit status, or minus the signal that ended it; nil while it runs.
    func waitForExit(within seconds: Double) -> Int32? {
      guard let process else { return nil }
      let deadline = Date(timeIntervalSinceNow: seconds)
      while process.isRunning, Date() < deadline { usleep(20_000) }
      guard !process.isRunning else { return nil }
      self.process = nil
      return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    func client() throws -> HTTPClient { try HTTPClient(port: apiPort) }

    /// Reads `path` until `accept` likes the answer.
    @discardableResult func read(_ path: String, within seconds: Double = 180, until accept: ([String: Any]) -> Bool) throws -> [String: Any] {
      let deadline = Date(timeIntervalSinceNow: seconds)
      var last: [String: Any] = [:]
      while Date() < deadline {
        if let answer = try? client().get(path) {
          last = answer.json
          if accept(last) { return last }
        }
        guard isRunning else { throw NodeProcess.Failure(description: "\(name) has ended\n\(lastLines)") }
        // The pace of the questions: the node under test shares the machine with whoever asks.
        usleep(10_000)
      }
      throw NodeProcess.Failure(description: "\(path) stayed \("\(last)".prefix(800))\n\(lastLines)")
    }

    @discardableResult func status(within seconds: Double = 180, until accept: ([String: Any]) -> Bool) throws -> [String: Any] {
      try read("/v1/status", within: seconds, until: accept)
    }

    /// The value of a metric without labels, or of a whole series as `name{label="value"}`.
    func metric(_ name: String) throws -> Double? {
      let text = try HTTPClient(port: metricsPort).get("/metrics").text
      return text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    /// Waits until a metric is as wanted: most are brought up to date once a second.
    func expectMetric(_ name: String, within seconds: Double = 120, _ accept: (Double) -> Bool) throws {
      let deadline = Date(timeIntervalSinceNow: seconds)
      var last: Double?
      repeat {
        last = try metric(name)
        if let last, accept(last) { return }
        usleep(50_000)
      } while Date() < deadline
      throw NodeProcess.Failure(description: "\(self.name): \(name) stayed \(last.map { "\($0)" } ?? "absent")")
    }

    func headHeight() throws -> Int { try status { $0["head_height"] is Int }["head_height"] as? Int ?? 0 }

    /// Waits until a line of the log beyond `mark` characters holds all `words`.
    func logs(_ words: String..., after mark: Int = 0, within seconds: Double = 180) throws {
      let deadline = Date(timeIntervalSinceNow: seconds)
      while Date() < deadline {
        if log.dropFirst(mark).split(separator: "\n").contains(where: { line in words.allSatisfy { line.contains($0) } }) { return }
        usleep(20_000)
      }
      throw NodeProcess.Failure(description: "no line with \(words)\n\(lastLines)")
    }

    /// Submits records and waits until all are final here.
    /// - Returns: their ids, and the height that holds the last.
    @discardableResult func finalise(_ count: Int, of records: RecordMaker, within seconds: Double = 180) throws -> (ids: [EventID], height: Int) {
      let batch = (0..<count).map { _ in records.next() }
      let client = try client()
      let answer = try client.post("/v1/events/batch", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      guard [200, 201, 202].contains(answer.status) else { throw NodeProcess.Failure(description: "\(name) answered \(answer.status): \(answer.text.prefix(600))\n\(lastLines)") }
      var height = 0
      for (_, id) in batch {
        let event = try read("/v1/events/\(id)", within: seconds) { $0["status"] as? String == "finalized" }
        height = max(height, event["block_height"] as? Int ?? 0)
      }
      return (batch.map { $0.id }, height)
    }

    /// Expects every event to be final here.
    func expectFinal(_ ids: [EventID], within seconds: Double = 180, _ note: String = "") throws {
      let deadline = Date(timeIntervalSinceNow: seconds)
      for id in ids {
        let left = max(1, deadline.timeIntervalSinceNow)
        #expect(throws: Never.self, "\(note) \(name) \(id)") { try read("/v1/events/\(id)", within: left) { $0["status"] as? String == "finalized" } }
      }
    }

    /// Fetches the bundle of an event and has it verified offline against the genesis.
    func expectBundleVerifies(_ id: EventID, genesis: [UInt8]) throws {
      let answer = try client().get("/v1/proofs/inclusion?event_id=\(id)&format=bundle")
      #expect(answer.status == 200, "\(name): \(answer.text.prefix(600))")
      let bundle = file("event.bundle"), anchor = file("anchor.json")
      try Data(answer.body).write(to: bundle)
      try Data(genesis).write(to: anchor)
      let verified = try Command.moloch("verify", bundle.path, "--genesis", anchor.path)
      #expect(verified.status == 0, "\(name): \(verified.output)\(verified.errors)")
    }
  }
}

/// Ports that nothing has, from below the range that the kernel gives to outgoing connections. Each is handed out once in the life of this process: the node that
/// it is for may not listen yet, or be stopped for a while.
enum FreePort {
  private static let taken = Mutex<Set<UInt16>>([])

  static func three() throws -> [UInt16] {
    var found: [UInt16] = []
    for _ in 0..<1000 where found.count < 3 {
      let port = UInt16.random(in: 12_000..<32_000)
      if take([port]) { found.append(port) }
    }
    guard found.count == 3 else { throw NodeProcess.Failure(description: "no free ports") }
    return found
  }

  /// An offset for which all ports of a local network are free.
  static func localnetOffset(nodes: UInt16 = 4) throws -> Int {
    for _ in 0..<1000 {
      let offset = UInt16.random(in: 100..<220) * 100
      if take([8080, 9000, 9090].flatMap { first in (0..<nodes).map { first + offset + $0 } }) { return Int(offset) }
    }
    throw NodeProcess.Failure(description: "no free ports")
  }

  private static func take(_ ports: [UInt16]) -> Bool {
    taken.withLock { taken in
      guard ports.allSatisfy({ !taken.contains($0) && (try? Listener(probing: $0)) != nil }) else { return false }
      taken.formUnion(ports)
      return true
    }
  }
}

/// Seconds since a moment, for reports.
struct Stopwatch {
  private let begin = Date()
  var seconds: Double { -begin.timeIntervalSinceNow }
  func report(_ what: String) { print("MEASURED \(what): \(String(format: "%.2f", seconds)) s") }
}
