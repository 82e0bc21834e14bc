import Bytes
import Ed25519
import PeerWire
import Peering
import Reactor
import TLS
import Testing

@Suite struct HandshakeTests {
  @Test(arguments: [true, false]) func twoNodesMeet(_ hasTLS: Bool) throws {
    let stage = try village()
    let a = try stage.add({ $0.isTLSEnabled = hasTLS }, validator: true)
    let b = try stage.add({ $0.isTLSEnabled = hasTLS }, clockAhead: 3000)
    stage.network(b).setHead(HeadFacts(height: 17, hash: Bytes32(repeating: 9), epoch: 1, view: 2, earliestBodyHeight: 4))
    stage.introduce(a, to: b)
    #expect(stage.run { stage.row(a, of: b)?.latencyMilliseconds != nil && stage.row(b, of: a)?.latencyMilliseconds != nil })
    guard case .up(_, let facts)? = stage.log(a).first else { return #expect(Bool(false), "\(stage.log(a))") }
    #expect(facts.peer == Actors.id(b) && facts.validator == nil && facts.direction == .outbound && facts.headHeight == 17 && facts.protocolVersion == 2)
    guard case .up(_, let other)? = stage.log(b).first else { return #expect(Bool(false), "\(stage.log(b))") }
    #expect(other.peer == Actors.id(a) && other.validator == Actors.validator(a).publicKey && other.direction == .inbound)
    let row = try #require(stage.row(a, of: b))
    #expect(row.state == .connected && row.headHeight == 17 && row.earliestBodyHeight == 4 && row.name == "n1" && row.version == "1.0.0" && row.chainID == "moloch-test")
    #expect(row.clockSkewMilliseconds.map { (2900...3100).contains($0) } == true)
    #expect(stage.network(b).medianSkewMilliseconds.map { (-3100 ... -2900).contains($0) } == true)
    #expect(stage.network(a).statistics.connectsOutbound == 1 && stage.network(b).statistics.connectsInbound == 1)
  }

  @Test func anotherChainIsRefusedWithAReasonAndALongRest() throws {
    let stage = try village()
    let a = try stage.add()
    var chain = Actors.chain
    chain.genesisHash = Bytes32(repeating: 77)
    let b = try stage.add(chain: chain)
    stage.introduce(a, to: b)
    #expect(stage.run { !stage.network(a).recentRejections.isEmpty && !stage.network(b).recentRejections.isEmpty })
    for (index, other) in [(a, b), (b, a)] {
      let rejection = try #require(stage.network(index).recentRejections.first)
      #expect(rejection.reason == .chainMismatch && rejection.peer == Actors.id(other))
    }
    #expect(stage.row(a, of: b)?.state == .backoff && stage.row(a, of: b)?.lastFailure == .chainMismatch)
    stage.run(14_000)
    #expect(stage.network(a).recentRejections.count == 1, "a foreign chain is not dialled again for 15 s at least")
    stage.run(3_000_000)
    // The rest doubles from 30 s to 5 minutes, each between a half and the whole of it.
    #expect((8...25).contains(stage.network(b).statistics.refusedHandshakes), "\(stage.network(b).statistics.refusedHandshakes)")
  }

  @Test func theDialledKeyIsTheOnlyOneThatAnswers() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add(), c = 2
    _ = stage.network(a).add(stage.address(b, as: c), isTemporary: false, stage.loop)
    #expect(stage.run { stage.row(a, of: c)?.lastFailure != nil })
    #expect(stage.row(a, of: c)?.lastFailure == .identity)
    #expect(stage.network(a).recentRejections.first?.reason == .identity)
    #expect(stage.network(a).count == 0 && stage.network(b).count == 0)
    #expect(!stage.log(b).contains { if case .up = $0 { true } else { false } })
  }

  @Test func versionsWithoutAnOverlapPart() throws {
    let stage = try village()
    let a = try stage.add { $0.protocols = 1...2 }, b = try stage.add { $0.protocols = 3...5 }
    stage.introduce(a, to: b)
    #expect(stage.run { !stage.network(a).recentRejections.isEmpty && !stage.network(b).recentRejections.isEmpty })
    #expect(stage.network(a).recentRejections.first?.reason == .version && stage.network(a).recentRejections.first?.text == "protocol 3 to 5 there, 1 to 2 here")
    #expect(stage.network(b).recentRejections.first?.text == "protocol 1 to 2 there, 3 to 5 here")
    #expect(stage.row(a, of: b)?.lastFailure == .version)
  }

  @Test func versionsThatOverlapTalk() throws {
    let stage = try village()
    let a = try stage.add { $0.protocols = 1...3 }, b = try stage.add { $0.protocols = 2...5 }
    stage.introduce(a, to: b)
    #expect(stage.run { stage.network(a).count == 1 })
    guard case .up(_, let facts)? = stage.log(a).first else { return #expect(Bool(false)) }
    #expect(facts.protocolVersion == 3)
  }

  @Test(arguments: [true, false]) func garbageIsDisconnected(_ hasTLS: Bool) throws {
    let stage = try village()
    let a = try stage.add { $0.isTLSEnabled = hasTLS }
    let stranger = stage.stranger(to: a)
    stage.loop.send(stranger, Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8).bytes)
    #expect(stage.run(3000) { stage.end(of: stranger) != nil })
    #expect(stage.network(a).count == 0 && stage.network(a).statistics.refusedHandshakes == 1)
  }

  @Test(arguments: [true, false]) func halfOpenConnectionsEndAtTheDeadline(_ hasTLS: Bool) throws {
    let stage = try village()
    let a = try stage.add { $0.isTLSEnabled = hasTLS }
    let stranger = stage.stranger(to: a)
    stage.run(4500)
    #expect(stage.end(of: stranger) == nil)
    #expect(stage.run(2000) { stage.end(of: stranger) != nil })
    #expect(stage.network(a).recentRejections.map(\.reason) == [.timeout])
  }

  /// TLS alone is no link: a client that never says Hello is gone at the deadline.
  @Test func tlsWithoutHelloEndsAtTheDeadline() throws {
    let stage = try village()
    let a = try stage.add()
    let stranger = stage.stranger(to: a)
    let session = TLSSession(try TLSContext(.node(.client, .selfSigned(keyPEM: Actors.node(9).pem()))))
    var wire: [UInt8] = [], plaintext: [UInt8] = []
    session.start(wire: &wire)
    stage.loop.send(stranger, wire.bytes)
    #expect(stage.run(1000) { !stage.bytes(of: stranger).isEmpty })
    wire.removeAll()
    let answer = stage.bytes(of: stranger)
    session.receive(answer.bytes, plaintext: &plaintext, wire: &wire)
    #expect(session.state == .open)
    stage.loop.send(stranger, wire.bytes)
    #expect(stage.run(7000) { stage.end(of: stranger) != nil })
    #expect(stage.network(a).recentRejections.map(\.reason) == [.timeout] && stage.network(a).recentRejections.first?.peer == Actors.id(9))
  }

  @Test func aBindingCannotBeBorrowedOrReflected() throws {
    let stage = try village()
    let a = try stage.add({ $0.isTLSEnabled = false }, validator: true)
    // Signed for another peer than the one that it is shown to.
    let relayed = stage.stranger(to: a)
    var borrowed = hello(Actors.node(5), validator: Actors.validator(5), other: Actors.id(6))
    stage.loop.send(relayed, frame(.hello, borrowed.encoded()).bytes)
    #expect(stage.run(3000) { stage.end(of: relayed) != nil })
    // The node's own binding, sent back to it.
    let mirror = stage.stranger(to: a)
    borrowed = hello(Actors.node(a), validator: Actors.validator(a), other: Actors.id(5))
    borrowed.nodeKey = Actors.node(5).publicKey.bytes
    stage.loop.send(mirror, frame(.hello, borrowed.encoded()).bytes)
    #expect(stage.run(3000) { stage.end(of: mirror) != nil })
    #expect(stage.network(a).recentRejections.map(\.reason) == [.identity, .identity])
    // And the honest one is taken.
    let honest = stage.stranger(to: a)
    stage.loop.send(honest, frame(.hello, hello(Actors.node(5), validator: Actors.validator(5), other: Actors.id(a)).encoded()).bytes)
    #expect(stage.run(3000) { stage.network(a).count == 1 })
    #expect(stage.row(a, of: 5)?.validator == Actors.validator(5).publicKey)
  }

  @Test func aNodeDoesNotTalkToItself() throws {
    let stage = try village()
    let a = try stage.add()
    #expect(stage.network(a).add(stage.address(a), isTemporary: false, stage.loop) == .itself)
    let b = try stage.add(identity: a)
    _ = stage.network(a).add(stage.address(b, as: 7), isTemporary: false, stage.loop)
    stage.run(2000)
    #expect(stage.network(a).count == 0)
  }

  @Test func handshakesUnderWayAreLimited() throws {
    let stage = try village()
    let a = try stage.add()
    let strangers = (0..<60).map { _ in stage.loop.connect(stage.addresses[a])! }
    stage.run(1000)
    #expect(strangers.count { stage.end(of: $0) != nil } == 60 - 32)
    #expect(stage.network(a).statistics.refusedHandshakes == 60 - 32)
  }
}

@Suite struct DuplicateTests {
  /// Both dial at once, again and again from different seeds: one link stays, the one that the smaller id opened.
  @Test func simultaneousDialsLeaveOneLink() throws {
    for seed in UInt64(1)...12 {
      var faults = MemoryFaults()
      faults.areTransfersPartial = seed % 2 == 0
      let stage = try village(seed: seed, faults: faults)
      let a = try stage.add(), b = try stage.add()
      stage.introduce(a, to: b)
      stage.introduce(b, to: a)
      stage.run(5000)
      #expect(stage.network(a).count == 1 && stage.network(b).count == 1, "seed \(seed)")
      let smaller = Actors.id(a) < Actors.id(b) ? a : b
      let row = stage.row(smaller, of: smaller == a ? b : a)
      #expect(row?.direction == .outbound, "seed \(seed)")
      #expect(stage.machine.loop.connectionCount == 2, "seed \(seed)")
      for index in [a, b] {
        var up = 0
        for event in stage.log(index) {
          if case .up = event { up += 1 }
          if case .down = event { up -= 1 }
        }
        #expect(up == 1, "seed \(seed)")
      }
    }
  }

  /// The larger id lost its host and comes back while the smaller still believes in the connection that it opened.
  @Test func aPeerThatLostTheConnectionIsLetInAgain() throws {
    let stage = try village()
    let order = [0, 1].sorted { Actors.id($0) < Actors.id($1) }
    let smaller = order[0], larger = order[1]
    for _ in 0..<2 { try stage.add { $0.isTLSEnabled = false } }
    stage.introduce(smaller, to: larger)
    #expect(stage.run { stage.network(smaller).count == 1 && stage.network(larger).count == 1 })
    stage.run(11_000)
    stage.machine.driver.frozen.insert(larger)
    let stranger = stage.stranger(to: smaller)
    stage.loop.send(stranger, frame(.hello, hello(Actors.node(larger), other: Actors.id(smaller)).encoded()).bytes)
    #expect(stage.run(3000) { stage.row(smaller, of: larger)?.direction == .inbound })
    #expect(stage.network(smaller).count == 1 && stage.end(of: stranger) == nil)
  }

  /// A restarted peer, whose earlier connection still looks alive, is let in again.
  @Test func theLaterOfTwoFromOneSideStays() throws {
    let stage = try village()
    let a = try stage.add({ $0.isTLSEnabled = false })
    let first = stage.stranger(to: a)
    stage.loop.send(first, frame(.hello, hello(Actors.node(5), other: Actors.id(a)).encoded()).bytes)
    #expect(stage.run(1000) { stage.network(a).count == 1 })
    let second = stage.stranger(to: a)
    stage.loop.send(second, frame(.hello, hello(Actors.node(5), other: Actors.id(a)).encoded()).bytes)
    #expect(stage.run(3000) { stage.end(of: first) != nil })
    #expect(stage.network(a).count == 1 && stage.end(of: second) == nil)
    #expect(stage.network(a).statistics.disconnects[Int(Goodbye.Reason.duplicate.rawValue)] == 1)
  }
}
