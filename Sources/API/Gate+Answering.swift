import Ambient
import Audit
import Bytes
import Digests
import HTTP1
import JSON
import Reactor
import Replication

// Framing. An answer is written into one buffer that is kept, and handed to the loop in one piece; large bodies travel as shared bytes.
extension Gate {
  /// Bodies up to this size are copied behind their head.
  private static let copiedBodyBytesMax = 65_536

  /// Sends an answer to the request of a session, and makes the session ready for the next one.
  func respond(_ slot: Int, _ answer: Answer, _ loop: Loop) {
    if let tag = answer.caching.tag, answer.status == 200, knows(slot, tag) { return respondNotModified(slot, answer.caching, loop) }
    let keepsAlive = sessions[slot].request.keepsAlive && !isDraining
    begin(slot, answer.status, keepsAlive: keepsAlive)
    if answer.status != 204 {
      ResponseWriter.field("Content-Type", answer.mediaType.literal, into: &writers[0])
      ResponseWriter.field("Content-Length", UInt64(answer.body.count), into: &writers[0])
    }
    writeCaching(answer.caching)
    if !answer.fields.isEmpty { writers[0].append(answer.fields) }
    ResponseWriter.finish(into: &writers[0])
    let sendsBody = sessions[slot].request.method != .head && answer.status != 204
    let isShared = sendsBody && answer.body.count > Self.copiedBodyBytesMax
    if sendsBody && !isShared { writers[0].append(answer.body) }
    send(sessions[slot].connection, writers[0], loop)
    if isShared { loop.send(sessions[slot].connection, shared: SharedBytes(answer.body)) }
    complete(slot, answer.status, keepsAlive: keepsAlive, loop)
  }

  /// Sends what was written to `json`: the answers to submissions, which are many and small.
  func respondWritten(_ slot: Int, _ status: Int, location: EventID? = nil, retryAfterSeconds: Int? = nil, _ loop: Loop) {
    let keepsAlive = sessions[slot].request.keepsAlive && !isDraining
    begin(slot, status, keepsAlive: keepsAlive)
    if let location {
      writers[0].append("Location: /v1/events/evt_")
      writers[0].append(hex: location.digest.bytes)
      writers[0].append("\r\n")
    }
    if let retryAfterSeconds { ResponseWriter.field("Retry-After", UInt64(retryAfterSeconds), into: &writers[0]) }
    writers[0].append("Content-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: ")
    writers[0].append(decimal: UInt64(json[0].bytes.count))
    writers[0].append("\r\n\r\n")
    if sessions[slot].request.method != .head { writers[0].append(json[0].bytes) }
    send(sessions[slot].connection, writers[0], loop)
    complete(slot, status, keepsAlive: keepsAlive, loop)
  }

  /// Sends an answer that is rendered already.
  func respond(_ slot: Int, _ kind: PreparedAnswer.Kind, _ loop: Loop) {
    let index = kind.rawValue
    refreshCommonFields()
    if !prepared[index].isValid { prepare(kind) }
    let keepsAlive = sessions[slot].request.keepsAlive && !isDraining
    writers[0].removeAll()
    writers[0].append(prepared[index].head)
    sessions[slot].request.id.write(to: &writers[0])
    writers[0].append("\r\n")
    writeOrigin(slot)
    if keepsAlive { writers[0].append("\r\n") } else { writers[0].append("Connection: close\r\n\r\n") }
    if sessions[slot].request.method != .head { writers[0].append(prepared[index].body) }
    send(sessions[slot].connection, writers[0], loop)
    complete(slot, prepared[index].status, keepsAlive: keepsAlive, loop)
  }

  private func send(_ connection: ConnectionID, _ writer: borrowing ByteWriter, _ loop: Loop) { loop.send(connection, writer.bytes) }

  private func prepare(_ kind: PreparedAnswer.Kind) {
    let index = kind.rawValue
    json[0].restart()
    let status = render(kind, &json[0])
    prepared[index].body.removeAll(keepingCapacity: true)
    prepared[index].body.append(contentsOf: json[0].bytes)
    writers[0].removeAll()
    ResponseWriter.begin(status, into: &writers[0])
    writers[0].append(common[0].bytes)
    writers[0].append("Content-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: ")
    writers[0].append(decimal: UInt64(prepared[index].body.count))
    writers[0].append("\r\nX-Request-Id: ")
    prepared[index].head.removeAll(keepingCapacity: true)
    writers[0].copy(to: &prepared[index].head)
    prepared[index].status = status
    prepared[index].isValid = true
  }

  /// What is prepared no longer holds.
  func invalidatePrepared() {
    common[0].isValid = false
    for index in 0..<prepared.count { prepared[index].isValid = false }
  }

  /// Renders `Date` and `Moloch-Height` when they have changed.
  private func refreshCommonFields() {
    let height = replica?.durable.header.height.rawValue
    guard !common[0].isValid || height != common[0].height else { return }
    invalidatePrepared()
    common[0].isValid = true
    common[0].height = height
    common[0].bytes.removeAll(keepingCapacity: true)
    writers[0].removeAll()
    if !surroundings.date.isEmpty { ResponseWriter.field("Date", surroundings.date.bytes, into: &writers[0]) }
    if let height { ResponseWriter.field("Moloch-Height", height, into: &writers[0]) }
    writers[0].copy(to: &common[0].bytes)
  }

  /// Status line and the fields that every answer carries.
  private func begin(_ slot: Int, _ status: Int, keepsAlive: Bool) {
    refreshCommonFields()
    writers[0].removeAll()
    ResponseWriter.begin(status, into: &writers[0])
    writers[0].append(common[0].bytes)
    writers[0].append("X-Request-Id: ")
    sessions[slot].request.id.write(to: &writers[0])
    writers[0].append("\r\n")
    writeOrigin(slot)
    if let rate = sessions[slot].request.rate { writeRate(rate) }
    if !keepsAlive { writers[0].append("Connection: close\r\n") }
  }

  private func writeRate(_ rate: RateLimiter.Verdict) {
    guard let limit = limiter?.requestsPerMinute else { return }
    ResponseWriter.field("X-RateLimit-Limit", UInt64(limit), into: &writers[0])
    ResponseWriter.field("X-RateLimit-Remaining", UInt64(rate.remaining), into: &writers[0])
    ResponseWriter.field("X-RateLimit-Reset", wallMilliseconds / 1000 + UInt64(rate.secondsUntilReset), into: &writers[0])
    writers[0].append("RateLimit-Policy: \"default\";q=")
    writers[0].append(decimal: UInt64(limit))
    writers[0].append(";w=60\r\nRateLimit: \"default\";r=")
    writers[0].append(decimal: UInt64(rate.remaining))
    writers[0].append(";t=")
    writers[0].append(decimal: UInt64(rate.secondsUntilReset))
    writers[0].append("\r\n")
  }

  private func writeCaching(_ caching: Answer.Caching) {
    switch caching {
    case .never: writers[0].append("Cache-Control: no-store\r\n")
    case .seconds(let seconds):
      writers[0].append("Cache-Control: max-age=")
      writers[0].append(decimal: UInt64(seconds))
      writers[0].append("\r\n")
    case .immutable(let tag):
      writers[0].append("Cache-Control: public, max-age=31536000, immutable\r\n")
      writers[0].append(Array("ETag: \"\(tag)\"\r\n".utf8))
    case .erasable(let tag):
      writers[0].append("Cache-Control: no-store\r\n")
      writers[0].append(Array("ETag: \"\(tag)\"\r\n".utf8))
    }
  }

  // MARK: Entity tags

  /// Whether the client has the content with this tag already (`If-None-Match`, RFC 9110 section 13.1.2, weak comparison).
  private func knows(_ slot: Int, _ tag: String) -> Bool {
    guard !sessions[slot].request.knownTags.isEmpty else { return false }
    let known = sessions[slot].request.knownTags
    let span = known.bytes
    let quoted = Array("\"\(tag)\"".utf8)
    var elements = ListElements(0..<known.count)
    while let element = elements.next(span) {
      let candidate = span.extracting(element)
      if candidate.equals("*") { return true }
      let strong = candidate.hasPrefix("W/") ? candidate.extracting(2..<candidate.byteCount) : candidate
      if strong.elementsEqual(quoted.bytes) { return true }
    }
    return false
  }

  private func respondNotModified(_ slot: Int, _ caching: Answer.Caching, _ loop: Loop) {
    let keepsAlive = sessions[slot].request.keepsAlive && !isDraining
    begin(slot, 304, keepsAlive: keepsAlive)
    writeCaching(caching)
    ResponseWriter.finish(into: &writers[0])
    send(sessions[slot].connection, writers[0], loop)
    complete(slot, 304, keepsAlive: keepsAlive, loop)
  }

  // MARK: The end of a request

  private func complete(_ slot: Int, _ status: Int, keepsAlive: Bool, _ loop: Loop) {
    if sessions[slot].audience == .api { measure(slot, status, loop) }
    returnStorage(slot)
    let wasWaiting = sessions[slot].phase != .reading
    guard keepsAlive else {
      sessions[slot].phase = .closing
      sessions[slot].deadline = loop.now.adding(milliseconds: 10_000)
      return loop.close(sessions[slot].connection)
    }
    sessions[slot].phase = .reading
    sessions[slot].deadline = loop.now.adding(milliseconds: options.idleTimeoutMilliseconds)
    sessions[slot].isPaused = false
    if wasWaiting { loop.resumeInput(sessions[slot].connection) }
  }

  private func measure(_ slot: Int, _ status: Int, _ loop: Loop) {
    let nanoseconds = loop.now.nanoseconds(since: sessions[slot].request.began)
    counters[0].observe(nanoseconds: nanoseconds)
    latencies[0].observe(nanoseconds: nanoseconds, now: loop.now)
    guard options.detailsRequests else { return }
    details[0].observe(
      sessions[slot].request.route, sessions[slot].request.method, status: status, nanoseconds: nanoseconds, id: sessions[slot].request.id,
      unixMilliseconds: wallMilliseconds)
  }

  /// The client asked whether to go on: yes.
  func sendContinue(_ slot: Int, _ loop: Loop) {
    writers[0].removeAll()
    writers[0].append("HTTP/1.1 100 Continue\r\n\r\n")
    send(sessions[slot].connection, writers[0], loop)
  }

  func respondOptions(_ slot: Int, _ route: Route, _ loop: Loop) {
    var fields = "Allow: \(route.allowedMethods)\r\n"
    if sessions[slot].request.origin >= 0 {
      fields += "Access-Control-Allow-Methods: \(route.allowedMethods)\r\n"
      fields += "Access-Control-Allow-Headers: Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, Prefer, X-API-Key, X-Request-Id\r\n"
      fields += "Access-Control-Max-Age: 600\r\n"
    }
    respond(slot, Answer(status: 204, .text, [], fields: Array(fields.utf8)), loop)
  }

  /// What lets a page of a configured origin read this answer.
  private func writeOrigin(_ slot: Int) {
    guard !options.corsOrigins.isEmpty else { return }
    writers[0].append("Vary: Origin\r\n")
    // The list may have changed since the request was read.
    let position = sessions[slot].request.origin
    guard position >= 0, position < options.corsOrigins.count else { return }
    writers[0].append(Array("Access-Control-Allow-Origin: \(options.corsOrigins[position])\r\n".utf8))
    writers[0].append("Access-Control-Expose-Headers: X-Request-Id, Moloch-Height, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, ")
    writers[0].append("RateLimit-Policy, Retry-After, Location\r\n")
  }
}
