import Audit
import Bytes
import HTTP1
import JSON
import Reactor

extension Gate {
  /// What the codec could not read: answered with its status, then closed.
  func refuseHead(_ slot: Int, _ violation: Violation, _ loop: Loop) {
    if sessions[slot].request.id.isEmpty || sessions[slot].parser.isReadingHead { sessions[slot].request.reset(now: loop.now) }
    if sessions[slot].request.id.isEmpty { sessions[slot].request.id.append("r-malformed") }
    sessions[slot].request.keepsAlive = false
    sessions[slot].request.refusal = Refusal(ErrorCode(codecStatus: violation.status), "\(violation.reason)")
    respondRefusal(slot, loop, status: violation.status)
  }

  func respondRefusal(_ slot: Int, _ loop: Loop, status: Int? = nil) {
    guard let refusal = sessions[slot].request.refusal else { return }
    let route = sessions[slot].request.route
    if route?.isSubmission ?? false { counters[0].refused(refusal.code) }
    if sessions[slot].audience == .api { counters[0].refusals[refusal.code.reason] += 1 }
    var fields: [UInt8] = []
    if let seconds = refusal.code.retryAfterSeconds ?? (refusal.code == .rateLimited ? sessions[slot].request.rate?.secondsUntilReset : nil) {
      fields += "Retry-After: \(seconds)\r\n".utf8
    }
    if refusal.code == .methodNotAllowed, let route { fields += "Allow: \(route.allowedMethods)\r\n".utf8 }
    let body = Self.errorBody(refusal, requestID: sessions[slot].request.id.text)
    respond(slot, Answer(status: status ?? refusal.code.status, .json, body, fields: fields), loop)
  }

  static func errorBody(_ refusal: Refusal, requestID: String) -> [UInt8] {
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
    json.string(requestID)
    json.endObject()
    json.endObject()
    return json.bytes
  }

  static func writeDetails(_ details: [(String, Refusal.Detail)], _ json: inout JSONWriter) {
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

  func refusal(_ code: ErrorCode, _ reason: StaticString, _ fault: ProfileFault?, _ record: RawSpan) -> Refusal {
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
    case "atomic": "another event of the atomic batch was refused"
    default: "\(reason)"
    }
  }
}
