import Bytes
import Ed25519
import PeerWire
import Reactor
import Testing

@testable import Peering

/// What readers hold of unfinished messages is bounded over all peers together.
@Suite struct UnfinishedTests {
  /// Everything that a network's readers hold.
  private func held(_ network: Network) -> Int { network.slots.reduce(0) { $0 + (network.links[$1]?.session.reader.heldByteCount ?? 0) } }

  @Test func whoeverHoldsTheMostGoesFirstAndAValidatorLast() throws {
    let stage = try village()
    let a = try stage.add()
    // A validator with the longest message, a peer with a long one, and one with a short one.
    let validator = try stage.add(validator: true), long = try stage.add(), short = try stage.add()
    stage.network(a).setValidators([ValidatorPower(key: Actors.validator(validator).publicKey, power: 1)])
    for peer in [validator, long, short] { stage.introduce(peer, to: a) }
    let isUp = stage.run { stage.network(a).count == 3 && [validator, long, short].allSatisfy { stage.link($0, to: a) != nil } }
    #expect(isUp)
    for (peer, bytes) in [(validator, 8 << 20), (long, 6 << 20), (short, 3 << 20)] {
      let link = stage.link(peer, to: a)
      _ = stage.network(peer).send(.propose, [UInt8](repeating: 1, count: bytes), to: try #require(link), stage.loop)
    }
    // Some of each is there, and none is whole.
    let isPartial = stage.run { self.held(stage.network(a)) >= 1 << 20 }, received = stage.inbox(a).count
    #expect(isPartial && received == 0)
    func parts() -> [Int: Int] {
      var parts: [Int: Int] = [:]
      for slot in stage.network(a).slots {
        guard let link = stage.network(a).links[slot], link.phase == .up, let peer = link.peer else { continue }
        parts[[validator, long, short].first { Actors.id($0) == peer } ?? -1] = link.session.reader.heldByteCount
      }
      return parts
    }
    let before = parts(), total = before.values.reduce(0, +)
    #expect(before.count == 3 && before.values.allSatisfy { $0 > 0 }, "\(before)")
    stage.network(a).boundUnfinished(total, stage.loop)
    let unchanged = parts()
    #expect(unchanged == before)
    // One has to go: of those that are no validators the one with more.
    let first = (before[long] ?? 0) >= (before[short] ?? 0) ? long : short, second = first == long ? short : long
    stage.network(a).boundUnfinished(total - 1, stage.loop)
    let (left, leftBytes) = (parts().keys.sorted(), held(stage.network(a)))
    #expect(left == [validator, second].sorted() && leftBytes == total - (before[first] ?? 0), "\(left) \(leftBytes) of \(before)")
    stage.network(a).boundUnfinished(0, stage.loop)
    let (none, nothing) = (parts(), held(stage.network(a)))
    #expect(none.isEmpty && nothing == 0, "\(none) \(nothing)")
    // They are not banned, and come back.
    let bans = stage.network(a).statistics.bans
    #expect(bans == 0)
    let isBack = stage.run(120_000) { stage.network(a).count == 3 }
    #expect(isBack)
  }

  /// A message that no peer would take ends the link, and not the process.
  @Test func aMessageAboveItsCapEndsTheLink() throws {
    let stage = try village()
    let a = try stage.add(), b = try stage.add()
    stage.introduce(b, to: a)
    let isUp = stage.run { stage.network(a).count == 1 && stage.network(b).count == 1 }
    #expect(isUp)
    let found = stage.link(a, to: b)
    let link = try #require(found)
    let isTaken = stage.network(a).send(.getBlock, [UInt8](repeating: 0, count: 1025), to: link, stage.loop)
    #expect(!isTaken)
    let isOver = stage.run { stage.network(b).count == 0 }
    let (isSaid, received) = (stage.log(a).contains(.tooLong(link, .getBlock, byteCount: 1025, max: 1024)), stage.inbox(b).count)
    #expect(isOver && isSaid && received == 0)
  }
}
