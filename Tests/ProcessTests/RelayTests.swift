import Audit
import Foundation
import Testing

/// Two of four validators see each other only through a relay that is slow, lossy or damaging.
@Suite(.serialized) struct RelayTests {
  @Test func delaysCutsAndDamageBetweenTwoValidators() throws {
    var relays: [Relay] = []
    defer { for relay in relays { relay.end() } }
    let cluster = try Cluster(extra: "peer_exchange = false") { from, to, port in
      guard from + to == 1 else { return nil }
      let relay = try Relay(to: port)
      relays.append(relay)
      return relay.port
    }
    #expect(relays.count == 2)
    try cluster.start()
    let records = try cluster.records()
    var (ids, height) = try cluster[0].finalise(10, of: records)
    let carrying = try #require(relays.first { $0.connectionCount > 0 }, "the two validators did not meet through a relay")

    for relay in relays { relay.delay(milliseconds: 40) }
    let slow = Stopwatch()
    for _ in 0..<4 { (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[1].finalise(10, of: records)) }
    slow.report("four batches with 40 ms more between two of four")
    try cluster.expectAgreement(at: height)
    for relay in relays { relay.delay(milliseconds: 0) }

    for turn in 1...2 {
      let marks = (0..<2).map { cluster[$0].log.count }
      for relay in relays { relay.cut() }
      try cluster[0].logs("peer gone", cluster[1].peerID, after: marks[0])
      let cut = Stopwatch()
      (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[0].finalise(10, of: records))
      cut.report("finality while two of four are cut from each other, turn \(turn)")
      for relay in relays { relay.heal() }
      let healed = Stopwatch()
      try cluster[0].logs("peer connected", cluster[1].peerID, after: marks[0])
      healed.report("reconnection after a cut, turn \(turn)")
      try cluster.expectAgreement(at: height)
    }

    // TLS notices the damage: the connection ends, nothing damaged is believed, and the two meet again.
    let marks = (0..<2).map { cluster[$0].log.count }
    let damage = relays.first { $0.connectionCount > 0 } ?? carrying
    damage.damage(pieces: 1)
    (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[2].finalise(10, of: records))
    try cluster[0].logs("peer gone", cluster[1].peerID, after: marks[0])
    #expect(damage.pendingDamage == 0)
    let damaged = Stopwatch()
    try cluster[0].logs("peer connected", cluster[1].peerID, after: marks[0])
    damaged.report("reconnection after a damaged byte")
    (ids, height) = { (ids + $0.ids, $0.height) }(try cluster[1].finalise(10, of: records))
    try cluster.expectAgreement(at: height)
    for member in cluster.members { try member.expectFinal(ids) }
  }
}
