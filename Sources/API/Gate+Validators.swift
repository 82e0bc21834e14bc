import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import JSON
import Ledger
import Replication

// The validators of the set in force, where the votes of the current view stand, and what validators did wrong.
extension Gate {
  func validatorsBody(_ replica: Replica, _ now: Instant) -> [UInt8] {
    let set = replica.chain.validators
    let next = replica.durable.header.height.next
    var json = JSONWriter()
    json.beginObject()
    json.key("height")
    json.number(next.rawValue)
    json.key("epoch")
    json.number(chain.parameters.epoch(of: next).rawValue)
    json.key("validators_hash")
    json.hex(set.hash.bytes)
    json.key("total_power")
    json.number(set.totalPower)
    json.key("quorum_power")
    json.number(set.quorumPower)
    json.key("validators")
    json.beginArray()
    for validator in set.validators { writeValidator(validator.publicKey, replica, &json) }
    json.endArray()
    json.endObject()
    return json.bytes
  }

  /// Whether `/v1/validators/{key}` has something to say: members of the set in force or of a coming one, and this node's own key.
  func knowsValidator(_ key: PublicKey, _ replica: Replica) -> Bool {
    key == validatorKey || key == chain.validatorKey || replica.chain.validators.index(of: key) != nil
      || comingSets(replica).contains { $0.index(of: key) != nil }
  }

  func writeValidator(_ key: PublicKey, _ replica: Replica, _ json: inout JSONWriter) {
    let index = replica.chain.validators.index(of: key)
    let coming = comingSets(replica).lazy.compactMap { set in set.index(of: key).map { set.validators[$0] } }.first
    let validator = index.map { replica.chain.validators.validators[$0] } ?? coming
    json.beginObject()
    json.key("index")
    if let index { json.number(index) } else { json.null() }
    json.key("public_key")
    json.string("\(key)")
    json.key("name")
    json.string(validator?.name ?? "")
    json.key("power")
    json.number(index == nil ? 0 : validator?.power ?? 0)
    json.key("state")
    json.string(state(of: key, replica))
    json.key("vkey")
    if let validator {
      json.string(VerifierKey(name: "\(chain.genesis.domain)/\(validator.name)", type: .cosignature, key: validator.cosignerKey).text)
    } else {
      json.null()
    }
    json.key("blocks_proposed_24h")
    json.number(surroundings.proposedLastDay[key] ?? 0)
    json.key("missed_votes_24h")
    json.number(key == validatorKey ? surroundings.missedVotesLastDay : 0)
    json.key("last_vote_height")
    json.number(index == nil ? 0 : replica.machine.votedHeight(key).rawValue)
    let head = replica.durable.header
    let slot = (index == nil ? nil : replica.machine.nextHeight(ofLeader: key)).map { max($0, head.height.next) }
    json.key("next_slot")
    if let slot { json.number(slot.rawValue) } else { json.null() }
    json.key("next_slot_in_ms")
    if let slot {
      json.number(pace.milliseconds(blocks: slot.rawValue - head.height.rawValue, after: head.timestamp, wall: wallMilliseconds, fallback: chain.parameters.blockTime))
    } else {
      json.null()
    }
    json.endObject()
  }

  /// Sets that approved changes bring, the nearest epoch first.
  private func comingSets(_ replica: Replica) -> [ValidatorSet] {
    replica.chain.tip.governance.scheduled.sorted { $0.effectiveEpoch < $1.effectiveEpoch }.compactMap { change in
      guard case .proposeValidators(let proposal) = change.act else { return nil }
      return proposal.next
    }
  }

  /// The word of `validator status`. That another validator listens cannot be seen from here.
  private func state(of key: PublicKey, _ replica: Replica) -> StaticString {
    let coming = comingSets(replica)
    guard replica.chain.validators.index(of: key) != nil else { return coming.contains { $0.index(of: key) != nil } ? "pending" : "inactive" }
    if key == validatorKey {
      switch replica.machine.standing {
      case .listening: return "listening"
      case .halted: return "halted"
      case .voting: break
      }
    }
    return coming.contains { $0.index(of: key) == nil } ? "leaving" : "active"
  }

  // MARK: The current view

  /// The body of `GET /v1/consensus/state`. Times are milliseconds; signers are names.
  func consensusBody(_ replica: Replica, _ now: Instant) -> [UInt8] {
    let facts = replica.viewFacts, set = facts.validators
    var json = JSONWriter()
    json.beginObject()
    json.key("epoch")
    json.number(facts.epoch.rawValue)
    json.key("view")
    json.number(facts.view.rawValue)
    json.key("leader")
    writeMember(facts.leader, set, &json)
    json.key("proposal")
    write(facts.proposal, &json)
    json.key("total_power")
    json.number(set.totalPower)
    json.key("quorum_power")
    json.number(facts.quorumPower)
    json.key("votes")
    json.beginObject()
    json.key("notarise")
    write(facts.notarise, set, &json)
    json.key("nullify")
    write(facts.nullify, set, &json)
    json.key("finalise")
    write(facts.finalise, set, &json)
    json.endObject()
    json.key("timers")
    json.beginObject()
    json.key("leader_in_ms")
    write(facts.leaderDeadline, now, &json)
    json.key("advance_in_ms")
    write(facts.advanceDeadline, now, &json)
    json.key("back_off")
    json.number(facts.backOff)
    json.endObject()
    json.key("certificates")
    json.beginArray()
    for vote in facts.certificates { write(vote, &json) }
    json.endArray()
    writeFinal(replica.machine.floor, &json)
    writeHeard(facts, replica, now, &json)
    json.key("connected")
    json.beginArray()
    // Validator keys that peers have proven, in the set or not, and this node's own.
    for key in connectedKeys(replica) { json.string("\(key)") }
    json.endArray()
    json.endObject()
    return json.bytes
  }

  private func connectedKeys(_ replica: Replica) -> [PublicKey] {
    var keys = validatorKey.map { [$0] } ?? []
    for key in replica.peerHeads.compactMap(\.validator) where !keys.contains(key) { keys.append(key) }
    return keys.sorted()
  }

  // MARK: The policy

  /// The body of `GET /v1/policy`: this node's log line and the validators of the set in force. Each name counts once in a policy, so powers must be equal.
  func policy(_ replica: Replica) throws(Refusal) -> String {
    let set = replica.chain.validators, domain = chain.genesis.domain
    guard Set(set.validators.map(\.power)).count == 1 else {
      throw Refusal(.notFound, "a policy cannot express the weights of this set", [("reason", .text("unequal_powers"))])
    }
    var text = "log \(VerifierKey(name: chain.genesis.origin, type: .log, key: chain.nodeKey).text) https://\(domain)/tlog\n"
    for validator in set.validators {
      let key = VerifierKey(name: "\(domain)/\(validator.name)", type: .cosignature, key: validator.cosignerKey)
      text += "witness \(validator.name) \(key.text) https://\(domain)/\(validator.name)\n"
    }
    // A group shares the space of names: it takes one that no validator has.
    var group = "validators"
    while set.validators.contains(where: { $0.name == group }) { group += "-" }
    return text + "group \(group) \(2 * set.count / 3 + 1) \(set.validators.map(\.name).joined(separator: " "))\nquorum \(group)\n"
  }

  private func writeFinal(_ floor: Machine.Floor, _ json: inout JSONWriter) {
    json.key("final")
    json.beginObject()
    json.key("height")
    json.number(floor.block.height.rawValue)
    json.key("hash")
    json.hex(floor.block.hash.bytes)
    json.key("view")
    json.number(floor.view.rawValue)
    json.endObject()
  }

  private func writeHeard(_ facts: ViewFacts, _ replica: Replica, _ now: Instant, _ json: inout JSONWriter) {
    let set = facts.validators
    json.key("validators")
    json.beginArray()
    for (index, heard) in facts.heard.enumerated() {
      json.beginObject()
      json.key("index")
      json.number(index)
      json.key("name")
      json.string(set.validators[index].name)
      json.key("heard_ms_ago")
      json.number(set.validators[index].publicKey == validatorKey || now <= heard ? 0 : now.milliseconds(since: heard))
      json.key("last_vote_height")
      json.number(replica.machine.votedHeight(set.validators[index].publicKey).rawValue)
      json.endObject()
    }
    json.endArray()
  }

  private func writeMember(_ index: Int, _ set: ValidatorSet, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("index")
    json.number(index)
    json.key("public_key")
    json.string("\(set.validators[index].publicKey)")
    json.key("name")
    json.string(set.validators[index].name)
    json.endObject()
  }

  private func write(_ proposal: BlockReference?, _ json: inout JSONWriter) {
    guard let proposal else { return json.null() }
    json.beginObject()
    json.key("height")
    json.number(proposal.height.rawValue)
    json.key("hash")
    json.hex(proposal.hash.bytes)
    json.endObject()
  }

  private func write(_ votes: ViewFacts.Votes, _ set: ValidatorSet, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("power")
    json.number(votes.power)
    json.key("signers")
    json.beginArray()
    for signer in votes.signers { json.string(set.validators[signer].name) }
    json.endArray()
    json.endObject()
  }

  private func write(_ deadline: Instant, _ now: Instant, _ json: inout JSONWriter) {
    guard deadline != .distantFuture else { return json.null() }
    json.number(deadline > now ? deadline.milliseconds(since: now) : 0)
  }

  private func write(_ vote: Vote, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("kind")
    json.string("\(vote.kind)")
    json.key("view")
    json.number(vote.view.rawValue)
    json.key("height")
    if vote.kind == .nullify { json.null() } else { json.number(vote.height.rawValue) }
    json.key("block_hash")
    if vote.kind == .nullify { json.null() } else { json.hex(vote.blockHash.bytes) }
    json.endObject()
  }

  // MARK: Evidence

  /// The body of `GET /v1/evidence`: each piece is two signed votes of 200 bytes, base64.
  func evidenceBody(_ replica: Replica) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("evidence")
    json.beginArray()
    for piece in replica.evidence {
      json.beginObject()
      json.key("signer")
      json.string("\(piece.signer)")
      json.key("kind")
      json.string(piece.offence.rawValue)
      json.key("epoch")
      json.number(piece.first.vote.epoch.rawValue)
      json.key("view")
      json.number(piece.first.vote.view.rawValue)
      json.key("first")
      json.base64(piece.first.encoded.bytes)
      json.key("second")
      json.base64(piece.second.encoded.bytes)
      json.endObject()
    }
    json.endArray()
    json.key("count")
    json.number(replica.evidence.count)
    json.endObject()
    return json.bytes
  }
}
