import Audit
import Bytes
import Digests
import Ed25519
import JSON
import Ledger

extension Reader {
  /// The set of a stored block. Found by height: sets change between epochs.
  func set(of header: BlockHeader) throws -> ValidatorSet {
    let set = try store.validators(at: header.height, genesis: genesis.validators)
    guard set.hash == header.validatorsHash else { throw StoreError.damaged("the set of height \(header.height.rawValue)") }
    return set
  }

  /// Every handoff below a height: with genesis they lead to its set.
  func handoffs(below height: Height) throws -> [Handoff] {
    var handoffs: [Handoff] = []
    while handoffs.count < LedgerLimit.handoffs {
      let next = try store.handoffs(from: handoffs.last?.header.height.next ?? Height(0), countMax: APILimit.handoffs)
      handoffs += next.prefix { $0.header.height < height }
      if next.count < APILimit.handoffs || next.contains(where: { $0.header.height >= height }) { break }
    }
    return handoffs
  }

  func write(_ handoff: Handoff, _ json: inout JSONWriter) {
    json.beginObject()
    writeParts(handoff, &json)
    json.endObject()
  }

  private func writeParts(_ handoff: Handoff, _ json: inout JSONWriter) {
    json.key("header")
    json.base64(handoff.header.encoded.bytes)
    json.key("certificate")
    json.base64(handoff.certificate.bytes)
    json.key("validators")
    json.base64(handoff.next.encoded.bytes)
  }

  /// The set of a height up to the one after the head.
  func validators(_ height: Height) throws -> Answer {
    guard height <= store.head.height.next else { throw Refusal(.notFound, "the set of that height is not final yet", [("head_height", .number(store.head.height.rawValue))]) }
    let set = try store.validators(at: height, genesis: genesis.validators)
    var json = JSONWriter()
    json.beginObject()
    json.key("height")
    json.number(height.rawValue)
    json.key("epoch")
    json.number(genesis.parameters.epoch(of: height).rawValue)
    json.key("validators_hash")
    json.hex(set.hash.bytes)
    json.key("total_power")
    json.number(set.totalPower)
    json.key("quorum_power")
    json.number(set.quorumPower)
    json.key("validators")
    json.beginArray()
    for (index, validator) in set.validators.enumerated() {
      json.beginObject()
      json.key("index")
      json.number(index)
      json.key("public_key")
      json.string("\(validator.publicKey)")
      json.key("name")
      json.string(validator.name)
      json.key("power")
      json.number(validator.power)
      json.key("vkey")
      json.string(VerifierKey(name: "\(genesis.domain)/\(validator.name)", type: .cosignature, key: validator.cosignerKey).text)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return Answer(.json, json.bytes)
  }

  /// Handoffs of blocks from an epoch on, ascending. The epoch of a handoff is the one that it ends.
  func validatorHistory(_ epoch: Epoch, _ countMax: Int) throws -> Answer {
    let length = UInt64(genesis.parameters.epochLength)
    var json = JSONWriter()
    json.beginObject()
    json.key("handoffs")
    json.beginArray()
    // Beyond the head there is nothing to multiply.
    let isKnown = epoch <= genesis.parameters.epoch(of: store.head.height)
    for handoff in isKnown ? try store.handoffs(from: Height(epoch.rawValue * length + 1), countMax: countMax) : [] {
      json.beginObject()
      json.key("height")
      json.number(handoff.header.height.rawValue)
      json.key("epoch")
      json.number(genesis.parameters.epoch(of: handoff.header.height).rawValue)
      writeParts(handoff, &json)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return Answer(.json, json.bytes)
  }
}
