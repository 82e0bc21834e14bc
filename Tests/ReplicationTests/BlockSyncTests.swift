import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Testing

@testable import Replication

/// The planner of block sync by itself: whom it asks for what.
@Suite struct BlockSyncTests {
  private static let begin = Instant(milliseconds: 1_000_000)
  private static let key = SigningKey(seed: Bytes32(repeating: 3))

  private func sync(heads: [UInt64]) -> BlockSync {
    var sync = BlockSync(applied: Height(0), now: Self.begin)
    for (index, head) in heads.enumerated() { sync.peerUp(PeerLink(UInt64(index)), head: Height(head)) }
    return sync
  }

  /// A peer that has the anchor and no blocks below it has given up their entries: another one is asked, and while there is none the height is named. One that has them after
  /// all takes it back.
  @Test func aPeerWithoutEntriesIsPassedOverAndNamed() throws {
    var sync = BlockSync(applied: Height(0), anchor: Anchor(height: Height(5000), hash: .zero), now: Self.begin)
    sync.peerUp(PeerLink(0), head: Height(5000))
    func answerNothing(_ link: PeerLink) {
      for request in sync.requests where request.peer == link {
        let isHonest = sync.received(from: request.from, nil, link, epochLength: 600, now: Self.begin)
        #expect(isHonest)
      }
    }
    #expect(!sync.plan(epochLength: 600, now: Self.begin).isEmpty && sync.withoutEntries == nil)
    answerNothing(PeerLink(0))
    #expect(sync.withoutEntries == Height(1))
    sync.peerUp(PeerLink(1), head: Height(5000))
    #expect(sync.withoutEntries == nil)
    let requests = sync.plan(epochLength: 600, now: Self.begin)
    #expect(requests.first?.from == Height(1) && requests.allSatisfy { $0.peer == PeerLink(1) })
    answerNothing(PeerLink(1))
    #expect(sync.withoutEntries == Height(1))
    // Below the anchor without having claimed it, a peer has not pruned anything.
    sync.peerUp(PeerLink(2), head: Height(10))
    #expect(sync.withoutEntries == nil)
    sync.peerDown(PeerLink(2))
    // Neither is asked no more: after a pause both are, when they say again where they stand.
    for link in [PeerLink(0), PeerLink(1)] { sync.peer(link, claims: Height(5000), now: Self.begin) }
    #expect(!sync.plan(epochLength: 600, now: Self.begin.adding(milliseconds: 1_000_000)).isEmpty)
  }

  /// Blocks whose bodies a peer has pruned are asked of others; when nobody has them, the height is named and nothing is asked.
  @Test func prunedPeersAreAskedOnlyForWhatTheyHold() throws {
    var sync = BlockSync(applied: Height(0), now: Self.begin)
    sync.peerUp(PeerLink(0), head: Height(5000), earliestBodyHeight: Height(900))
    sync.peerUp(PeerLink(1), head: Height(5000), earliestBodyHeight: Height(2))
    #expect(sync.plan(epochLength: 600, now: Self.begin).isEmpty && sync.unobtainable == Height(1))
    sync.certify(Height(5000))
    #expect(sync.plan(epochLength: 600, now: Self.begin).isEmpty && sync.unobtainable == Height(1))
    sync.peerUp(PeerLink(2), head: Height(5000))
    let requests = sync.plan(epochLength: 600, now: Self.begin)
    #expect(requests.first?.from == Height(1) && requests.first?.peer == PeerLink(2) && sync.unobtainable == nil)
    for request in requests where request.peer == PeerLink(0) { #expect(request.from >= Height(900)) }
    for request in requests where request.peer == PeerLink(1) { #expect(request.from >= Height(2)) }
    sync.applied(Height(1), now: Self.begin)
    sync.peerDown(PeerLink(2))
    #expect(sync.unobtainable == nil)
    #expect(sync.plan(epochLength: 600, now: Self.begin).allSatisfy { $0.peer == PeerLink(1) || $0.from >= Height(900) })
  }

  /// Blocks up to the anchor are asked of peers that have it and speak of blocks without bodies, whatever they have pruned; no range crosses it.
  @Test func peersOfAnOlderProtocolAreNotAskedForHistory() throws {
    var sync = BlockSync(applied: Height(0), anchor: Anchor(height: Height(300), hash: .empty), now: Self.begin)
    sync.peerUp(PeerLink(0), head: Height(5000), speaksVersion2: false)
    sync.peerUp(PeerLink(1), head: Height(299))
    let none = sync.plan(epochLength: 600, now: Self.begin)
    #expect(none.isEmpty && sync.unobtainable == nil)
    sync.peerUp(PeerLink(2), head: Height(5000), earliestBodyHeight: Height(4000))
    let requests = sync.plan(epochLength: 600, now: Self.begin)
    #expect(requests.map(\.from.rawValue) == [1, 257, 301, 557] && requests.map(\.to.rawValue) == [256, 300, 556, 600])
    #expect(requests.map(\.anchor?.height) == [Height(300), Height(300), nil, nil])
    #expect(requests.map(\.peer.rawValue) == [2, 2, 0, 0])
    // Not caught up before the anchor is reached, whatever is certified.
    sync.certify(Height(2))
    sync.applied(Height(2), now: Self.begin)
    #expect(sync.isSyncing)
  }

  /// As many ranges are asked for or wait at a time as the option says, of one peer no more than two.
  @Test(arguments: [1, 2, 5, 9, 200]) func noMoreRangesAreInFlightThanTheOptionSays(option: Int) throws {
    var sync = BlockSync(applied: Height(0), rangesInFlight: option, now: Self.begin)
    for peer in 0..<4 { sync.peerUp(PeerLink(UInt64(peer)), head: Height(100_000)) }
    let asked = sync.plan(epochLength: 100_000, now: Self.begin)
    #expect(asked.count == min(option, 4 * ReplicationLimit.rangesPerPeer) && sync.plan(epochLength: 100_000, now: Self.begin).isEmpty)
    for peer in 0..<4 { #expect(asked.count { $0.peer == PeerLink(UInt64(peer)) } <= ReplicationLimit.rangesPerPeer) }
    // A range that came and waits for the one before it counts, too.
    guard let second = asked.dropFirst().first else { return }
    let (blocks, certificate) = try emptyBlocks(from: second.from.rawValue, count: UInt64(second.blocksMax))
    let isSound = sync.received(from: second.from, blocks, certificate, second.peer, epochLength: 100_000, now: Self.begin)
    #expect(isSound)
    #expect(sync.plan(epochLength: 100_000, now: Self.begin).count == (option > 8 ? 1 : 0))
    sync.rangesInFlight = option + 1
    #expect(sync.plan(epochLength: 100_000, now: Self.begin).count == (option > 8 ? 0 : 1))
  }

  /// Up to the anchor a peer with a snapshot is asked first where its parts end, and then for these; whoever does not say is asked without.
  @Test func partsOfASnapshotAreAskedForOneByOne() throws {
    var sync = BlockSync(applied: Height(0), anchor: Anchor(height: Height(300), hash: .empty), now: Self.begin)
    sync.peerUp(PeerLink(0), head: Height(5000), speaksVersion3: true)
    #expect(sync.plan(epochLength: 600, now: Self.begin).isEmpty)
    #expect(sync.listsWanted.map(\.peer) == [PeerLink(0)] && sync.listsWanted.map(\.from) == [Height(1)])
    sync.listsWanted.removeAll()
    // It is asked once, and what nobody asked for says nothing.
    #expect(sync.plan(epochLength: 600, now: Self.begin).isEmpty && sync.listsWanted.isEmpty)
    sync.listed(from: Height(1), [Height(40)], PeerLink(7))
    sync.listed(from: Height(1), [Height(40), Height(90), Height(290)], PeerLink(0))
    #expect(sync.plan(epochLength: 600, now: Self.begin).map { [$0.from.rawValue, $0.to.rawValue] } == [[1, 40], [41, 90]])
    // Above the last part the range ends where the anchor is, and no part of it.
    sync.peerUp(PeerLink(1), head: Height(5000))
    #expect(sync.plan(epochLength: 600, now: Self.begin).map { [$0.from.rawValue, $0.to.rawValue, $0.peer.rawValue] } == [[91, 300, 1], [301, 556, 1]])
    sync.listed(from: Height(1), [Height(2)], PeerLink(0))
    #expect(sync.sources[0].parts?.ends.count == 3)

    var silent = BlockSync(applied: Height(0), anchor: Anchor(height: Height(300), hash: .empty), now: Self.begin)
    silent.peerUp(PeerLink(0), head: Height(5000), speaksVersion3: true)
    _ = silent.plan(epochLength: 600, now: Self.begin)
    let late = Self.begin.adding(milliseconds: ReplicationLimit.partListMilliseconds)
    #expect(silent.deadline == late)
    #expect(silent.plan(epochLength: 600, now: late).map { [$0.from.rawValue, $0.to.rawValue] } == [[1, 256], [257, 300]])
    #expect(silent.listsWanted.count == 1)

    // A list that is not wanted any more, because the blocks have come by votes, is not waited for: nothing is due in the past.
    var overtaken = BlockSync(applied: Height(0), anchor: Anchor(height: Height(300), hash: .empty), now: Self.begin)
    overtaken.peerUp(PeerLink(0), head: Height(5000), speaksVersion3: true)
    _ = overtaken.plan(epochLength: 600, now: Self.begin)
    overtaken.applied(Height(5000), now: Self.begin)
    _ = overtaken.plan(epochLength: 600, now: late)
    #expect(overtaken.deadline > late)
    var above = BlockSync(applied: Height(0), anchor: Anchor(height: Height(300), hash: .empty), now: Self.begin)
    above.peerUp(PeerLink(0), head: Height(5000), speaksVersion3: true)
    _ = above.plan(epochLength: 600, now: Self.begin)
    above.applied(Height(310), now: Self.begin)
    _ = above.plan(epochLength: 600, now: late)
    #expect(above.deadline > late)
  }

  /// An answer that its anchor does not commit to is its sender's fault; another block at that height is nobody's.
  @Test func historyThatIsNotProvenIsRefused() throws {
    let (chain, certificate) = try emptyBlocks(from: 1, count: 20)
    let anchor = Anchor(height: Height(20), hash: chain[19].hash)
    func answer(_ history: History) -> (isSound: Bool, isReady: Bool, foreign: Digest?) {
      var sync = BlockSync(applied: Height(0), anchor: anchor, now: Self.begin)
      sync.peerUp(PeerLink(0), head: Height(100))
      _ = sync.plan(epochLength: 1000, now: Self.begin)
      let isSound = sync.received(from: Height(1), history, PeerLink(0), epochLength: 1000, now: Self.begin)
      return (isSound, sync.isReady, sync.foreignAnchor)
    }
    let proven = answer(History(anchor: chain[19].header, blocks: chain, certificate: certificate, proof: []))
    #expect(proven == (true, true, nil))
    let unproven = answer(History(anchor: chain[19].header, blocks: Array(chain.dropLast()), certificate: certificate, proof: [.empty]))
    #expect(unproven == (false, false, nil))
    var header = chain[19].header
    header.timestamp = Timestamp(milliseconds: 21)
    let foreign = answer(History(anchor: header, blocks: chain, certificate: certificate, proof: []))
    #expect(foreign == (true, false, header.hash))
  }

  /// One block with an event that has a body, or with its entry alone.
  private func range(missing: Bool) throws -> ([Block], Certificate) {
    let header = BlockHeader(
      eventCount: 2, chainTag: ChainTag(Bytes16(1, 2)), height: Height(1), timestamp: Timestamp(milliseconds: 1), treeSize: 2, parentHash: .empty,
      eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: .empty, nextValidatorsHash: .empty, parametersHash: .empty,
      proposer: Self.key.publicKey)
    let whole = try Block(header: header, body: [UInt8](repeating: 0, count: 2 * (Entry.byteCount + Record.saltByteCount)))
    let block = missing ? whole.withholding([1]) : whole
    #expect(block.isWhole != missing)
    let set = try ValidatorSet([Validator(publicKey: Self.key.publicKey, cosignerKey: Self.key.publicKey, power: 1, name: "v1")])
    let vote = Vote(
      kind: .finalise, chainTag: ChainTag(Bytes16(1, 2)), epoch: Epoch(0), view: View(9), parentView: View(8), height: Height(1), blockHash: block.hash)
    return ([block], Certificate(vote: vote, signatures: [(0, Signature(Bytes64()))], in: set))
  }

  /// A body that a peer does not have is asked of the others; it is gone when nobody has it.
  @Test func aRangeWithoutABodyWaitsForAPeerThatHasIt() throws {
    let (partial, certificate) = try range(missing: true), (whole, _) = try range(missing: false)
    for haver in [1, 2, nil] as [UInt64?] {
      var sync = sync(heads: [100, 100, 100])
      var asked: [UInt64] = []
      for _ in 0..<3 where !sync.isReady {
        let planned = sync.plan(epochLength: 1, now: Self.begin)
        let request = try #require(planned.first { $0.from == Height(1) })
        asked.append(request.peer.rawValue)
        let blocks = request.peer.rawValue == haver ? whole : partial
        let isSound = sync.received(from: Height(1), blocks, certificate, request.peer, epochLength: 1, now: Self.begin)
        #expect(isSound)
      }
      // When everybody has been asked, the next decision takes what there is.
      _ = sync.plan(epochLength: 1, now: Self.begin)
      let range = sync.take()
      let taken = try #require(range)
      #expect(taken.missing == (haver == nil ? 1 : 0) && Set(asked).count == asked.count, "\(asked)")
    }
  }

  @Test func rangesOfAnEpochAreSpreadOverThePeers() {
    var sync = sync(heads: [5000, 5000, 5000])
    let requests = sync.plan(epochLength: 600, now: Self.begin)
    #expect(requests.map(\.from.rawValue) == [1, 257, 513, 601])
    #expect(requests.map(\.to.rawValue) == [256, 512, 600, 856])
    #expect(requests.map(\.peer.rawValue) == [0, 1, 2, 0])
    let repeated = sync.plan(epochLength: 600, now: Self.begin)
    #expect(repeated.isEmpty)
  }

  @Test func rangesAreHandedOutInOrderAndAShortOneIsFilled() throws {
    var sync = sync(heads: [512, 512])
    _ = sync.plan(epochLength: 1000, now: Self.begin)
    let (second, secondCertificate) = try emptyBlocks(from: 257, count: 256)
    let isSecondSound = sync.received(from: Height(257), second, secondCertificate, PeerLink(1), epochLength: 1000, now: Self.begin)
    #expect(isSecondSound)
    #expect(!sync.isReady)
    let (first, firstCertificate) = try emptyBlocks(from: 1, count: 200)
    let isFirstSound = sync.received(from: Height(1), first, firstCertificate, PeerLink(0), epochLength: 1000, now: Self.begin)
    #expect(isFirstSound)
    let firstRange = sync.take()
    #expect(firstRange?.to == Height(200))
    sync.applied(Height(200), now: Self.begin)
    let filling = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(filling.map(\.from.rawValue) == [201])
    let (gap, gapCertificate) = try emptyBlocks(from: 201, count: 60)
    let filler = try #require(filling.first).peer
    let isGapSound = sync.received(from: Height(201), gap, gapCertificate, filler, epochLength: 1000, now: Self.begin)
    #expect(isGapSound)
    let gapRange = sync.take()
    #expect(gapRange?.to == Height(260))
    sync.applied(Height(260), now: Self.begin)
    let lastRange = sync.take()
    #expect(lastRange?.to == Height(512))
  }

  /// What was handed out is covered until it is applied, or until it has failed; meanwhile the range behind it may be handed out, too.
  @Test func aRangeThatIsBeingVerifiedIsNotAskedForAgain() throws {
    var sync = sync(heads: [512, 512])
    _ = sync.plan(epochLength: 1000, now: Self.begin)
    for (from, peer) in [(1, 0), (257, 1)] as [(UInt64, UInt64)] {
      let (range, certificate) = try emptyBlocks(from: from, count: 256)
      let isSound = sync.received(from: Height(from), range, certificate, PeerLink(peer), epochLength: 1000, now: Self.begin)
      #expect(isSound)
    }
    let first = sync.take()
    #expect(first?.to == Height(256) && sync.isReady)
    let whileFirst = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(whileFirst.isEmpty)
    let second = sync.take()
    #expect(second?.from == Height(257) && !sync.isReady)
    let whileBoth = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(whileBoth.isEmpty)
    sync.applied(Height(256), now: Self.begin)
    sync.failed(try #require(second), now: Self.begin)
    let again = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(again.map(\.from.rawValue) == [257] && again.first?.peer == PeerLink(0))
  }

  @Test func aStallingPeerIsPassedOverLongerEachTime() throws {
    var sync = sync(heads: [100, 100])
    let begun = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(begun.map(\.peer) == [PeerLink(0)])
    var now = Self.begin
    var asked: [UInt64] = []
    for _ in 0..<6 {
      now = now.adding(milliseconds: ReplicationLimit.rangeMilliseconds)
      asked += sync.plan(epochLength: 1000, now: now).map(\.peer.rawValue)
    }
    // Who may still be sending it is asked again when even that has taken too long.
    #expect(asked == [1, 0, 1, 0])
    #expect(sync.deadline > now && sync.deadline < .distantFuture)
  }

  @Test func whatDoesNotHoldTogetherIsRefusedAndAskedOfAnother() throws {
    let (good, certificate) = try emptyBlocks(from: 1, count: 100)
    let damages: [([Block], Certificate)] = [
      (Array(good.dropLast()), certificate), (Array(good[..<50]) + Array(good[51...]), certificate), (Array(good.reversed()), certificate),
    ]
    for (blocks, certificate) in damages {
      var sync = sync(heads: [100, 100])
      _ = sync.plan(epochLength: 1000, now: Self.begin)
      let isSound = sync.received(from: Height(1), blocks, certificate, PeerLink(0), epochLength: 1000, now: Self.begin)
      #expect(!isSound)
      let again = sync.plan(epochLength: 1000, now: Self.begin)
      #expect(again.map(\.peer) == [PeerLink(1)])
    }
  }

  @Test func aClaimThatNobodyBacksIsNoTarget() {
    var sync = sync(heads: [10_000])
    let begun = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(begun.count == ReplicationLimit.rangesPerPeer)
    #expect(sync.certified == nil && sync.lag(durable: Height(0)) == nil)
    for from in [1, 257] as [UInt64] {
      let isSound = sync.received(from: Height(from), [], nil, PeerLink(0), epochLength: 1000, now: Self.begin)
      #expect(isSound)
    }
    let again = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(again.isEmpty)
    sync.certify(Height(30))
    #expect(sync.lag(durable: Height(10)) == 20 && sync.isSyncing)
    sync.applied(Height(29), now: Self.begin)
    #expect(!sync.isSyncing)
  }

  @Test func aPeerThatLeavesIsReplacedAtOnce() {
    var sync = sync(heads: [100, 100])
    _ = sync.plan(epochLength: 1000, now: Self.begin)
    sync.peerDown(PeerLink(0))
    let replaced = sync.plan(epochLength: 1000, now: Self.begin)
    #expect(replaced.map(\.peer) == [PeerLink(1)])
  }
}
