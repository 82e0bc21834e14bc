import Ambient
import Audit
import Bytes
import HTTP1
public import Reactor

extension Gate {
  /// Unread bytes of a connection; returns how many were consumed.
  public func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    let slot = connection.slot
    var consumed = 0
    while isOpen(slot, connection) {
      switch sessions[slot].phase {
      case .reading: break
      case .closing, .free: return bytes.byteCount
      case .verifying, .waitingForFinality, .waitingForCheckpoint, .waitingForStore, .waitingForNode:
        // The client sent ahead: leave it in the reactor, and stop reading when it is a lot.
        if bytes.byteCount - consumed > 4096, !sessions[slot].isPaused {
          sessions[slot].isPaused = true
          loop.pauseInput(connection)
        }
        return consumed
      }
      let rest = bytes.extracting(consumed..<bytes.byteCount)
      let wasIdle = sessions[slot].parser.isIdle
      switch sessions[slot].parser.step(rest, &heads[0]) {
      case .needMore:
        if wasIdle, rest.byteCount > 0 { sessions[slot].deadline = loop.now.adding(milliseconds: options.headerTimeoutMilliseconds) }
        return consumed
      case .head:
        begin(slot, rest, loop)
        consumed += heads[0].byteCount
      case .body(let range, let count):
        if sessions[slot].request.refusal == nil { append(slot, rest.extracting(range)) }
        consumed += count
      case .end(let count):
        consumed += count
        finishReading(slot, loop)
      case .violation(let violation):
        refuseHead(slot, violation, loop)
        return bytes.byteCount
      }
    }
    return bytes.byteCount
  }

  // MARK: The head

  /// A head has arrived; it is in `heads`, its bytes are in the span.
  private func begin(_ slot: Int, _ span: RawSpan, _ loop: Loop) {
    sessions[slot].request.reset(now: loop.now)
    sessions[slot].serial &+= 1
    sessions[slot].deadline = loop.now.adding(milliseconds: options.requestTimeoutMilliseconds)
    counters[0].requests += 1
    readFields(slot, span)
    do throws(Refusal) {
      try resolve(slot, span, loop)
    } catch {
      sessions[slot].request.refusal = error
    }
    let expectsContinue = heads[0].expectsContinue
    guard sessions[slot].request.refusal != nil else {
      if expectsContinue { sendContinue(slot, loop) }
      return
    }
    // A refused request with a body: answer now and close, rather than read what nobody wants.
    switch heads[0].framing {
    case .none: break
    case .length(let length) where length <= 65_536 && !expectsContinue: break
    default:
      sessions[slot].request.keepsAlive = false
      respondRefusal(slot, loop)
    }
  }

  private func readFields(_ slot: Int, _ span: RawSpan) {
    sessions[slot].request.method = heads[0].method
    sessions[slot].request.keepsAlive = heads[0].keepsAlive && !isDraining
    for index in 0..<heads[0].fields.count {
      let field = heads[0].fields[index]
      if field.name == .other || field.name == .host { continue }
      readField(slot, field.name, span.extracting(field.value))
    }
    guard sessions[slot].request.id.isEmpty else { return }
    requestCounter &+= 0x9E37_79B9_7F4A_7C15
    sessions[slot].request.id.make(from: requestCounter)
  }

  private func readField(_ slot: Int, _ name: FieldName, _ value: RawSpan) {
    switch name {
    case .requestID: if sessions[slot].request.id.isEmpty { _ = sessions[slot].request.id.take(value) }
    case .contentType: sessions[slot].request.contentType = contentType(value)
    case .ifNoneMatch: sessions[slot].request.knownTags.append(value)
    case .accept:
      var elements = ListElements(0..<value.byteCount)
      while let element = elements.next(value) {
        let range = value.extracting(element)
        let type = range.extracting(0..<range.byteCountOfEssence)
        if type.equalsIgnoringCase("application/json") { sessions[slot].request.acceptsJSON = true }
        if type.equalsIgnoringCase("application/octet-stream") { sessions[slot].request.acceptsOctets = true }
        if type.equalsIgnoringCase("application/openmetrics-text") { sessions[slot].request.acceptsOpenMetrics = true }
      }
    case .acceptEncoding:
      var elements = ListElements(0..<value.byteCount)
      while let element = elements.next(value) {
        let coding = value.extracting(element)
        if coding.extracting(0..<coding.byteCountOfEssence).equalsIgnoringCase("gzip"), !(coding.text ?? "").hasSuffix("q=0") { sessions[slot].request.acceptsGzip = true }
      }
    case .forwardedFor: readForwarded(slot, value)
    case .origin:
      if !options.corsOrigins.isEmpty, let text = value.text { sessions[slot].request.origin = options.corsOrigins.firstIndex(of: text) ?? -1 }
    case .prefer:
      var elements = ListElements(0..<value.byteCount)
      while let element = elements.next(value) {
        let preference = value.extracting(element)
        if preference.equalsIgnoringCase("return=minimal") { sessions[slot].request.prefersMinimal = true }
        if preference.byteCount > 5, preference.extracting(0..<5).equalsIgnoringCase("wait="),
          let seconds = preference.extracting(5..<preference.byteCount).text.flatMap({ Query.integer($0) })
        {
          sessions[slot].request.waitMilliseconds = min(APILimit.waitMillisecondsMax, min(seconds, 60) * 1000)
        }
      }
    default: return
    }
  }

  private func contentType(_ value: RawSpan) -> Request.ContentType {
    let type = value.extracting(0..<value.byteCountOfEssence)
    if type.equalsIgnoringCase("application/vnd.moloch.event") { return .event }
    if type.equalsIgnoringCase("application/vnd.moloch.events") { return .events }
    if type.equalsIgnoringCase("application/json") { return .json }
    return type.equalsIgnoringCase("application/x-ndjson") ? .ndjson : .other
  }

  /// Finds the route and applies what can be refused before the body: method, query, limits.
  private func resolve(_ slot: Int, _ span: RawSpan, _ loop: Loop) throws(Refusal) {
    let audience = sessions[slot].audience
    let route: Route
    let match: Route.Match
    if audience == .metrics {
      match = span.extracting(heads[0].path).elementsEqual(Array(options.metricsPath.utf8).bytes) ? .found(.metrics) : .unknown
    } else {
      match = Route.match(span.extracting(heads[0].path))
    }
    switch match {
    case .found(let found): route = found
    case .unknown: throw Refusal(.notFound, "no such resource")
    case .malformed(let field): throw Refusal(.invalidRequest, "the '\(field)' of the path is malformed", [("field", .text(field))])
    }
    let isServed = audience == .metrics ? route == .metrics : audience == .admin || route != .metrics && !route.isAdmin
    guard isServed else { throw Refusal(.notFound, "no such resource") }
    sessions[slot].request.route = route
    switch heads[0].method {
    case .options: break
    case .get, .head: if route.isSubmission { throw Refusal(.methodNotAllowed, "this resource takes \(route.allowedMethods)") }
    case .post where route.isAdmin, .delete where route == .adminPeers || route == .node(.drain): break
    case .post: if !route.isSubmission { throw Refusal(.methodNotAllowed, "this resource takes \(route.allowedMethods)") }
    default: throw Refusal(.methodNotAllowed, "this resource takes \(route.allowedMethods)")
    }
    if !heads[0].query.isEmpty {
      guard let query = QueryParameters(span.extracting(heads[0].query)) else { throw Refusal(.invalidRequest, "the query is malformed") }
      sessions[slot].request.query = query.pairs
      try readQuery(slot, route)
    }
    guard heads[0].method == .post && route.isSubmission else {
      if case .length(let length) = heads[0].framing, length > 65_536 { throw Refusal(.batchTooLarge, "this request takes no body", [("limit", .number(0))]) }
      try charge(slot, cost: 1, loop)
      return
    }
    try resolveBody(slot, route, heads[0].framing)
  }

  private func resolveBody(_ slot: Int, _ route: Route, _ framing: Framing) throws(Refusal) {
    switch (route, sessions[slot].request.contentType) {
    case (.events, .event), (.events, .json), (.eventBatch, .events), (.eventBatch, .event), (.eventBatch, .json), (.eventBatch, .ndjson): break
    default:
      throw Refusal(
        .unsupportedMediaType,
        route == .events
          ? "send application/vnd.moloch.event or application/json" : "send application/vnd.moloch.events, application/json or application/x-ndjson")
    }
    let limit = route == .events ? min(options.maxBodyBytes, 2 * chain.recordBytesMax + 1024) : options.maxBodyBytes
    sessions[slot].request.bodyLimit = limit
    if case .length(let length) = framing, length > UInt64(limit) { throw tooLarge(route, length, limit) }
    if bodyBytesInFlight > APILimit.bodyBytesInFlight { throw Refusal(.mempoolFull, "too many request bodies are in flight") }
    spareBodies[0].lend(to: &sessions[slot].body)
    if case .length(let length) = framing {
      // Powers of two, so that storage fits the next body as well, which may be a little larger.
      var capacity = 1024
      while capacity < length { capacity *= 2 }
      sessions[slot].body.reserveCapacity(capacity)
    }
  }

  func tooLarge(_ route: Route, _ size: UInt64, _ limit: Int) -> Refusal {
    Refusal(
      route == .events ? .eventTooLarge : .batchTooLarge, "the body has \(size) bytes, the limit is \(limit)",
      [("size", .number(size)), ("limit", .number(UInt64(limit)))])
  }

  private func append(_ slot: Int, _ bytes: RawSpan) {
    guard bytes.byteCount > 0 else { return }
    let size = sessions[slot].body.count + bytes.byteCount
    guard size <= sessions[slot].request.bodyLimit else {
      let route = sessions[slot].request.route ?? .events
      sessions[slot].request.refusal = tooLarge(route, UInt64(size), sessions[slot].request.bodyLimit)
      return
    }
    bodyBytesInFlight += bytes.byteCount
    sessions[slot].body.append(bytes)
  }

  private func finishReading(_ slot: Int, _ loop: Loop) {
    if sessions[slot].request.refusal != nil { return respondRefusal(slot, loop) }
    guard let route = sessions[slot].request.route else { return }
    if sessions[slot].request.method == .options { return respondOptions(slot, route, loop) }
    if route.isSubmission { submit(slot, loop) } else { dispatch(slot, route, loop) }
  }

  /// Takes tokens for a request, and remembers the balance for the answer's fields.
  func charge(_ slot: Int, cost: Int, _ loop: Loop) throws(Refusal) {
    guard let route = sessions[slot].request.route, !route.isUnlimited, sessions[slot].audience == .api, limiter != nil else { return }
    if route == .peers, sessions[slot].isLoopback, !sessions[slot].request.isForwarded { return }
    let key = sessions[slot].request.clientKey ?? sessions[slot].addressKey
    let verdict = limiter!.charge(key.0, key.1, cost: cost, now: loop.now)
    sessions[slot].request.rate = verdict
    guard verdict.isAllowed else {
      counters[0].rateLimited += 1
      throw Refusal(.rateLimited, "too many requests; try again in \(verdict.secondsUntilReset) s", [("retry_after", .number(UInt64(verdict.secondsUntilReset)))])
    }
  }
}
