import Audit
import Ed25519
import Foundation
import Synchronization
import Testing

/// Faults of a running network, and what a Prometheus that scrapes it makes of them: the alerts that belong to the fault, on the nodes that have it, and no other.
///
/// The rules are those of `docs/monitoring` with their ranges and waits shortened, two seconds for a minute; names, metrics and thresholds are as shipped. No wait
/// is shorter than ten seconds: a node that the machine keeps off its processors for some seconds answers no scrape, and has no fault.
@Suite(.serialized) struct AlertDrillTests {
  static let secondsPerMinute = 2
  static let waitSecondsMin = 10

  /// The rules with shorter ranges and waits.
  static func shortened(_ rules: String) -> String {
    rules.replacing(/\[(\d+)m\]/) { "[\((Int($0.1) ?? 0) * secondsPerMinute)s]" }
      .replacing(/for: (\d+)(m|h)/) { match in
        let seconds = (Int(match.1) ?? 0) * (match.2 == "h" ? 60 : 1) * secondsPerMinute
        return "for: \(seconds > 0 ? max(seconds, waitSecondsMin) : 0)s"
      }
  }

  /// Four validators, two nodes without a vote, a sender, a Prometheus. All data lies in memory: what the disk of the host does raises nothing.
  final class Network {
    /// Blocks are small, so that a backlog of events takes its time.
    static let eventsPerBlock: UInt32 = 20

    let cluster: Cluster
    /// Has a small file system of its own.
    let api1: Cluster.Member
    /// Reaches the others, and is reached, through relays.
    let api2: Cluster.Member
    let relays: [Relay]
    let memory: URL
    let disk: URL
    private(set) var prometheus: PrometheusServer?
    private var drip: Drip?

    var all: [Cluster.Member] { cluster.members + [api1, api2] }

    init() throws {
      let cluster = try Cluster(chainID: "moloch-alerts", extra: "peer_exchange = false", epochLength: 4, blockTime: 300, eventsPerBlock: Self.eventsPerBlock)
      self.cluster = cluster
      memory = cluster.scratch.url.appendingPathComponent("memory")
      disk = cluster.scratch.url.appendingPathComponent("disk")
      let api1 = try cluster.join("a1", in: cluster.scratch.url, extra: "peer_exchange = false")
      self.api1 = api1
      var relays: [Relay] = []
      // One range of blocks at a time, which ends with an epoch: a slow line makes it late, and not stand still.
      let api2 = try cluster.join("a2", in: cluster.scratch.url, peers: cluster.members + [api1], extra: "peer_exchange = false\nmax_concurrent_requests = 1") { peer in
        relays.append(try Relay(to: peer.peerPort))
        return relays.last?.port
      }
      self.api2 = api2
      relays.append(try Relay(to: api2.peerPort))
      self.relays = relays
      try Self.mount(memory, megabytes: 2000)
      try Self.mount(disk, megabytes: 400)
      // Their data lie elsewhere, and a start makes no journal.
      for member in cluster.members {
        try FileManager.default.createDirectory(at: data(member), withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: member.file("data/validator"), to: data(member).appendingPathComponent("validator"))
      }
      for member in all { try start(member) }
      for member in all { try member.status { $0["peer_count"] as? Int == 5 && $0["state"] as? String == "live" } }
      prometheus = try PrometheusServer(scraping: all.map { $0.metricsPort }, rule: AlertDrillTests.shortened)
      drip = try Drip(port: cluster[0].apiPort, genesis: cluster.genesis)
    }

    deinit {
      drip?.end()
      for relay in relays { relay.end() }
      for member in all { member.kill() }
      for directory in [memory, disk] { _ = try? Command.run(URL(fileURLWithPath: "/bin/umount"), ["-l", directory.path]) }
    }

    private static func mount(_ directory: URL, megabytes: Int) throws {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      let mounted = try Command.run(URL(fileURLWithPath: "/bin/mount"), ["-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", directory.path])
      guard mounted.status == 0 else { throw NodeProcess.Failure(description: "mount: \(mounted.errors)") }
    }

    private func data(_ member: Cluster.Member) -> URL { member === api1 ? disk.appendingPathComponent("a1") : memory.appendingPathComponent(member.name) }

    func start(_ member: Cluster.Member) throws {
      var options = ["--set", "node.data_dir=\(data(member).path)", "--set", "storage.min_free_mb=16", "--set", "storage.reserve_mb=4"]
      if !cluster.members.contains(where: { $0 === member }) { options.append("--api-only") }
      if member === api2, let relay = relays.last { options += ["--set", "network.external_addr=\(member.address(port: relay.port))"] }
      try member.start(options: options)
    }

    /// Fills the small file system until so many megabytes are left.
    func fill(leaving megabytes: Int) throws {
      var status = statvfs()
      // The kernel fills the structure; the path is lent to the call.
      guard unsafe statvfs(disk.path, &status) == 0 else { throw NodeProcess.Failure(description: "statvfs: errno \(errno)") }
      let free = (Int(status.f_bavail) * Int(status.f_frsize)) >> 20
      let name = disk.appendingPathComponent("a1/somebody-elses-\(megabytes)").path
      let filled = try Command.run(URL(fileURLWithPath: "/usr/bin/fallocate"), ["-l", "\(max(1, free - megabytes))M", name])
      guard filled.status == 0 else { throw NodeProcess.Failure(description: "fallocate: \(filled.errors)") }
    }

    /// The relays of the second API node lead to these, in this order.
    private var neighbours: [Cluster.Member] { cluster.members + [api1] }

    func forgetPeers(from first: Int) throws { for peer in neighbours.dropFirst(first) { try peers("remove", peer.peerID) } }
    func addPeers(from first: Int) throws { for (peer, relay) in zip(neighbours, relays).dropFirst(first) { try peers("add", peer.address(port: relay.port)) } }

    private func peers(_ verb: String, _ peer: String) throws {
      let data = memory.appendingPathComponent(api2.name).path
      let told = try Command.run(NodeProcess.moloch, ["peers", verb, peer, "--home", api2.home.path], environment: ["MOLOCH_NODE_DATA_DIR": data])
      guard told.status == 0 else { throw NodeProcess.Failure(description: "peers \(verb): \(told.errors)") }
    }

    func clear() throws {
      let directory = disk.appendingPathComponent("a1").path
      for name in try FileManager.default.contentsOfDirectory(atPath: directory) where name.hasPrefix("somebody-elses") {
        try FileManager.default.removeItem(atPath: directory + "/" + name)
      }
    }

    /// `alert@node` of what an expression over `ALERTS` gives.
    private func alerts(_ expression: String) -> Set<String>? {
      let names = Dictionary(uniqueKeysWithValues: all.map { ("127.0.0.1:\($0.metricsPort)", $0.name) })
      return prometheus?.series(expression).map { Set($0.map { "\($0["alertname"] ?? "")@\(names[$0["instance"] ?? ""] ?? "?")" }) }
    }

    /// Everything that has ever fired.
    var everFired: Set<String>? { alerts("max_over_time(ALERTS{alertstate=\"firing\"}[1h])") }

    /// Waits until all of `wanted` fires and nothing of `leaving` does any more.
    /// - Parameters:
    ///   - beside: what may fire meanwhile, or not. Anything else ends the drill.
    ///   - keeping: keeps the fault up; called before each look.
    func reach(
      _ wanted: Set<String>, leaving: Set<String> = [], beside: Set<String> = [], within seconds: Double = 240, _ fault: String, keeping: () throws -> Void = {}
    ) throws {
      let watch = Stopwatch()
      var now: Set<String>?
      while watch.seconds < seconds {
        try keeping()
        now = alerts("ALERTS{alertstate=\"firing\"}")
        if let now {
          let strange = now.subtracting(wanted).subtracting(leaving).subtracting(beside)
          guard strange.isEmpty else { throw NodeProcess.Failure(description: "\(fault): \(strange.sorted()) must not fire\n\(figures)") }
          if wanted.isSubset(of: now), leaving.subtracting(wanted).isDisjoint(with: now) {
            return watch.report("\(fault): \(wanted.isEmpty ? "nothing fires" : wanted.sorted().joined(separator: " "))")
          }
        }
        // The pace of the looks: rules are evaluated once a second.
        usleep(200_000)
      }
      throw NodeProcess.Failure(description: "\(fault): \((now ?? []).sorted()) instead of \(wanted.sorted())\n\(figures)")
    }

    /// What the rules look at, for a failed expectation.
    private var figures: String {
      let names = ["chain_height", "peer_count", "mempool_size", "block_time_ms", "sync_lag", "consensus_quorum_margin", "storage_bytes", "storage_capacity", "storage_read_only"]
      return all.map { member in "\(member.name): " + names.map { "\($0) \((try? member.metric("moloch_\($0)")).flatMap { $0 }.map { "\($0)" } ?? "-")" }.joined(separator: " ") }
        .joined(separator: "\n")
    }
  }

  /// A small, steady load: the heights grow.
  final class Drip: Sendable {
    private let isEnding = Mutex(false)
    private let ended = DispatchSemaphore(value: 0)

    init(port: UInt16, genesis: [UInt8]) throws {
      let key = try SigningKey.generate()
      Thread.detachNewThread { [self] in
        let records = RecordMaker(genesis: genesis, key: key), note = String(repeating: "d", count: 10_000)
        while !isEnding.withLock({ $0 }) {
          _ = try? HTTPClient(port: port).post("/v1/events/batch", type: SubmissionTests.events, body: (0..<4).flatMap { _ in records.next(note: note).bytes })
          // The pace of the load. Waiting for finality instead would be slow answers, which have an alert of their own.
          usleep(300_000)
        }
        ended.signal()
      }
    }

    func end() {
      isEnding.withLock { $0 = true }
      ended.wait()
    }
  }

  private static func alerts(_ name: String, _ members: [Cluster.Member]) -> Set<String> { Set(members.map { "Moloch\(name)@\($0.name)" }) }

  @Test(.enabled(if: getuid() == 0, "file systems are mounted")) func eachFaultRaisesItsAlertsAndNoOther() async throws {
    #expect(Self.shortened("x[5m] for: 10m [10m] for: 1h") == "x[10s] for: 20s [20s] for: 120s")
    #expect(Self.shortened("for: 0m for: 1m for: 5m for: 6m") == "for: 0s for: 10s for: 10s for: 12s")
    // The drill waits for minutes: on a thread of its own it keeps no other test from running.
    try await withCheckedThrowingContinuation { continuation in Thread.detachNewThread { continuation.resume(with: Result { try Self.drill() }) } }
  }

  /// The faults one after another; whatever is not as it should be is thrown.
  private static func drill() throws {
    let network = try Network()
    let cluster = network.cluster, api1 = network.api1, api2 = network.api2
    try network.reach([], "a healthy network")

    // The longest wait of all rules goes on beside the next faults.
    let low = alerts("DiskSpaceLow", [api1])
    try network.fill(leaving: 60)

    let down = alerts("NodeDown", [api2])
    let height = try cluster[0].headHeight()
    api2.kill()
    try network.reach(down, beside: low, "a node that was killed")
    try cluster[0].status { $0["head_height"] as? Int ?? 0 > height + 40 }
    for relay in network.relays { relay.delay(milliseconds: 100) }
    // Its book may hold addresses without a relay.
    try FileManager.default.removeItem(at: network.memory.appendingPathComponent("\(api2.name)/peers.json"))
    try network.start(api2)
    let late = alerts("SyncLag", [api2])
    try network.reach(late, leaving: down, beside: low, "a node that syncs over a slow line")
    for relay in network.relays { relay.delay(milliseconds: 0) }
    try network.reach([], leaving: late, beside: low, "the line is fast again")

    let few = alerts("LowPeerCount", [api2])
    for relay in network.relays.dropFirst(2) { relay.cut() }
    // Who came to the node by itself may have shown it an address without a relay.
    try network.forgetPeers(from: 2)
    try network.reach(few, beside: low, "a node that has lost most of its peers")
    for relay in network.relays { relay.heal() }
    try network.addPeers(from: 2)
    try network.reach([], leaving: few, beside: low, "its peers are back")

    try network.reach(low, "a disk that fills up")
    let full = alerts("ReadOnly", [api1])
    try network.fill(leaving: 8)
    try network.reach(low.union(full), "a disk that is full")
    try network.clear()
    try network.reach([], leaving: low.union(full), "space again")

    cluster[2].kill()
    cluster[3].kill()
    let alive = [cluster[0], cluster[1], api1, api2]
    let stall = ["NotProducingBlocks", "ChainStalled", "QuorumMarginLow"].reduce(alerts("NodeDown", [cluster[2], cluster[3]])) { $0.union(alerts($1, alive)) }
    try network.reach(stall, "half of the validators are gone")
    for member in cluster.members[2...] { try network.start(member) }
    try network.reach([], leaving: stall, "they are back")

    // Nodes without a vote hand events on to the validators and are not sent those of others.
    let backlog = alerts("HighMempool", cluster.members)
    let sender = try Sender(to: cluster.members, genesis: cluster.genesis)
    try network.reach(backlog, "more events than blocks have room for") {
      // Well above the threshold, however fast blocks take events away.
      while try cluster.members.contains(where: { try $0.metric("moloch_mempool_size") ?? 0 < 12_500 }) { try sender.submit(500) }
    }

    // A look now and then could miss one.
    let expected: Set<String> = [down, late, few, low, full, stall, backlog].reduce([]) { $0.union($1) }, fired = network.everFired ?? []
    guard fired == expected else { throw NodeProcess.Failure(description: "fired too: \(fired.subtracting(expected)), never: \(expected.subtracting(fired))") }
  }

  /// Sends events in batches that are answered at once.
  private final class Sender {
    private let clients: [HTTPClient]
    private let records: RecordMaker

    init(to members: [Cluster.Member], genesis: [UInt8]) throws {
      clients = try members.map { try $0.client() }
      records = try RecordMaker(genesis: genesis, key: .generate())
    }

    func submit(_ count: Int) throws {
      for batch in 0..<count / 50 {
        let answer = try clients[batch % clients.count].post("/v1/events/batch", type: SubmissionTests.events, body: (0..<50).flatMap { _ in records.next().bytes })
        guard answer.status == 202 else { throw NodeProcess.Failure(description: "\(answer.status): \(answer.text.prefix(400))") }
      }
    }
  }
}
