import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Testing

@testable import Replication

/// Bodies of old blocks that come later: below an anchor, and where a peer has withheld some.
@Suite struct BackfillTests {
  /// Four validators with blocks of some size behind them; the observer, the last node, is down and empty.
  /// - Parameter byteCount: of each body; with the large ones the bodies below the anchor are several ranges.
  private func network(seed: UInt64, byteCount: Int = 200) throws -> (cluster: Cluster, anchor: Anchor) {
    let cluster = try Cluster(validators: 4, observers: 1, seed: seed, epochLength: 6)
    try cluster.startAll()
    cluster.crash(4)
    for round in 0..<18 {
      for _ in 0..<3 { cluster.admit(at: round % 4, byteCount: byteCount) }
      cluster.run(milliseconds: 250)
    }
    cluster.run(milliseconds: 500)
    let anchor = cluster.nodes[0].store.head
    for _ in 0..<6 {
      cluster.admit(at: 1)
      cluster.run(milliseconds: 300)
    }
    return (cluster, Anchor(height: anchor.height, hash: anchor.hash))
  }

  private func begin(_ cluster: Cluster, from anchor: Anchor?) throws {
    cluster.nodes[4].store = MemoryStore(genesis: cluster.genesis, anchor: anchor)
    try cluster.start(4)
    look(cluster)
  }

  private func look(_ cluster: Cluster) { cluster.nodes[4].replica?.looksForBodies = true }

  private func earliest(_ cluster: Cluster) -> Height { cluster.nodes[4].store.earliestBodyHeight }

  /// Lets time pass until the observer has the bodies from a height on.
  private func run(_ cluster: Cluster, until height: UInt64, withinMilliseconds limit: UInt64 = 60_000) {
    for _ in 0..<limit / 50 where earliest(cluster) > Height(height) { cluster.run(milliseconds: 50) }
  }

  /// The observer has every block up to a height as the first node has it.
  private func expectWhole(_ cluster: Cluster, from first: UInt64 = 1, upTo anchor: Anchor, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(earliest(cluster) == Height(first), sourceLocation: sourceLocation)
    for height in first...anchor.height.rawValue {
      let (own, other) = (try cluster.nodes[4].store.block(at: Height(height)), try cluster.nodes[0].store.block(at: Height(height)))
      #expect(own != nil && own?.body == other?.body && own?.isWhole == true, "height \(height)", sourceLocation: sourceLocation)
    }
    #expect(cluster.nodes[4].halted == nil, sourceLocation: sourceLocation)
  }

  @Test func aLiveNodeFetchesTheBodiesBelowItsAnchorDownwards() throws {
    let (cluster, anchor) = try network(seed: 300, byteCount: 50_000)
    cluster.backfillFloor = Height(1)
    var asked: [(from: Height, count: Int, isSyncing: Bool)] = []
    cluster.spy = { from, message in
      guard from == 4, case .syncRequest(let height, let count, _) = message, height <= anchor.height else { return }
      asked.append((height, count, cluster.nodes[4].replica?.syncFacts.isSyncing ?? true))
    }
    try begin(cluster, from: anchor)
    run(cluster, until: 1)
    try expectWhole(cluster, upTo: anchor)
    #expect(asked.allSatisfy { !$0.isSyncing }, "nothing is asked for before the node is live")
    #expect(asked.count > 2 && zip(asked, asked.dropFirst()).allSatisfy { $1.from.rawValue + UInt64($1.count) == $0.from.rawValue }, "ranges join from the anchor down: \(asked)")
    #expect(cluster.nodes[4].replica?.backfillFacts == nil)
  }

  /// The floor is what the policy says: nothing below it is fetched.
  @Test func nothingBelowTheFloorIsFetched() throws {
    let (cluster, anchor) = try network(seed: 301)
    let floor = anchor.height.rawValue / 2
    cluster.backfillFloor = Height(floor)
    try begin(cluster, from: anchor)
    run(cluster, until: floor)
    cluster.run(milliseconds: 5000)
    try expectWhole(cluster, from: floor, upTo: anchor)
    // Without a policy nothing is fetched at all.
    let (other, second) = try network(seed: 302)
    try begin(other, from: second)
    other.run(milliseconds: 10_000)
    #expect(earliest(other) == second.height.next && other.nodes[4].replica?.syncFacts.isSyncing == false)
  }

  @Test func aCrashCostsNothingThatWasWritten() throws {
    let (cluster, anchor) = try network(seed: 303, byteCount: 50_000)
    cluster.backfillFloor = Height(1)
    try begin(cluster, from: anchor)
    var heights: [Height] = []
    for _ in 0..<2000 where earliest(cluster) > Height(1) {
      cluster.run(milliseconds: 20)
      let height = earliest(cluster)
      guard height < heights.last ?? anchor.height.next, height > Height(1) else { continue }
      heights.append(height)
      cluster.crash(4)
      #expect(earliest(cluster) == height)
      try cluster.start(4)
      look(cluster)
    }
    #expect(heights.count > 1, "the backfill was never cut")
    try expectWhole(cluster, upTo: anchor)
  }

  enum Lie: CaseIterable { case silent, nothing, truncated, unlinked, alteredBody, alteredSignature, otherBlock, withheld }

  private static func tampered(_ blocks: [Block], _ lie: Lie) throws -> [Block]? {
    guard let place = blocks.firstIndex(where: { $0.header.eventCount > 0 }) else { return blocks }
    var lied = blocks
    switch lie {
    case .silent: return nil
    case .nothing: return []
    case .truncated: return Array(blocks.prefix(max(1, blocks.count / 2)))
    case .unlinked: return blocks.reversed()
    case .alteredBody, .alteredSignature:
      var body = blocks[place].body
      body[lie == .alteredBody ? Entry.byteCount + 20 : Statement.byteCount] ^= 1
      lied[place] = try Block(header: blocks[place].header, body: body)
    case .otherBlock:
      var header = blocks[place].header
      header.timestamp = Timestamp(milliseconds: header.timestamp.rawValue + 1)
      lied = [try Block(header: header, body: blocks[place].body)]
    case .withheld: lied[place] = blocks[place].withholding([0])
    }
    return lied
  }

  /// The first peer that is asked lies every time; the others have everything.
  @Test(arguments: Lie.allCases) func aLyingPeerIsDetectedAndPassedOver(lie: Lie) throws {
    let (cluster, anchor) = try network(seed: 304)
    cluster.backfillFloor = Height(1)
    var (lies, liar): (Int, Int?) = (0, nil)
    cluster.tamper = { from, message in
      guard case .syncResponse(let height, let blocks, let certificate) = message, height <= anchor.height else { return message }
      if liar == nil { liar = from }
      guard liar == from else { return message }
      lies += 1
      guard let lied = try? Self.tampered(blocks, lie) else { return nil }
      return .syncResponse(from: height, blocks: lied, certificate: lied.isEmpty ? nil : certificate)
    }
    try begin(cluster, from: anchor)
    run(cluster, until: 1, withinMilliseconds: 120_000)
    #expect(lies > 0 && (lie == .truncated || lies < 8), "\(lie): \(lies)")
    try expectWhole(cluster, upTo: anchor)
  }

  /// What nobody has is left out, and asked for again until somebody has it.
  @Test func bodiesThatEverybodyWithholdsComeLater() throws {
    let (cluster, anchor) = try network(seed: 305)
    cluster.backfillFloor = Height(1)
    var withheld: Set<Height> = []
    cluster.tamper = { _, message in
      guard case .syncResponse(let height, let blocks, let certificate) = message, height <= anchor.height else { return message }
      let lied = blocks.map { block in
        guard block.header.height.rawValue % 5 == 0, block.header.eventCount > 0 else { return block }
        withheld.insert(block.header.height)
        return block.withholding([0])
      }
      return .syncResponse(from: height, blocks: lied, certificate: certificate)
    }
    try begin(cluster, from: anchor)
    run(cluster, until: 1, withinMilliseconds: 120_000)
    #expect(earliest(cluster) == Height(1) && withheld.count > 2)
    for height in withheld { #expect(try cluster.nodes[4].store.missingBodies(at: height) == 1, "\(height)") }
    cluster.tamper = nil
    for _ in 0..<20 where try withheld.contains(where: { try cluster.nodes[4].store.missingBodies(at: $0) > 0 }) { cluster.run(milliseconds: 10_000) }
    try expectWhole(cluster, upTo: anchor)
  }

  /// A sync that only one peer has served, which has left bodies out: another peer has them, without any policy.
  @Test func bodiesThatTheOnlyPeerOfASyncHasWithheldAreFetchedFromAnother() throws {
    let (cluster, anchor) = try network(seed: 306)
    var withheld: Set<Height> = []
    cluster.tamper = { from, message in
      guard case .syncResponse(let height, let blocks, let certificate) = message else { return message }
      guard from == 2 else { return height <= anchor.height ? .syncResponse(from: height, blocks: [], certificate: nil) : message }
      let lied = blocks.map { block in
        guard block.header.height.rawValue % 7 == 0, block.header.eventCount > 1 else { return block }
        withheld.insert(block.header.height)
        return block.withholding([0, 1])
      }
      return .syncResponse(from: height, blocks: lied, certificate: certificate)
    }
    try begin(cluster, from: nil)
    for _ in 0..<300 where cluster.nodes[4].store.head.height < anchor.height { cluster.run(milliseconds: 200) }
    let lacking = try withheld.filter { try cluster.nodes[4].store.missingBodies(at: $0) > 0 }
    #expect(!lacking.isEmpty, "the sync has taken what the only peer gave")
    let tamper = cluster.tamper
    cluster.tamper = { from, message in from == 2 ? tamper?(from, message) ?? message : message }
    for _ in 0..<20 where try lacking.contains(where: { try cluster.nodes[4].store.missingBodies(at: $0) > 0 }) { cluster.run(milliseconds: 10_000) }
    try expectWhole(cluster, upTo: anchor)
  }

  /// What is to come is known when the store is open, before anything is looked for, and while the node is behind.
  @Test func whatIsMissingIsSaidBeforeTheFirstLook() throws {
    var backfill = Backfill()
    backfill.isEnabled = true
    #expect(backfill.facts(anchor: Height(99)) == nil, "nothing is known")
    backfill.know(earliest: Height(51), floor: Height(1))
    #expect(backfill.plan([], isLive: false, now: Instant(milliseconds: 5000)) == nil, "a node that is behind does not look")
    let facts = try #require(backfill.facts(anchor: Height(100)))
    #expect(facts.state == .waiting && facts.percent == 50 && facts.gap.earliest == Height(51) && facts.gap.floor == Height(1))
    // A policy that no longer asks for them.
    backfill.know(earliest: Height(51), floor: Height(51))
    #expect(backfill.facts(anchor: Height(100)) == nil)
    // While a range is being fetched the store's looks say more.
    let gap = BodyGap(heights: Height(40)...Height(50), earliest: Height(51), floor: Height(1), byteCount: 1 << 20)
    _ = backfill.filled(.looked, gap, now: Instant(milliseconds: 5000))
    backfill.know(earliest: Height(51), floor: Height(51))
    #expect(backfill.gap == gap)
  }

  /// Asks the sources for a range that is wanted; whom it has asked.
  private func ask(_ backfill: inout Backfill, _ sources: [BlockSync.Source], _ now: Instant, sourceLocation: SourceLocation = #_sourceLocation) throws -> PeerLink {
    var step = backfill.plan(sources, isLive: true, now: now)
    if case .work(.look)? = step {
      _ = backfill.filled(.looked, BodyGap(heights: Height(40)...Height(50), earliest: Height(51), floor: Height(1), byteCount: 1 << 20), now: now)
      step = backfill.plan(sources, isLive: true, now: now)
    }
    guard case .ask(let request)? = step else { throw Unasked(step: "\(String(describing: step))", line: sourceLocation.line) }
    return request.peer
  }

  private struct Unasked: Error {
    let step: String
    let line: Int
  }

  /// Peers that were too slow have the bodies: they are asked again when the first of their pauses ends, and not a minute later.
  @Test func aPeerThatWasTooSlowIsAskedAgainWhenItsPauseEnds() throws {
    var backfill = Backfill()
    backfill.isEnabled = true
    var sources = [7, 8, 9].map { BlockSync.Source(link: PeerLink($0), head: Height(100)) }
    var now = Instant(milliseconds: 5000)
    for (index, pause) in [(0, UInt64(90_000)), (1, 30_000)] {
      #expect(try ask(&backfill, sources, now) == sources[index].link)
      now = backfill.deadline
      #expect(backfill.expire(now) == sources[index].link)
      sources[index].pausedUntil = now.adding(milliseconds: pause)
    }
    // The third has nothing: it is not waited for.
    #expect(try ask(&backfill, sources, now) == sources[2].link && backfill.received(from: Height(40), [], sources[2].link) == .empty)
    sources[2].pausedUntil = now.adding(milliseconds: 1000)
    #expect(backfill.plan(sources, isLive: true, now: now) == nil)
    #expect(backfill.deadline == sources[1].pausedUntil && backfill.facts(anchor: Height(100))?.state == .waiting)
    now = now.adding(milliseconds: 29_999)
    #expect(backfill.plan(sources, isLive: true, now: now) == nil, "the pause has not ended")
    now = now.adding(milliseconds: 1)
    sources[2].failures = 1
    #expect(try ask(&backfill, sources, now) == sources[1].link)
    // No pause is waited for longer than bodies that nobody has.
    #expect(backfill.expire(now.adding(milliseconds: ReplicationLimit.rangeMilliseconds)) == sources[1].link)
    now = now.adding(milliseconds: ReplicationLimit.rangeMilliseconds)
    sources = [sources[1]]
    sources[0].pausedUntil = now.adding(milliseconds: 1_000_000)
    #expect(backfill.plan(sources, isLive: true, now: now) == nil && backfill.deadline == now.adding(milliseconds: ReplicationLimit.backfillMilliseconds))
  }

  /// Bodies that no peer has are waited for, for long, unless somebody comes who may have them.
  @Test func aNewPeerEndsTheRest() throws {
    var backfill = Backfill()
    backfill.isEnabled = true
    var sources = [BlockSync.Source(link: PeerLink(7), head: Height(100), earliestBodyHeight: Height(45))]
    let now = Instant(milliseconds: 5000), end = now.adding(milliseconds: ReplicationLimit.backfillMilliseconds)
    #expect(throws: Unasked.self) { try ask(&backfill, sources, now) }
    #expect(backfill.deadline == end && backfill.facts(anchor: Height(100))?.state == .waiting)
    #expect(backfill.plan(sources, isLive: true, now: now.adding(milliseconds: 1)) == nil && backfill.deadline == end)
    sources.append(BlockSync.Source(link: PeerLink(8), head: Height(100)))
    backfill.peerUp()
    #expect(try ask(&backfill, sources, now.adding(milliseconds: 2)) == PeerLink(8))
    #expect(backfill.facts(anchor: Height(100))?.state == .fetching)
  }

  /// Three quarters of the time it rests, whatever a range took; and what was not answered is somebody's fault.
  @Test func itRestsThreeTimesAsLongAsARangeTook() throws {
    var backfill = Backfill()
    backfill.isEnabled = true
    let source = BlockSync.Source(link: PeerLink(7), head: Height(100))
    var now = Instant(milliseconds: 5000)
    guard case .work(.look) = backfill.plan([source], isLive: true, now: now) else { return #expect(Bool(false), "it looks first") }
    let gap = BodyGap(heights: Height(1)...Height(1), earliest: Height(2), floor: Height(1), byteCount: 1 << 20)
    _ = backfill.filled(.looked, gap, now: now)
    #expect(backfill.plan([source], isLive: false, now: now) == nil, "nothing is asked for while the node is behind")
    guard case .ask(let request) = backfill.plan([source], isLive: true, now: now) else { return #expect(Bool(false), "it asks") }
    #expect(request.peer == source.link && request.from == Height(1) && request.to == Height(1) && backfill.deadline == request.deadline)
    var parameters = ChainParameters()
    parameters.epochLength = 6
    let header = BlockHeader(
      eventCount: 0, chainTag: Cluster.tag, height: Height(1), timestamp: Timestamp(milliseconds: 6), treeSize: 0, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: .zero, nextValidatorsHash: .zero, parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    now = now.adding(milliseconds: 100)
    #expect(backfill.received(from: Height(1), [try Block(header: header, body: [])], source.link) == .taken)
    guard case .write(let blocks, let peer, false)? = backfill.takeWork() else { return #expect(Bool(false), "the range is whole") }
    #expect(blocks.count == 1 && peer == source.link)
    now = now.adding(milliseconds: 100)
    #expect(backfill.filled(.written, BodyGap(heights: Height(1)...Height(1), earliest: Height(2), floor: Height(1), byteCount: 1 << 20), now: now) == source.link)
    #expect(backfill.plan([source], isLive: true, now: now) == nil && backfill.deadline == now.adding(milliseconds: 600))
    now = now.adding(milliseconds: 600)
    guard case .ask(let next) = backfill.plan([source], isLive: true, now: now) else { return #expect(Bool(false), "it goes on") }
    #expect(backfill.expire(next.deadline.adding(milliseconds: 1)) == source.link)
  }

  /// The entries that are here say how long the bodies are: a peer cannot fill the memory with others.
  @Test func moreThanTheBodiesCanBeIsNotKept() throws {
    let source = BlockSync.Source(link: PeerLink(7), head: Height(100)), now = Instant(milliseconds: 5000)
    let header = BlockHeader(
      eventCount: 1, chainTag: Cluster.tag, height: Height(1), timestamp: Timestamp(milliseconds: 6), treeSize: 1, parentHash: .zero, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: .zero, nextValidatorsHash: .zero, parametersHash: ChainParameters().hash, proposer: PublicKey(Bytes32()))
    // An entry whose body has no bytes, and its salt.
    let block = try Block(header: header, body: [UInt8](repeating: 0, count: Entry.byteCount + Record.saltByteCount))
    for (byteCount, expected) in [(block.body.count, Backfill.Reception.taken), (block.body.count - 1, .malformed)] {
      var backfill = Backfill()
      backfill.isEnabled = true
      _ = backfill.plan([source], isLive: true, now: now)
      _ = backfill.filled(.looked, BodyGap(heights: Height(1)...Height(2), earliest: Height(3), floor: Height(1), byteCount: byteCount), now: now)
      guard case .ask = backfill.plan([source], isLive: true, now: now) else { return #expect(Bool(false), "it asks") }
      #expect(backfill.received(from: Height(1), [block], source.link) == expected)
    }
  }
}
