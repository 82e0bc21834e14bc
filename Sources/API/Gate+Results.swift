import Audit
import Bytes
import Digests
import HTTP1
import JSON
import Reactor
import Replication

extension Gate {
  /// Answers a submission from its results.
  func respondSubmission(_ slot: Int, _ loop: Loop) {
    if sessions[slot].request.route == .events { respondSingle(slot, loop) } else { respondBatch(slot, loop) }
  }

  private func respondSingle(_ slot: Int, _ loop: Loop) {
    let result = sessions[slot].results[0]
    if case .refused(let code, let reason) = result.outcome {
      let body = sessions[slot].body
      sessions[slot].request.refusal = refusal(code, reason, result.fault, body.bytes)
      return respondRefusal(slot, loop)
    }
    guard let id = result.id else { return }
    if case .final = result.outcome {
      let request = ReadRequest.finalised(
        id, attestation: result.isGatewayAttested ? "gateway" : "client", isMinimal: sessions[slot].request.prefersMinimal)
      return read(slot, request, loop)
    }
    let leaf = replica?.finalLeaf(of: id, timestamp: result.timestamp)
    writeSingle(result, id, leaf, &json[0])
    switch result.outcome {
    case .duplicateFinal, .duplicatePending: respondWritten(slot, 200, loop)
    default: respondWritten(slot, 202, location: id, loop)
    }
  }

  private func writeSingle(_ result: SubmissionResult, _ id: EventID, _ leaf: LeafIndex?, _ json: inout JSONWriter) {
    let isFinal = if case .duplicateFinal = result.outcome { true } else { false }
    json.restart()
    json.beginObject()
    json.key("id")
    json.hex(id.digest.bytes, prefix: "evt_")
    json.key("status")
    json.string(isFinal ? "finalized" : "pending" as StaticString)
    json.key("timestamp_ms")
    json.number(result.timestamp.rawValue)
    json.key("block_height")
    json.null()
    if let leaf {
      json.key("leaf_index")
      json.number(leaf.rawValue)
    }
    json.key("attestation")
    json.string(result.isGatewayAttested ? "gateway" : "client" as StaticString)
    switch result.outcome {
    case .duplicateFinal, .duplicatePending:
      json.key("duplicate")
      json.bool(true)
    default: break
    }
    json.endObject()
  }

  private func respondBatch(_ slot: Int, _ loop: Loop) {
    let count = sessions[slot].results.count
    var accepted = 0, unfinalised = 0, isOnlyFull = true
    for index in 0..<count {
      switch sessions[slot].results[index].outcome {
      case .refused(.mempoolFull, _): continue
      case .refused(.conflict, _) where sessions[slot].request.isAtomic: continue
      case .refused, .undecided, .verified:
        isOnlyFull = false
        continue
      case .pending, .duplicatePending: unfinalised += 1
      case .duplicateFinal, .final: break
      }
      accepted += 1
    }
    let isMinimal = sessions[slot].request.prefersMinimal
    json[0].restart()
    json[0].beginObject()
    json[0].key("accepted")
    json[0].number(accepted)
    json[0].key("rejected")
    json[0].number(count - accepted)
    json[0].key("results")
    json[0].beginArray()
    if !isMinimal || accepted < count {
      let body = sessions[slot].body
      for index in 0..<count where !isMinimal || sessions[slot].results[index].isRefused {
        write(sessions[slot].results[index], index, body.bytes, &json[0])
      }
    }
    json[0].endArray()
    json[0].endObject()
    let waited = sessions[slot].request.waitMilliseconds != nil
    // 503 when nothing was wrong with the events but the room, else 400.
    let status = accepted == 0 ? (isOnlyFull ? 503 : 400) : waited && unfinalised == 0 ? 201 : 202
    respondWritten(slot, status, retryAfterSeconds: status == 503 ? 1 : nil, loop)
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
}
