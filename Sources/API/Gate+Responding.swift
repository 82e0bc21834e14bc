import Ambient
import Audit
import Bytes
import Digests
import HTTP1
import JSON
import Ledger
public import Reactor
import Replication

extension Gate {
  // MARK: Framing

  /// Sends an answer to the request of a session, and makes the session ready for the next one.
  func respond(_ slot: Int, _ answer: Answer, _ loop: Loop) {
    guard let session = sessions[slot] else { return }
    let keepsAlive = session.request.keepsAlive && !isDraining
    scratch.removeAll(keepingCapacity: true)
    ResponseWriter.begin(answer.status, into: &scratch)
    head(session, keepsAlive: keepsAlive)
    if answer.status != 204 {
      ResponseWriter.field("Content-Type", answer.mediaType.literal, into: &scratch)
      ResponseWriter.field("Content-Length", UInt64(answer.body.count), into: &scratch)
    }
    switch answer.caching {
    case .never: ResponseWriter.field("Cache-Control", "no-store", into: &scratch)
    case .seconds(let seconds):
      scratch.append("Cache-Control: max-age=")
      scratch.append(decimal: UInt64(seconds))
      scratch.append("\r\n")
    case .immutable(let tag):
      ResponseWriter.field("Cache-Control", "public, max-age=31536000, immutable", into: &scratch)
      if let tag { scratch += "ETag: \"\(tag)\"\r\n".utf8 }
    }
    scratch += answer.fields
    ResponseWriter.finish(into: &scratch)
    let sendsBody = !session.request.isHead && answer.status != 204
    if sendsBody && answer.body.count <= 65_536 {
      scratch += answer.body
      send(session.connection, loop)
    } else {
      send(session.connection, loop)
      if sendsBody { loop.send(session.connection, shared: SharedBytes(answer.body)) }
    }
    complete(slot, keepsAlive: keepsAlive, loop)
  }

  /// Queues what was written to the scratch buffer; the loop copies it.
  private func send(_ connection: ConnectionID, _ loop: Loop) {
    let bytes = scratch
    loop.send(connection, bytes.bytes)
  }

  /// The fields that every answer carries.
  private func head(_ session: Session, keepsAlive: Bool) {
    if !surroundings.date.isEmpty { ResponseWriter.field("Date", surroundings.date.bytes, into: &scratch) }
    ResponseWriter.field("X-Request-Id", session.request.id.bytes, into: &scratch)
    if let replica { ResponseWriter.field("Moloch-Height", replica.durable.header.height.rawValue, into: &scratch) }
    if let rate = session.request.rate, let limiter {
      ResponseWriter.field("X-RateLimit-Limit", UInt64(limiter.requestsPerMinute), into: &scratch)
      ResponseWriter.field("X-RateLimit-Remaining", UInt64(rate.remaining), into: &scratch)
      ResponseWriter.field("X-RateLimit-Reset", wallMilliseconds / 1000 + UInt64(rate.secondsUntilReset), into: &scratch)
      scratch += "RateLimit-Policy: \"default\";q=\(limiter.requestsPerMinute);w=60\r\n".utf8
      scratch += "RateLimit: \"default\";r=\(rate.remaining);t=\(rate.secondsUntilReset)\r\n".utf8
    }
    if !keepsAlive { ResponseWriter.field("Connection", "close", into: &scratch) }
  }

  private func complete(_ slot: Int, keepsAlive: Bool, _ loop: Loop) {
    guard let session = sessions[slot] else { return }
    if session.audience == .api { statistics.observe(nanoseconds: loop.now.nanoseconds(since: session.request.began)) }
    bodyBytesInFlight -= session.body.count
    // A large body's storage is given back; a small one is kept for the next request.
    sessions[slot]!.body.removeAll(keepingCapacity: session.body.count <= 16_384)
    sessions[slot]!.results.removeAll(keepingCapacity: session.results.count <= 64)
    let wasWaiting = session.phase != .reading
    guard keepsAlive else {
      sessions[slot]!.phase = .closing
      sessions[slot]!.deadline = loop.now.adding(milliseconds: 10_000)
      return loop.close(session.connection)
    }
    sessions[slot]!.phase = .reading
    sessions[slot]!.deadline = loop.now.adding(milliseconds: options.idleTimeoutMilliseconds)
    sessions[slot]!.isPaused = false
    if wasWaiting { loop.resumeInput(session.connection) }
  }

  /// The client asked whether to go on: yes.
  func sendContinue(_ slot: Int, _ loop: Loop) {
    guard let connection = sessions[slot]?.connection else { return }
    scratch.removeAll(keepingCapacity: true)
    scratch.append("HTTP/1.1 100 Continue\r\n\r\n")
    send(connection, loop)
  }

  func respondOptions(_ slot: Int, _ route: Route, _ loop: Loop) {
    respond(slot, Answer(status: 204, .text, [], fields: Array("Allow: \(route.allowedMethods)\r\n".utf8)), loop)
  }

  // MARK: Refusals

  /// What the codec could not read: answered with its status, then closed.
  func refuseHead(_ slot: Int, _ violation: Violation, _ loop: Loop) {
    if sessions[slot]!.request.id.isEmpty || sessions[slot]!.parser.isReadingHead { sessions[slot]!.request.reset(now: loop.now) }
    if sessions[slot]!.request.id.isEmpty { sessions[slot]!.request.id.append("r-malformed") }
    sessions[slot]!.request.keepsAlive = false
    sessions[slot]!.request.refusal = Refusal(ErrorCode(codecStatus: violation.status), "\(violation.reason)")
    respondRefusal(slot, loop, status: violation.status)
  }

  func respondRefusal(_ slot: Int, _ loop: Loop, status: Int? = nil) {
    guard let session = sessions[slot], let refusal = session.request.refusal else { return }
    if session.request.route?.isSubmission ?? false { statistics.refused(refusal.code) }
    var fields: [UInt8] = []
    if let seconds = refusal.code.retryAfterSeconds ?? (refusal.code == .rateLimited ? session.request.rate?.secondsUntilReset : nil) {
      ResponseWriter.field("Retry-After", UInt64(seconds), into: &fields)
    }
    if refusal.code == .methodNotAllowed, let route = session.request.route { fields += "Allow: \(route.allowedMethods)\r\n".utf8 }
    let body = Self.errorBody(refusal, requestID: session.request.id)
    respond(slot, Answer(status: status ?? refusal.code.status, .json, body, fields: fields), loop)
  }

  static func errorBody(_ refusal: Refusal, requestID: [UInt8]) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("error")
    json.beginObject()
    json.key("code")
    json.string(refusal.code.rawValue)
    json.key("message")
    json.string(refusal.message)
    json.key("details")
    writeDetails(refusal.details, &json)
    json.key("request_id")
    json.string(String(decoding: requestID, as: UTF8.self))
    json.endObject()
    json.endObject()
    return json.bytes
  }

  private static func writeDetails(_ details: [(String, Refusal.Detail)], _ json: inout JSONWriter) {
    json.beginObject()
    for (name, value) in details {
      json.key(name)
      switch value {
      case .text(let text): json.string(text)
      case .number(let number): json.number(number)
      }
    }
    json.endObject()
  }

  // MARK: Submissions

  func respondSubmission(_ slot: Int, _ loop: Loop) {
    guard let session = sessions[slot] else { return }
    if session.request.route == .events { respondSingle(slot, session.results[0], loop) } else { respondBatch(slot, loop) }
  }

  private func respondSingle(_ slot: Int, _ result: SubmissionResult, _ loop: Loop) {
    guard let session = sessions[slot] else { return }
    if case .refused(let code, let reason) = result.outcome {
      sessions[slot]!.request.refusal = refusal(code, reason, result.fault, session.body.bytes)
      return respondRefusal(slot, loop)
    }
    guard let id = result.id else { return }
    if case .final = result.outcome {
      let request = ReadRequest.finalised(
        id, attestation: result.isGatewayAttested ? "gateway" : "client", isMinimal: session.request.prefersMinimal)
      return read(slot, request, loop)
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("id")
    json.hex(id.digest.bytes, prefix: "evt_")
    let isFinal = if case .duplicateFinal = result.outcome { true } else { false }
    json.key("status")
    json.string(isFinal ? "finalized" : "pending" as StaticString)
    json.key("timestamp_ms")
    json.number(result.timestamp.rawValue)
    json.key("block_height")
    json.null()
    if let leaf = replica?.finalLeaf(of: id, timestamp: result.timestamp) {
      json.key("leaf_index")
      json.number(leaf.rawValue)
    }
    json.key("attestation")
    json.string(result.isGatewayAttested ? "gateway" : "client" as StaticString)
    var status = 202
    switch result.outcome {
    case .duplicateFinal, .duplicatePending:
      json.key("duplicate")
      json.bool(true)
      status = 200
    default: break
    }
    json.endObject()
    var fields: [UInt8] = []
    if status == 202 {
      fields.append("Location: /v1/events/evt_")
      Hex.append(id.digest.bytes.array.bytes, to: &fields)
      fields.append("\r\n")
    }
    respond(slot, Answer(status: status, .json, json.bytes, fields: fields), loop)
  }

  private func refusal(_ code: ErrorCode, _ reason: StaticString, _ fault: ProfileFault?, _ record: RawSpan) -> Refusal {
    var details: [(String, Refusal.Detail)] = [("field", .text(Self.field(of: reason))), ("reason", .text("\(reason)"))]
    if "\(reason)" == "bad_signature", record.byteCount >= Statement.byteCount {
      details.append(("statement", .text(Hex.encode(record.extracting(0..<Statement.byteCount)))))
    }
    if "\(reason)" == "timestamp_window" {
      details.append(("node_time_ms", .number(wallMilliseconds)))
      details.append(("past_window_ms", .number(chain.parameters.pastWindow)))
      details.append(("future_window_ms", .number(chain.parameters.futureWindow)))
    }
    return Refusal(code, fault.map { "\($0.message)" } ?? Self.message(of: reason), details)
  }

  private static func field(of reason: StaticString) -> String {
    switch "\(reason)" {
    case "bad_signature": "signature"
    case "wrong_chain": "chain_tag"
    case "timestamp_window": "timestamp_ms"
    case "bad_content_type", "bad_governance": "content_type"
    case "gateway_flag", "reserved_bits": "flags"
    case "digest_mismatch", "bad_body": "body"
    case "seq": "seq"
    case "signer": "signer"
    default: "record"
    }
  }

  private static func message(of reason: StaticString) -> String {
    switch "\(reason)" {
    case "bad_signature": "signature does not verify"
    case "wrong_chain": "the statement names another chain; compare the chain tag with the genesis of this node"
    case "timestamp_window": "the statement was signed outside the window of this chain"
    case "bad_content_type": "the content type is not assigned"
    case "bad_governance": "governance acts are not supported by this version"
    case "gateway_flag": "the gateway flag is reserved for the configured gateway keys"
    case "reserved_bits": "a reserved bit or byte is not zero"
    case "digest_mismatch": "salt and body do not have the digest of the statement"
    case "truncated_record": "the record ends before its announced length"
    case "bad_tag": "the bytes do not begin with the tag of an event"
    case "bad_length": "a length or a number is outside its range"
    case "mempool_full": "the mempool is full"
    case "signer_quota": "this signer holds its share of the mempool"
    case "seq": "the sequence number is used by another event of this signer and stream"
    case "signer": "the signer is not allowed on this chain"
    default: "\(reason)"
    }
  }

  private func respondBatch(_ slot: Int, _ loop: Loop) {
    guard let session = sessions[slot] else { return }
    var accepted = 0, unfinalised = 0
    for result in session.results {
      switch result.outcome {
      case .refused, .undecided: continue
      case .pending, .duplicatePending: unfinalised += 1
      case .duplicateFinal, .final: break
      }
      accepted += 1
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("accepted")
    json.number(accepted)
    json.key("rejected")
    json.number(session.results.count - accepted)
    json.key("results")
    json.beginArray()
    for (index, result) in session.results.enumerated() {
      if session.request.prefersMinimal { guard case .refused = result.outcome else { continue } }
      write(result, index, session.body.bytes, &json)
    }
    json.endArray()
    json.endObject()
    let waited = session.request.waitMilliseconds != nil
    let status = accepted == 0 ? batchFailure(session.results) : waited && unfinalised == 0 ? 201 : 202
    var fields: [UInt8] = []
    if status == 503 { ResponseWriter.field("Retry-After", 1, into: &fields) }
    respond(slot, Answer(status: status, .json, json.bytes, fields: fields), loop)
  }

  /// 503 when nothing was wrong with the events but the room, else 400.
  private func batchFailure(_ results: [SubmissionResult]) -> Int {
    let isOnlyFull = results.allSatisfy {
      if case .refused(.mempoolFull, _) = $0.outcome { true } else { false }
    }
    return isOnlyFull ? 503 : 400
  }

  private func write(_ result: SubmissionResult, _ index: Int, _ body: RawSpan, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("index")
    json.number(index)
    json.key("id")
    if let id = result.id { json.hex(id.digest.bytes, prefix: "evt_") } else { json.null() }
    json.key("status")
    switch result.outcome {
    case .refused: json.string("rejected" as StaticString)
    case .final, .duplicateFinal: json.string("finalized" as StaticString)
    default: json.string("pending" as StaticString)
    }
    switch result.outcome {
    case .duplicatePending, .duplicateFinal:
      json.key("duplicate")
      json.bool(true)
    default: break
    }
    json.key("error")
    if case .refused(let code, let reason) = result.outcome {
      let refusal = refusal(code, reason, result.fault, body.extracting(result.range))
      json.beginObject()
      json.key("code")
      json.string(refusal.code.rawValue)
      json.key("message")
      json.string(refusal.message)
      json.key("details")
      Self.writeDetails(refusal.details, &json)
      json.endObject()
    } else {
      json.null()
    }
    json.endObject()
  }

  // MARK: The storage thread's answers

  /// Hands a read to the storage thread; the session waits.
  func read(_ slot: Int, _ request: ReadRequest, _ loop: Loop) {
    guard let session = sessions[slot], let replica else { return }
    guard readsInFlight < APILimit.readsInFlight else {
      sessions[slot]!.request.refusal = Refusal(.notReady, "too many reads are waiting for the store")
      return respondRefusal(slot, loop)
    }
    readsInFlight += 1
    sessions[slot]!.phase = .waitingForStore
    reads.append(
      ReadJob(session.connection, session.serial, request, publication: surroundings.publication, durableSize: replica.durable.header.treeSize))
  }

  /// A read is answered. The request may be gone by now.
  public func answered(_ job: ReadJob, _ result: ReadResult, _ loop: Loop) {
    readsInFlight -= 1
    let slot = job.connection.slot
    guard let session = sessions[slot], session.connection == job.connection, session.serial == job.serial, session.phase == .waitingForStore else { return }
    switch result.outcome {
    case .success(let answer): respond(slot, answer, loop)
    case .failure(let refusal):
      sessions[slot]!.request.refusal = refusal
      respondRefusal(slot, loop)
    }
  }
}

/// What the storage thread found.
public final class ReadResult: Sendable {
  public let outcome: Result<Answer, Refusal>
  public init(_ outcome: Result<Answer, Refusal>) { self.outcome = outcome }
}
