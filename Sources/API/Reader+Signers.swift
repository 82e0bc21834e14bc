import Audit
import Ed25519
import JSON
import Ledger

extension Reader {
  /// The body of `GET /v1/signers/{key}`: what the key has signed, and whether its sequences are complete.
  func signer(_ key: PublicKey) throws -> Answer {
    try store.advance(&memory.history)
    let name = memory.history.state.signers.records.first { $0.key == key }?.name
    let activity = try store.activity(of: key)
    guard name != nil || activity != nil else { throw Refusal(.notFound, "no event of this signer is on the chain") }
    var json = JSONWriter()
    json.beginObject()
    json.key("public_key")
    json.string("\(key)")
    json.key("name")
    if let name { json.string(name) } else { json.null() }
    json.key("first_seen_ms")
    if let activity { json.number(activity.firstSeen.rawValue) } else { json.null() }
    json.key("event_count")
    json.number(activity?.eventCount ?? 0)
    json.key("streams")
    json.beginArray()
    for stream in activity?.streams ?? [] {
      json.beginObject()
      json.key("stream")
      json.number(stream.stream)
      json.key("last_seq")
      json.number(stream.lastSequence)
      json.key("gaps")
      json.beginArray()
      for gap in stream.gaps {
        json.beginArray()
        json.number(gap.lowerBound)
        json.number(gap.upperBound)
        json.endArray()
      }
      json.endArray()
      json.key("conflicts")
      json.number(stream.conflicts)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return Answer(.json, json.bytes)
  }
}
