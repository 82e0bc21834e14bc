import Ambient
import Bytes
import Ed25519
import JSON
import PeerWire
import Peering
import Reactor
import Testing

@Suite struct DiallingTests {
  /// Nobody listens: the dials come at 1 s, 2 s, 4 s and so on up to a minute, each between a half and the whole of it.
  @Test func dialsBackOffToAMinute() throws {
    let stage = try village()
    let a = try stage.add()
    let nowhere = Multiaddr(host: .ip4(0x7F00_0001), port: 1, peer: Actors.id(8))
    var ends: [UInt64] = []
    _ = stage.network(a).add(nowhere, isTemporary: false, stage.loop)
    var wasDialling = false
    stage.run(600_000) {
      let isDialling = stage.row(a, of: 8)?.state == .dialing
      if wasDialling && !isDialling { ends.append(stage.loop.now.milliseconds) }
      wasDialling = isDialling
      return false
    }
    let gaps = zip(ends.dropFirst(), ends).map { $0 - $1 }
    for (index, gap) in gaps.enumerated() {
      let delay = UInt64(min(60_000, 1000 << index))
      if gap < delay / 2 || gap > delay + 200 { Issue.record("gap \(index) was \(gap) ms, not \(delay / 2) to \(delay)") }
    }
    #expect(gaps.count >= 12 && stage.row(a, of: 8)?.lastFailure == .refused)
  }

  @Test func aRestartedPeerIsFoundAgain() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(a, to: b)
    for _ in 0..<5 {
      #expect(stage.run(70_000) { stage.network(a).count == 1 && stage.network(b).count == 1 })
      stage.network(b).disconnect(stage.link(b, to: a)!, .shutdown, "", stage.loop)
      #expect(stage.run(5000) { stage.network(a).count == 0 })
    }
    #expect(stage.run(70_000) { stage.network(a).count == 1 })
  }

  @Test func addressesAreExchanged() throws {
    let stage = try village()
    for _ in 0..<5 { try stage.add() }
    // Everybody knows only node 0.
    for index in 1..<5 { stage.introduce(index, to: 0) }
    #expect(stage.run(400_000) { (0..<5).allSatisfy { stage.network($0).count == 4 } }, "\((0..<5).map { stage.network($0).count })")
  }

  @Test func exchangeCanBeSwitchedOff() throws {
    let stage = try village()
    for _ in 0..<3 { try stage.add { $0.isExchangingAddresses = false } }
    stage.introduce(1, to: 0)
    stage.introduce(2, to: 0)
    stage.run(200_000)
    #expect(stage.network(1).count == 1 && stage.network(0).count == 2)
  }

  @Test func namesAreResolvedOffTheLoop() throws {
    let stage = try village()
    let b = 1
    let a = try stage.add { $0.bootNodes = [Multiaddr(host: .dns("b.example"), port: 40_001, peer: Actors.id(b))] }
    try stage.add()
    stage.run(5000)
    #expect(stage.network(a).unreachableBootNodes().map(\.reason) == [.dns])
    #expect(stage.machine.driver.lookupCount >= 2)
    stage.machine.driver.names["b.example"] = [.ipv4(0x7F00_0001, port: 0)]
    #expect(stage.addresses[b].port == 40_001)
    #expect(stage.run(70_000) { stage.network(a).count == 1 })
    #expect(stage.network(a).unreachableBootNodes().isEmpty)
  }

  @Test func placesAreKeptForValidatorsAndOwnDials() throws {
    let stage = try village()
    let full = try stage.add {
      $0.peersMax = 4
      $0.peersMin = 2
    }
    for _ in 1..<7 { try stage.add({ $0.isExchangingAddresses = false }, validator: true) }
    let set = (5..<7).map { ValidatorPower(key: Actors.validator($0).publicKey, power: 1) }
    stage.network(full).setValidators(set)
    for index in 1..<5 {
      stage.introduce(index, to: full)
      stage.run(3000)
    }
    // Two of the four places are for connections that the node opens itself.
    #expect(stage.network(full).count == 2)
    #expect(stage.network(full).recentRejections.allSatisfy { $0.reason == .full } && !stage.network(full).recentRejections.isEmpty)
    stage.introduce(5, to: full)
    stage.introduce(6, to: full)
    #expect(stage.run(5000) { stage.network(full).count == 4 })
    #expect(stage.network(full).count(.inbound, isValidator: true) == 2)
  }

  @Test func validatorsAreDialledForEverAndOthersAreNot() throws {
    let stage = try village()
    let a = try stage.add {
      $0.peersMin = 0
      $0.isExchangingAddresses = false
    }
    let b = try stage.add({ $0.isExchangingAddresses = false }, validator: true)
    // It met the validator once, because that one dialled.
    stage.introduce(b, to: a)
    #expect(stage.run { stage.network(a).count == 1 && stage.network(b).count == 1 })
    #expect(stage.network(b).remove(Actors.id(a), stage.loop))
    stage.run(100_000)
    #expect(stage.network(a).count == 0)
    stage.network(a).setValidators([ValidatorPower(key: Actors.validator(b).publicKey, power: 1)])
    #expect(stage.run(100_000) { stage.network(a).count == 1 })
    #expect(stage.row(a, of: b)?.direction == .outbound)
  }
}

@Suite struct AdministrationTests {
  @Test func addedPeersOutliveTheProcessAndRemovedOnesDoNot() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add(), c = try stage.add()
    stage.introduce(a, to: b)
    _ = stage.network(a).add(stage.address(c), isTemporary: true, stage.loop)
    #expect(stage.run { stage.network(a).count == 2 })
    stage.run(2000)
    let saved = try #require(stage.network(a).bookToSave(stage.loop))
    #expect(stage.network(a).bookToSave(stage.loop) == nil)
    let book = try PeerBook(parsing: saved)
    #expect(book.encoded() == saved)
    #expect(book.entries.first { $0.peer == Actors.id(b) }?.isManual == true)
    #expect(book.entries.first { $0.peer == Actors.id(c) }?.isManual == false)

    let again = try village(seed: 2)
    try again.add(book: book)
    try again.add { $0.peersMin = 0 }
    // The same port, because the first listener of every village has it.
    #expect(again.run(5000) { again.network(0).count == 1 })
    #expect(again.network(0).remove(Actors.id(b), again.loop))
    #expect(!again.network(0).remove(Actors.id(77), again.loop))
    #expect(again.run(1000) { again.network(1).count == 0 })
    again.run(100_000)
    #expect(again.network(0).count == 0 && again.row(0, of: b) == nil)
    #expect(try PeerBook(parsing: try #require(again.network(0).bookToSave(again.loop))).entries.allSatisfy { $0.peer != Actors.id(b) })
  }

  @Test func theBookIsEditedOffline() throws {
    var book = PeerBook()
    let address = Multiaddr(host: .dns("x.example"), port: 9000, peer: Actors.id(1))
    let additions = [book.add(address), book.add(address), book.add(Multiaddr(host: .dns("x.example"), port: 9000, peer: nil))]
    #expect(additions == [true, true, false])
    #expect(book.entries.count == 1 && book.entries[0].addresses == [address])
    #expect(try PeerBook(parsing: book.encoded()) == book)
    let removals = [book.remove(Actors.id(1)), book.remove(Actors.id(1))]
    #expect(removals == [true, false])
    #expect(throws: StrictJSONError.self) { try PeerBook(parsing: Array("{}".utf8)) }
    #expect(throws: StrictJSONError.self) { try PeerBook(parsing: Array("nonsense".utf8)) }
    let odd = Array("{\"schema\":\"moloch.peers/1\",\"peers\":[{\"peer_id\":\"?\"},{\"peer_id\":\"\(Actors.id(2).text)\",\"addresses\":[\"/ip4/x\"]}]}".utf8)
    #expect(try PeerBook(parsing: odd).entries.map(\.peer) == [Actors.id(2)])
  }

  @Test func theListHasTheMembersOfTheInterface() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add({ _ in }, validator: true)
    stage.introduce(a, to: b)
    _ = stage.network(a).add(Multiaddr(host: .ip4(1), port: 1, peer: Actors.id(8)), isTemporary: true, stage.loop)
    #expect(stage.run { stage.row(a, of: b)?.latencyMilliseconds != nil })
    let json = try StrictJSON(parsing: stage.network(a).peersJSON(includesKnown: true, stage.loop), byteCountMax: 1 << 20)
    #expect(json.members?.map(\.name) == ["peers", "rejected", "count", "known"])
    #expect(json["count"]?.unsigned == 1)
    let peer = try #require(json["peers"]?.array?.first)
    #expect(peer.members?.map(\.name) == [
      "peer_id", "public_key", "multiaddr", "direction", "chain_id", "head_height", "version", "role", "validator", "latency_ms", "clock_skew_ms", "connected_since_ms",
      "bytes_in", "bytes_out", "score", "earliest_body_height",
    ])
    #expect(peer["peer_id"]?.string == Actors.id(b).text && peer["direction"]?.string == "out" && peer["role"]?.string == "validator")
    #expect(peer["multiaddr"]?.string == stage.address(b).description)
    #expect(json["known"]?.array?.first?["peer_id"]?.string == Actors.id(8).text)
  }
}

@Suite struct ChaosTests {
  /// Partial transfers, stale completions and random disconnects: in the end everybody is connected to everybody, once.
  @Test func aMeshHealsAfterRandomLoss() throws {
    for seed in UInt64(100)..<108 {
      var faults = MemoryFaults()
      faults.areTransfersPartial = true
      faults.staleEvery = 50
      let stage = try village(seed: seed, faults: faults)
      for index in 0..<5 { try stage.add(validator: index % 2 == 0) }
      for index in 0..<5 { for other in 0..<5 where other != index { stage.introduce(index, to: other) } }
      var random = SeededGenerator(seed: seed)
      for _ in 0..<60 {
        stage.run(UInt64.random(in: 1...400, using: &random))
        let index = Int.random(in: 0..<5, using: &random), other = Int.random(in: 0..<5, using: &random)
        stage.network(index).sendAll(.events, [UInt8](repeating: 1, count: Int.random(in: 0...50_000, using: &random)), stage.loop)
        if let link = stage.link(index, to: other) { stage.network(index).disconnect(link, .other, "", stage.loop) }
      }
      let isWhole = stage.run(200_000) { (0..<5).allSatisfy { stage.network($0).count == 4 } }
      #expect(isWhole, "seed \(seed): \((0..<5).map { stage.network($0).count })")
      stage.run(3000)
      #expect(stage.loop.connectionCount == 20, "seed \(seed)")
    }
  }
}

@Suite(.serialized) struct SocketTests {
  enum Kind: CaseIterable { case epoll, io_uring }

  private func meet<B: Backend & ~Copyable>(_ backend: consuming B) throws {
    let stage = try Stage(backend, seed: 5)
    for _ in 0..<4 { try stage.add({ $0.peersMin = 0 }, validator: true) }
    // One side dials each pair: a second connection would replace the first, and with it what waits there.
    for index in 0..<4 { for other in 0..<index { stage.introduce(index, to: other) } }
    #expect(stage.run(300_000) { (0..<4).allSatisfy { stage.network($0).count == 3 } })
    for index in 0..<4 {
      stage.network(index).sendAll(.propose, [UInt8](repeating: UInt8(index), count: 1 << 20), stage.loop)
      stage.network(index).sendAll(.vote, [1], stage.loop)
    }
    #expect(stage.run(300_000) { (0..<4).allSatisfy { stage.inbox($0).count == 6 } }, "\((0..<4).map { stage.inbox($0).count })")
    // Some peers see the proposal end before the last vote of another; nobody sees a vote behind its sender's proposal.
    for index in 0..<4 {
      for link in Set(stage.inbox(index).map(\.link)) { #expect(stage.inbox(index).filter { $0.link == link }.map(\.type) == [.vote, .propose]) }
    }
    stage.machine.closeAll()
    #expect(stage.loop.connectionCount == 0)
  }

  @Test(arguments: Kind.allCases) func fourNodesTalkOverSockets(_ kind: Kind) throws {
    switch kind {
    case .epoll: try meet(EpollBackend())
    case .io_uring: try meet(UringBackend())
    }
  }

  @Test func oneAddressHasFewConnections() throws {
    let stage = try Stage(EpollBackend(), seed: 6)
    let a = try stage.add { $0.inboundPerAddressMax = 2 }
    for _ in 0..<4 { try stage.add { $0.isExchangingAddresses = false } }
    for index in 1..<5 { stage.introduce(index, to: a) }
    #expect(stage.run(300_000) { stage.network(a).statistics.refusedHandshakes >= 2 })
    #expect(stage.network(a).count == 2)
    #expect(stage.network(a).recentRejections.first?.text == "too many connections from this address")
  }
}
