import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import HTTP1
import JSON
import Ledger
import Mempool
public import Reactor
import Replication
import Verification

extension Gate {
  /// The body of a submission is complete: finds the records, then queues them for verification.
  func submit(_ slot: Int, _ loop: Loop) {
    spareResults[0].lend(to: &sessions[slot].results)
    sessions[slot].cursor = 0
    sessions[slot].unverified = 0
    sessions[slot].unfinalised = 0
    do throws(Refusal) {
      guard replica != nil else { throw Refusal(.notReady, "the node is starting") }
      if surroundings.readOnlyReason != nil { throw Refusal(.storageFull, "the store accepts no writes") }
      switch sessions[slot].request.contentType {
      case .event, .events: break
      case .json, .ndjson: try convertJSON(slot)
      default: throw Refusal(.unsupportedMediaType, "unsupported media type")
      }
      try frame(slot)
      try charge(slot, cost: sessions[slot].results.count, loop)
    } catch {
      sessions[slot].request.refusal = error
      return respondRefusal(slot, loop)
    }
    sessions[slot].phase = .verifying
    submissions.append(slot)
  }

  /// Cuts the body into records. A framing error rejects the record where it occurs and all behind it.
  private func frame(_ slot: Int) throws(Refusal) {
    let isSingle = sessions[slot].request.route == .events
    let body = sessions[slot].body
    let count = body.count
    guard count > 0 else { throw Refusal(.invalidEvent, "the body is empty", [("field", .text("record")), ("reason", .text("truncated_record"))]) }
    var offset = 0
    while offset < count {
      guard sessions[slot].results.count < APILimit.batchEvents else {
        throw Refusal(.batchTooLarge, "a batch has at most \(APILimit.batchEvents) events", [("limit", .number(UInt64(APILimit.batchEvents)))])
      }
      guard let length = Record.length(peeking: body.bytes, at: offset), length <= count - offset else {
        let isRecord = count - offset < 16 || Bytes16(body.bytes, at: offset) == Statement.tag
        sessions[slot].results.append(
          SubmissionResult(range: offset..<count, outcome: .refused(.invalidEvent, isRecord ? "truncated_record" : "bad_tag")))
        break
      }
      sessions[slot].results.append(SubmissionResult(range: offset..<offset + length, outcome: .undecided))
      offset += length
    }
    guard !isSingle || sessions[slot].results.count == 1 else {
      throw Refusal(.invalidEvent, "bytes follow the record", [("field", .text("record")), ("reason", .text("bad_length"))])
    }
  }

  /// Turns signed JSON (statement, signature, salt, body in base64) into record bytes in place of the body.
  private func convertJSON(_ slot: Int) throws(Refusal) {
    let body = sessions[slot].body
    var records: [UInt8] = []
    let values: [StrictJSON]
    do {
      if sessions[slot].request.contentType == .ndjson {
        var lines: [StrictJSON] = []
        for line in body.split(separator: 0x0A) { lines.append(try StrictJSON(parsing: Array(line), byteCountMax: line.count)) }
        values = lines
      } else {
        let value = try StrictJSON(parsing: body, byteCountMax: body.count)
        values = value.array ?? [value]
      }
    } catch {
      throw Refusal(.invalidRequest, "the body is not JSON: \(error)", [("field", .text("body"))])
    }
    for (index, value) in values.enumerated() { records += try record(value, index) }
    bodyBytesInFlight += records.count - body.count
    sessions[slot].body = records
  }

  private func record(_ value: StrictJSON, _ index: Int) throws(Refusal) -> [UInt8] {
    func refusal(_ field: String, _ reason: String) -> Refusal {
      Refusal(.invalidEvent, "event \(index): \(field) \(reason)", [("field", .text(field)), ("reason", .text(reason))])
    }
    guard let members = value.members else { throw Refusal(.invalidRequest, "event \(index) is no object", [("field", .text("body"))]) }
    for member in members where !["statement", "signature", "salt", "body"].contains(member.name) {
      if members.contains(where: { $0.name == "event_type" }) { throw refusal("statement", "unsigned") }
      throw Refusal(.invalidRequest, "event \(index): unknown member '\(member.name)'", [("field", .text(member.name))])
    }
    func blob(_ name: String) throws(Refusal) -> [UInt8]? {
      guard let member = value[name], !member.isNull else { return nil }
      guard let text = member.string, let bytes = Base64.decode(text) else { throw refusal(name, "bad_length") }
      return bytes
    }
    guard let statement = try blob("statement"), statement.count == Statement.byteCount else { throw refusal("statement", "bad_length") }
    guard let signature = try blob("signature"), signature.count == 64 else { throw refusal("signature", "bad_length") }
    let salt = try blob("salt"), content = try blob("body")
    return statement + signature + (salt ?? []) + (content ?? [])
  }

  // MARK: Verification

  /// Checks waiting records, up to the limit of a tick; what is beyond one batch goes to the helpers, as far as they have room. Returns true when some are left,
  /// so that the driver asks for another tick.
  public func verifySome(_ loop: Loop) -> Bool {
    var budget = APILimit.signaturesPerTick
    var alone = Verification.Limits.aloneCountMax
    while budget > 0, !submissions.isEmpty {
      let before = budget
      gather(&budget, &alone, loop)
      settleVerification(loop)
      offerRest(loop)
      // What is left belongs to sources in quarantine, and waits for the next tick.
      if budget == before { break }
    }
    return !submissions.isEmpty
  }

  /// Fills the verification queue from the submissions in order of arrival. Those of a source in quarantine let others pass once the tick has had its share of them.
  private func gather(_ budget: inout Int, _ alone: inout Int, _ loop: Loop) {
    inVerification.removeAll(keepingCapacity: true)
    var (kept, place) = (0, 0)
    while place < submissions.count, budget > 0, !verification.isFull {
      let slot = submissions[place]
      if sessions[slot].phase == .verifying {
        guard gather(slot, &budget, &alone, loop) else {
          submissions[kept] = slot
          kept += 1
          place += 1
          continue
        }
        if sessions[slot].unverified == 0 { finishSubmission(slot, loop) }
      }
      place += 1
    }
    submissions.removeSubrange(kept..<place)
  }

  /// Queues records of one submission; false when some of them have to wait.
  private func gather(_ slot: Int, _ budget: inout Int, _ alone: inout Int, _ loop: Loop) -> Bool {
    let isQuarantined = verification.isQuarantined(source(slot), at: loop.now.nanoseconds)
    while sessions[slot].cursor < sessions[slot].results.count {
      guard budget > 0, !verification.isFull, !isQuarantined || alone > 0 else { return false }
      let index = sessions[slot].cursor
      sessions[slot].cursor += 1
      guard case .undecided = sessions[slot].results[index].outcome else { continue }
      guard check(slot, index, loop) else { continue }
      budget -= 1
      if isQuarantined { alone -= 1 }
    }
    return true
  }

  /// Whom bad signatures of a session are held against: the client behind a trusted proxy, an IPv6 network of 64 bits, or an address. Mixed with a secret, so that
  /// nobody can choose an address that stands for somebody else.
  func source(_ slot: Int) -> UInt64 {
    let key = sessions[slot].request.clientKey ?? sessions[slot].addressKey
    // The second word of an IPv4 address is 4.
    let (high, low) = (key.0 ^ sourceSecret.0).multipliedFullWidth(by: (key.1 == 4 ? 4 : 6) ^ sourceSecret.1)
    return high ^ low
  }

  /// Everything about a record but its signature. Returns true when the signature was queued here or, with `isOffered`, with the helpers.
  func check(_ slot: Int, _ index: Int, isOffered: Bool = false, _ loop: Loop) -> Bool {
    let range = sessions[slot].results[index].range
    let body = sessions[slot].body
    let span = body.bytes.extracting(range)
    let record: Record
    do throws(FormatError) { record = try Record(parsing: span) } catch {
      sessions[slot].results[index].outcome = .refused(.invalidEvent, error.reasonLiteral)
      return false
    }
    let statement = record.entry.statement
    sessions[slot].results[index].id = record.id
    sessions[slot].results[index].timestamp = statement.timestamp
    sessions[slot].results[index].isGatewayAttested = statement.flags.contains(.gatewayAttested)
    if let outcome = known(record.id, statement.timestamp) {
      sessions[slot].results[index].outcome = outcome
      return false
    }
    if let (code, reason) = refusal(statement, hasBody: record.hasBody) {
      sessions[slot].results[index].outcome = .refused(code, reason)
      return false
    }
    if statement.contentType == .json, record.hasBody, !statement.flags.contains(.encrypted),
      let fault = profile.fault(in: span.extracting(Entry.byteCount + Record.saltByteCount..<record.byteCount))
    {
      sessions[slot].results[index].fault = fault
      sessions[slot].results[index].outcome = .refused(.invalidEvent, "bad_body")
      return false
    }
    let source = source(slot)
    let message = span.extracting(0..<Statement.byteCount)
    sessions[slot].unverified += 1
    if isOffered {
      offer(record.entry.signature, message, statement.signer, slot, index, source)
    } else {
      let token = UInt64(inVerification.count)
      let isQueued = verification.enqueue(record.entry.signature, over: message, by: statement.signer, token: token, source: source, now: loop.now.nanoseconds)
      precondition(isQueued, "gather has seen room in the queue")
      inVerification.append((slot, index))
    }
    return true
  }

  private func known(_ id: EventID, _ timestamp: Timestamp) -> SubmissionResult.Outcome? {
    guard let replica else { return nil }
    if replica.pool.lookup(id) != nil { return .duplicatePending }
    if replica.finalLeaf(of: id, timestamp: timestamp) != nil { return .duplicateFinal }
    return replica.isDecided(id, timestamp: timestamp) ? .duplicatePending : nil
  }

  /// Rules of the chain that need no look at the body, and this node's admission policy.
  private func refusal(_ statement: Statement, hasBody: Bool) -> (ErrorCode, StaticString)? {
    guard statement.chainTag == chain.genesis.chainTag else { return (.invalidEvent, "wrong_chain") }
    if hasBody && statement.bodyLength > chain.parameters.bodyBytesMax { return (.eventTooLarge, "bad_length") }
    guard statement.contentType.isAssigned else { return (.invalidEvent, "bad_content_type") }
    if statement.flags.contains(.gatewayAttested) { return (.invalidEvent, "gateway_flag") }
    let now = wallMilliseconds, time = statement.timestamp.rawValue
    guard time + chain.parameters.pastWindow >= now, time <= now + chain.parameters.futureWindow else { return (.invalidEvent, "timestamp_window") }
    guard let replica else { return (.notReady, "starting") }
    let height = replica.durable.header.height.next
    let isValidator = replica.chain.validators.index(of: statement.signer) != nil
    if statement.contentType.isGovernance { return isValidator && statement.flags.isEmpty ? nil : (.invalidEvent, "bad_governance") }
    guard !isValidator, replica.chain.signers.allows(statement.signer, at: height, mode: chain.parameters.signerMode) else { return (.signerNotAllowed, "signer") }
    return nil
  }

  /// Runs the batch and admits what is valid.
  private func settleVerification(_ loop: Loop) {
    guard !inVerification.isEmpty else { return }
    verdicts.removeAll(keepingCapacity: true)
    counters[0].signatures += UInt64(inVerification.count)
    counters[0].batches += 1
    verification.verify(now: loop.now.nanoseconds, into: &verdicts)
    (counters[0].signerHits, counters[0].signerMisses) = (verification.signerHits, verification.signerMisses)
    noteCombinations()
    for verdict in verdicts {
      let (slot, index) = inVerification[Int(verdict.token)]
      guard sessions[slot].phase == .verifying else { continue }
      settle(slot, index, isValid: verdict.isValid, loop)
    }
    for (slot, _) in inVerification { finishIfDecided(slot, loop) }
  }

  /// The signature of a record is decided.
  func settle(_ slot: Int, _ index: Int, isValid: Bool, _ loop: Loop) {
    sessions[slot].unverified -= 1
    if !isValid {
      sessions[slot].results[index].outcome = .refused(.invalidEvent, "bad_signature")
    } else {
      sessions[slot].results[index].outcome = sessions[slot].request.isAtomic ? .verified : admit(slot, index, loop)
    }
  }

  /// Answers a submission whose records are all decided.
  func finishIfDecided(_ slot: Int, _ loop: Loop) {
    guard sessions[slot].phase == .verifying, sessions[slot].unverified == 0, sessions[slot].cursor == sessions[slot].results.count else { return }
    finishSubmission(slot, loop)
  }

  private func admit(_ slot: Int, _ index: Int, _ loop: Loop) -> SubmissionResult.Outcome {
    guard let replica, let id = sessions[slot].results[index].id else { return .refused(.notReady, "starting") }
    let body = sessions[slot].body
    let span = body.bytes.extracting(sessions[slot].results[index].range)
    guard let statement = try? Statement(decoding: span) else { return .refused(.invalidEvent, "bad_tag") }
    guard isLawful(statement, span, replica) else { return .refused(.invalidEvent, "bad_governance") }
    if let outcome = conflict(statement, id, replica) { return outcome }
    let admission = replica.pool.admit(span, id: id, statement: statement, reactor: 0, now: loop.now)
    if case .accepted = admission { counters[0].accepted += 1 }
    return outcome(of: admission)
  }

  /// Acts of governance are checked against the state of the head; other events are always lawful.
  private func isLawful(_ statement: Statement, _ span: RawSpan, _ replica: Replica) -> Bool {
    guard statement.contentType.isGovernance else { return true }
    guard let record = try? Record(parsing: span) else { return false }
    return replica.chain.violation(of: record, in: span) == nil
  }

  /// What is to be said when a final event has used the sequence of this one; the pool looks among pending events. Asked after the signature, so that only
  /// its signer learns of it.
  private func conflict(_ statement: Statement, _ id: EventID, _ replica: Replica) -> SubmissionResult.Outcome? {
    guard replica.sequenceHolder(statement) != nil else { return nil }
    // The event itself may have become final since it was looked up.
    return known(id, statement.timestamp) ?? .refused(.sequenceConflict, "seq")
  }

  private func outcome(of admission: Admission) -> SubmissionResult.Outcome {
    switch admission {
    case .accepted: .pending
    case .duplicate: .duplicatePending
    case .full: .refused(.mempoolFull, "mempool_full")
    case .signerQuota: .refused(.mempoolFull, "signer_quota")
    case .sequenceConflict: .refused(.sequenceConflict, "seq")
    }
  }

  /// Admits all records of an atomic batch, or none: events enter the pool one by one and are passed on together, or withdrawn.
  private func admitTogether(_ slot: Int, _ loop: Loop) {
    guard let replica else { return }
    let pool = replica.pool
    let body = sessions[slot].body
    var entered: [EventHandle] = []
    var isRefused = sessions[slot].results.contains { $0.isRefused }
    for index in sessions[slot].results.indices where !isRefused {
      guard case .verified = sessions[slot].results[index].outcome, let id = sessions[slot].results[index].id else { continue }
      let span = body.bytes.extracting(sessions[slot].results[index].range)
      guard let statement = try? Statement(decoding: span) else { continue }
      guard isLawful(statement, span, replica) else {
        sessions[slot].results[index].outcome = .refused(.invalidEvent, "bad_governance")
        isRefused = true
        continue
      }
      if let outcome = conflict(statement, id, replica) {
        sessions[slot].results[index].outcome = outcome
        isRefused = sessions[slot].results[index].isRefused
        continue
      }
      let admission = pool.enter(span, id: id, statement: statement, reactor: 0, now: loop.now)
      sessions[slot].results[index].outcome = outcome(of: admission)
      if case .accepted(let handle) = admission { entered.append(handle) }
      isRefused = sessions[slot].results[index].isRefused
    }
    guard isRefused else {
      for handle in entered { pool.pass(handle, reactor: 0) }
      counters[0].accepted += UInt64(entered.count)
      return
    }
    for handle in entered { pool.withdraw(handle) }
    for index in sessions[slot].results.indices where !sessions[slot].results[index].isRefused {
      sessions[slot].results[index].outcome = .refused(.conflict, "atomic")
    }
  }

  private func finishSubmission(_ slot: Int, _ loop: Loop) {
    if sessions[slot].request.isAtomic { admitTogether(slot, loop) }
    for index in 0..<sessions[slot].results.count {
      if case .refused(let code, _) = sessions[slot].results[index].outcome { counters[0].refused(code) }
    }
    if let wait = sessions[slot].request.waitMilliseconds { return waitForFinality(slot, milliseconds: wait, loop) }
    respondSubmission(slot, loop)
  }
}

extension FormatError {
  /// The API's name of the cause, as a literal.
  var reasonLiteral: StaticString {
    switch self {
    case .truncated: "truncated_record"
    case .trailingBytes, .outOfRange: "bad_length"
    case .badTag: "bad_tag"
    case .reservedBits: "reserved_bits"
    case .badContentType: "bad_content_type"
    case .digestMismatch: "digest_mismatch"
    case .malformed: "bad_body"
    }
  }
}
