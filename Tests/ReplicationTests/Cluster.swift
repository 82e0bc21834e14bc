import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Merkle
import Replication
import Testing
import Verification

/// A network of real replicas in one process: messages are encoded and decoded, travel with seeded delays and losses, and the disk answers late. Everything
/// that happens is drawn from one seed.
final class Cluster {
  enum Event {
    case message(from: Int, to: Int, life: Int, type: UInt8, bytes: [UInt8])
    case synced(node: Int, life: Int, DiskWrite)
    case answer(node: Int, life: Int, StoreQuery)
    case filled(node: Int, life: Int, BackfillWork)
    case link(Int, Int)
    /// A helper thread of a node has checked what it was offered.
    case helped(node: Int, life: Int)
    /// Ends a turn.
    case again

    /// The node that it happens to; nil for both ends of a connection and for all of them.
    var node: Int? {
      switch self {
      case .message(_, let to, _, _, _): to
      case .synced(let node, _, _), .answer(let node, _, _), .filled(let node, _, _), .helped(let node, _): node
      case .link, .again: nil
      }
    }
  }
  /// The process stands still; the others notice nothing but its silence.
  func freeze(_ index: Int) { frozen.insert(index) }

  /// The process goes on: everything that has arrived meanwhile is there at once.
  func thaw(_ index: Int) {
    frozen.remove(index)
    let events = waiting
    waiting.removeAll()
    for event in events { deliver(event) }
  }

  enum DiskWrite { case journal([JournalRecord], UInt64), store(Block), adopt(Anchor), persist([BlockCommit], FloorRecord, Height) }

  final class Node {
    let index: Int
    let key: SigningKey?
    var store: MemoryStore
    var journal: [JournalRecord] = []
    /// Nil while it is down.
    var replica: Replica?
    /// Grows with every start, so that what was meant for an earlier life is dropped.
    var life = 0
    var timer = Instant.distantFuture
    var finals: [FinalBlock] = []
    var heads: [CosignedHead] = []
    var halted: String?
    /// The block that a signed checkpoint has turned out to be, and later ones in its place.
    var adopted: [Anchor] = []
    /// When the disk is done with what it has been given.
    var diskFree = Instant.zero
    /// What helpers check, of this life.
    var helpers: Overflow?
    var helper: OverflowHelper?
    init(_ index: Int, _ key: SigningKey?, _ store: MemoryStore) { (self.index, self.key, self.store) = (index, key, store) }
  }

  static let tag = ChainTag(Bytes16(1, 2))
  let set: ValidatorSet
  let genesis: BlockHeader
  let parameters: ChainParameters
  var nodes: [Node] = []
  var now = Instant(milliseconds: 1_700_000_000_000)
  var chance: SeededGenerator
  /// Messages lost, in percent.
  var loss: UInt64 = 0
  var delayMilliseconds: ClosedRange<UInt64> = 1...10
  var bytesSent: [UInt8: Int] = [:]
  /// Gossip messages that one connection carries at a time, and how long each takes; other messages pass them by.
  var gossipPlaces = 4
  var gossipMilliseconds: UInt64?
  private var gossipUnderWay: [[Int]: Int] = [:]
  /// Most bytes of gossip that a node has had from one peer and not taken in.
  private(set) var gossipBytesMost = 0
  private var gossipUntaken: [[Int]: Int] = [:]
  /// Final blocks that wait before the disk of a node.
  var heldPersists: (node: Int, writes: [DiskWrite])?
  /// Persists whose answer was to wait for the floor in the journal.
  private(set) var floorsAwaited = 0
  /// Bodies down to here are fetched later; nil: none.
  var backfillFloor: Height?
  /// Messages of these kinds are altered or dropped on their way from a node; nil drops.
  var tamper: ((_ from: Int, _ message: ReplicaMessage) -> ReplicaMessage?)?
  /// Nodes whose messages get lost, both ways, while the connections stay.
  var cut: Set<Int> = []
  /// Nodes that make connections among themselves only.
  var island: Set<Int> = []
  /// Nodes whose process stands still: what arrives waits, timers do not fire.
  private var frozen: Set<Int> = []
  private var waiting: [Event] = []
  private var queue: [(at: Instant, serial: UInt64, event: Event)] = []
  private var serial: UInt64 = 0
  /// Nodes that are started have helper threads, which take their time.
  var hasHelpers = false
  var sequence: UInt64 = 0
  var admitted: [EventID] = []
  private var linked: Set<[Int]> = []

  /// Sees every message that a node sends.
  var spy: ((_ from: Int, _ message: ReplicaMessage) -> Void)?

  /// - Parameter newcomers: nodes behind the validators that have a key and are not in the set of genesis; observers come last.
  init(
    validators count: Int, newcomers: Int = 0, observers: Int = 0, seed: UInt64, epochLength: UInt32 = 40, blockTime: UInt32 = 200, emptyBlockInterval: UInt32 = 5000,
    blockBytesMax: UInt32 = 8 << 20
  ) throws {
    chance = SeededGenerator(seed: seed)
    let keys = (0..<count + newcomers).map { Self.key($0) }
    set = try ValidatorSet(keys.prefix(count).enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0)") })
    var parameters = ChainParameters()
    parameters.blockTime = blockTime
    parameters.emptyBlockInterval = emptyBlockInterval
    parameters.epochLength = epochLength
    parameters.blockBytesMax = blockBytesMax
    self.parameters = parameters
    genesis = BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(0), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash, parametersHash: parameters.hash,
      proposer: PublicKey(Bytes32()))
    for index in 0..<count + newcomers + observers { nodes.append(Node(index, index < keys.count ? keys[index] : nil, MemoryStore(genesis: genesis))) }
  }

  static func key(_ index: Int) -> SigningKey { SigningKey(seed: Bytes32(repeating: UInt8(index + 1))) }

  var times: Times { Times(monotonic: now, wall: Timestamp(milliseconds: now.milliseconds)) }

  // MARK: Life

  func startAll() throws { for index in nodes.indices { try start(index) } }

  func start(_ index: Int) throws {
    let node = nodes[index]
    let head = node.store.head
    let tree = try MountainRange(size: head.treeSize, from: node.store.reader(of: .entries))
    let history = try MountainRange(size: head.height.rawValue, from: node.store.reader(of: .history))
    let initial = GovernanceState(chainID: "test", chainTag: head.chainTag, validators: set, parameters: parameters, signers: .empty)
    let governance = try node.store.governance(from: initial)
    var chain = Chain(tip: ChainTip(header: head, tree: tree, history: history, governance: governance), seed: 1)
    try node.store.restoreWindow(of: &chain)
    var limits = PoolLimits()
    limits.eventsMax = 4000
    limits.perSignerPercent = 100
    let state = try RestoredState(chain: chain, journal: .records(node.journal), from: node.store)
    let options = Replica.Options(machine: .init(chainTag: Self.tag), origin: "test/chain", seed: Bytes32(repeating: UInt8(index + 1)))
    node.life += 1
    node.timer = .distantFuture
    let replica = Replica(state, pool: EventPool(limits: limits, seed: UInt64(index)), key: node.key, options: options, now: now)
    node.replica = replica
    if hasHelpers {
      let helpers = Overflow()
      node.helper = OverflowHelper(helpers, seed: Bytes32(repeating: 77), cache: SignerCache(capacity: 64, seed: Bytes32(repeating: 78)))
      (node.helpers, replica.helpers) = (helpers, helpers)
    }
    perform(index) { $0.start(now: $1, &$2) }
    for other in nodes where other.index != index && other.replica != nil { schedule(.link(index, other.index)) }
  }

  /// The power goes: what is not synced is lost, and links break.
  func crash(_ index: Int) {
    nodes[index].replica = nil
    nodes[index].life += 1
    nodes[index].store.crash()
    nodes[index].diskFree = now
    for other in nodes where other.index != index && other.replica != nil {
      perform(other.index) { $0.peerDown(PeerLink(Self.link(index, self.nodes[index].life - 1)), now: $1, &$2) }
    }
  }

  /// The disk is replaced by an empty one; the journal stays, as it lies elsewhere.
  func wipe(_ index: Int) { nodes[index].store = MemoryStore(genesis: genesis) }

  private static func link(_ index: Int, _ life: Int) -> UInt64 { UInt64(life) << 16 | UInt64(index) }
  private static func index(of link: PeerLink) -> Int { Int(link.rawValue & 0xFFFF) }

  // MARK: The world

  private func schedule(_ event: Event, after milliseconds: UInt64? = nil) {
    serial += 1
    let delay = milliseconds ?? UInt64.random(in: delayMilliseconds, using: &chance)
    queue.append((now.adding(milliseconds: delay), serial, event))
  }

  private func perform(_ index: Int, _ action: (Replica, Times, inout [ReplicaEffect]) -> Void) {
    let node = nodes[index]
    guard let replica = node.replica, node.halted == nil else { return }
    var effects: [ReplicaEffect] = []
    action(replica, times, &effects)
    for effect in effects { perform(effect, node, replica) }
    if replica.takesOffer() { schedule(.helped(node: index, life: node.life)) }
    offerEvents(node, replica)
  }

  /// Gives the peers of a node the events that they have room for.
  private func offerEvents(_ node: Node, _ replica: Replica) {
    replica.gossipDue = .distantFuture
    for other in nodes where other.index != node.index && other.replica != nil {
      while gossipUnderWay[[node.index, other.index], default: 0] < gossipPlaces,
        let records = replica.gossip(for: PeerLink(Self.link(other.index, other.life)), now: now)
      {
        gossipUnderWay[[node.index, other.index], default: 0] += 1
        gossipUntaken[[node.index, other.index], default: 0] += records.count
        gossipBytesMost = max(gossipBytesMost, gossipUntaken[[node.index, other.index], default: 0])
        send(.events(records), .peer(PeerLink(Self.link(other.index, other.life))), node)
      }
    }
    if replica.gossipDue != .distantFuture { schedule(.again, after: 2) }
  }

  private func perform(_ effect: ReplicaEffect, _ node: Node, _ replica: Replica) {
    switch effect {
    case .journal(let records, let through): write(.journal(records, through), node)
    case .store(let block): write(.store(block), node)
    case .persist(let blocks, let floor, let height):
      if floor.isAwaited { floorsAwaited += 1 }
      write(.persist(blocks, floor, height), node)
    case .send(let message, let destination): send(message, destination, node)
    case .adopt(let anchor):
      node.adopted.append(anchor)
      write(.adopt(anchor), node)
    case .load(let query): schedule(.answer(node: node.index, life: node.life, query), after: 1)
    case .fill(let work): schedule(.filled(node: node.index, life: node.life, work), after: 1)
    case .setTimer(let instant): node.timer = instant
    case .final(let block):
      node.finals.append(block)
      cosign(block, node)
    case .checkpoint(let head): node.heads.append(head)
    case .evidence(let evidence, _): Issue.record("evidence against \(evidence.signer)")
    case .penalise(let peer, let fault):
      if tamper == nil { Issue.record("node \(node.index) penalises \(Self.index(of: peer)): \(fault)") }
    case .standing: break
    case .unknownProtocol(let version, let height): node.halted = "version \(version) from \(height.rawValue)"
    case .halt(let reason): node.halted = reason
    }
  }

  private func cosign(_ block: FinalBlock, _ node: Node) {
    // The index is that in the set of the block; who has left the set cosigns nothing.
    guard let key = node.key, let set = try? node.store.validators(at: block.header.height, genesis: set), let index = set.index(of: key.publicKey),
      block.header.eventCount > 0
    else { return }
    let seconds = now.milliseconds / 1000
    let text = Checkpoint(origin: "test/chain", size: block.header.treeSize, root: block.header.treeRoot).text
    let signature = key.sign(Array("cosignature/v1\ntime \(seconds)\n\(text)".utf8).bytes)
    perform(node.index) {
      $0.cosigned(
        Cosignature(size: block.header.treeSize, root: block.header.treeRoot, validator: index, seconds: seconds, signature: signature), now: $1, &$2)
    }
  }

  /// The disk works on one write after the other.
  private func write(_ write: DiskWrite, _ node: Node) {
    node.diskFree = max(node.diskFree, now).adding(nanoseconds: UInt64.random(in: 200_000...3_000_000, using: &chance))
    if case .persist = write, heldPersists?.node == node.index {
      heldPersists?.writes.append(write)
      return
    }
    serial += 1
    queue.append((node.diskFree, serial, .synced(node: node.index, life: node.life, write)))
  }

  /// The disk writes what waits, at once.
  func releasePersists() throws {
    guard let (index, writes) = heldPersists else { return }
    heldPersists = nil
    for write in writes { deliver(.synced(node: index, life: nodes[index].life, write)) }
  }

  private func send(_ message: ReplicaMessage, _ destination: Destination, _ node: Node) {
    spy?(node.index, message)
    if case .eventsTaken = message, case .peer(let peer) = destination { gossipUntaken[[Self.index(of: peer), node.index]] = 0 }
    guard let message = tamper.map({ $0(node.index, message) }) ?? message else {
      if case .events = message, case .peer(let peer) = destination { gossipUnderWay[[node.index, Self.index(of: peer)], default: 1] -= 1 }
      return
    }
    let (type, bytes) = message.encoded()
    let targets: [Int] =
      switch destination {
      case .all: nodes.indices.filter { $0 != node.index && nodes[$0].replica != nil }
      case .peer(let peer): [Self.index(of: peer)]
      case .peers(let peers): peers.map { Self.index(of: $0) }
      }
    for target in targets {
      bytesSent[type, default: 0] += bytes.count
      if UInt64.random(in: 0..<100, using: &chance) < loss || cut.contains(node.index) != cut.contains(target) {
        if type == ReplicaMessageType.events { gossipUnderWay[[node.index, target], default: 1] -= 1 }
        continue
      }
      schedule(.message(from: node.index, to: target, life: node.life, type: type, bytes: bytes), after: type == ReplicaMessageType.events ? gossipMilliseconds : nil)
    }
  }

  /// Admits a fresh event at a node.
  /// - Parameter isForged: with the signature of something else, as no gate would let it in.
  @discardableResult func admit(at index: Int, byteCount: Int = 0, isForged: Bool = false) -> EventID {
    sequence += 1
    let signer = SigningKey(seed: Bytes32(repeating: UInt8(100 + sequence % 5)))
    let blob = [UInt8](repeating: 1, count: 16) + Array("body \(sequence)".utf8) + [UInt8](repeating: 46, count: byteCount)
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: now.milliseconds), stream: 1,
      sequence: sequence, chainTag: Self.tag, signer: signer.publicKey, bodyDigest: SHA256.hash(blob))
    let signed: [UInt8] = isForged ? [1] : statement.encoded
    let record = Entry(statement: statement, signature: signer.sign(signed.bytes)).encoded + blob
    let id = EventID(SHA256.hash(statement.encoded))
    if let pool = nodes[index].replica?.pool, case .accepted = pool.admit(record.bytes, id: id, statement: statement, reactor: 0, now: now) {
      admitted.append(id)
    }
    return id
  }

  /// Lets time pass.
  func run(milliseconds: UInt64) {
    let end = now.adding(milliseconds: milliseconds)
    endTurns()
    while true {
      var next = end
      for entry in queue { next = min(next, entry.at) }
      for node in nodes where node.replica != nil && node.halted == nil && !frozen.contains(node.index) { next = min(next, node.timer) }
      now = max(now, next)
      if next >= end { return }
      let due = queue.filter { $0.at <= now }.sorted { ($0.at, $0.serial) < ($1.at, $1.serial) }
      queue.removeAll { $0.at <= now }
      for entry in due { deliver(entry.event) }
      for node in nodes where node.replica != nil && node.timer <= now && !frozen.contains(node.index) {
        node.timer = .distantFuture
        perform(node.index) { $0.timer(now: $1, &$2) }
      }
      endTurns()
    }
  }

  private func endTurns() {
    for node in nodes where node.replica != nil && !frozen.contains(node.index) {
      repeat { perform(node.index) { $0.collect(now: $1, &$2) } } while node.halted == nil && node.replica?.hasWork == true
      node.replica?.pool.quiesce(reactor: 0)
    }
  }

  /// Lets time pass until every node is up to date and has nothing pending, or until it is clear that this does not happen.
  func settle(withinMilliseconds limit: UInt64) {
    let end = now.adding(milliseconds: limit)
    while now < end {
      run(milliseconds: 100)
      let heads = Set(nodes.map { $0.store.head.height.rawValue })
      let isIdle = nodes.allSatisfy { $0.replica?.pool.load.events == 0 }
      if isIdle, let low = heads.min(), let high = heads.max(), high - low <= 1, nodes.allSatisfy({ $0.store.head.treeSize == nodes[0].store.head.treeSize }) {
        return
      }
    }
  }

  private func deliver(_ event: Event) {
    if let node = event.node, frozen.contains(node) { return waiting.append(event) }
    switch event {
    case .message(let from, let to, let life, let type, let bytes):
      if type == ReplicaMessageType.events { gossipUnderWay[[from, to], default: 1] -= 1 }
      guard nodes[to].replica != nil, nodes[from].life == life else { return }
      do {
        let message = try ReplicaMessage(type: type, decoding: bytes.bytes, chainTag: Self.tag)
        perform(to) { $0.received(message, from: PeerLink(Self.link(from, life)), now: $1, &$2) }
      } catch {
        Issue.record("a message of type \(type) does not decode: \(error)")
      }
    case .synced(let index, let life, let write):
      let node = nodes[index]
      guard node.life == life else { return }
      switch write {
      case .journal(let records, let through):
        node.journal += records
        perform(index) { $0.journalSynced(through, now: $1, &$2) }
      case .store(let block):
        node.store.storeUnsynced(block)
        node.store.sync()
        perform(index) { $0.stored(block.hash, now: $1, &$2) }
      case .adopt(let anchor): do { try node.store.adopt(anchor) } catch { Issue.record("node \(index): \(error)") }
      case .persist(let blocks, let floor, let height):
        do { try node.store.commit(blocks) } catch { Issue.record("node \(index): \(error)") }
        node.journal.append(floor.record)
        perform(index) { $0.persisted(height, now: $1, &$2) }
      }
    case .answer(let index, let life, let query):
      guard nodes[index].life == life else { return }
      do {
        let answer = try nodes[index].store.load(query, epochLength: parameters.epochLength, chainTag: Self.tag)
        perform(index) { $0.loaded(query, answer, now: $1, &$2) }
      } catch {
        Issue.record("\(error)")
      }
    case .filled(let index, let life, let work):
      guard nodes[index].life == life else { return }
      fill(index, work)
    case .helped(let index, let life):
      guard nodes[index].life == life else { return }
      nodes[index].helper?.finish()
      perform(index) { $0.takeVerdicts(now: $1, &$2) }
    case .again: break
    case .link(let a, let b):
      let pair = a < b ? [a, nodes[a].life, b, nodes[b].life] : [b, nodes[b].life, a, nodes[a].life]
      guard nodes[a].replica != nil, nodes[b].replica != nil, island.contains(a) == island.contains(b), linked.insert(pair).inserted else { return }
      for (node, other) in [(a, b), (b, a)] {
        let facts = PeerFacts(
          validator: nodes[other].key?.publicKey, head: nodes[other].store.head.height, earliestBodyHeight: nodes[other].store.earliestBodyHeight)
        perform(node) { $0.peerUp(PeerLink(Self.link(other, self.nodes[other].life)), facts, now: $1, &$2) }
      }
    }
  }

  private func fill(_ index: Int, _ work: BackfillWork) {
    let store = nodes[index].store
    var task = BackfillTask(work)
    var batch = SignatureBatch(capacity: BodyFill.eventsPerStep, seed: Bytes32(repeating: 7))
    do {
      while true {
        guard let (result, gap) = try task.step(store, floor: backfillFloor ?? store.earliestBodyHeight, hasRoom: true, &batch) else { continue }
        return perform(index) { $0.filled(result, gap, now: $1, &$2) }
      }
    } catch {
      Issue.record("\(error)")
    }
  }

  // MARK: Checks

  /// Every node has the same hash at every height that both have, and the least of their heads is at least this high.
  func expectAgreement(heightMin: UInt64, sourceLocation: SourceLocation = #_sourceLocation) {
    for node in nodes { #expect(node.halted == nil, "node \(node.index)", sourceLocation: sourceLocation) }
    let least = nodes.map { $0.store.head.height.rawValue }.min() ?? 0
    #expect(least >= heightMin, "heads: \(nodes.map { $0.store.head.height.rawValue })", sourceLocation: sourceLocation)
    for height in stride(from: UInt64(1), through: least, by: 1) {
      let hashes = Set(nodes.compactMap { $0.store.header(at: Height(height))?.hash })
      #expect(hashes.count == 1, "height \(height)", sourceLocation: sourceLocation)
    }
    for node in nodes {
      let head = node.store.head
      let root = try? node.store.reader(of: .entries).root(ofSize: head.treeSize)
      #expect(root == head.treeRoot, "node \(node.index)", sourceLocation: sourceLocation)
      guard head.height.rawValue > 0, let bytes = node.store.certificate(at: head.height) else { continue }
      let certificate = try? Certificate(decoding: bytes.bytes, chainTag: Self.tag)
      #expect(throws: Never.self, sourceLocation: sourceLocation) { 
        let set = try node.store.validators(at: head.height, genesis: self.set)
        try #require(certificate).verifyFinality(of: head, in: set, epochLength: self.parameters.epochLength)
      }
    }
  }

  /// Ids in the chain of a node, in order.
  func chainIDs(_ index: Int) -> [EventID] {
    var ids: [EventID] = []
    let store = nodes[index].store
    for height in stride(from: UInt64(1), through: store.head.height.rawValue, by: 1) {
      guard let entries = store.entries(at: Height(height)) else { continue }
      for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) {
        ids.append(EventID(SHA256.hash(entries.bytes.extracting(offset..<offset + Statement.byteCount))))
      }
    }
    return ids
  }

  /// Every admitted event is in every chain exactly once.
  func expectEveryEventOnce(sourceLocation: SourceLocation = #_sourceLocation) {
    for node in nodes {
      let ids = chainIDs(node.index)
      #expect(ids.count == Set(ids).count, "node \(node.index) has an event twice", sourceLocation: sourceLocation)
      let missing = Set(admitted).subtracting(ids)
      #expect(missing.isEmpty, "node \(node.index) lacks \(missing.count) of \(admitted.count)", sourceLocation: sourceLocation)
    }
  }
}
