import Audit
import Bytes
import Digests
import Ed25519
import JSON
import Ledger
import Merkle

extension Reader {
  func block(_ name: Route.BlockName, _ includes: [String], octets: Bool) throws -> Answer {
    let height: Height
    switch name {
    case .latest: height = store.head.height
    case .height(let value): height = Height(value)
    case .hash(let text):
      guard let hash = Digest(hex: text) else { throw Refusal(.notFound, "no such block") }
      let found = try store.height(ofBlock: hash)
      guard let found else { throw Refusal(.notFound, "no such block") }
      height = found
    }
    let header = try header(height)
    let certificate = try certificate(height)
    let body: [UInt8]
    if octets {
      var bytes = header.encoded
      bytes.append(bigEndian: UInt32(certificate.count))
      body = bytes + certificate
    } else {
      var json = JSONWriter()
      try write(header, certificate, includes, &json)
      body = json.bytes
    }
    // One address, two representations.
    let fields = Array("Vary: Accept\r\n".utf8)
    if case .latest = name { return Answer(octets ? .octets : .json, body, fields: fields) }
    if !octets, includes.contains("events") { return .erasable(.json, body, fields: fields) }
    return .final(octets ? .octets : .json, body, fields: fields)
  }

  private func write(_ header: BlockHeader, _ certificate: [UInt8], _ includes: [String], _ json: inout JSONWriter) throws {
    var own: Certificate?
    if !certificate.isEmpty { own = try Certificate(decoding: certificate.bytes, chainTag: header.chainTag) }
    json.beginObject()
    json.key("height")
    json.number(header.height.rawValue)
    json.key("hash")
    json.hex(header.hash.bytes)
    json.key("parent_hash")
    json.hex(header.parentHash.bytes)
    json.key("proposer")
    json.string("\(header.proposer)")
    json.key("timestamp_ms")
    json.number(header.timestamp.rawValue)
    json.key("event_count")
    json.number(UInt64(header.eventCount))
    json.key("first_leaf_index")
    json.number(header.firstLeaf.rawValue)
    json.key("tree_size")
    json.number(header.treeSize)
    let digests: [(StaticString, Digest)] = [
      ("events_root", header.eventsRoot), ("tree_root", header.treeRoot), ("history_root", header.historyRoot),
      ("validators_hash", header.validatorsHash), ("next_validators_hash", header.nextValidatorsHash), ("params_hash", header.parametersHash),
    ]
    for (name, digest) in digests {
      json.key(name)
      json.hex(digest.bytes)
    }
    json.key("epoch")
    json.number(genesis.parameters.epoch(of: header.height).rawValue)
    json.key("view")
    if let own { json.number(own.vote.view.rawValue) } else { json.null() }
    json.key("certificate_height")
    json.number(header.height.rawValue)
    if includes.contains("certificate") {
      json.key("certificate")
      if own != nil { json.base64(certificate.bytes) } else { json.null() }
    }
    if includes.contains("ids") || includes.contains("events") { try writeEvents(header, includes, &json) }
    json.endObject()
  }

  private func writeEvents(_ header: BlockHeader, _ includes: [String], _ json: inout JSONWriter) throws {
    guard header.height >= store.earliestEntryHeight else {
      throw Refusal(
        .pruned, "the entries of this block were pruned on this node, which holds entries from leaf \(try earliestEntryIndex()) on; its header and certificate are here",
        [("block_height", .number(header.height.rawValue)), ("leaf_index", .number(header.firstLeaf.rawValue))])
    }
    let stored = try store.entries(at: header.height)
    guard let entries = stored else { throw StoreError.damaged("entries of block \(header.height.rawValue)") }
    if includes.contains("ids") {
      json.key("event_ids")
      json.beginArray()
      for position in 0..<Int(header.eventCount) {
        let offset = position * Entry.byteCount
        json.hex(SHA256.hash(entries.bytes.extracting(offset..<offset + Statement.byteCount)).bytes, prefix: "evt_")
      }
      json.endArray()
    }
    guard includes.contains("events") else { return }
    json.key("events")
    json.beginArray()
    for position in 0..<UInt64(header.eventCount) {
      let found = try found(LeafIndex(header.firstLeaf.rawValue + position))
      let entry = try Entry(decoding: found.record.bytes)
      let id = EventID(SHA256.hash(entry.statement.encoded))
      EventJSON.write(
        entry, id: id, record: found.record,
        position: .init(height: header.height.rawValue, leaf: found.leaf.rawValue, blockTimestamp: header.timestamp.rawValue),
        redaction: found.record.count == Entry.byteCount ? try store.redaction(of: id) : nil, includesRaw: false, &json)
    }
    json.endArray()
  }
}
