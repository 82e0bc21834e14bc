import API
import Ambient
import Audit
import Bytes
import CLinux
import Glibc
import Digests
import Configuration
import Ed25519
import Ledger
import Metrics
import Peering
import Reactor

/// A running node: call `run` on the main thread; it returns when the node has stopped.
public enum Node {
  public static let version = "1.0.0"
  /// The newest version of the rules of a chain that this program knows.
  public static let chainProtocolVersion = ProtocolVersion.newest

  /// Addresses on which a started node serves.
  public struct Endpoints: Sendable {
    public let api: String
    public let metrics: String
  }

  /// Runs until a signal ends it.
  /// - Parameter started: called once, when the API listens.
  /// - Throws: what kept the node from starting or made it stop.
  public static func run(_ options: NodeOptions, started: (Endpoints) -> Void) throws(NodeFailure) {
    Signals.block()
    let log = try Log(options.settings, home: options.home)
    // Everything logged is written before the process ends.
    defer { log.close() }
    for finding in options.settings.findings where finding.severity == .warning {
      log.warn("node", "configuration", [("finding", finding.message)] + (finding.place.isEmpty ? [] : [("place", finding.place)]))
    }
    do throws(NodeFailure) { try run(options, log, started) } catch {
      log.error("node", error.message, [("code", "\(error.code)"), ("fatal", "true")])
      throw error
    }
  }

  private static func run(_ options: NodeOptions, _ log: Log, _ started: (Endpoints) -> Void) throws(NodeFailure) {
    try options.raiseFileLimit()
    let home = try NodeHome(options)
    let decision: BackendDecision
    do { decision = try BackendDecision(options.backend) } catch { throw NodeFailure(78, "runtime.io_backend: \(error)") }
    if let reason = decision.fallbackReason { log.notice("reactor", "io_uring is refused, epoll takes over", [("reason", reason)]) }
    log.info("reactor", "backend", [("io", "\(decision.kind)")])
    log.info("node", "signatures are verified", [("ed25519", "\(Path.best)")])
    let end: End
    do throws(ReactorError) {
      switch decision.kind {
      case .io_uring: end = try serve(UringBackend(), home, options, log, started)
      case .epoll: end = try serve(EpollBackend(), home, options, log, started)
      }
    } catch {
      throw NodeFailure(75, "the event loop cannot start: \(error)")
    }
    // The event loop is gone, its listeners are closed and the admin socket is unlinked: whoever waits for the last record finds nothing that answers no more.
    switch end {
    case .failure(let failure): throw failure
    case .complete(let fields): log.info("node", "shutdown complete", fields)
    }
  }

  /// How serving ended.
  private enum End {
    case failure(NodeFailure)
    /// Stopped as asked; fields of the last record.
    case complete(Log.Fields)
  }

  private static func serve<B: Backend & ~Copyable>(
    _ backend: consuming B, _ home: NodeHome, _ options: NodeOptions, _ log: Log, _ started: (Endpoints) -> Void
  ) throws(ReactorError) -> End {
    var limits = ReactorLimits()
    // Connections of the API, of peers with their handshakes, and of metrics and the admin socket.
    limits.connections = options.connections + 2 * options.settings.integer("network.max_peers") + 256
    limits.outputBytesMax = 64 << 20
    var random = SystemRandomNumberGenerator()
    let facts = ChainFacts(genesis: home.genesis, version: version, nodeKey: home.nodeKey.publicKey, validatorKey: home.validatorKey?.publicKey)
    let gate = Gate(
      options: options.gate, chain: facts, connections: limits.connections,
      seed: Bytes32(random.next(), random.next(), random.next(), random.next()), now: MonotonicClock.now())
    let figures = Figures(version: version, commit: options.commit, log: log)
    // From here on the memory of this process, keys among it, ends in no core dump and is read by no debugger. A developer may look.
    if !options.settings.isDevelopment { _ = thread_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) }
    gate.measureBatches(figures.metrics.mempool.signatureBatchSize)
    let verification = VerificationThreads(threads: options.settings.integer("runtime.verify_threads"))
    gate.overflow = verification.overflow
    let storage = StorageThread(
      home: home, options: options.store, policies: options.storagePolicies, metrics: figures.metrics.storage, log: log)
    let network: Network
    do throws(NodeFailure) { network = try makeNetwork(home, options, connections: limits.connections) } catch { return .failure(error) }
    let driver = NodeDriver(
      home: home, options: options, gate: gate, storage: storage, verification: verification, network: network, log: log, figures: figures)
    let events = try EventLoop(backend, driver: driver, limits: limits)
    driver.resolver = try Resolver(waker: events.loop.waker)
    defer {
      verification.end()
      events.closeAll()
    }
    try events.watchSignals()
    do throws(NodeFailure) {
      let sockets = Supervisor.sockets()
      driver.begin(events.loop)
      try storage.start(waking: events.loop.waker)
      try verification.start(waking: events.loop.waker, signers: gate.signers, metrics: figures.metrics.mempool)
      // The data is this process's own, in a format that it knows, before anything else is taken from the host.
      while !driver.isClaimed && !events.loop.isStopping { events.runOnce() }
      // However long the store takes to open: who asks for metrics, liveness or readiness meanwhile gets an answer, everything else "the node is starting".
      var (metrics, api) = ("off", "off")
      if driver.isClaimed, options.servesMetrics {
        metrics = try listen(events, driver, options.metricsAddress, .gate(.metrics), "metrics.prometheus_addr", sockets["metrics"])
      }
      if driver.isClaimed { _ = try listen(events, driver, adminSocket: options.adminSocketPath) }
      if driver.isClaimed, options.servesAPI { api = try listen(events, driver, options.apiAddress, .gate(.api), "api.listen_addr", sockets["api"]) }
      while !driver.isOpen && !events.loop.isStopping { events.runOnce() }
      if driver.isOpen {
        let peers = options.takesPeers ? try listen(events, driver, options.peersAddress, .peers, "network.listen_addr", sockets["peers"]) : "-"
        log.info("api", "listening", [("name", options.name), ("api", api), ("metrics", metrics), ("peers", peers), ("peer_id", network.id.text)])
        started(Endpoints(api: "http://\(api)", metrics: "http://\(metrics)\(options.settings.text("metrics.path"))"))
        driver.announceReady(events.loop)
        while !events.loop.isStopping { events.runOnce() }
      }
    } catch {
      return .failure(error)
    }
    return driver.failure.map { .failure($0) } ?? .complete(driver.ending)
  }

  private static func makeNetwork(_ home: NodeHome, _ options: NodeOptions, connections: Int) throws(NodeFailure) -> Network {
    let path = home.data + "/peers.json"
    var book = PeerBook()
    if HomeFile.exists(path) {
      let text = try HomeFile.read(path)
      do { book = try PeerBook(parsing: text) } catch { throw NodeFailure(65, "\(path) is damaged: \(error); repair it, or remove it to forget learned addresses") }
    }
    let chain = ChainIdentity(
      tag: home.genesis.chainTag.bytes, genesisHash: home.genesis.hash.bytes, id: home.genesis.chainID,
      blockByteCount: BlockHeader.byteCount + Int(home.genesis.parameters.blockBytesMax))
    var random = SystemRandomNumberGenerator()
    let peering = try options.peering(listenPort: options.takesPeers ? NodeOptions.parse(options.peersAddress)?.port ?? 0 : 0)
    do {
      return try Network(
        options: peering, key: home.nodeKey, validatorKey: home.validatorKey, chain: chain, book: book, connections: connections, seed: random.next(),
        wall: WallClock.now().milliseconds, now: MonotonicClock.now())
    } catch { throw NodeFailure(78, "the node key cannot be used for TLS: \(error)") }
  }

  /// Opens a TCP listener; a taken port is named with the option that moves it. A socket of the supervisor takes the place of a listener of our own.
  private static func listen<B: Backend & ~Copyable>(
    _ events: EventLoop<B, NodeDriver>, _ driver: NodeDriver, _ text: String, _ listening: NodeDriver.Listening, _ key: String,
    _ adopted: Int32?
  ) throws(NodeFailure) -> String {
    if let adopted {
      do throws(ReactorError) {
        let (_, bound) = try events.adopt(adopted)
        driver.listening.append(listening)
        return "\(bound)"
      } catch { throw NodeFailure(78, "the supervisor's socket for \(key) is none that listens: \(error)") }
    }
    guard let address = NodeOptions.parse(text) else { throw NodeFailure(78, "\(key) = \"\(text)\" is no address") }
    do throws(ReactorError) {
      let (_, bound) = try events.listen(address)
      driver.listening.append(listening)
      return "\(bound)"
    } catch {
      let owner = PortOwner.description(of: address.port).map { " by \($0)" } ?? ""
      // 9090 is also the port of Prometheus itself.
      let other = key == "metrics.prometheus_addr" ? ", or move a Prometheus on this host with --web.listen-address" : ""
      throw NodeFailure(75, "cannot listen on \(text): \(error)\(owner); set \(key) to another address\(other)")
    }
  }

  private static func listen<B: Backend & ~Copyable>(
    _ events: EventLoop<B, NodeDriver>, _ driver: NodeDriver, adminSocket path: String
  ) throws(NodeFailure) -> String {
    // The data directory's lock is held: a socket that lies here belongs to nobody.
    HomeFile.remove(path)
    do {
      _ = try events.listen(.unix(path: path))
      // Whatever the umask says: members of the node's group connect. Who does is asked of the kernel for each connection.
      try HomeFile.setMode(path, 0o660)
      driver.listening.append(.gate(.admin))
      return path
    } catch let failure as NodeFailure {
      throw failure
    } catch {
      throw NodeFailure(75, "cannot listen on \(path): \(error)")
    }
  }
}
