public import Ambient
import Audit
public import Bytes
import Digests
public import Ed25519
import HTTP1
import JSON
import Ledger
import Mempool
public import Metrics
public import Reactor
public import Replication
public import Verification

/// The sessions of one reactor. See the header of this target.
public final class Gate {
  public struct Options: Sendable {
    public var maxBodyBytes = 10_000_000
    public var headerTimeoutMilliseconds: UInt64 = 10_000
    public var requestTimeoutMilliseconds: UInt64 = 30_000
    public var idleTimeoutMilliseconds: UInt64 = 60_000
    /// Requests per minute and burst per client address; nil = no limits.
    public var rateLimit: (requestsPerMinute: Int, burst: Int)?
    public var drainStatus = 503
    /// Path of the metrics on their own listener.
    public var metricsPath = "/metrics"
    /// Latencies are kept by route, with the ids of requests.
    public var detailsRequests = false
    /// Networks whose `X-Forwarded-For` names the client.
    public var trustedProxies: [AddressNetwork] = []
    /// Origins whose pages may read answers; empty: no answer has a field for browsers.
    public var corsOrigins: [String] = []
    public init() {}
  }

  private(set) var options: Options
  let chain: ChainFacts
  /// The validator key that votes now; nil on an API node.
  public var validatorKey: PublicKey? { didSet { invalidatePrepared() } }
  /// Set when the store is open; until then only liveness and metrics are served.
  public var replica: Replica?
  /// What other threads and the driver told the gate; see `Surroundings`.
  public var surroundings = Surroundings() { didSet { invalidatePrepared() } }
  /// Wall-clock time, Unix milliseconds, at most one sweep old: admission compares statement timestamps with it.
  public var wallMilliseconds: UInt64 = 0
  public var readiness: Readiness { didSet { prepared[PreparedAnswer.Kind.ready.rawValue].isValid = false } }
  /// Reads for the storage thread; the driver takes them after each callback.
  public var reads: [ReadJob] = []

  let sessions: Rows<Session>
  /// What a request needs while it is being read or answered, and what is counted; rows, so that the path of a request pays no exclusivity checks.
  let heads = Rows(one: RequestHead())
  let writers = Rows(one: ByteWriter(capacity: 64 * 1024))
  let json = Rows(one: JSONWriter())
  let counters = Rows(one: GateStatistics())
  let latencies = Rows(one: LatencyWindow())
  let details = Rows(one: RequestDetails())
  let prepared = Rows<PreparedAnswer>(count: PreparedAnswer.Kind.allCases.count) { _ in PreparedAnswer() }
  let common = Rows(one: CommonFields())

  var limiter: RateLimiter?
  var verification: VerificationQueue
  /// What hides which address a source of signatures stands for.
  let sourceSecret: (UInt64, UInt64)
  /// Keys of known signers, shared with helper threads.
  public let signers: SignerCache
  /// Where signatures go that are too many for this thread; nil without helpers.
  public var overflow: Overflow? {
    didSet {
      offered.reserveCapacity(Overflow.capacity)
      freeTokens.reserveCapacity(Overflow.capacity)
    }
  }
  /// Records whose signature a helper checks, by token, and the tokens that are free.
  var offered: [OfferedRecord] = []
  var freeTokens: [Int32] = []
  var hasOffered = false
  var profile: EventProfile
  var verdicts: [Verdict] = []
  /// Slots with records to check, in the order of arrival.
  var submissions: [Int] = []
  /// Slots whose records are in the verification queue, by token.
  var inVerification: [(slot: Int, result: Int)] = []
  var waiters: [EventID: [Int]] = [:]
  var checkpointWaiters: [(slot: Int, serial: UInt32, size: UInt64)] = []
  /// Storage that no session holds.
  let spareBodies = Rows(one: SpareStorage<UInt8>(bytesMax: APILimit.spareBodyBytes))
  let spareResults = Rows(one: SpareStorage<SubmissionResult>(bytesMax: APILimit.spareResultBytes))
  /// Slots that were ever used: the first so many.
  var usedSlots = 0
  var bodyBytesInFlight = 0
  var readsInFlight = 0
  var requestCounter: UInt64
  /// Renders the exposition; set by the driver, which owns the metrics.
  /// Its argument asks for OpenMetrics.
  public var metricsText: (Bool) -> [UInt8] = { _ in [] }
  /// Answers commands about peers; set by the driver, which owns the network.
  public var peers: (PeerCommand, Loop) -> PeerOutcome = { command, _ in answerWithoutNetwork(command) }
  /// Compresses a body with gzip; nil when it cannot. Set by the driver, which has the library.
  public var gzip: ([UInt8]) -> [UInt8]? = { _ in nil }
  /// Answers commands about the node itself; set by the driver.
  public var node: (NodeCommand, CommandTicket, Loop) -> NodeOutcome = { _, _, _ in .refused(Refusal(.notImplemented, "nobody takes commands")) }
  public private(set) var isDraining = false
  var pace = BlockPace()

  /// - Parameters:
  ///   - connections: slots of the reactor.
  ///   - seed: unpredictable bytes for batch coefficients and request ids.
  public init(options: Options, chain: ChainFacts, connections: Int, seed: Bytes32, now: Instant) {
    self.options = options
    self.chain = chain
    validatorKey = chain.validatorKey
    readiness = Readiness(startingAt: now)
    sessions = Rows(count: connections) { _ in Session() }
    limiter = options.rateLimit.map { RateLimiter(requestsPerMinute: $0.requestsPerMinute, burst: $0.burst) }
    signers = SignerCache(seed: seed)
    verification = VerificationQueue(capacity: APILimit.signaturesPerBatch, seed: seed, cache: signers)
    profile = EventProfile(bodyBytesMax: Int(chain.parameters.bodyBytesMax))
    requestCounter = seed.w0
    sourceSecret = (seed.w1, seed.w2)
    submissions.reserveCapacity(connections)
    inVerification.reserveCapacity(APILimit.signaturesPerBatch)
    verdicts.reserveCapacity(APILimit.signaturesPerBatch)
  }

  /// Takes over new options; requests in work keep the times they were given. Buckets start anew when the rate limit changes.
  public func reconfigure(_ options: Options) {
    let old = self.options.rateLimit, new = options.rateLimit, path = self.options.metricsPath
    self.options = options
    // Of the start: who scrapes is not told of a new one.
    self.options.metricsPath = path
    guard old?.requestsPerMinute != new?.requestsPerMinute || old?.burst != new?.burst else { return }
    limiter = new.map { RateLimiter(requestsPerMinute: $0.requestsPerMinute, burst: $0.burst) }
  }

  /// Where the sizes of signature batches are counted.
  public func measureBatches(_ sizes: Histogram) { verification.sizes = sizes }

  public var statistics: GateStatistics { counters[0] }

  /// Route, method and class of status of each series of request times.
  public static var requestSeries: [[String]] { RequestDetails.series }

  /// Copies what is kept by route. Returns the exemplars; none while details are off.
  public func copyDetails(to requests: Series<Histogram>) -> [Exemplar?] { options.detailsRequests ? details[0].copy(to: requests) : [] }

  /// Latencies below which these shares of the answers of the last minute stayed, seconds; nil without any.
  public func recentLatencies(_ shares: [Double], now: Instant) -> [Double]? { latencies[0].percentiles(shares, now: now) }

  /// Whether details are kept.
  public var detailsRequests: Bool { options.detailsRequests }

  /// Entry, salt and the largest inline body of this chain.
  public var recordBytesMax: Int { chain.recordBytesMax }

  // MARK: Connections

  public func accepted(_ connection: ConnectionID, audience: Audience, _ loop: Loop) {
    // The admin socket is for the node's own people, whatever the permissions of its file became.
    if audience == .admin, !loop.isPeerTrusted(connection) { return loop.close(connection) }
    let peer = loop.peer(of: connection)
    let key: (UInt64, UInt64)
    let isLoopback: Bool
    switch peer {
    case .ipv4(let address, _): (key, isLoopback) = ((UInt64(address), 4), address >> 24 == 127)
    case .ipv6(let high, let low, _): (key, isLoopback) = ((high, low), high == 0 && low == 1)
    default: (key, isLoopback) = ((0, 0), true)
    }
    let slot = connection.slot
    usedSlots = max(usedSlots, slot + 1)
    sessions[slot].open(connection, audience, deadline: loop.now.adding(milliseconds: options.headerTimeoutMilliseconds))
    sessions[slot].addressKey = key
    sessions[slot].isLoopback = isLoopback
    sessions[slot].isProxy = peer.map { isProxy($0) } ?? false
    counters[0].connections += 1
  }

  public func closed(_ connection: ConnectionID) {
    let slot = connection.slot
    guard isOpen(slot, connection) else { return }
    forget(slot)
    returnStorage(slot)
    sessions[slot].phase = .free
    counters[0].connections -= 1
  }

  /// Whether the slot still belongs to this connection.
  func isOpen(_ slot: Int, _ connection: ConnectionID) -> Bool { sessions[slot].phase != .free && sessions[slot].connection == connection }

  public func inputEnded(_ connection: ConnectionID, _ loop: Loop) {
    let slot = connection.slot
    guard isOpen(slot, connection) else { return loop.close(connection) }
    // A client may half-close and still wait for its answer.
    if sessions[slot].phase == .reading || sessions[slot].phase == .closing { return loop.close(connection) }
    sessions[slot].inputEnded = true
    sessions[slot].request.keepsAlive = false
  }

  /// Takes back what was lent to a session for its request.
  func returnStorage(_ slot: Int) {
    let held = sessions[slot].body.count
    if held > 0 { bodyBytesInFlight -= held }
    spareBodies[0].takeBack(&sessions[slot].body)
    spareResults[0].takeBack(&sessions[slot].results)
  }

  // MARK: Time

  /// Looks for sessions whose time is over. Call it every `APILimit.sweepMilliseconds`.
  public func sweep(_ loop: Loop) {
    readiness.settle(now: loop.now)
    for slot in 0..<usedSlots {
      guard sessions[slot].phase != .free, loop.now >= sessions[slot].deadline else { continue }
      switch sessions[slot].phase {
      case .reading where sessions[slot].parser.isIdle: loop.close(sessions[slot].connection)
      case .reading:
        sessions[slot].request.keepsAlive = false
        sessions[slot].request.refusal = Refusal(.requestTimeout, "the request did not arrive in time")
        respondRefusal(slot, loop)
      case .waitingForFinality: finalityTimedOut(slot, loop)
      case .waitingForCheckpoint: checkpointTimedOut(slot, loop)
      case .closing: loop.abort(sessions[slot].connection)
      case .verifying, .waitingForStore, .waitingForNode, .free: continue
      }
    }
  }

  /// From now on every answer closes its connection; `draining` is a reason against readiness.
  public func beginDrain(_ loop: Loop) {
    isDraining = true
    invalidatePrepared()
    readiness.set(.draining, true, now: loop.now)
  }

  /// The node stays: answers keep their connections again.
  public func cancelDrain(_ loop: Loop) {
    isDraining = false
    invalidatePrepared()
    readiness.set(.draining, false, now: loop.now)
  }

  /// Closes idle connections; busy ones close with their answer. Returns how many requests are still in work.
  /// - Parameters:
  ///   - sparesAdmin: those of the admin socket are left alone, as those of the metrics always are.
  ///   - abandons: busy ones are closed, too.
  public func closeIdle(_ loop: Loop, sparesAdmin: Bool = false, abandons: Bool = false) -> Int {
    var busy = 0
    for slot in 0..<usedSlots {
      guard sessions[slot].phase != .free, sessions[slot].audience != .metrics, !(sparesAdmin && sessions[slot].audience == .admin) else { continue }
      if abandons {
        loop.close(sessions[slot].connection)
        continue
      }
      let isIdle = sessions[slot].phase == .reading && sessions[slot].parser.isIdle || sessions[slot].phase == .closing
      if isIdle { loop.close(sessions[slot].connection) } else { busy += 1 }
    }
    return busy
  }
}
