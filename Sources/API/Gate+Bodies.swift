import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import JSON
import Ledger
import Mempool
import Reactor
import Replication

extension Gate {
  // MARK: Health and readiness

  /// Writes the body of a prepared answer and returns its status.
  func render(_ kind: PreparedAnswer.Kind, _ json: inout JSONWriter) -> Int {
    switch kind {
    case .health: return renderHealth(&json)
    case .ready: return renderReady(&json)
    case .status:
      if let replica { renderStatus(replica, &json) }
      return 200
    }
  }

  private func renderHealth(_ json: inout JSONWriter) -> Int {
    let health = self.health
    health.write(&json)
    return health.status == .failing ? 503 : 200
  }

  private func renderReady(_ json: inout JSONWriter) -> Int {
    json.beginObject()
    json.key("ready")
    json.bool(readiness.isReady)
    json.key("reasons")
    json.beginArray()
    for reason in readiness.reasons { json.string(reason.rawValue) }
    json.endArray()
    json.key("head_height")
    if let replica { json.number(replica.durable.header.height.rawValue) } else { json.null() }
    json.key("sync_lag")
    if let lag = replica?.syncFacts.lag { json.number(lag) } else { json.null() }
    json.endObject()
    return readiness.isReady ? 200 : readiness.reasons.contains(.draining) ? options.drainStatus : 503
  }

  // MARK: Status

  private func renderStatus(_ replica: Replica, _ json: inout JSONWriter) {
    let head = replica.durable
    json.beginObject()
    json.key("chain_id")
    json.string(chain.genesis.chainID)
    json.key("head_height")
    json.number(head.header.height.rawValue)
    json.key("head_hash")
    json.hex(head.hash.bytes)
    json.key("peer_count")
    json.number(surroundings.peerCount)
    json.key("syncing")
    json.bool(replica.syncFacts.isSyncing)
    json.key("version")
    json.string(chain.version)
    json.key("mempool_size")
    json.number(replica.pool.load.events)
    json.key("state")
    json.string(isDraining ? "draining" : surroundings.readOnlyReason != nil ? "read_only" : replica.syncFacts.isSyncing ? "syncing" : "live" as StaticString)
    json.key("role")
    json.string(validatorKey != nil ? "validator" : "api" as StaticString)
    json.key("validator")
    json.bool(validatorKey != nil)
    json.key("validator_key")
    if let validatorKey { json.string("\(validatorKey)") } else { json.null() }
    json.key("genesis_hash")
    json.hex(chain.genesis.hash.bytes)
    json.key("tree_size")
    json.number(head.header.treeSize)
    json.key("tree_root")
    json.hex(head.header.treeRoot.bytes)
    json.key("checkpoint_size")
    json.number(surroundings.publication?.size ?? 0)
    json.key("head_timestamp_ms")
    json.number(head.header.timestamp.rawValue)
    renderSync(replica, &json)
    json.key("limits")
    json.beginObject()
    json.key("max_body_bytes")
    json.number(UInt64(chain.parameters.bodyBytesMax))
    json.key("max_batch_events")
    json.number(APILimit.batchEvents)
    json.key("max_batch_bytes")
    json.number(options.maxBodyBytes)
    json.endObject()
    json.endObject()
  }

  /// Where the node stands beside the chain.
  private func renderSync(_ replica: Replica, _ json: inout JSONWriter) {
    let head = replica.durable
    let sync = replica.syncFacts
    json.key("sync_lag")
    if let lag = sync.lag { json.number(lag) } else { json.null() }
    json.key("sync_target_height")
    if let target = sync.certified { json.number(max(target.rawValue, head.header.height.rawValue)) } else { json.null() }
    json.key("indexed_height")
    json.number(surroundings.indexedHeight)
    json.key("earliest_body_height")
    json.number(surroundings.earliestBodyHeight)
    json.key("earliest_entry_index")
    json.number(surroundings.earliestEntryIndex)
    json.key("uptime_seconds")
    json.number(surroundings.uptimeSeconds)
    json.key("mempool_oldest_age_seconds")
    if let age = surroundings.oldestPendingSeconds { json.number(age) } else { json.null() }
    json.key("sync")
    writeSync(sync, height: head.header.height.rawValue, &json)
    json.key("backfill")
    writeBackfill(replica.backfillFacts, &json)
    json.key("sync_obstacle")
    if let obstacle = replica.obstacle { json.string(obstacle.text) } else { json.null() }
  }

  private func writeSync(_ sync: SyncFacts, height: UInt64, _ json: inout JSONWriter) {
    let progress = SyncProgress(isSyncing: sync.isSyncing, target: sync.certified?.rawValue, height: height, rate: surroundings.syncRate)
    guard let progress else { return json.null() }
    json.beginObject()
    json.key("percent")
    json.number(progress.percent, decimals: 1)
    json.key("blocks_per_second")
    if let rate = progress.blocksPerSecond { json.number(rate, decimals: 1) } else { json.null() }
    json.key("eta_seconds")
    if let seconds = progress.etaSeconds { json.number(seconds) } else { json.null() }
    json.endObject()
  }

  private func writeBackfill(_ facts: BackfillFacts?, _ json: inout JSONWriter) {
    guard let facts else { return json.null() }
    json.beginObject()
    json.key("state")
    json.string(facts.state.rawValue)
    json.key("target_height")
    json.number(facts.gap.floor.rawValue)
    json.key("percent")
    json.number(facts.percent, decimals: 1)
    json.endObject()
  }

  func checkpointBody(_ publication: Publication) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("origin")
    json.string(chain.genesis.origin)
    json.key("tree_size")
    json.number(publication.size)
    json.key("tree_root")
    json.hex(publication.root.bytes)
    json.key("height")
    json.number(publication.height.rawValue)
    json.key("signatures")
    json.beginArray()
    for line in publication.lines {
      json.beginObject()
      json.key("name")
      json.string(line.name)
      json.key("key_id")
      json.string(line.keyID)
      json.key("type")
      json.string(line.type)
      json.key("time")
      if let time = line.time { json.number(time) } else { json.null() }
      json.endObject()
    }
    json.endArray()
    json.key("note")
    json.string(publication.note)
    json.endObject()
    return json.bytes
  }

  // MARK: Events that have no block

  func pendingAnswer(_ id: EventID, _ record: RawSpan, _ includes: [String]) -> Answer {
    guard let entry = try? Entry(decoding: record) else { return Answer(status: 500, .json, []) }
    var json = JSONWriter()
    EventJSON.write(entry, id: id, record: [UInt8](copying: record), position: nil, includesRaw: includes.contains("body_raw"), &json)
    return Answer(.json, json.bytes)
  }

  func fateBody(_ id: EventID, _ fate: Fate) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("id")
    json.hex(id.digest.bytes, prefix: "evt_")
    json.key("status")
    json.string(fate == .expired ? "expired" : "rejected" as StaticString)
    json.endObject()
    return json.bytes
  }
}

/// The JSON form of an event.
enum EventJSON {
  struct Position {
    var height: UInt64
    var leaf: UInt64
    var blockTimestamp: UInt64
  }

  /// Writes the members of the event object and closes it unless `isOpen`.
  /// - Parameter redaction: the approved proposal that had the body deleted.
  static func write(
    _ entry: Entry, id: EventID, record: [UInt8], position: Position?, redaction: EventID? = nil, includesRaw: Bool, isOpen: Bool = false, _ json: inout JSONWriter
  ) {
    let statement = entry.statement
    json.beginObject()
    json.key("id")
    json.hex(id.digest.bytes, prefix: "evt_")
    json.key("status")
    json.string(position == nil ? "pending" : "finalized" as StaticString)
    optional("block_height", position?.height, &json)
    optional("leaf_index", position?.leaf, &json)
    optional("block_timestamp_ms", position?.blockTimestamp, &json)
    json.key("timestamp_ms")
    json.number(statement.timestamp.rawValue)
    json.key("signer")
    json.string("\(statement.signer)")
    json.key("signer_name")
    json.null()
    json.key("stream")
    json.number(statement.stream)
    json.key("seq")
    json.number(statement.sequence)
    json.key("attestation")
    json.string(statement.flags.contains(.gatewayAttested) ? "gateway" : "client" as StaticString)
    json.key("content_type")
    json.number(UInt64(statement.contentType.rawValue))
    json.key("detached")
    json.bool(statement.flags.contains(.detached))
    json.key("encrypted")
    json.bool(statement.flags.contains(.encrypted))
    json.key("body_len")
    json.number(UInt64(statement.bodyLength))
    json.key("body_digest")
    json.hex(statement.bodyDigest.bytes)
    json.key("redacted")
    json.bool(redaction != nil)
    json.key("redaction_id")
    if let redaction { json.string("\(redaction)") } else { json.null() }
    // An entry alone: pruned here, or withheld by those it came from.
    if redaction == nil, record.count == Entry.byteCount, !statement.flags.contains(.detached) {
      json.key("pruned")
      json.bool(true)
    }
    let bodyStart = Entry.byteCount + Record.saltByteCount
    let hasBody = record.count >= bodyStart && !statement.flags.contains(.detached)
    json.key("body")
    if hasBody, statement.contentType.isJSON, !statement.flags.contains(.encrypted),
      (try? StrictJSON(parsing: Array(record[bodyStart...]), byteCountMax: record.count)) != nil
    {
      json.raw(record.bytes.extracting(bodyStart..<record.count))
    } else {
      json.null()
    }
    if includesRaw {
      json.key("body_raw")
      if hasBody { json.base64(record.bytes.extracting(bodyStart..<record.count)) } else { json.null() }
    }
    if !isOpen { json.endObject() }
  }

  private static func optional(_ name: StaticString, _ value: UInt64?, _ json: inout JSONWriter) {
    json.key(name)
    if let value { json.number(value) } else { json.null() }
  }
}
