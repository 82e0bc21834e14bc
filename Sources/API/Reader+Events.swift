import Audit
import Bytes
import Digests
import JSON
import Ledger

extension Reader {
  func event(_ id: EventID, _ includes: [String], _ job: ReadJob) throws -> Answer {
    let found = try find(id)
    let redaction = try store.redaction(of: id)
    if redaction == nil { try requireBody(found) }
    let entry = try Entry(decoding: found.record.bytes)
    var json = JSONWriter()
    EventJSON.write(
      entry, id: id, record: found.record,
      position: .init(height: found.header.height.rawValue, leaf: found.leaf.rawValue, blockTimestamp: found.header.timestamp.rawValue),
      redaction: redaction, includesRaw: includes.contains("body_raw"), isOpen: true, &json)
    if includes.contains("proof") {
      json.key("proof")
      let proof = try inclusion(.event(id), nil, .json, nil, job).body
      json.raw(proof.bytes)
    }
    if includes.contains("bundle") {
      json.key("bundle")
      let bundle = try inclusion(.event(id), nil, .bundle, nil, job).body
      json.raw(bundle.bytes)
    }
    json.endObject()
    // A proof is under the head or the checkpoint of the moment.
    return includes.contains("proof") || includes.contains("bundle") ? Answer(.json, json.bytes) : .erasable(.json, json.bytes)
  }

  func rawEvent(_ id: EventID, bodyOnly: Bool, _ job: ReadJob) throws -> Answer {
    let found = try find(id)
    try requireBody(found)
    guard bodyOnly else { return .erasable(.event, found.record) }
    guard found.record.count >= Entry.byteCount + Record.saltByteCount else { throw Refusal(.notFound, "the event is detached: its body is not on the chain") }
    return .erasable(.octets, Array(found.record[(Entry.byteCount + Record.saltByteCount)...]))
  }

  func finalised(_ id: EventID, _ attestation: StaticString, isMinimal: Bool, _ job: ReadJob) throws -> Answer {
    let found = try find(id)
    let entry = try Entry(decoding: found.record.bytes)
    var json = JSONWriter()
    json.beginObject()
    json.key("id")
    json.hex(id.digest.bytes, prefix: "evt_")
    json.key("status")
    json.string("finalized" as StaticString)
    json.key("timestamp_ms")
    json.number(entry.statement.timestamp.rawValue)
    json.key("block_height")
    json.number(found.header.height.rawValue)
    json.key("leaf_index")
    json.number(found.leaf.rawValue)
    json.key("attestation")
    json.string(attestation)
    if !isMinimal {
      json.key("bundle")
      let bundle = try bundle(found, under: try certified(found.header), since: nil, publication: nil)
      json.raw(bundle.bytes)
    }
    json.endObject()
    return Answer(status: 201, .json, json.bytes, fields: Array("Location: /v1/events/\(id)\r\n".utf8))
  }
}
