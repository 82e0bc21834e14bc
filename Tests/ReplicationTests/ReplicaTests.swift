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

/// A replica of a sole validator over the in-memory store; the test decides when writes become durable.
private final class Bench {
  static let key = SigningKey(seed: Bytes32(repeating: 3))
  let store: MemoryStore
  let replica: Replica
  let genesis: BlockHeader
  var waiting: [([BlockCommit], Height)] = []
  var finals: [FinalBlock] = []
  /// What a follower was sent.
  var sent: [ReplicaMessage] = []
  var now = Instant(milliseconds: 1_700_000_000_000)
  private var sequence: UInt64 = 0

  init(store: MemoryStore? = nil, genesis given: BlockHeader? = nil) throws {
    let set = try ValidatorSet([Validator(publicKey: Self.key.publicKey, cosignerKey: Self.key.publicKey, power: 1, name: "v1")])
    var parameters = ChainParameters()
    parameters.blockTime = 100
    genesis = given
      ?? BlockHeader(
        eventCount: 0, chainTag: ChainTag(Bytes16(1, 2)), height: Height(0), timestamp: Timestamp(milliseconds: 5), treeSize: 0, parentHash: .zero,
        eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash,
        parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    self.store = store ?? MemoryStore(genesis: genesis)
    let head = self.store.head
    let tree = try MountainRange(size: head.treeSize, from: self.store.reader(of: .entries))
    let history = try MountainRange(size: head.height.rawValue, from: self.store.reader(of: .history))
    let initial = GovernanceState(chainID: "test", chainTag: genesis.chainTag, validators: set, parameters: parameters, signers: .empty)
    let governance = try self.store.governance(from: initial)
    var chain = Chain(tip: ChainTip(header: head, tree: tree, history: history, governance: governance), seed: 1)
    try self.store.restoreWindow(of: &chain)
    var limits = PoolLimits()
    limits.eventsMax = 5000
    limits.perSignerPercent = 100
    replica = Replica(
      try RestoredState(chain: chain, journal: .records([]), from: self.store), pool: EventPool(limits: limits, seed: 9), key: Self.key,
      options: Replica.Options(machine: .init(chainTag: genesis.chainTag), origin: "test/chain", seed: Bytes32(repeating: 5)), now: now)
    perform { $0.start(now: $1, &$2) }
  }

  private var times: Times { Times(monotonic: now, wall: Timestamp(milliseconds: now.milliseconds)) }

  private func perform(_ action: (Replica, Times, inout [ReplicaEffect]) -> Void) {
    var effects: [ReplicaEffect] = []
    action(replica, times, &effects)
    for effect in effects {
      switch effect {
      case .persist(let blocks, let floor, let height):
        #expect(floor.isAwaited, "nobody else can tell a sole validator how far its chain went")
        waiting.append((blocks, height))
      case .final(let block): finals.append(block)
      case .send(let message, _): sent.append(message)
      case .setTimer: continue
      default: Issue.record("a sole validator asks for nothing else: \(effect)")
      }
    }
  }

  private static let signer = SigningKey(seed: Bytes32(repeating: 44))

  /// The record of an event as a file has it.
  func record(_ sequence: UInt64, signed: Bool) -> [UInt8] {
    let blob = [UInt8](repeating: 1, count: 16) + Array("saved \(sequence)".utf8)
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: now.milliseconds), stream: 2,
      sequence: sequence, chainTag: genesis.chainTag, signer: Self.signer.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: signed ? Self.signer.sign(statement.encoded.bytes) : Signature(Bytes64())).encoded + blob
  }

  /// Admits a fresh event; signatures are the API's business and are not looked at here.
  func admit(by signer: PublicKey? = nil) -> EventID {
    sequence += 1
    let blob = [UInt8](repeating: 1, count: 16) + Array("body \(sequence)".utf8)
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: UInt32(blob.count - 16), timestamp: Timestamp(milliseconds: now.milliseconds), stream: 1,
      sequence: sequence, chainTag: genesis.chainTag, signer: signer ?? PublicKey(Bytes32(repeating: UInt8(sequence % 5))), bodyDigest: SHA256.hash(blob))
    let record = Entry(statement: statement, signature: Signature(Bytes64())).encoded + blob
    let id = EventID(SHA256.hash(statement.encoded))
    _ = replica.pool.admit(record.bytes, id: id, statement: statement, reactor: 0, now: now)
    return id
  }

  /// Somebody who follows is connected.
  func follow() { perform { $0.peerUp(PeerLink(1), PeerFacts(validator: nil), now: $1, &$2) } }

  func collect() { perform { $0.collect(now: $1, &$2) } }

  func advance(milliseconds: UInt64) {
    now = now.adding(milliseconds: milliseconds)
    perform { $0.timer(now: $1, &$2) }
    replica.pool.quiesce(reactor: 0)
  }

  /// The disk catches up.
  func persist(writesMax: Int = .max) throws {
    var left = writesMax
    while !waiting.isEmpty, left > 0 {
      left -= 1
      let (blocks, height) = waiting.removeFirst()
      try store.commit(blocks)
      perform { $0.persisted(height, now: $1, &$2) }
    }
  }
}

@Suite struct ReplicaTests {
  /// What a clean stop has saved comes back with the checks of gossip, and what has not come back yet is saved again.
  @Test func savedEventsAreVerifiedInTurns() throws {
    let bench = try Bench()
    let good = (1...1200).map { bench.record(UInt64($0), signed: true) }, bad = (2000...2003).map { bench.record(UInt64($0), signed: false) }
    bench.replica.restore(Array(good[..<600].joined()) + Array(bad.joined()) + Array(good[600...].joined()) + [1, 2, 3])
    #expect(bench.replica.hasWork && bench.replica.pool.load.events == 0)
    bench.collect()
    // A turn takes its share and no more.
    let first = bench.replica.pool.load.events
    #expect(first > 0 && first < 1200 && !bench.replica.unrestored.isEmpty)
    for _ in 0..<1000 where bench.replica.hasWork { bench.collect() }
    #expect(bench.replica.pool.load.events == 1200 && bench.replica.unrestored.isEmpty && !bench.replica.hasWork)
  }

  @Test func admittedEventsBecomeFinalInOrderExactlyOnce() throws {
    let bench = try Bench()
    var ids: [EventID] = []
    for _ in 0..<20 {
      for _ in 0..<50 { ids.append(bench.admit()) }
      bench.collect()
      bench.advance(milliseconds: 100)
      try bench.persist()
    }
    let final = bench.finals.flatMap { $0.ids }
    #expect(Set(final) == Set(ids) && final.count == ids.count)
    #expect(bench.finals.map { $0.header.height.rawValue } == Array(1...UInt64(bench.finals.count)))
    #expect(bench.replica.pool.load.events == 0)
    // The root of the head is that of a tree built from the stored entries by themselves.
    var naive = MemoryTree()
    for height in 1...bench.store.head.height.rawValue {
      let entries = try #require(bench.store.entries(at: Height(height)))
      for offset in stride(from: 0, to: entries.count, by: Entry.byteCount) {
        naive.append(leafHash: TreeHash.leaf(entries.bytes.extracting(offset..<offset + Entry.byteCount)))
      }
    }
    let root = try naive.root(ofSize: bench.store.head.treeSize)
    #expect(root == bench.store.head.treeRoot)
  }

  /// As when a signer has become a validator since its events were admitted.
  @Test func anEventThatNoBlockCanHoldAnyMoreIsRejectedAndTheOthersGoOn() throws {
    let bench = try Bench()
    var good: [EventID] = [], bad: [EventID] = []
    for _ in 0..<5 {
      good.append(bench.admit())
      bad.append(bench.admit(by: Bench.key.publicKey))
    }
    bench.collect()
    bench.advance(milliseconds: 100)
    try bench.persist()
    #expect(Set(bench.finals.flatMap(\.ids)) == Set(good))
    #expect(bad.allSatisfy { bench.replica.pool.fate(of: $0) == .rejected })
    #expect(bench.replica.pool.load.events == 0)
  }

  /// A sole validator that came back without a block that others have seen would make another one in its place.
  @Test func aSoleValidatorShowsItsSignaturesOnlyWhenTheBlockIsOnDisk() throws {
    let bench = try Bench()
    bench.follow()
    func certified() -> [UInt64] {
      bench.sent.compactMap { message in
        switch message {
        case .propose, .consensus(.vote), .consensus(.proposal):
          Issue.record("shown apart from a certificate: \(message)")
          return nil
        case .consensus(.certificate(let certificate)): return certificate.vote.kind == .finalise ? certificate.vote.height.rawValue : 0
        default: return nil
        }
      }
    }
    for round in 1...3 as ClosedRange<UInt64> {
      _ = bench.admit()
      bench.collect()
      bench.advance(milliseconds: 100)
      #expect(!bench.waiting.isEmpty && certified() == Array(1..<round))
      try bench.persist()
      #expect(certified() == Array(1...round))
    }
  }

  @Test func nothingIsReportedBeforeItIsDurableAndDecisionsWaitForTheDisk() throws {
    let bench = try Bench()
    for _ in 0..<12 {
      _ = bench.admit()
      bench.collect()
      bench.advance(milliseconds: 100)
    }
    #expect(bench.finals.isEmpty && bench.replica.durable.header.height == Height(0))
    #expect(bench.waiting.count == ReplicationLimit.blocksInFlight)
    try bench.persist()
    bench.advance(milliseconds: 100)
    try bench.persist()
    #expect(bench.finals.flatMap { $0.ids }.count == 12)
  }

  /// A block that waits for the disk is built once, on the head, however many timers pass meanwhile.
  @Test func aBlockThatIsPutOffForLongIsBuiltOnTheHead() throws {
    let bench = try Bench()
    var count = 0
    for round in 0..<60 {
      for _ in 0..<7 {
        _ = bench.admit()
        count += 1
        bench.collect()
        bench.advance(milliseconds: 100)
      }
      #expect(bench.waiting.count == ReplicationLimit.blocksInFlight)
      for _ in 0..<round % 7 { bench.advance(milliseconds: 1500) }
      // One write at a time: each lets one block be built.
      for _ in 0..<round % 4 { try bench.persist(writesMax: 1) }
      bench.advance(milliseconds: 100)
      try bench.persist()
    }
    bench.advance(milliseconds: 100)
    try bench.persist()
    #expect(bench.finals.flatMap { $0.ids }.count == count && bench.replica.pool.load.events == 0)
    #expect(bench.finals.map { $0.header.height.rawValue } == Array(1...UInt64(bench.finals.count)))
  }

  @Test func aFullPoolMakesFullBlocksAndNoEmptyOnes() throws {
    let bench = try Bench()
    for _ in 0..<5000 { _ = bench.admit() }
    bench.collect()
    bench.advance(milliseconds: 100)
    try bench.persist()
    bench.collect()
    for _ in 0..<5 { bench.advance(milliseconds: 100) }
    try bench.persist()
    #expect(bench.finals.map { $0.ids.count }.reduce(0, +) == 5000)
    #expect(bench.finals.allSatisfy { !$0.ids.isEmpty }, "\(bench.finals.map { $0.ids.count })")
  }

  @Test func aRestartKeepsExactlyTheDurableHeadAndKnowsItsEvents() throws {
    let bench = try Bench()
    let first = bench.admit()
    bench.collect()
    bench.advance(milliseconds: 100)
    try bench.persist()
    let lost = bench.admit()
    bench.collect()
    bench.advance(milliseconds: 100)
    #expect(bench.waiting.count == 1)
    let again = try Bench(store: bench.store, genesis: bench.genesis)
    let time = Timestamp(milliseconds: bench.now.milliseconds - 100)
    #expect(again.replica.durable.header.height == Height(1))
    #expect(again.replica.finalLeaf(of: first, timestamp: Timestamp(milliseconds: 1_700_000_000_000)) == LeafIndex(0), "\(time)")
    #expect(!again.replica.isDecided(lost, timestamp: Timestamp(milliseconds: 1_700_000_000_100)))
    _ = again.admit()
    again.now = bench.now
    again.collect()
    again.advance(milliseconds: 200)
    try again.persist()
    #expect(again.replica.durable.header.height == Height(2) || !again.finals.isEmpty)
  }
}
