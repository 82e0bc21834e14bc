import Ambient
import Bytes
import Ed25519
import PeerWire
import Peering
import Reactor
import Testing

@Suite struct BanTests {
  @Test func aBannedPeerStaysOutUntilItIsLetIn() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(b, to: a)
    #expect(stage.run { stage.network(a).count == 1 && stage.network(b).count == 1 })
    stage.network(a).penalise(stage.link(a, to: b)!, .ban, "a forged vote", stage.loop)
    #expect(stage.run(2000) { stage.network(b).count == 0 })
    #expect(stage.log(a).last == .down(LinkID(rawValue: 1), Actors.id(b), .misbehaviour))
    #expect(stage.row(a, of: b)?.state == .banned)
    let ban = try #require(stage.row(a, of: b)?.bannedUntil)
    #expect((595_000...600_000).contains(ban - Village.wallAtStart - stage.loop.now.milliseconds))
    // It tries again and again, and is told why not.
    stage.run(300_000)
    #expect(stage.network(a).count == 0 && stage.row(b, of: a)?.lastFailure == .banned)
    #expect(stage.network(a).unban(Actors.id(b), stage.loop))
    #expect(!stage.network(a).unban(Actors.id(b), stage.loop))
    #expect(stage.run(70_000) { stage.network(a).count == 1 })
  }

  @Test func bansDoubleAndEnd() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(b, to: a)
    for expected in [600_000, 1_200_000, 2_400_000] as [UInt64] {
      #expect(stage.run(2_600_000) { stage.network(a).count == 1 })
      stage.network(a).penalise(stage.link(a, to: b)!, .ban, "again", stage.loop)
      let left = stage.row(a, of: b)!.bannedUntil - Village.wallAtStart - stage.loop.now.milliseconds
      #expect((expected - 1000...expected).contains(left))
      stage.run(1000)
    }
    #expect(stage.network(a).statistics.bans == 3)
  }

  @Test func aBanNeverTakesTheQuorum() throws {
    let stage = try village()
    for _ in 0..<4 { try stage.add(validator: true) }
    let set = (0..<4).map { ValidatorPower(key: Actors.validator($0).publicKey, power: 1) }
    for index in 0..<4 { stage.network(index).setValidators(set) }
    stage.introduce(1, to: 0)
    stage.introduce(2, to: 0)
    #expect(stage.run { stage.network(0).count == 2 })
    // Three of four are connected, the quorum: nobody may go.
    stage.network(0).penalise(stage.link(0, to: 1)!, .ban, "bad", stage.loop)
    #expect(stage.network(0).count == 2 && stage.network(0).statistics.bans == 0)
    #expect(stage.row(0, of: 1)!.score < 500)
    stage.introduce(3, to: 0)
    #expect(stage.run { stage.network(0).count == 3 })
    stage.network(0).penalise(stage.link(0, to: 1)!, .ban, "bad", stage.loop)
    #expect(stage.network(0).count == 2 && stage.network(0).statistics.bans == 1)
    // A validator is back within a minute of its ban.
    #expect(stage.run(150_000) { stage.network(0).count == 3 })
  }

  @Test func ambiguousFaultsAddUp() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(b, to: a)
    #expect(stage.run { stage.network(a).count == 1 })
    let link = stage.link(a, to: b)!
    for _ in 0..<4 { stage.network(a).penalise(link, .lower(100), "late", stage.loop) }
    #expect(stage.network(a).count == 1)
    stage.network(a).penalise(link, .lower(100), "late", stage.loop)
    #expect(stage.network(a).count == 0 && stage.row(a, of: b)?.state == .banned)
  }

  @Test func aMalformedFrameBans() throws {
    let stage = try village()
    let a = try stage.add { $0.isTLSEnabled = false }
    let stranger = stage.stranger(to: a)
    stage.loop.send(stranger, (frame(.hello, hello(Actors.node(5), other: Actors.id(a)).encoded()) + [0, 0, 0, 1, 9, 9, 9, 9]).bytes)
    #expect(stage.run(3000) { stage.end(of: stranger) != nil })
    #expect(stage.row(a, of: 5)?.state == .banned && stage.network(a).statistics.droppedInvalid == 1)
  }
}

@Suite struct TrafficTests {
  @Test func aVoteOvertakesAProposal() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(a, to: b)
    #expect(stage.run { stage.network(a).count == 1 && stage.network(b).count == 1 })
    let link = stage.link(a, to: b)!
    #expect(stage.network(a).send(.propose, [UInt8](repeating: 1, count: 8 << 20), to: link, stage.loop))
    for _ in 0..<20 { stage.machine.runOnce(timeout: 1_000_000) }
    #expect(stage.network(a).queuedBytes(.blocks, for: link) > 1 << 20 && stage.inbox(b).isEmpty)
    #expect(stage.network(a).send(.vote, [UInt8](repeating: 2, count: 160), to: link, stage.loop))
    #expect(stage.run { stage.inbox(b).count == 2 })
    #expect(stage.inbox(b).map(\.type) == [.vote, .propose] && stage.inbox(b).map(\.count) == [160, 8 << 20])
    stage.run(200)
    #expect(stage.network(b).statistics.received.bytes[1] > 8 << 20)
    #expect(stage.network(a).statistics.sent.bytes == stage.network(b).statistics.received.bytes)
  }

  @Test func aBroadcastReachesEveryPeerOnce() throws {
    var faults = MemoryFaults()
    faults.areTransfersPartial = true
    let stage = try village(seed: 3, faults: faults)
    for _ in 0..<5 { try stage.add() }
    for index in 1..<5 { stage.introduce(index, to: 0) }
    #expect(stage.run { stage.network(0).count == 4 })
    stage.network(0).sendAll(.events, [UInt8](repeating: 1, count: 100_000), stage.loop)
    stage.network(0).sendAll(.vote, [1, 2, 3], except: stage.link(0, to: 2), stage.loop)
    #expect(stage.run { (1..<5).allSatisfy { stage.inbox($0).contains { $0.type == .events } } })
    for index in 1..<5 { #expect(stage.inbox(index).map(\.type) == (index == 2 ? [.events] : [.vote, .events])) }
  }

  /// A peer that stops reading costs a bounded queue: events are dropped, and consensus traffic in the end disconnects it.
  @Test func aSlowPeerIsBounded() throws {
    let stage = try village()
    let a = try stage.add { $0.isTLSEnabled = false }
    let stranger = stage.stranger(to: a)
    stage.loop.send(stranger, frame(.hello, hello(Actors.node(5), other: Actors.id(a)).encoded()).bytes)
    #expect(stage.run(1000) { stage.network(a).count == 1 })
    stage.loop.pauseInput(stranger)
    let events = [UInt8](repeating: 1, count: 100_000)
    for _ in 0..<300 {
      stage.network(a).sendAll(.events, events, stage.loop)
      stage.machine.runOnce(timeout: 1_000_000)
    }
    #expect(stage.network(a).count == 1 && stage.network(a).queuedBytes(.events) <= 4 << 20)
    #expect(stage.network(a).statistics.droppedFull > 200)
    let votes = [UInt8](repeating: 2, count: 1000)
    for _ in 0..<6000 { stage.network(a).sendAll(.vote, votes, stage.loop) }
    #expect(stage.network(a).count == 0)
    #expect(stage.network(a).events.last == .down(LinkID(rawValue: 1), Actors.id(5), .other))
  }

  @Test func aFloodIsCutToItsRateAndCostsTheScore() throws {
    let stage = try village()
    let a = try stage.add {
      $0.isTLSEnabled = false
      $0.ratePerPeer = 10
    }
    let stranger = stage.stranger(to: a)
    stage.loop.send(stranger, frame(.hello, hello(Actors.node(5), other: Actors.id(a)).encoded()).bytes)
    #expect(stage.run(1000) { stage.network(a).count == 1 })
    for _ in 0..<200 { stage.loop.send(stranger, frame(.events, [1]).bytes) }
    stage.run(100)
    // A burst of two seconds passes.
    #expect(stage.inbox(a).count == 20 && stage.network(a).statistics.droppedRate == 180)
    #expect(stage.row(a, of: 5)!.score >= 500)
    for _ in 0..<1000 { stage.loop.send(stranger, frame(.vote, [1]).bytes) }
    #expect(stage.run(2000) { stage.end(of: stranger) != nil })
    #expect(stage.inbox(a).count { $0.type == .vote } < 90 && stage.row(a, of: 5)?.state == .banned)
  }

  @Test func aSilentPeerIsDisconnectedAndALiveOneIsNot() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add(), c = try stage.add()
    stage.introduce(a, to: b)
    stage.introduce(a, to: c)
    #expect(stage.run { stage.network(a).count == 2 })
    stage.machine.driver.frozen.insert(b)
    stage.run(110_000)
    #expect(stage.network(a).count == 2)
    #expect(stage.run(20_000) { stage.network(a).count == 1 })
    #expect(stage.link(a, to: c) != nil)
    #expect(stage.log(a).contains { if case .down(_, Actors.id(b), .timeout) = $0 { true } else { false } })
    stage.run(600_000)
    #expect(stage.link(a, to: c) == LinkID(rawValue: 2) || stage.link(a, to: c) == LinkID(rawValue: 1))
  }

  @Test func shuttingDownSaysGoodbye() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(a, to: b)
    #expect(stage.run { stage.network(a).count == 1 && stage.network(b).count == 1 })
    stage.network(a).shutDown(stage.loop)
    #expect(stage.run(1000) { stage.network(b).count == 0 })
    guard case .down(_, Actors.id(a), .shutdown)? = stage.log(b).last else { return #expect(Bool(false), "\(stage.log(b))") }
  }
}
