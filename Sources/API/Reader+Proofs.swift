import Audit
import Bytes
import Digests
import JSON
import Ledger
import Merkle

extension Reader {
  /// The height whose head has exactly this many leaves, the lowest such; nil when no block ends there.
  func height(ofSize size: UInt64) throws -> Height? {
    if size == 0 { return Height(0) }
    let height = try store.height(containing: LeafIndex(size - 1))
    guard let height else { return nil }
    let header = try header(height)
    return header.treeSize == size ? height : nil
  }

  /// A leaf that is proven: what it hashes to, and its entry where that is here.
  private struct Proven {
    var leaf: LeafIndex
    var hash: Digest
    var header: BlockHeader
    var record: [UInt8]?

    init(_ found: Found) {
      (leaf, header, record) = (found.leaf, found.header, found.record)
      hash = TreeHash.leaf(found.record.bytes.extracting(0..<Entry.byteCount))
    }

    init(leaf: LeafIndex, hash: Digest, header: BlockHeader) { (self.leaf, self.hash, self.header) = (leaf, hash, header) }
  }

  /// The tree has the leaf's hash where its entry was pruned.
  private func proven(at leaf: LeafIndex) throws -> Proven {
    guard let height = try store.height(containing: leaf) else {
      throw Refusal(.notFound, "the tree has no such leaf yet", [("tree_size", .number(store.head.treeSize))])
    }
    guard height < store.earliestEntryHeight else { return Proven(try found(leaf)) }
    return Proven(leaf: leaf, hash: try store.reader(of: .entries).node(level: 0, index: leaf.rawValue), header: try header(height))
  }

  func inclusion(_ event: ProvenEvent, _ wanted: UInt64?, _ format: ProofFormat, _ since: UInt64?, _ job: ReadJob) throws -> Answer {
    let found: Proven
    switch event {
    case .event(let id): found = Proven(try find(id))
    case .leaf(let leaf): found = try proven(at: leaf)
    }
    let published = job.publication.flatMap { $0.size > found.leaf.rawValue ? $0 : nil }
    // A bundle carries the event.
    if format == .bundle { return try bundleAnswer(try self.found(found.leaf), wanted, since, published) }
    let size: UInt64
    if format == .tlogProof {
      guard let published, wanted == nil || wanted == published.size else {
        throw Refusal(.notFound, "a tlog-proof needs the size of the published checkpoint", [("checkpoint_size", .number(job.publication?.size ?? 0))])
      }
      size = published.size
    } else {
      size = wanted ?? published?.size ?? store.head.treeSize
    }
    guard size > found.leaf.rawValue else { throw Refusal(.notFound, "the tree of that size does not hold the event", [("leaf_index", .number(found.leaf.rawValue))]) }
    guard size <= store.head.treeSize else { throw Refusal(.notFound, "the tree has no such size yet", [("tree_size", .number(store.head.treeSize))]) }
    let (proof, root) = try provenInclusion(found, size)
    if format == .tlogProof, let published {
      return Answer(.text, Array(TlogProof(index: found.leaf.rawValue, hashes: proof.hashes, checkpoint: published.note).text.utf8))
    }
    return Answer(.json, try proofBody(found, proof, root, published))
  }

  /// The right edge of the tree of `size` leaves. Where a block ends there, its header vouches for the root.
  private func edge(_ size: UInt64) throws -> RightEdge {
    let edge = try edges.edge(size: size, from: store.reader(of: .entries))
    if let height = try height(ofSize: size) {
      let root = try header(height).treeRoot
      guard edge.root == root else { throw damaged(size, "its root is \(edge.root.hex), block \(height.rawValue) says \(root.hex)") }
    }
    return edge
  }

  /// What was read may be part of the damage: it is read again next time.
  private func damaged(_ size: UInt64, _ what: String) -> StoreError {
    edges.forget()
    return .damaged("mmr/, the tree of \(size) leaves: \(what)")
  }

  /// The proof of an event in the tree of `size` leaves and the root of that tree. It holds: a damaged tree file is an integrity error here, not a proof that
  /// fails at somebody's desk.
  private func provenInclusion(_ found: Proven, _ size: UInt64) throws -> (InclusionProof, root: Digest) {
    let edge = try edge(size)
    let proof = try InclusionProof.make(index: found.leaf.rawValue, edge: edge, from: store.reader(of: .entries))
    do throws(ProofError) {
      try proof.verify(leafHash: found.hash, root: edge.root)
    } catch {
      throw damaged(size, "the path of leaf \(found.leaf.rawValue): \(error)")
    }
    return (proof, edge.root)
  }

  private func proofBody(_ found: Proven, _ proof: InclusionProof, _ root: Digest, _ published: Publication?) throws -> [UInt8] {
    let size = proof.size
    var json = JSONWriter()
    json.beginObject()
    json.key("event_id")
    if let record = found.record { json.hex(SHA256.hash(record.bytes.extracting(0..<Statement.byteCount)).bytes, prefix: "evt_") } else { json.null() }
    json.key("block_height")
    json.number(found.header.height.rawValue)
    json.key("leaf_hash")
    json.hex(found.hash.bytes)
    json.key("entry")
    if let record = found.record { json.base64(record.bytes.extracting(0..<Entry.byteCount)) } else { json.null() }
    json.key("inclusion")
    json.beginObject()
    json.key("leaf_index")
    json.number(found.leaf.rawValue)
    json.key("tree_size")
    json.number(size)
    json.key("hashes")
    write(proof.hashes, &json)
    json.endObject()
    json.key("head")
    json.beginObject()
    let height = try height(ofSize: size)
    json.key("height")
    if let height { json.number(height.rawValue) } else { json.null() }
    json.key("hash")
    if let height { json.hex(try header(height).hash.bytes) } else { json.null() }
    json.key("tree_root")
    json.hex(root.bytes)
    json.endObject()
    json.key("checkpoint")
    if let published, published.size == size { json.string(published.note) } else { json.null() }
    json.endObject()
    return json.bytes
  }

  func write(_ hashes: [Digest], _ json: inout JSONWriter) {
    json.beginArray()
    for hash in hashes { json.hex(hash.bytes) }
    json.endArray()
  }

  // MARK: Bundles

  private func bundleAnswer(_ found: Found, _ wanted: UInt64?, _ since: UInt64?, _ published: Publication?) throws -> Answer {
    let under: BlockHeader
    if let wanted {
      let height = wanted <= store.head.treeSize ? try height(ofSize: wanted) : nil
      guard let height, wanted > found.leaf.rawValue else {
        throw Refusal(.notFound, "a bundle needs the size of a certified block that holds the event", [("tree_size", .number(store.head.treeSize))])
      }
      under = try header(height)
    } else {
      under = try certified(try header(published?.height ?? store.head.height))
    }
    return Answer(.bundle, try bundle(found, under: under, since: since, publication: published?.size == under.treeSize ? published : nil))
  }

  /// The block, or the head for one that became final with a descendant and has no certificate: the head always has one.
  func certified(_ header: BlockHeader) throws -> BlockHeader { try certificate(header.height).isEmpty ? store.head : header }

  /// A proof bundle of an event under the head of a block that has a certificate of its own.
  func bundle(_ found: Found, under header: BlockHeader, since: UInt64?, publication: Publication?) throws -> [UInt8] {
    let certificate = try certificate(header.height)
    guard !certificate.isEmpty else { throw Refusal(.notFound, "the block of that size has no certificate of its own") }
    let validators = try set(of: header).encoded
    let (inclusion, _) = try provenInclusion(Proven(found), header.treeSize)
    var json = JSONWriter()
    json.beginObject()
    json.key("type")
    json.string("moloch-bundle" as StaticString)
    json.key("version")
    json.number(1)
    json.key("chain_id")
    json.string(genesis.chainID)
    json.key("genesis_hash")
    json.hex(genesis.hash.bytes)
    writeEvent(found, &json)
    json.key("inclusion")
    json.beginObject()
    json.key("leaf_index")
    json.number(found.leaf.rawValue)
    json.key("tree_size")
    json.number(header.treeSize)
    json.key("hashes")
    write(inclusion.hashes, &json)
    json.endObject()
    json.key("finality")
    json.beginObject()
    json.key("header")
    json.base64(header.encoded.bytes)
    json.key("certificate")
    json.base64(certificate.bytes)
    json.key("validators")
    json.base64(validators.bytes)
    json.endObject()
    json.key("handoffs")
    json.beginArray()
    for handoff in try handoffs(below: header.height) { write(handoff, &json) }
    json.endArray()
    json.key("block")
    try writeBlock(found.header, under: header, &json)
    json.key("checkpoint")
    if let publication { json.string(publication.note) } else { json.null() }
    json.key("consistency")
    try writeConsistency(since, header, &json)
    json.key("redaction")
    try writeRedaction(of: found, under: header, &json)
    json.endObject()
    return json.bytes
  }

  private func writeEvent(_ found: Found, _ json: inout JSONWriter) {
    let record = found.record.bytes
    let bodyStart = Entry.byteCount + Record.saltByteCount
    json.key("event")
    json.beginObject()
    json.key("id")
    json.hex(SHA256.hash(record.extracting(0..<Statement.byteCount)).bytes, prefix: "evt_")
    json.key("statement")
    json.base64(record.extracting(0..<Statement.byteCount))
    json.key("signature")
    json.base64(record.extracting(Statement.byteCount..<Entry.byteCount))
    json.key("salt")
    if found.record.count >= bodyStart { json.base64(record.extracting(Entry.byteCount..<bodyStart)) } else { json.null() }
    json.key("body")
    if found.record.count >= bodyStart { json.base64(record.extracting(bodyStart..<found.record.count)) } else { json.null() }
    json.endObject()
  }

  /// The proposal that had the body deleted, proven under the same header; null when there is none, or when the header is older.
  private func writeRedaction(of found: Found, under header: BlockHeader, _ json: inout JSONWriter) throws {
    let id = EventID(SHA256.hash(found.record.bytes.extracting(0..<Statement.byteCount)))
    guard let proposal = try store.redaction(of: id), let leaf = try store.location(of: proposal), leaf.rawValue < header.treeSize else { return json.null() }
    let record = try self.found(leaf).record
    let bodyStart = Entry.byteCount + Record.saltByteCount
    guard record.count >= bodyStart else { throw StoreError.damaged("the redaction proposal \(proposal) has no body") }
    let proof = try InclusionProof.make(index: leaf.rawValue, size: header.treeSize, from: store.reader(of: .entries))
    json.beginObject()
    let parts: [(StaticString, Range<Int>)] = [
      ("statement", 0..<Statement.byteCount), ("signature", Statement.byteCount..<Entry.byteCount), ("salt", Entry.byteCount..<bodyStart), ("body", bodyStart..<record.count),
    ]
    for (name, range) in parts {
      json.key(name)
      json.base64(record.bytes.extracting(range))
    }
    json.key("leaf_index")
    json.number(leaf.rawValue)
    json.key("hashes")
    write(proof.hashes, &json)
    json.endObject()
  }

  private func writeBlock(_ block: BlockHeader, under header: BlockHeader, _ json: inout JSONWriter) throws {
    guard block.height != header.height else { return json.null() }
    let proof = try InclusionProof.make(index: block.height.rawValue, size: header.height.rawValue, from: store.reader(of: .history))
    json.beginObject()
    json.key("header")
    json.base64(block.encoded.bytes)
    json.key("history_proof")
    write(proof.hashes, &json)
    json.endObject()
  }

  private func writeConsistency(_ since: UInt64?, _ header: BlockHeader, _ json: inout JSONWriter) throws {
    guard let since else { return json.null() }
    guard since <= header.treeSize else { throw Refusal.parameter("since_size", "is larger than the tree of the proof") }
    let proof = try provenConsistency(since, try edge(since).root, header.treeSize, try edge(header.treeSize).root)
    json.beginObject()
    json.key("from_size")
    json.number(since)
    json.key("hashes")
    write(proof.hashes, &json)
    json.endObject()
  }

  // MARK: Consistency and tiles

  /// A consistency proof that holds between the two roots.
  private func provenConsistency(_ from: UInt64, _ fromRoot: Digest, _ to: UInt64, _ toRoot: Digest) throws -> ConsistencyProof {
    let proof = try ConsistencyProof.make(from: from, to: to, from: store.reader(of: .entries))
    do throws(ProofError) {
      try proof.verify(fromRoot: fromRoot, toRoot: toRoot)
    } catch {
      throw damaged(to, "the proof from \(from) leaves: \(error)")
    }
    return proof
  }

  func consistency(_ from: UInt64, _ to: UInt64, byHeight: Bool) throws -> Answer {
    var (fromSize, toSize) = (from, to)
    if byHeight {
      fromSize = try header(Height(from)).treeSize
      toSize = try header(Height(to)).treeSize
    }
    guard toSize <= store.head.treeSize else { throw Refusal(.notFound, "the tree has no such size yet", [("tree_size", .number(store.head.treeSize))]) }
    let (fromRoot, toRoot) = (try edge(fromSize).root, try edge(toSize).root)
    let proof = try provenConsistency(fromSize, fromRoot, toSize, toRoot)
    var json = JSONWriter()
    json.beginObject()
    for (name, size, root, height) in [("from" as StaticString, fromSize, fromRoot, from), ("to", toSize, toRoot, to)] {
      json.key(name)
      json.beginObject()
      json.key("height")
      var found: Height? = Height(height)
      if !byHeight { found = try self.height(ofSize: size) }
      if let found { json.number(found.rawValue) } else { json.null() }
      json.key("tree_size")
      json.number(size)
      json.key("tree_root")
      json.hex(root.bytes)
      json.endObject()
    }
    json.key("hashes")
    write(proof.hashes, &json)
    json.endObject()
    return .final(.json, json.bytes)
  }

  /// Tiles and entry bundles of the durable tree; the same bytes for ever.
  func tile(_ path: TilePath, _ job: ReadJob) throws -> Answer {
    guard path.isAvailable(size: store.head.treeSize) else { throw Refusal(.notFound, "no such tile at this size of the tree") }
    switch path {
    case .tile:
      guard let level = path.nodeLevel else { throw Refusal(.notFound, "no such level") }
      return .final(.octets, try store.nodes(level: level, range: path.nodeRange))
    case .entries:
      let first = try earliestEntryIndex()
      guard path.nodeRange.lowerBound >= first else {
        throw Refusal(.notFound, "entries below leaf \(first) were pruned on this node", [("earliest_entry_index", .number(first))])
      }
      var bytes: [UInt8] = []
      for leaf in path.nodeRange {
        bytes.append(bigEndian: UInt16(Entry.byteCount))
        bytes += try found(LeafIndex(leaf)).record[0..<Entry.byteCount]
      }
      return .final(.octets, bytes)
    }
  }
}
