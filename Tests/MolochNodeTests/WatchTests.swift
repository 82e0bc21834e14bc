import API
import Ambient
import Audit
import Bytes
import Ed25519
import Testing

@testable import MolochNode

@Suite struct WatchTests {
  static func sight(_ seconds: UInt64, peers: Int = 3, isAlone: Bool = false, skew: Int64? = nil, stalled: UInt64? = nil) -> Watch.Sight {
    Watch.Sight(now: Instant(milliseconds: 1_000_000 + seconds * 1000), peers: peers, isAlone: isAlone, skew: skew, stalled: stalled, blockTime: 100)
  }

  @Test func aNodeWithoutPeersComplainsAfterItsGraceAndThenOnceAMinute() {
    var watch = Watch()
    let times = (0..<200).filter { watch.look(Self.sight($0, peers: 0)) == [.noPeers] }
    #expect(times == [10, 70, 130, 190])
    #expect(watch.look(Self.sight(251)).isEmpty, "a peer ends it")
    #expect(watch.look(Self.sight(252, peers: 0)).isEmpty && watch.look(Self.sight(262, peers: 0)) == [.noPeers])
  }

  @Test func whoNeedsNobodyDoesNotComplain() {
    var watch = Watch()
    for second in 0..<200 as Range<UInt64> { #expect(watch.look(Self.sight(second, peers: 0, isAlone: true)).isEmpty) }
  }

  @Test(arguments: [(250, nil), (-251, false), (2000, false), (2001, true), (-2001, true)] as [(Int64, Bool?)])
  func aSkewIsGrossAboveTwoSeconds(_ skew: Int64, _ isGross: Bool?) {
    var watch = Watch()
    #expect(watch.look(Self.sight(0, skew: skew)) == (isGross.map { [.skew(milliseconds: skew, isGross: $0)] } ?? []))
    #expect(watch.look(Self.sight(59, skew: skew)).isEmpty)
    #expect(watch.look(Self.sight(60, skew: skew)).count == (isGross == nil ? 0 : 1))
  }

  @Test func healthWarnsOfAQuorumThatIsNotThere() {
    var sight = Self.sight(0, stalled: 60_000)
    sight.power = (heard: 2, quorum: 3)
    #expect(Watch.warnings(sight) == [.noQuorum(heard: 2, quorum: 3)], "one cause, one warning")
    sight.power = (heard: 3, quorum: 3)
    #expect(Watch.warnings(sight) == [.stalled(milliseconds: 60_000)])
    #expect(Watch.warnings(Self.sight(0)).isEmpty)
  }

  @Test(arguments: [(10_000, 100, false), (10_001, 100, true), (49_000, 5000, false), (50_001, 5000, true)] as [(UInt64, UInt64, Bool)])
  func healthWarnsOfAStallThatLasts(_ stalled: UInt64, _ blockTime: UInt64, _ isTold: Bool) {
    var sight = Self.sight(0, stalled: stalled)
    sight.blockTime = blockTime
    #expect(Watch.warnings(sight) == (isTold ? [.stalled(milliseconds: stalled)] : []))
    sight.isSyncing = true
    #expect(Watch.warnings(sight).isEmpty, "who syncs is healthy")
  }

  @Test func healthWarnsOfAChainThatMakesNoBlocks() {
    var sight = Self.sight(0)
    sight.quiet = 300_000
    #expect(Watch.warnings(sight).isEmpty)
    sight.quiet += 1
    #expect(Watch.warnings(sight) == [.silent(milliseconds: 300_001)])
    sight.isSyncing = true
    #expect(Watch.warnings(sight).isEmpty)
  }

  @Test(arguments: [250, -250, 251, -251] as [Int64]) func healthWarnsOfAClockThatIsOff(_ skew: Int64) {
    #expect(Watch.warnings(Self.sight(0, skew: skew)) == (skew.magnitude > 250 ? [.skew(milliseconds: skew)] : []))
  }

  @Test func pendingWorkOfTenBlockTimesIsAStall() {
    var watch = Watch()
    #expect(watch.look(Self.sight(0, stalled: 1000)).isEmpty)
    #expect(watch.look(Self.sight(1, stalled: 1001)) == [.stalled(milliseconds: 1001)])
    #expect(watch.look(Self.sight(2, stalled: 2001)).isEmpty)
  }
}

@Suite struct ProposalCountTests {
  static let keys = [1, 2].map { PublicKey(Bytes32(0, 0, 0, $0)) }

  @Test func aDayIsCountedInWholeMinutes() {
    var count = ProposalCount()
    let noon: UInt64 = 1_768_478_400_000
    count.note(Self.keys[0], Timestamp(milliseconds: noon))
    count.note(Self.keys[0], Timestamp(milliseconds: noon + 60_000))
    count.note(Self.keys[1], Timestamp(milliseconds: noon))
    count.expire(wall: noon + 86_399_999)
    #expect(count.totals == [Self.keys[0]: 2, Self.keys[1]: 1])
    count.expire(wall: noon + 86_400_000)
    #expect(count.totals == [Self.keys[0]: 1])
    #expect(ProposalCount.isRecent(Timestamp(milliseconds: noon), wall: noon + 86_399_999))
    #expect(!ProposalCount.isRecent(Timestamp(milliseconds: noon), wall: noon + 86_400_000))
  }

  @Test func aCounterOfADayForgetsHours() {
    var count = DayCount()
    count.note(total: 2, now: .zero)
    count.note(total: 5, now: Instant(milliseconds: 3_600_000))
    #expect(count.value == 5)
    count.note(total: 5, now: Instant(milliseconds: 24 * 3_600_000))
    #expect(count.value == 3)
  }
}
