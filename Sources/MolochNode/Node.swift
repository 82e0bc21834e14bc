import API
import Ambient
import Bytes
import Configuration
import Ed25519
import Reactor

/// A running node: call `run` on the main thread; it returns when the node has stopped.
public enum Node {
  public static let version = "1.0.0"

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
    let log = Log(level: LogLevel(name: options.settings.text("log.level")) ?? .info, format: LogFormat(rawValue: options.settings.text("log.format")) ?? .text)
    try options.raiseFileLimit()
    let home = try NodeHome(options)
    let decision: BackendDecision
    do { decision = try BackendDecision(options.backend) } catch { throw NodeFailure(78, "runtime.io_backend: \(error)") }
    if let reason = decision.fallbackReason { log.notice("reactor", "io_uring is refused, epoll takes over", [("reason", reason)]) }
    log.info("reactor", "backend", [("io", "\(decision.kind)")])
    log.info("ed25519", "path=\(Path.best)")
    let failure: NodeFailure?
    do throws(ReactorError) {
      switch decision.kind {
      case .io_uring: failure = try serve(UringBackend(), home, options, log, started)
      case .epoll: failure = try serve(EpollBackend(), home, options, log, started)
      }
    } catch {
      throw NodeFailure(75, "the event loop cannot start: \(error)")
    }
    if let failure {
      log.error("node", failure.message, [("fatal", "true")])
      throw failure
    }
  }

  private static func serve<B: Backend & ~Copyable>(
    _ backend: consuming B, _ home: NodeHome, _ options: NodeOptions, _ log: Log, _ started: (Endpoints) -> Void
  ) throws(ReactorError) -> NodeFailure? {
    var limits = ReactorLimits()
    limits.connections = options.connections
    limits.outputBytesMax = 64 << 20
    var random = SystemRandomNumberGenerator()
    let facts = ChainFacts(genesis: home.genesis, version: version, nodeKey: home.nodeKey.publicKey, validatorKey: home.validatorKey.publicKey)
    let gate = Gate(
      options: options.gate, chain: facts, connections: limits.connections,
      seed: Bytes32(random.next(), random.next(), random.next(), random.next()), now: MonotonicClock.now())
    let storage = StorageThread(home: home, options: options.store, log: log)
    let driver = NodeDriver(home: home, options: options, gate: gate, storage: storage, log: log, version: version)
    let events = try EventLoop(backend, driver: driver, limits: limits)
    defer { events.closeAll() }
    try events.watchSignals()
    do throws(NodeFailure) {
      let metrics = try listen(events, driver, options.metricsAddress, .metrics, "metrics.prometheus_addr")
      driver.begin(events.loop)
      try storage.start(waking: events.loop.waker)
      while !driver.isOpen && !events.loop.isStopping { events.runOnce() }
      if driver.isOpen {
        let api = try listen(events, driver, options.apiAddress, .api, "api.listen_addr")
        _ = try listen(events, driver, adminSocket: options.adminSocketPath)
        log.info("api", "listening", [("api", api), ("metrics", metrics)])
        started(Endpoints(api: "http://\(api)", metrics: "http://\(metrics)/metrics"))
        while !events.loop.isStopping { events.runOnce() }
      }
    } catch {
      return error
    }
    if driver.failure == nil { driver.reportEnd() }
    return driver.failure
  }

  /// Opens a TCP listener; a taken port is named with the option that moves it.
  private static func listen<B: Backend & ~Copyable>(
    _ events: EventLoop<B, NodeDriver>, _ driver: NodeDriver, _ text: String, _ audience: Audience, _ key: String
  ) throws(NodeFailure) -> String {
    guard let address = NodeOptions.parse(text) else { throw NodeFailure(78, "\(key) = \"\(text)\" is no address") }
    do throws(ReactorError) {
      let (_, bound) = try events.listen(address)
      driver.audiences.append(audience)
      return "\(bound)"
    } catch {
      throw NodeFailure(75, "cannot listen on \(text): \(error); choose another address with \(key)")
    }
  }

  private static func listen<B: Backend & ~Copyable>(
    _ events: EventLoop<B, NodeDriver>, _ driver: NodeDriver, adminSocket path: String
  ) throws(NodeFailure) -> String {
    // The data directory's lock is held: a socket that lies here belongs to nobody.
    HomeFile.remove(path)
    do throws(ReactorError) {
      _ = try events.listen(.unix(path: path))
      driver.audiences.append(.admin)
      return path
    } catch {
      throw NodeFailure(75, "cannot listen on \(path): \(error)")
    }
  }
}
