import Audit
import Bytes
import Digests
import Ed25519
import JSON
import Ledger

/// What a reader has read of governance so far, so that an answer costs only what is new. The storage thread's alone, as its reader is.
final class GovernanceMemory {
  var history: GovernanceHistory
  init(genesis: Genesis) { history = GovernanceHistory(genesis: genesis) }
}

// Set, parameters and proposals as of the head.
extension Reader {
  /// The body of `GET /v1/governance`.
  func governance() throws -> Answer {
    try store.advance(&memory.history)
    let state = memory.history.state
    var json = JSONWriter()
    json.beginObject()
    json.key("height")
    json.number(state.height.rawValue)
    json.key("epoch")
    json.number(state.parameters.epoch(of: state.height.next).rawValue)
    json.key("validators_hash")
    json.hex(state.validators.hash.bytes)
    json.key("total_power")
    json.number(state.validators.totalPower)
    json.key("quorum_power")
    json.number(state.validators.quorumPower)
    json.key("validators")
    json.beginArray()
    for validator in state.validators.validators { write(validator, &json) }
    json.endArray()
    json.key("params_hash")
    json.hex(state.parametersHash.bytes)
    json.key("parameters")
    write(state.parameters, &json)
    json.key("registered_signers")
    json.number(state.signers.records.count)
    json.key("changes")
    json.beginArray()
    for entry in memory.history.entries { write(entry, state, &json) }
    json.endArray()
    json.endObject()
    return Answer(.json, json.bytes)
  }

  private func write(_ validator: Validator, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("public_key")
    json.string("\(validator.publicKey)")
    json.key("cosigner_key")
    json.string("\(validator.cosignerKey)")
    json.key("power")
    json.number(validator.power)
    json.key("name")
    json.string(validator.name)
    json.endObject()
  }

  private func write(_ parameters: ChainParameters, _ json: inout JSONWriter) {
    json.beginObject()
    func member(_ name: StaticString, _ value: UInt64) {
      json.key(name)
      json.number(value)
    }
    member("block_time_ms", UInt64(parameters.blockTime))
    member("empty_block_interval_ms", UInt64(parameters.emptyBlockInterval))
    member("max_events_per_block", UInt64(parameters.eventsPerBlockMax))
    member("max_block_bytes", UInt64(parameters.blockBytesMax))
    member("max_body_bytes", UInt64(parameters.bodyBytesMax))
    member("epoch_length", UInt64(parameters.epochLength))
    member("past_window_ms", parameters.pastWindow)
    member("future_window_ms", parameters.futureWindow)
    json.key("signer_mode")
    json.string(parameters.signerMode == .any ? "any" as StaticString : "registered")
    member("protocol_version", UInt64(parameters.protocolVersion))
    json.endObject()
  }

  private func write(_ entry: GovernanceHistory.Entry, _ state: GovernanceState, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("id")
    json.string("\(entry.id)")
    json.key("kind")
    json.string(entry.act.kind)
    json.key("state")
    json.string(entry.fate.rawValue)
    json.key("proposer")
    json.string("\(entry.signer)")
    json.key("height")
    json.number(entry.height.rawValue)
    json.key("timestamp_ms")
    json.number(entry.timestamp.rawValue)
    json.key("effective_epoch")
    if let epoch = entry.act.effectiveEpoch { json.number(epoch.rawValue) } else { json.null() }
    json.key("decided_height")
    if let height = entry.decided { json.number(height.rawValue) } else { json.null() }
    json.key("approvals")
    json.beginArray()
    for key in entry.approvals { json.string("\(key)") }
    json.endArray()
    json.key("approving_power")
    json.number(entry.power(in: state.validators))
    switch entry.act {
    case .proposeValidators(let proposal): write(proposal, on: entry.base, &json)
    case .proposeSigners(let changes): write(changes, &json)
    case .proposeRedaction(let redaction): write(redaction, &json)
    case .proposeParameters(let proposal):
      json.key("parameters")
      write(proposal.parameters, &json)
    case .decide, .recordPrune: break
    }
    json.endObject()
  }

  /// The next set as what it takes away from, adds to and changes in the set of the proposal's block.
  private func write(_ proposal: ValidatorsProposal, on base: ValidatorSet, _ json: inout JSONWriter) {
    let next = proposal.next
    func list(_ name: StaticString, _ validators: [Validator]) {
      json.key(name)
      json.beginArray()
      for validator in validators { write(validator, &json) }
      json.endArray()
    }
    json.key("base")
    json.hex(proposal.base.bytes)
    json.key("validators_hash")
    json.hex(next.hash.bytes)
    json.key("total_power")
    json.number(next.totalPower)
    json.key("quorum_power")
    json.number(next.quorumPower)
    list("added", proposal.newcomers(to: base))
    list("removed", base.validators.filter { next.index(of: $0.publicKey) == nil })
    list("changed", next.validators.filter { validator in base.index(of: validator.publicKey).map { base.validators[$0] != validator } ?? false })
  }

  private func write(_ changes: [SignerChange], _ json: inout JSONWriter) {
    json.key("signers")
    json.beginArray()
    for change in changes {
      json.beginObject()
      json.key("op")
      json.string(change.operation == .put ? "put" as StaticString : "revoke")
      json.key("public_key")
      json.string("\(change.record.key)")
      json.key("name")
      json.string(change.record.name)
      json.key("valid_from_height")
      json.number(change.record.validFrom.rawValue)
      json.key("valid_to_height")
      json.number(change.record.validTo.rawValue)
      json.endObject()
    }
    json.endArray()
  }

  private func write(_ redaction: RedactionProposal, _ json: inout JSONWriter) {
    json.key("reason")
    json.number(UInt64(redaction.reason.rawValue))
    json.key("note")
    json.string(redaction.note)
    json.key("requester_hash")
    json.hex(redaction.requesterHash.bytes)
    json.key("events")
    json.beginArray()
    for id in redaction.events { json.string("\(id)") }
    json.endArray()
  }
}

extension GovernanceAct {
  /// The word of the API.
  var kind: StaticString {
    switch self {
    case .proposeValidators: "validators"
    case .decide: "decision"
    case .proposeSigners: "signers"
    case .proposeRedaction: "redaction"
    case .recordPrune: "prune"
    case .proposeParameters: "parameters"
    }
  }
}
