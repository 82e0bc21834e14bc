public import Ambient
import Audit
public import Bytes
import Digests
import Ed25519
import HTTP1
import JSON
import Ledger
import Mempool
public import Reactor
public import Replication
import Verification

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
    public init() {}
  }

  let options: Options
  let chain: ChainFacts
  /// Set when the store is open; until then only liveness and metrics are served.
  public var replica: Replica?
  /// What other threads and the driver told the gate; see `Surroundings`.
  public var surroundings = Surroundings() { didSet { healthCache = nil } }
  /// Wall-clock time, Unix milliseconds, at most one sweep old: admission compares statement timestamps with it.
  public var wallMilliseconds: UInt64 = 0
  public var readiness: Readiness
  public internal(set) var statistics = GateStatistics()
  /// Reads for the storage thread; the driver takes them after each callback.
  public var reads: [ReadJob] = []

  var sessions: [Session?]
  var limiter: RateLimiter?
  var verification: VerificationQueue
  var profile: EventProfile
  var verdicts: [Verdict] = []
  /// Slots with records to check, in the order of arrival.
  var submissions: [Int] = []
  /// Slots whose records are in the verification queue, by token.
  var inVerification: [(slot: Int, result: Int)] = []
  var waiters: [EventID: [Int]] = [:]
  var checkpointWaiters: [(slot: Int, serial: UInt32, size: UInt64)] = []
  var bodyBytesInFlight = 0
  var readsInFlight = 0
  var requestCounter: UInt64
  var scratch: [UInt8] = []
  var healthCache: Answer?
  /// Renders the exposition; set by the driver, which owns the metrics.
  public var metricsText: () -> [UInt8] = { [] }
  var isDraining = false

  /// - Parameters:
  ///   - connections: slots of the reactor.
  ///   - seed: unpredictable bytes for batch coefficients and request ids.
  public init(options: Options, chain: ChainFacts, connections: Int, seed: Bytes32, now: Instant) {
    self.options = options
    self.chain = chain
    readiness = Readiness(startingAt: now)
    sessions = Array(repeating: nil, count: connections)
    limiter = options.rateLimit.map { RateLimiter(requestsPerMinute: $0.requestsPerMinute, burst: $0.burst) }
    verification = VerificationQueue(capacity: APILimit.signaturesPerBatch, seed: seed)
    profile = EventProfile(bodyBytesMax: Int(chain.parameters.bodyBytesMax))
    requestCounter = seed.w0
  }

  /// Entry, salt and the largest inline body of this chain.
  public var recordBytesMax: Int { chain.recordBytesMax }

  // MARK: Connections

  public func accepted(_ connection: ConnectionID, audience: Audience, _ loop: Loop) {
    let peer = loop.peer(of: connection)
    let key: (UInt64, UInt64)
    let isLoopback: Bool
    switch peer {
    case .ipv4(let address, _): (key, isLoopback) = ((UInt64(address), 4), address >> 24 == 127)
    case .ipv6(let high, let low, _): (key, isLoopback) = ((high, low), high == 0 && low == 1)
    default: (key, isLoopback) = ((0, 0), true)
    }
    sessions[connection.slot] = Session(
      connection: connection, audience: audience, addressKey: key, isLoopback: isLoopback,
      deadline: loop.now.adding(milliseconds: options.headerTimeoutMilliseconds))
    statistics.connections += 1
  }

  public func closed(_ connection: ConnectionID) {
    guard let session = sessions[connection.slot], session.connection == connection else { return }
    bodyBytesInFlight -= session.body.count
    forget(connection.slot)
    sessions[connection.slot] = nil
    statistics.connections -= 1
  }

  public func inputEnded(_ connection: ConnectionID, _ loop: Loop) {
    guard let session = sessions[connection.slot], session.connection == connection else { return loop.close(connection) }
    // A client may half-close and still wait for its answer.
    if session.phase == .reading || session.phase == .closing { return loop.close(connection) }
    sessions[connection.slot]!.inputEnded = true
    sessions[connection.slot]!.request.keepsAlive = false
  }

  /// Unread bytes of a connection; returns how many were consumed.
  public func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    let slot = connection.slot
    guard sessions[slot]?.connection == connection else { return bytes.byteCount }
    var consumed = 0
    while sessions[slot] != nil {
      switch sessions[slot]!.phase {
      case .reading: break
      case .closing: return bytes.byteCount
      case .verifying, .waitingForFinality, .waitingForCheckpoint, .waitingForStore:
        // The client sent ahead: leave it in the reactor, and stop reading when it is a lot.
        if bytes.byteCount - consumed > 4096, !sessions[slot]!.isPaused {
          sessions[slot]!.isPaused = true
          loop.pauseInput(connection)
        }
        return consumed
      }
      let rest = bytes.extracting(consumed..<bytes.byteCount)
      let wasIdle = sessions[slot]!.parser.isIdle
      switch sessions[slot]!.parser.advance(rest) {
      case .needMore:
        if wasIdle, rest.byteCount > 0 { sessions[slot]!.deadline = loop.now.adding(milliseconds: options.headerTimeoutMilliseconds) }
        return consumed
      case .head(let head):
        begin(slot, head, rest, loop)
        consumed += head.byteCount
      case .body(let range, let count):
        if sessions[slot]!.request.refusal == nil { append(slot, rest.extracting(range)) }
        consumed += count
      case .end(let count):
        consumed += count
        finishReading(slot, loop)
      case .violation(let violation):
        refuseHead(slot, violation, loop)
        return bytes.byteCount
      }
    }
    return consumed
  }

  // MARK: Reading a request

  private func begin(_ slot: Int, _ head: RequestHead, _ span: RawSpan, _ loop: Loop) {
    sessions[slot]!.request.reset(now: loop.now)
    sessions[slot]!.serial &+= 1
    sessions[slot]!.deadline = loop.now.adding(milliseconds: options.requestTimeoutMilliseconds)
    statistics.requests += 1
    readFields(slot, head, span)
    do throws(Refusal) {
      try resolve(slot, head, span, loop)
    } catch {
      sessions[slot]!.request.refusal = error
    }
    let request = sessions[slot]!.request
    guard request.refusal != nil else {
      if head.expectsContinue { sendContinue(slot, loop) }
      return
    }
    // A refused request with a body: answer now and close, rather than read what nobody wants.
    switch head.framing {
    case .none: break
    case .length(let length) where length <= 65_536 && !head.expectsContinue: break
    default:
      sessions[slot]!.request.keepsAlive = false
      respondRefusal(slot, loop)
    }
  }

  private func readFields(_ slot: Int, _ head: RequestHead, _ span: RawSpan) {
    var request = Request.ContentType.none
    sessions[slot]!.request.method = head.method
    sessions[slot]!.request.keepsAlive = head.keepsAlive && !isDraining
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      let value = span.extracting(field.value)
      switch field.name {
      case .requestID:
        guard sessions[slot]!.request.id.isEmpty, value.byteCount > 0, value.byteCount <= APILimit.requestIDBytes, isRequestID(value) else { continue }
        sessions[slot]!.request.id.append(value)
      case .contentType: request = contentType(value)
      case .accept:
        let text = value.text ?? ""
        sessions[slot]!.request.acceptsJSON = text.contains("application/json")
        sessions[slot]!.request.acceptsOctets = text.contains("application/octet-stream")
      case .prefer:
        for part in (value.text ?? "").split(separator: ",") {
          let preference = part.trimmingBlanks
          if preference == "return=minimal" { sessions[slot]!.request.prefersMinimal = true }
          if preference.hasPrefix("wait="), let seconds = Query.integer(preference.dropFirst(5)) {
            sessions[slot]!.request.waitMilliseconds = min(APILimit.waitMillisecondsMax, min(seconds, 60) * 1000)
          }
        }
      default: continue
      }
    }
    sessions[slot]!.request.contentType = request
    if sessions[slot]!.request.id.isEmpty {
      requestCounter &+= 0x9E37_79B9_7F4A_7C15
      sessions[slot]!.request.id.append("r-")
      var shift: UInt64 = 32
      while shift > 0 {
        shift -= 4
        sessions[slot]!.request.id.append(Hex.digit(UInt8(truncatingIfNeeded: requestCounter >> (shift + 28) & 15)))
      }
    }
  }

  private func contentType(_ value: RawSpan) -> Request.ContentType {
    if value.equals("application/vnd.moloch.event") { return .event }
    if value.equals("application/vnd.moloch.events") { return .events }
    let text = (value.text ?? "").lowercased()
    switch text.prefix(while: { $0 != ";" }).trimmingBlanks {
    case "application/vnd.moloch.event": return .event
    case "application/vnd.moloch.events": return .events
    case "application/json": return .json
    case "application/x-ndjson": return .ndjson
    default: return .other
    }
  }

  private func isRequestID(_ value: RawSpan) -> Bool {
    for offset in 0..<value.byteCount {
      switch value.uint8(at: offset) {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: continue
      default: return false
      }
    }
    return true
  }

  /// Finds the route and applies what can be refused before the body: method, query, limits.
  private func resolve(_ slot: Int, _ head: RequestHead, _ span: RawSpan, _ loop: Loop) throws(Refusal) {
    let audience = sessions[slot]!.audience
    let route: Route
    switch Route.match(span.extracting(head.path)) {
    case .found(let found): route = found
    case .unknown: throw Refusal(.notFound, "no such resource")
    case .malformed(let field): throw Refusal(.invalidRequest, "the '\(field)' of the path is malformed", [("field", .text(field))])
    }
    let isServed = audience == .metrics ? route == .metrics : route != .metrics && (!route.isAdmin || audience == .admin)
    guard isServed else { throw Refusal(.notFound, "no such resource") }
    sessions[slot]!.request.route = route
    switch head.method {
    case .options: break
    case .get, .head: if route.isSubmission { throw Refusal(.methodNotAllowed, "this resource takes \(route.allowedMethods)") }
    case .post: if !route.isSubmission { throw Refusal(.methodNotAllowed, "this resource takes \(route.allowedMethods)") }
    default: throw Refusal(.methodNotAllowed, "this resource takes \(route.allowedMethods)")
    }
    if !head.query.isEmpty {
      guard let query = QueryParameters(span.extracting(head.query)) else { throw Refusal(.invalidRequest, "the query is malformed") }
      sessions[slot]!.request.query = query.pairs
    }
    try readQuery(slot, route)
    guard head.method == .post else {
      if case .length(let length) = head.framing, length > 65_536 { throw Refusal(.batchTooLarge, "this request takes no body", [("limit", .number(0))]) }
      try charge(slot, cost: 1, loop)
      return
    }
    try resolveBody(slot, route, head.framing)
  }

  private func resolveBody(_ slot: Int, _ route: Route, _ framing: Framing) throws(Refusal) {
    switch (route, sessions[slot]!.request.contentType) {
    case (.events, .event), (.events, .json), (.eventBatch, .events), (.eventBatch, .event), (.eventBatch, .json), (.eventBatch, .ndjson): break
    default:
      throw Refusal(
        .unsupportedMediaType,
        route == .events
          ? "send application/vnd.moloch.event or application/json" : "send application/vnd.moloch.events, application/json or application/x-ndjson")
    }
    let limit = route == .events ? min(options.maxBodyBytes, 2 * chain.recordBytesMax + 1024) : options.maxBodyBytes
    sessions[slot]!.request.bodyLimit = limit
    if case .length(let length) = framing, length > UInt64(limit) { throw tooLarge(route, length, limit) }
    if bodyBytesInFlight > APILimit.bodyBytesInFlight { throw Refusal(.mempoolFull, "too many request bodies are in flight") }
    if case .length(let length) = framing { sessions[slot]!.body.reserveCapacity(Int(length)) }
  }

  func tooLarge(_ route: Route, _ size: UInt64, _ limit: Int) -> Refusal {
    Refusal(
      route == .events ? .eventTooLarge : .batchTooLarge, "the body has \(size) bytes, the limit is \(limit)",
      [("size", .number(size)), ("limit", .number(UInt64(limit)))])
  }

  private func append(_ slot: Int, _ bytes: RawSpan) {
    guard bytes.byteCount > 0 else { return }
    let size = sessions[slot]!.body.count + bytes.byteCount
    guard size <= sessions[slot]!.request.bodyLimit else {
      let route = sessions[slot]!.request.route ?? .events
      sessions[slot]!.request.refusal = tooLarge(route, UInt64(size), sessions[slot]!.request.bodyLimit)
      return
    }
    bodyBytesInFlight += bytes.byteCount
    sessions[slot]!.body.append(bytes)
  }

  private func finishReading(_ slot: Int, _ loop: Loop) {
    if sessions[slot]!.request.refusal != nil { return respondRefusal(slot, loop) }
    guard let route = sessions[slot]!.request.route else { return }
    if sessions[slot]!.request.method == .options { return respondOptions(slot, route, loop) }
    if route.isSubmission { submit(slot, loop) } else { dispatch(slot, route, loop) }
  }

  /// Takes tokens for a request, and remembers the balance for the answer's fields.
  func charge(_ slot: Int, cost: Int, _ loop: Loop) throws(Refusal) {
    guard let route = sessions[slot]!.request.route, !route.isUnlimited, sessions[slot]!.audience == .api, limiter != nil else { return }
    if route == .peers, sessions[slot]!.isLoopback { return }
    let key = sessions[slot]!.addressKey
    let verdict = limiter!.charge(key.0, key.1, cost: cost, now: loop.now)
    sessions[slot]!.request.rate = verdict
    guard verdict.isAllowed else {
      statistics.rateLimited += 1
      throw Refusal(.rateLimited, "too many requests; try again in \(verdict.secondsUntilReset) s", [("retry_after", .number(UInt64(verdict.secondsUntilReset)))])
    }
  }

  // MARK: Time

  /// Looks for sessions whose time is over. Call it every `APILimit.sweepMilliseconds`.
  public func sweep(_ loop: Loop) {
    readiness.settle(now: loop.now)
    for slot in sessions.indices {
      guard let session = sessions[slot], loop.now >= session.deadline else { continue }
      switch session.phase {
      case .reading where session.parser.isIdle: loop.close(session.connection)
      case .reading:
        sessions[slot]!.request.keepsAlive = false
        sessions[slot]!.request.refusal = Refusal(.requestTimeout, "the request did not arrive in time")
        respondRefusal(slot, loop)
      case .waitingForFinality: finalityTimedOut(slot, loop)
      case .waitingForCheckpoint: checkpointTimedOut(slot, loop)
      case .closing: loop.abort(session.connection)
      case .verifying, .waitingForStore: continue
      }
    }
  }

  /// From now on every answer closes its connection; `draining` is a reason against readiness.
  public func beginDrain(_ loop: Loop) {
    isDraining = true
    readiness.set(.draining, true, now: loop.now)
  }

  /// Closes idle connections; busy ones close with their answer. Returns how many requests are still in work.
  public func closeIdle(_ loop: Loop) -> Int {
    var busy = 0
    for slot in sessions.indices {
      guard let session = sessions[slot], session.audience != .metrics else { continue }
      if session.phase == .reading && session.parser.isIdle || session.phase == .closing { loop.close(session.connection) } else { busy += 1 }
    }
    return busy
  }
}

extension StringProtocol {
  /// Without blanks and tabs at both ends.
  var trimmingBlanks: String {
    var text = Substring(self)
    while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return String(text)
  }
}
