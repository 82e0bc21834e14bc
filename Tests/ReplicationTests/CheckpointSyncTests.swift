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

/// A node that begins from a block whose hash it was told: what it has afterwards, and who cannot mislead it.
@Suite struct CheckpointSyncTests {
  /// Four validators with a newcomer, a change of the set and an open proposal behind them; the observer, the last node, is down and empty.
  private func network(seed: UInt64) throws -> (Cluster, anchor: BlockHeader) {
    let cluster = try Cluster(validators: 4, newcomers: 1, observers: 1, seed: seed, epochLength: 6)
    try cluster.startAll()
    let observer = cluster.nodes.count - 1
    cluster.crash(observer)
    for round in 0..<6 {
      for _ in 0..<3 { cluster.admit(at: round % 3) }
      cluster.run(milliseconds: 400)
    }
    let epoch = Epoch((cluster.nodes[0].store.head.height.rawValue / 6) + 2)
    try cluster.propose(try cluster.validators([0, 1, 2, 4]), from: epoch, by: [0, 1, 2])
    try cluster.run(until: epoch.rawValue * 6 + 2)
    // Nothing in a header tells of a proposal that is still open.
    let next = try cluster.validators([0, 1, 4])
    let state = try #require(cluster.nodes[0].replica?.chain.tip.governance)
    let proposal = try cluster.admit(
      .proposeValidators(ValidatorsProposal(effectiveEpoch: Epoch(epoch.rawValue + 6), base: state.validators.hash, next: next, acceptances: [])), by: 0)
    for _ in 0..<50 where cluster.nodes[0].replica?.chain.tip.governance.open.isEmpty == true { cluster.run(milliseconds: 100) }
    cluster.run(milliseconds: 600)
    let anchor = cluster.nodes[0].store.head
    for _ in 0..<6 {
      cluster.admit(at: 1)
      cluster.run(milliseconds: 300)
    }
    for index in [1, 2] { try cluster.admit(.decide(GovernanceDecision(.approve, of: proposal)), by: index) }
    cluster.run(milliseconds: 1000)
    return (cluster, anchor)
  }

  /// What a store gives proves itself, for each first height; nothing that differs from it does.
  @Test func everyPartOfARangeIsBoundToTheAnchor() throws {
    let (cluster, anchor) = try network(seed: 200)
    for from in stride(from: UInt64(1), through: anchor.height.rawValue, by: 3) {
      let query = StoreQuery.history(from: Height(from), blocksMax: 4, bytesMax: 1 << 20, anchor: anchor.height, PeerLink(1))
      guard case .history(_, let history?) = try cluster.nodes[0].store.load(query, epochLength: 6, chainTag: Cluster.tag) else {
        Issue.record("no range from \(from)")
        continue
      }
      #expect(history.isProven && history.anchor == anchor && history.blocks[0].header.height == Height(from))
      #expect(history.blocks.allSatisfy { $0.header.height <= anchor.height })
      for lie in [Lie.truncated, .otherAnchor, .otherProof] {
        guard let lied = Self.tampered(history, lie) else { continue }
        // Another anchor has another hash, which is compared first; its history may be the same.
        #expect(lie == .otherAnchor ? lied.anchor.hash != anchor.hash : !lied.isProven, "\(lie) from \(from)")
      }
      var other = history
      other.anchor.historyRoot = SHA256.hash([1])
      if history.blocks.last?.header.height != anchor.height { #expect(!other.isProven) }
    }
    // Beyond the head, and past the anchor, there is nothing.
    for (from, target) in [(anchor.height.rawValue + 1, anchor.height.rawValue), (1, 100_000)] {
      let query = StoreQuery.history(from: Height(from), blocksMax: 4, bytesMax: 1 << 20, anchor: Height(target), PeerLink(1))
      guard case .history(_, nil) = try cluster.nodes[0].store.load(query, epochLength: 6, chainTag: Cluster.tag) else {
        Issue.record("a range from \(from) under \(target)")
        continue
      }
    }
  }

  private func begin(_ cluster: Cluster, from anchor: Anchor) throws {
    let observer = cluster.nodes.count - 1
    cluster.nodes[observer].store = MemoryStore(genesis: cluster.genesis, anchor: anchor)
    try cluster.start(observer)
  }

  /// The observer has everything but the bodies up to the anchor, and follows.
  private func expectWhole(_ cluster: Cluster, anchor: BlockHeader) throws {
    let observer = cluster.nodes[cluster.nodes.count - 1], store = observer.store
    cluster.expectAgreement(heightMin: anchor.height.rawValue + 4)
    cluster.expectEveryEventOnce()
    #expect(store.header(at: anchor.height) == anchor && store.earliestBodyHeight == anchor.height.next)
    #expect(observer.replica?.syncFacts.isSyncing == false)
    let tip = try #require(observer.replica?.chain.tip), other = try #require(cluster.nodes[0].replica?.chain.tip)
    if tip.header == other.header { #expect(tip.governance == other.governance) }
    for height in 1...anchor.height.rawValue {
      #expect(try store.block(at: Height(height)) == nil)
      let (own, whole) = (try store.abridged(at: Height(height)), try cluster.nodes[0].store.abridged(at: Height(height)))
      #expect(own?.body == whole?.body && own != nil)
    }
    // Proofs of events that came without bodies verify under the head.
    let head = store.head
    for leaf in [0, anchor.treeSize / 2, anchor.treeSize - 1, head.treeSize - 1] {
      let record = try #require(try store.record(at: LeafIndex(leaf))).record
      let proof = try InclusionProof.make(index: leaf, size: head.treeSize, from: store.reader(of: .entries))
      try proof.verify(leafHash: TreeHash.leaf(record.bytes.extracting(0..<Entry.byteCount)), root: head.treeRoot)
    }
  }

  @Test func aNodeThatBeginsFromACheckpointHasEverythingButOldBodies() throws {
    let (cluster, anchor) = try network(seed: 201)
    var asked = (whole: [Height](), abridged: [Height]())
    cluster.spy = { from, message in
      guard from == cluster.nodes.count - 1 else { return }
      if case .syncRequest(let height, _, _) = message { asked.whole.append(height) }
      if case .historyRequest(let height, _, _, _) = message { asked.abridged.append(height) }
    }
    try begin(cluster, from: Anchor(height: anchor.height, hash: anchor.hash))
    cluster.run(milliseconds: 3000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 30_000)
    // The open proposal was approved above the anchor, and its set is in force everywhere.
    try cluster.run(until: anchor.height.rawValue + 40)
    try expectWhole(cluster, anchor: anchor)
    #expect(cluster.nodes[cluster.nodes.count - 1].replica?.chain.validators == (try cluster.validators([0, 1, 4])))
    #expect(asked.abridged.allSatisfy { $0 <= anchor.height } && asked.whole.allSatisfy { $0 > anchor.height })
    #expect(asked.abridged.first == Height(1))
  }

  /// Peers that have given up their old entries serve none of them, which is no fault; the one that has them is found.
  @Test func peersWithoutOldEntriesArePassedOver() throws {
    let (cluster, anchor) = try network(seed: 202)
    let whole = 3, observer = cluster.nodes.count - 1
    for index in 0..<whole { cluster.nodes[index].store.pruneDeep(before: anchor.height) }
    var answers = (empty: Set<Int>(), full: Set<Int>())
    cluster.spy = { from, message in
      guard case .history(let height, let history) = message, height < anchor.height else { return }
      if history == nil { answers.empty.insert(from) } else { answers.full.insert(from) }
    }
    try begin(cluster, from: Anchor(height: anchor.height, hash: anchor.hash))
    cluster.run(milliseconds: 6000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 60_000)
    cluster.expectAgreement(heightMin: anchor.height.rawValue + 4)
    #expect(!answers.empty.isEmpty && answers.empty.isSubset(of: [0, 1, 2]) && answers.full.contains(whole) && answers.full.isDisjoint(with: [0, 1, 2]), "\(answers)")
    #expect(cluster.nodes[observer].replica?.syncFacts.isSyncing == false)
    for height in 1...anchor.height.rawValue {
      let (own, other) = (try cluster.nodes[observer].store.abridged(at: Height(height)), try cluster.nodes[whole].store.abridged(at: Height(height)))
      #expect(own != nil && own?.body == other?.body)
      let pruned = try cluster.nodes[0].store.abridged(at: Height(height))
      #expect((pruned == nil) == (height < anchor.height.rawValue))
    }
  }

  enum Lie: CaseIterable { case silent, nothing, truncated, unlinked, alteredEntry, otherAnchor, otherProof, withheldGovernance, otherCertificate }

  private static func tampered(_ history: History, _ lie: Lie) -> History? {
    var lied = history
    switch lie {
    case .silent, .nothing: return nil
    case .truncated:
      lied.blocks.removeLast()
      if lied.blocks.isEmpty { return nil }
    case .unlinked: lied.blocks.reverse()
    case .alteredEntry:
      guard let index = history.blocks.firstIndex(where: { !$0.body.isEmpty }) else { return history }
      var body = history.blocks[index].body
      body[Statement.byteCount] ^= 1
      lied.blocks[index] = (try? Block(header: history.blocks[index].header, body: body, withheld: history.blocks[index].withheld)) ?? history.blocks[index]
    case .otherAnchor: lied.anchor.timestamp = Timestamp(milliseconds: lied.anchor.timestamp.rawValue + 1)
    case .otherProof: lied.proof = lied.proof.isEmpty ? [.empty] : Array(lied.proof.dropLast()) + [.empty]
    case .withheldGovernance:
      // A block with a governance event that says that its body is not here.
      for (index, block) in history.blocks.enumerated() {
        guard let position = (0..<Int(block.header.eventCount)).first(where: { ContentType(rawValue: block.body[block.offsets[$0] + 17]).isGovernance }) else { continue }
        var bits = block.withheld.isEmpty ? [UInt8](repeating: 0, count: (Int(block.header.eventCount) + 7) / 8) : block.withheld
        bits[position / 8] |= 1 << UInt8(position % 8)
        var body: [UInt8] = []
        for other in 0..<Int(block.header.eventCount) {
          let end = other == position ? block.offsets[other] + Entry.byteCount : block.offsets[other + 1]
          body += block.body[block.offsets[other]..<end]
        }
        if let altered = try? Block(header: block.header, body: body, withheld: bits) { lied.blocks[index] = altered }
      }
    case .otherCertificate:
      guard let forged = try? forged(history.certificate) else { return history }
      lied.certificate = forged
    }
    return lied
  }


  /// The same vote, signed by a single key.
  private static func forged(_ certificate: Certificate) throws -> Certificate {
    let key = Cluster.key(0)
    let set = try ValidatorSet([Validator(publicKey: key.publicKey, cosignerKey: key.publicKey, power: 1, name: "v0")])
    return Certificate(vote: certificate.vote, signatures: [(0, key.sign(certificate.vote.encoded.bytes))], in: set)
  }

  @Test(arguments: Lie.allCases) func aLyingPeerIsDetectedAndReplaced(lie: Lie) throws {
    let (cluster, anchor) = try network(seed: 202)
    var (lies, liar): (Int, Int?) = (0, nil)
    cluster.tamper = { from, message in
      guard case .history(let height, let history?) = message else { return message }
      if liar == nil { liar = from }
      guard liar == from else { return message }
      let lied = Self.tampered(history, lie)
      let isSame = lied.map { altered in
        altered.anchor == history.anchor && altered.proof == history.proof && altered.certificate == history.certificate
          && altered.blocks.map(\.body) == history.blocks.map(\.body) && altered.blocks.map(\.hash) == history.blocks.map(\.hash)
      } ?? false
      if !isSame { lies += 1 }
      if case .silent = lie { return nil }
      return .history(from: height, lied)
    }
    try begin(cluster, from: Anchor(height: anchor.height, hash: anchor.hash))
    cluster.run(milliseconds: lie == .silent ? ReplicationLimit.rangeMilliseconds + 3000 : 3000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 40_000)
    #expect(lies > 0, "\(lie)")
    try expectWhole(cluster, anchor: anchor)
  }

  /// What is on disk counts; the rest is asked for again.
  @Test func aCrashInTheMiddleCostsOnlyWhatWasNotOnDisk() throws {
    let (cluster, anchor) = try network(seed: 203)
    let observer = cluster.nodes.count - 1
    try begin(cluster, from: Anchor(height: anchor.height, hash: anchor.hash))
    var heights: [UInt64] = []
    for _ in 0..<400 where cluster.nodes[observer].store.head.height < anchor.height {
      cluster.run(milliseconds: 5)
      let height = cluster.nodes[observer].store.head.height.rawValue
      guard height > heights.last ?? 0, height < anchor.height.rawValue else { continue }
      heights.append(height)
      cluster.crash(observer)
      #expect(cluster.nodes[observer].store.head.height.rawValue == height)
      try cluster.start(observer)
    }
    #expect(heights.count > 1, "the sync was never cut")
    cluster.run(milliseconds: 3000)
    cluster.admit(at: 0)
    cluster.settle(withinMilliseconds: 30_000)
    try expectWhole(cluster, anchor: anchor)
  }

  /// Nobody is at fault for a hash that an operator has misread: the node says what it found, takes nothing and blames nobody.
  @Test func aHashThatIsNotOfThisChainIsNamed() throws {
    let (cluster, anchor) = try network(seed: 204)
    let observer = cluster.nodes.count - 1
    try begin(cluster, from: Anchor(height: anchor.height, hash: SHA256.hash([7])))
    cluster.run(milliseconds: 5000)
    #expect(cluster.nodes[observer].store.head.height == Height(0) && cluster.nodes[observer].halted == nil)
    let found = try #require(cluster.nodes[observer].replica?.foreignAnchor)
    #expect(found.found == anchor.hash && found.anchor.hash == SHA256.hash([7]))
    #expect(cluster.nodes[observer].replica?.syncFacts.isSyncing == true)
  }
}
