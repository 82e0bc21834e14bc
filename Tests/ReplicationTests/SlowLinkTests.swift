import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Testing

@testable import Replication

/// The planner of block sync over links that do not carry a range in time.
@Suite struct SlowLinkTests {
  private static let begin = Instant(milliseconds: 1_000_000)
  private static let epoch: UInt32 = 1000

  private func after(_ milliseconds: UInt64) -> Instant { Self.begin.adding(milliseconds: milliseconds) }

  private func sync(peers: Int, head: UInt64 = 100) -> BlockSync {
    var sync = BlockSync(applied: Height(0), now: Self.begin)
    for index in 0..<peers { sync.peerUp(PeerLink(UInt64(index)), head: Height(head)) }
    return sync
  }

  private func answer(_ sync: inout BlockSync, _ from: UInt64, _ count: UInt64, _ peer: UInt64, at now: Instant) throws {
    let (range, certificate) = try emptyBlocks(from: from, count: count)
    let isSound = sync.received(from: Height(from), range, certificate, PeerLink(peer), epochLength: Self.epoch, now: now)
    #expect(isSound)
  }

  /// The only peer needs 12 s for a range. It is not asked for the same again while it sends, and what it sends counts.
  @Test func whatComesLateIsTaken() throws {
    var sync = sync(peers: 1)
    #expect(sync.plan(epochLength: Self.epoch, now: Self.begin).map(\.bytesMax) == [ReplicationLimit.rangeBytesMax])
    for time in [8000, 9500, 11_500] as [UInt64] {
      let planned = sync.plan(epochLength: Self.epoch, now: after(time))
      #expect(planned.isEmpty && sync.requests.isEmpty && sync.late.count == 1, "at \(time)")
    }
    try answer(&sync, 1, 60, 0, at: after(12_000))
    #expect(sync.isReady && sync.late.isEmpty)
    // It goes on at once, with half as much.
    let next = sync.plan(epochLength: Self.epoch, now: after(12_000))
    #expect(next.map(\.from.rawValue) == [61] && next.map(\.bytesMax) == [ReplicationLimit.rangeBytesMax / 2])
    // What nobody waits for, and what is here already, changes nothing.
    try answer(&sync, 1, 60, 0, at: after(12_001))
    try answer(&sync, 7, 60, 0, at: after(12_001))
    #expect(sync.ranges.count == 1 && sync.requests.count == 1)
  }

  @Test func aPeerIsAskedForLessAfterATimeOutAndForMoreAfterSuccess() throws {
    var sync = sync(peers: 1, head: 5000)
    var now = Self.begin, asked: [Int] = []
    for _ in 0..<8 {
      let planned = sync.plan(epochLength: 100_000, now: now)
      if let first = planned.first { asked.append(first.bytesMax >> 10) }
      // Neither in time nor late.
      now = now.adding(milliseconds: ReplicationLimit.rangeMilliseconds)
      _ = sync.plan(epochLength: 100_000, now: now)
      now = now.adding(milliseconds: ReplicationLimit.lateMilliseconds + 64_000)
    }
    #expect(asked == [4096, 2048, 1024, 512, 256, 128, 64, 64])
    asked = []
    var next: UInt64 = 1
    for _ in 0..<8 {
      // Also what was planned above may come: the next one that is missing counts.
      for request in sync.plan(epochLength: 100_000, now: now) where request.from.rawValue == next { asked.append(request.bytesMax >> 10) }
      let (range, certificate) = try emptyBlocks(from: next, count: 10)
      _ = sync.received(from: Height(next), range, certificate, PeerLink(0), epochLength: 100_000, now: now)
      for request in sync.requests { _ = sync.received(from: request.from, [], nil, request.peer, epochLength: 100_000, now: now) }
      sync.applied(Height(next + 9), now: now)
      sync.certify(Height(5000))
      next += 10
      now = now.adding(milliseconds: 64_000)
    }
    #expect(asked == [64, 128, 256, 512, 1024, 2048, 4096, 4096])
  }

  /// While a slow peer holds the range that everything waits for, one that has nothing to do is asked, too; the first answer counts.
  @Test func theFrontRangeIsAskedOfASecondPeer() throws {
    var sync = sync(peers: 2)
    #expect(sync.plan(epochLength: Self.epoch, now: Self.begin).map(\.peer) == [PeerLink(0)])
    #expect(sync.deadline == after(ReplicationLimit.slowMilliseconds))
    #expect(sync.plan(epochLength: Self.epoch, now: after(ReplicationLimit.slowMilliseconds - 1)).isEmpty)
    let second = sync.plan(epochLength: Self.epoch, now: after(ReplicationLimit.slowMilliseconds))
    #expect(second.map(\.from) == [Height(1)] && second.map(\.peer) == [PeerLink(1)])
    // Two are enough.
    sync.peerUp(PeerLink(2), head: Height(100))
    #expect(sync.plan(epochLength: Self.epoch, now: after(4000)).isEmpty)
    try answer(&sync, 1, 60, 1, at: after(4000))
    let range = sync.take()
    #expect(range?.peer == PeerLink(1) && sync.requests.isEmpty && sync.late.map(\.peer) == [PeerLink(0)])
    sync.applied(Height(60), now: after(4000))
    // The slower answer is no fault and of no use.
    try answer(&sync, 1, 60, 0, at: after(5000))
    #expect(!sync.isReady && sync.late.isEmpty && sync.sources.allSatisfy { $0.failures == 0 })
  }

  /// A range that is not in front holds nobody up.
  @Test func otherRangesAreAskedForOnce() throws {
    var sync = sync(peers: 3, head: 512)
    #expect(sync.plan(epochLength: Self.epoch, now: Self.begin).map(\.from.rawValue) == [1, 257])
    try answer(&sync, 1, 256, 0, at: Self.begin)
    #expect(sync.plan(epochLength: Self.epoch, now: after(4000)).isEmpty)
    _ = sync.take()
    #expect(sync.plan(epochLength: Self.epoch, now: after(4000)).map(\.from.rawValue) == [257])
  }

  /// A link that does not carry a part of a snapshot in time is not asked for whole parts.
  @Test func aSlowPeerIsAskedForLessThanAPart() {
    var sync = BlockSync(applied: Height(0), anchor: Anchor(height: Height(300), hash: .empty), rangesInFlight: 1, now: Self.begin)
    sync.peerUp(PeerLink(0), head: Height(5000), speaksVersion3: true)
    _ = sync.plan(epochLength: 600, now: Self.begin)
    sync.listed(from: Height(1), [Height(40), Height(290)], PeerLink(0))
    #expect(sync.plan(epochLength: 600, now: Self.begin).map(\.to.rawValue) == [40])
    _ = sync.plan(epochLength: 600, now: after(8000))
    let again = sync.plan(epochLength: 600, now: after(30_000))
    #expect(again.map(\.to.rawValue) == [39] && again.map(\.bytesMax) == [ReplicationLimit.rangeBytesMax / 2])
  }
}
