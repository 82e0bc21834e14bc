import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Testing

@testable import Replication

/// A node that begins from a signed checkpoint, which names a tree: the block that it finds, and what it refuses.
@Suite struct CheckpointSearchTests {
  /// Four validators with a newcomer and a change of the set behind them, with empty blocks in between; the observer, the last node, is down and empty.
  private func network(seed: UInt64) throws -> Cluster {
    let cluster = try Cluster(validators: 4, newcomers: 1, observers: 1, seed: seed, epochLength: 6, emptyBlockInterval: 200)
    try cluster.startAll()
    cluster.crash(cluster.nodes.count - 1)
    for round in 0..<4 {
      for _ in 0..<3 { cluster.admit(at: round % 3) }
      cluster.run(milliseconds: 900)
    }
    let epoch = Epoch((cluster.nodes[0].store.head.height.rawValue / 6) + 2)
    try cluster.propose(try cluster.validators([0, 1, 2, 4]), from: epoch, by: [0, 1, 2])
    try cluster.run(until: epoch.rawValue * 6 + 2)
    for round in 0..<4 {
      cluster.admit(at: round % 2)
      cluster.run(milliseconds: 900)
    }
    return cluster
  }

  private static func checkpoint(_ size: UInt64, _ root: Digest) -> Checkpoint { Checkpoint(origin: "test/chain", size: size, root: root) }

  /// A note with cosignatures of these nodes.
  private static func note(_ checkpoint: Checkpoint, by nodes: [Int]) -> [UInt8] {
    let lines = nodes.map { checkpoint.cosignature(Cluster.key($0), name: "test/v\($0)", seconds: 1_700_000_000) }
    return Array(checkpoint.note([checkpoint.logLine(Cluster.key(90))] + lines).utf8)
  }

  /// The final blocks with events of a chain.
  private static func heads(_ cluster: Cluster) -> [BlockHeader] {
    (1...cluster.nodes[0].store.head.height.rawValue).compactMap { cluster.nodes[0].store.header(at: Height($0)) }.filter { $0.eventCount > 0 }
  }

  private func begin(_ cluster: Cluster, from note: [UInt8]) throws {
    let observer = cluster.nodes.count - 1
    cluster.nodes[observer].store = MemoryStore(genesis: cluster.genesis, soughtCheckpoint: note)
    try cluster.start(observer)
  }

  private func expectWhole(_ cluster: Cluster, from block: BlockHeader, isRaised: Bool = false, _ comment: Comment = "") throws {
    let node = cluster.nodes[cluster.nodes.count - 1]
    #expect(node.adopted.first == Anchor(height: block.height, hash: block.hash), comment)
    #expect(node.store.soughtCheckpoint == nil && node.store.anchor == node.adopted.last, comment)
    #expect(node.store.earliestBodyHeight == node.adopted.last?.height.next && (isRaised || node.adopted.count == 1), comment)
    cluster.expectAgreement(heightMin: block.height.rawValue + 1)
    cluster.expectEveryEventOnce()
    #expect(node.replica?.syncFacts.isSyncing == false && node.replica?.obstacle == nil, comment)
  }

  /// For every tree, under every final block above it, in a chain with blocks of equal size; and nothing for sizes that are no block's.
  @Test func theBlockOfEveryTreeIsFoundUnderEveryLaterBlock() throws {
    let cluster = try network(seed: 300)
    let store = cluster.nodes[0].store, heads = Self.heads(cluster)
    let sizes = Dictionary(grouping: (1...store.head.height.rawValue).compactMap { store.header(at: Height($0)) }, by: \.treeSize)
    #expect(sizes.values.contains { $0.count > 1 } && heads.count > 5, "the chain has empty blocks and others")
    let old = cluster.set, new = try cluster.validators([0, 1, 2, 4])
    var questions = 0
    for size in 1...store.head.treeSize + 1 {
      let block = heads.first { $0.treeSize >= size }
      let root = block.map { $0.treeSize == size ? $0.treeRoot : .empty } ?? .empty
      var begun = CheckpointSearch(try CosignedCheckpoint(parsing: Self.note(Self.checkpoint(size, root), by: [0, 1, 2])))
      for set in [old, new] { begun.see(set) }
      for target in stride(from: UInt64(1), through: store.head.height.rawValue, by: 5) {
        var search = begun
        let header = try #require(store.header(at: Height(target)))
        search.proven(Anchor(height: header.height, hash: header.hash))
        let source = BlockSync.Source(link: PeerLink(1), head: store.head.height)
        var steps = 0
        while let asked = search.plan([source], now: Instant(milliseconds: UInt64(steps))).ask {
          let query = StoreQuery.history(from: asked.from, blocksMax: 1, bytesMax: 1, anchor: asked.target, asked.peer)
          guard case .history(let from, let history?) = try store.load(query, epochLength: 6, chainTag: Cluster.tag) else {
            Issue.record("nothing at \(asked.from)")
            return
          }
          #expect(search.received(from: from, history, asked.peer) == .useful)
          steps += 1
        }
        questions = max(questions, steps)
        if header.treeSize < size {
          #expect(search.found == nil && search.refusal == nil && search.isBehind && search.smaller == header.treeSize, "size \(size) under \(target)")
        } else if let block, block.treeSize == size {
          #expect(search.found == Anchor(height: block.height, hash: block.hash), "size \(size) under \(target)")
        } else {
          // A quorum has cosigned a tree that is no block's.
          #expect(search.found == nil && search.refusal == block.map { .contradiction($0.height) }, "size \(size) under \(target)")
        }
      }
    }
    #expect(questions <= 1 + Int((Double(store.head.height.rawValue)).squareRoot()), "\(questions) questions of \(store.head.height.rawValue) blocks")
  }

  @Test func aNodeBeginsFromTheBlockOfASignedCheckpoint() throws {
    for (round, isPublished) in [(0, true), (1, false)] {
      let cluster = try network(seed: 301 + UInt64(round))
      let heads = Self.heads(cluster), observer = cluster.nodes.count - 1
      var block = heads[heads.count - 2]
      var note = Self.note(Self.checkpoint(block.treeSize, block.treeRoot), by: [4, 2, 0])
      if isPublished {
        // One that the nodes have published, of a block of the first set.
        let head = try #require(cluster.nodes[0].heads.first)
        block = try #require(heads.first { $0.treeSize == head.size })
        let checkpoint = Self.checkpoint(head.size, head.root)
        let lines = head.cosignatures.map { cosignature in
          let validator = head.validators.validators[cosignature.validator]
          return SignatureLine(VerifierKey(name: "test/\(validator.name)", type: .cosignature, key: validator.cosignerKey), seconds: cosignature.seconds, signature: cosignature.signature)
        }
        note = Array(checkpoint.note([checkpoint.logLine(Cluster.key(90))] + lines).utf8)
      } else {
        // Nobody has a body any more.
        for index in 0..<observer { cluster.nodes[index].store.prune(before: block.height.next) }
      }
      try begin(cluster, from: note)
      cluster.run(milliseconds: 3000)
      cluster.admit(at: 0)
      cluster.settle(withinMilliseconds: 20_000)
      try expectWhole(cluster, from: block, "\(isPublished)")
    }
  }

  @Test func whatIsNotProvenByAQuorumOfTheRightSetIsRefused() throws {
    let cluster = try network(seed: 303)
    let observer = cluster.nodes.count - 1, heads = Self.heads(cluster)
    let new = try cluster.validators([0, 1, 2, 4])
    let late = try #require(heads.last { $0.validatorsHash == new.hash }), early = heads[1]
    #expect(early.validatorsHash == cluster.set.hash)
    let wrong = Self.checkpoint(late.treeSize, SHA256.hash([7]))
    var spoiled = Self.note(Self.checkpoint(late.treeSize, late.treeRoot), by: [0, 1, 2, 4])
    // The cosignature of v4, which the set of genesis does not have, with another time.
    let line = Self.checkpoint(late.treeSize, late.treeRoot).cosignature(Cluster.key(4), name: "test/v4", seconds: 1)
    let forged = SignatureLine(VerifierKey(name: "test/v4", type: .cosignature, key: Cluster.key(4).publicKey), seconds: 2, signature: line.signature)
    spoiled = Array(Self.checkpoint(late.treeSize, late.treeRoot).note([0, 1, 2].map {
      Self.checkpoint(late.treeSize, late.treeRoot).cosignature(Cluster.key($0), name: "test/v\($0)", seconds: 1)
    } + [forged]).utf8)
    let cases: [(String, [UInt8], CheckpointRefusal)] = [
      ("two of four", Self.note(Self.checkpoint(late.treeSize, late.treeRoot), by: [0, 1]), .tooFewCosignatures(late.height)),
      ("one twice", Self.note(Self.checkpoint(late.treeSize, late.treeRoot), by: [0, 1, 1]), .tooFewCosignatures(late.height)),
      ("a quorum of the set before", Self.note(Self.checkpoint(late.treeSize, late.treeRoot), by: [0, 1, 3]), .tooFewCosignatures(late.height)),
      ("a quorum of the set after", Self.note(Self.checkpoint(early.treeSize, early.treeRoot), by: [0, 1, 4]), .tooFewCosignatures(early.height)),
      ("another tree, cosigned", Self.note(wrong, by: [0, 1, 2]), .contradiction(late.height)),
      ("another tree, not cosigned", Self.note(wrong, by: [0, 1]), .foreign(late.height)),
      ("a false signature beside a quorum", spoiled, .badSignature(name: "test/v4")),
    ]
    for (name, note, refusal) in cases {
      try begin(cluster, from: note)
      cluster.run(milliseconds: 3000)
      let node = cluster.nodes[observer], size = try CosignedCheckpoint(parsing: note).checkpoint.size
      #expect(node.replica?.obstacle == .checkpointRefused(size: size, refusal), "\(name): \(String(describing: node.replica?.obstacle))")
      #expect(node.adopted.isEmpty && node.halted == nil && node.store.head.height == Height(0), "\(name)")
      #expect(node.replica?.syncFacts.isSyncing == true && node.store.soughtCheckpoint == note, "\(name)")
      cluster.crash(observer)
    }
  }

  /// The tree is not there yet: the node says so, waits, and begins when it is.
  @Test func aCheckpointAboveTheHeadsOfThePeersIsWaitedFor() throws {
    let cluster = try Cluster(validators: 4, observers: 2, seed: 304, epochLength: 6, emptyBlockInterval: 200)
    try cluster.startAll()
    cluster.crash(5)
    for _ in 0..<4 {
      cluster.admit(at: 0)
      cluster.run(milliseconds: 700)
    }
    // The last two nodes have only each other, and one of them knows the chain so far.
    cluster.cut = [4, 5]
    cluster.island = [4, 5]
    cluster.run(milliseconds: 300)
    let reached = cluster.nodes[4].store.head
    for _ in 0..<3 {
      cluster.admit(at: 1)
      cluster.run(milliseconds: 700)
    }
    let block = try #require(Self.heads(cluster).last)
    #expect(block.treeSize > reached.treeSize && block.height.rawValue > reached.height.rawValue + 5)
    try begin(cluster, from: Self.note(Self.checkpoint(block.treeSize, block.treeRoot), by: [1, 2, 3]))
    cluster.run(milliseconds: 5000)
    #expect(cluster.nodes[5].replica?.obstacle == .checkpointAhead(size: block.treeSize, largest: reached.treeSize))
    #expect(cluster.nodes[5].store.head.height == Height(0) && cluster.nodes[5].replica?.syncFacts.isSyncing == true)
    // A height and a hash are waited for in the same way.
    cluster.crash(5)
    let anchor = Anchor(height: block.height, hash: block.hash)
    cluster.nodes[5].store = MemoryStore(genesis: cluster.genesis, anchor: anchor)
    try cluster.start(5)
    cluster.run(milliseconds: 3000)
    #expect(cluster.nodes[5].replica?.obstacle == .anchorAhead(anchor, highest: reached.height))
    #expect(cluster.nodes[5].store.head.height == Height(0) && cluster.nodes[5].replica?.syncFacts.isSyncing == true)
    cluster.crash(5)
    try begin(cluster, from: Self.note(Self.checkpoint(block.treeSize, block.treeRoot), by: [1, 2, 3]))
    cluster.run(milliseconds: 3000)
    #expect(cluster.nodes[5].adopted.isEmpty)
    cluster.cut = []
    cluster.run(milliseconds: 5000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 20_000)
    // The peer got the block in a range whose last block alone has a certificate there: that one takes the place of the first.
    let adopted = cluster.nodes[5].adopted
    #expect(adopted.count == 2 && adopted[1].height > block.height && cluster.nodes[4].store.certificate(at: block.height) == [], "\(adopted)")
    try expectWhole(cluster, from: block, isRaised: true)
  }

  /// The search is made again, and what is found stays.
  @Test func aCrashDuringTheSearchAndAfterIt() throws {
    let cluster = try network(seed: 305)
    let observer = cluster.nodes.count - 1
    let block = try #require(Self.heads(cluster).dropLast(2).last)
    let note = Self.note(Self.checkpoint(block.treeSize, block.treeRoot), by: [0, 1, 2])
    try begin(cluster, from: note)
    var crashes = (searching: 0, found: 0)
    for _ in 0..<200 where cluster.nodes[observer].store.head.height < block.height {
      cluster.run(milliseconds: crashes.searching < 4 ? 15 + UInt64(crashes.searching) * 12 : 20)
      let store = cluster.nodes[observer].store
      guard crashes.searching < 5 || crashes.found < 3 else { break }
      if store.soughtCheckpoint == nil {
        #expect(store.anchor == Anchor(height: block.height, hash: block.hash))
        crashes.found += 1
      } else {
        #expect(store.anchor == nil && store.soughtCheckpoint == note)
        crashes.searching += 1
      }
      cluster.crash(observer)
      try cluster.start(observer)
    }
    #expect(crashes.searching > 2 && crashes.found > 0, "\(crashes)")
    cluster.run(milliseconds: 3000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 20_000)
    let node = cluster.nodes[observer]
    #expect(node.store.anchor == Anchor(height: block.height, hash: block.hash) && node.store.earliestBodyHeight == block.height.next)
    cluster.expectAgreement(heightMin: block.height.rawValue + 1)
    cluster.expectEveryEventOnce()
  }

  enum Lie: CaseIterable { case silent, nothing, otherTarget, otherProof, unlinked, otherPlace }

  @Test(arguments: Lie.allCases) func aLyingPeerDoesNotLeadTheSearchAstray(lie: Lie) throws {
    let cluster = try network(seed: 306)
    let block = try #require(Self.heads(cluster).dropLast(2).last)
    var (lies, liar): (Int, Int?) = (0, nil)
    cluster.tamper = { from, message in
      guard case .history(let height, let history?) = message else { return message }
      if liar == nil { liar = from }
      guard liar == from else { return message }
      lies += 1
      var lied = history
      switch lie {
      case .silent: return nil
      case .nothing: return .history(from: height, nil)
      case .otherTarget: lied.anchor.treeSize += 1
      case .otherProof: lied.proof = lied.proof.isEmpty ? [.empty] : Array(lied.proof.dropLast()) + [.empty]
      case .unlinked: lied.blocks = lied.blocks.reversed() + lied.blocks
      case .otherPlace:
        // A proven block, and not the one that was asked for.
        let query = StoreQuery.history(from: Height(2), blocksMax: 1, bytesMax: 1, anchor: history.anchor.height, PeerLink(1))
        guard height != Height(2), case .history(_, let other?) = try? cluster.nodes[from].store.load(query, epochLength: 6, chainTag: Cluster.tag) else { return message }
        lied = other
      }
      return .history(from: height, lied)
    }
    try begin(cluster, from: Self.note(Self.checkpoint(block.treeSize, block.treeRoot), by: [0, 1, 2]))
    cluster.run(milliseconds: lie == .silent ? ReplicationLimit.rangeMilliseconds + 3000 : 4000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 40_000)
    #expect(lies > 0, "\(lie)")
    try expectWhole(cluster, from: block, "\(lie)")
  }

  /// A peer of version 1 has no blocks without bodies.
  @Test func onlyPeersThatHaveTheMessageAreAsked() throws {
    var search = CheckpointSearch(try CosignedCheckpoint(parsing: Self.note(Self.checkpoint(5, .empty), by: [0])))
    search.proven(Anchor(height: Height(9), hash: .empty))
    let old = BlockSync.Source(link: PeerLink(1), head: Height(20), speaksVersion2: false)
    let now = Instant(milliseconds: 1)
    #expect(search.plan([old], now: now).ask == nil && search.deadline == .distantFuture)
    // Nobody claims what is certified: whoever signed it has it or will.
    let low = BlockSync.Source(link: PeerLink(2), head: Height(3)), high = BlockSync.Source(link: PeerLink(3), head: Height(9))
    #expect(search.plan([old, low], now: now).ask?.peer == PeerLink(2))
    search.peerDown(PeerLink(2))
    #expect(search.plan([old, low, high], now: now).ask?.peer == PeerLink(3))
    let late = search.plan([old, low, high], now: now.adding(milliseconds: ReplicationLimit.rangeMilliseconds))
    #expect(late.late == PeerLink(3) && late.ask?.peer == PeerLink(2))
  }
}
