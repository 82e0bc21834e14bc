import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import HTTP1
import JSON
import Ledger
import Mempool
import Merkle
public import Reactor
import Replication

extension Gate {
  /// Reads the query parameters that a route knows; any other is an error that names it.
  func readQuery(_ slot: Int, _ route: Route) throws(Refusal) {
    var seen: [String] = []
    for (name, value) in sessions[slot].request.query {
      guard route.knows(parameter: name) else { throw .parameter(name, "is unknown here") }
      guard !seen.contains(name) else { throw .parameter(name, "is repeated") }
      seen.append(name)
      switch name {
      case "wait":
        guard value == "finalized" else { throw .parameter(name, "must be 'finalized'") }
        if sessions[slot].request.waitMilliseconds == nil { sessions[slot].request.waitMilliseconds = APILimit.waitMillisecondsDefault }
      case "atomic":
        guard let isAtomic = Query.boolean(value) else { throw .parameter(name, "must be true or false") }
        sessions[slot].request.isAtomic = isAtomic
      case "dry_run", "force":
        guard Query.boolean(value) != nil else { throw .parameter(name, "must be true or false") }
      case "before_height", "for_ms", "tree_size", "since_size", "from_size", "to_size", "from_height", "to_height", "min_size", "max_lag", "height", "from_epoch", "limit",
        "timeout_ms":
        guard Query.integer(value) != nil else { throw .parameter(name, "must be an integer") }
      default: continue
      }
    }
    if let text = parameter(slot, "timeout_ms"), let milliseconds = Query.integer(text) {
      guard milliseconds <= APILimit.waitMillisecondsMax else { throw .parameter("timeout_ms", "is at most \(APILimit.waitMillisecondsMax)") }
      sessions[slot].request.waitMilliseconds = milliseconds
    }
  }

  func parameter(_ slot: Int, _ name: String) -> String? { sessions[slot].request.query.first { $0.name == name }?.value }

  /// Answers a GET, from memory or through the storage thread.
  func dispatch(_ slot: Int, _ route: Route, _ loop: Loop) {
    do throws(Refusal) {
      switch route {
      case .health: respond(slot, .health, loop)
      case .ready: respond(slot, .ready, loop)
      case .metrics:
        let wantsOpenMetrics = sessions[slot].request.acceptsOpenMetrics
        let mediaType = wantsOpenMetrics ? Answer.MediaType.openMetrics : .metrics, text = metricsText(wantsOpenMetrics)
        let packed = sessions[slot].request.acceptsGzip ? gzip(text) : nil
        let fields = Array("Vary: Accept, Accept-Encoding\r\n\(packed == nil ? "" : "Content-Encoding: gzip\r\n")".utf8)
        respond(slot, Answer(mediaType, packed ?? text, fields: fields), loop)
      case .genesis: respond(slot, Answer(.json, chain.genesis.json, caching: .immutable(tag: chain.genesis.hash.hex)), loop)
      case .index: respond(slot, Answer(.text, Array(Self.indexText.utf8)), loop)
      case .peers: respond(slot, try administer(.list(includesKnown: false), loop), loop)
      case .adminPeers: respond(slot, try administer(try peerCommand(slot), loop), loop)
      case .node(let verb): try command(slot, verb, loop)
      default: try dispatchChain(slot, route, loop)
      }
    } catch {
      sessions[slot].request.refusal = error
      respondRefusal(slot, loop)
    }
  }

  /// What a request to `/v1/admin/peers` asks: GET lists, POST adds or lifts a ban, DELETE removes.
  private func peerCommand(_ slot: Int) throws(Refusal) -> PeerCommand {
    switch sessions[slot].request.method {
    case .post:
      if let id = parameter(slot, "unban") { return .unban(id) }
      guard let address = parameter(slot, "multiaddr") else { throw .parameter("multiaddr", "is missing") }
      guard let isTemporary = Query.boolean(parameter(slot, "temporary") ?? "false") else { throw .parameter("temporary", "must be true or false") }
      return .add(address, isTemporary: isTemporary)
    case .delete:
      guard let id = parameter(slot, "peer_id") else { throw .parameter("peer_id", "is missing") }
      return .remove(id)
    default: return .list(includesKnown: true)
    }
  }

  private func administer(_ command: PeerCommand, _ loop: Loop) throws(Refusal) -> Answer {
    switch peers(command, loop) {
    case .done(let json): return Answer(.json, json)
    case .malformed(let sentence): throw Refusal(.invalidRequest, sentence)
    case .unknown(let sentence): throw Refusal(.notFound, sentence)
    case .refused(let sentence): throw Refusal(.conflict, sentence)
    }
  }

  private func dispatchChain(_ slot: Int, _ route: Route, _ loop: Loop) throws(Refusal) {
    guard let replica else { throw Refusal(.notReady, "the node is starting") }
    switch route {
    case .status: respond(slot, .status, loop)
    case .validators:
      if let height = parameter(slot, "height").flatMap({ Query.integer($0) }) { return read(slot, .validators(Height(height)), loop) }
      respond(slot, Answer(.json, validatorsBody(replica, loop.now)), loop)
    case .validatorHistory:
      let epoch = parameter(slot, "from_epoch").flatMap { Query.integer($0) } ?? 0
      let count = parameter(slot, "limit").flatMap { Query.integer($0) } ?? UInt64(APILimit.handoffs)
      guard (1...UInt64(APILimit.handoffs)).contains(count) else { throw .parameter("limit", "is from 1 to \(APILimit.handoffs)") }
      read(slot, .validatorHistory(from: Epoch(epoch), countMax: Int(count)), loop)
    case .governance: read(slot, .governance, loop)
    case .policy: respond(slot, Answer(.text, Array(try policy(replica).utf8)), loop)
    case .validator(let text):
      guard let key = PublicKey(text: text), knowsValidator(key, replica) else { throw Refusal(.notFound, "no such validator") }
      var json = JSONWriter()
      writeValidator(key, replica, &json)
      respond(slot, Answer(.json, json.bytes), loop)
    case .signer(let text):
      guard let key = PublicKey(text: text) else { throw Refusal(.notFound, "no such signer") }
      read(slot, .signer(key), loop)
    case .consensusState: respond(slot, Answer(.json, consensusBody(replica, loop.now)), loop)
    case .evidence: respond(slot, Answer(.json, evidenceBody(replica)), loop)
    case .checkpoint, .tlogCheckpoint: try checkpoint(slot, route, loop)
    case .event(let id):
      let includes = try list(slot, "include", ["proof", "bundle", "body_raw"])
      if let handle = replica.pool.lookup(id) {
        if sessions[slot].request.waitMilliseconds != nil { return waitForFinality(ofEvent: id, slot, loop) }
        guard let answer = replica.pool.withRecord(handle, { pendingAnswer(id, $0, includes) }) else { throw Refusal(.notFound, "no such event") }
        return respond(slot, answer, loop)
      }
      if let fate = replica.pool.fate(of: id) { return respond(slot, Answer(.json, fateBody(id, fate)), loop) }
      read(slot, .event(id, raw: false, bodyOnly: false, includes: includes), loop)
    case .eventRaw(let id):
      let part = parameter(slot, "part")
      guard part == nil || part == "body" else { throw .parameter("part", "must be 'body'") }
      read(slot, .event(id, raw: true, bodyOnly: part != nil, includes: []), loop)
    case .block(let name):
      let includes = try list(slot, "include", ["ids", "events", "certificate"])
      read(slot, .block(name, includes: includes, octets: sessions[slot].request.acceptsOctets), loop)
    case .inclusionProof: try inclusion(slot, replica, loop)
    case .consistencyProof: try consistency(slot, loop)
    case .tile(let path): read(slot, .tile(path), loop)
    case .maintenance(let verb):
      let pruning = parameter(slot, "before_height").flatMap { Query.integer($0) }.map {
        let isDeep = parameter(slot, "deep") == "true"
        return PruneRequest(
          before: $0, isDryRun: parameter(slot, "dry_run") == "true", isForced: parameter(slot, "force") == "true", isDeep: isDeep,
          archivePeers: isDeep ? surroundings.entryArchivePeerCount : surroundings.archivePeerCount)
      }
      let request = MaintenanceRequest(
        verb: verb, isCommand: sessions[slot].request.method == .post, directory: parameter(slot, "dir"), base: parameter(slot, "base"), pruning: pruning,
        level: parameter(slot, "level"), megabytesPerSecond: parameter(slot, "max_mbps").flatMap { Query.integer($0) }.map { min($0, 10_000) },
        parts: try list(slot, "parts", ["mmr", "index", "snapshots"]))
      read(slot, .maintenance(request), loop)
    default: throw Refusal(.notFound, "no such resource")
    }
  }

  private func list(_ slot: Int, _ name: String, _ allowed: [String]) throws(Refusal) -> [String] {
    guard let text = parameter(slot, name) else { return [] }
    let items = text.split(separator: ",").map { String($0) }
    for item in items where !allowed.contains(item) { throw .parameter(name, "knows \(allowed.joined(separator: ", ")), not '\(item)'") }
    return items
  }

  private func inclusion(_ slot: Int, _ replica: Replica, _ loop: Loop) throws(Refusal) {
    let event: ProvenEvent
    switch (parameter(slot, "event_id"), parameter(slot, "leaf_index")) {
    case (nil, nil): throw .parameter("event_id", "is missing")
    case (.some, .some): throw .parameter("leaf_index", "and event_id exclude each other")
    case (let text?, nil):
      guard let id = EventID(text: text) else { throw .parameter("event_id", "is no event id") }
      if replica.pool.lookup(id) != nil { throw Refusal(.notFound, "the event is not final yet", [("status", .text("pending"))]) }
      event = .event(id)
    case (nil, let text?):
      guard let index = Query.integer(text) else { throw .parameter("leaf_index", "is no index of a leaf") }
      event = .leaf(LeafIndex(index))
    }
    let format: ProofFormat
    switch parameter(slot, "format") ?? "json" {
    case "json": format = .json
    case "bundle": format = .bundle
    case "tlog-proof": format = .tlogProof
    default: throw .parameter("format", "must be json, bundle or tlog-proof")
    }
    let size = parameter(slot, "tree_size").flatMap { Query.integer($0) }, since = parameter(slot, "since_size").flatMap { Query.integer($0) }
    read(slot, .inclusion(event, size: size, format: format, since: since), loop)
  }

  private func consistency(_ slot: Int, _ loop: Loop) throws(Refusal) {
    func number(_ name: String) -> UInt64? { parameter(slot, name).flatMap { Query.integer($0) } }
    let byHeight = parameter(slot, "from_height") != nil || parameter(slot, "to_height") != nil
    if byHeight && (parameter(slot, "from_size") != nil || parameter(slot, "to_size") != nil) {
      throw .parameter("from_height", "and from_size exclude each other")
    }
    let names = byHeight ? ("from_height", "to_height") : ("from_size", "to_size")
    guard let from = number(names.0) else { throw .parameter(names.0, "is missing") }
    guard let to = number(names.1) else { throw .parameter(names.1, "is missing") }
    guard from <= to else { throw .parameter(names.0, "is larger than \(names.1)") }
    read(slot, .consistency(from: from, to: to, byHeight: byHeight), loop)
  }

  private func checkpoint(_ slot: Int, _ route: Route, _ loop: Loop) throws(Refusal) {
    if let text = parameter(slot, "min_size"), let size = Query.integer(text), (surroundings.publication?.size ?? 0) < size {
      checkpointWaiters.append((slot, sessions[slot].serial, size))
      sessions[slot].phase = .waitingForCheckpoint
      let wait = sessions[slot].request.waitMilliseconds ?? APILimit.waitMillisecondsDefault
      sessions[slot].deadline = loop.now.adding(milliseconds: wait)
      return
    }
    guard let publication = surroundings.publication else { throw Refusal(.notFound, "no checkpoint is published before the first event") }
    if route == .checkpoint && sessions[slot].request.acceptsJSON {
      return respond(slot, Answer(.json, checkpointBody(publication)), loop)
    }
    let caching: Answer.Caching = route == .tlogCheckpoint ? .seconds(1) : .never
    respond(slot, Answer(.text, Array(publication.note.utf8), caching: caching), loop)
  }

  /// A new checkpoint is published: answers who waited for its size.
  public func published(_ publication: Publication, _ loop: Loop) {
    surroundings.publication = publication
    guard !checkpointWaiters.isEmpty else { return }
    let waiting = checkpointWaiters
    checkpointWaiters.removeAll()
    for (slot, serial, size) in waiting {
      guard sessions[slot].phase == .waitingForCheckpoint, sessions[slot].serial == serial else { continue }
      if size <= publication.size {
        dispatch(slot, sessions[slot].request.route ?? .checkpoint, loop)
      } else {
        checkpointWaiters.append((slot, serial, size))
      }
    }
  }

  func checkpointTimedOut(_ slot: Int, _ loop: Loop) {
    checkpointWaiters.removeAll { $0.slot == slot }
    sessions[slot].request.refusal = Refusal(
      .notReady, "the published checkpoint is smaller", [("checkpoint_size", .number(surroundings.publication?.size ?? 0))])
    respondRefusal(slot, loop)
  }

  private static let indexText = """
    moloch: an audit chain node

    GET  /v1/health  /v1/ready  /v1/status  /v1/peers  /v1/validators  /v1/consensus/state  /v1/evidence
    GET  /v1/governance  /v1/validators/history  /v1/policy
    POST /v1/events  /v1/events/batch
    GET  /v1/events/{id}  /v1/events/{id}/raw  /v1/blocks/{latest, height or hash}
    GET  /v1/proofs/inclusion?event_id= or ?leaf_index=  /v1/proofs/consistency?from_size=&to_size=
    GET  /v1/checkpoint  /v1/genesis
    GET  /tlog/checkpoint  /tlog/tile/...  /tlog/tile/entries/...

    """
}
