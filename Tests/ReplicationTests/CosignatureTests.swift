import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

@testable import Replication

/// What a validator cosigns, and what others say in its name.
@Suite struct CosignatureTests {
  private static let origin = "test/chain"
  private static let keys = (0..<4).map { SigningKey(seed: Bytes32(8, UInt64($0), 3, 4)) }
  private let set = try! ValidatorSet(
    CosignatureTests.keys.enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0)") })

  private func head(_ size: UInt64) -> BlockHeader {
    BlockHeader(
      eventCount: 1, chainTag: ChainTag(Bytes16(1, 2)), height: Height(size), timestamp: Timestamp(milliseconds: 5), treeSize: size, parentHash: .zero, eventsRoot: .empty,
      treeRoot: SHA256.hash([UInt8(size)]), historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash, parametersHash: .zero,
      proposer: PublicKey(Bytes32()))
  }

  private func cosignature(_ size: UInt64, by index: Int) -> Cosignature {
    let checkpoint = Checkpoint(origin: Self.origin, size: size, root: head(size).treeRoot)
    let key = Self.keys.first { $0.publicKey == set.validators[index].publicKey }!
    return Cosignature(size: size, root: checkpoint.root, validator: index, seconds: 7, signature: checkpoint.cosignature(key, name: "x", seconds: 7).signature)
  }

  @Test func sizeAndTimeNeverGoBack() {
    func time(_ size: UInt64, after last: (UInt64, UInt8, UInt64)?, now: UInt64) -> UInt64? {
      let checkpoint = Checkpoint(origin: Self.origin, size: size, root: head(size).treeRoot)
      return Cosignature.time(of: checkpoint, after: last.map { ($0.0, SHA256.hash([$0.1]), $0.2) }, now: now)
    }
    #expect(time(5, after: nil, now: 9) == 9)
    #expect(time(5, after: (4, 4, 8), now: 9) == 9 && time(5, after: (4, 4, 8), now: 7) == 8)
    #expect(time(5, after: (5, 5, 8), now: 9) == 8)
    #expect(time(5, after: (5, 6, 8), now: 9) == nil && time(5, after: (6, 6, 8), now: 9) == nil)
  }

  /// Heads come to this node later than cosignatures of them. A peer that says something in the names of all others first keeps none of them out.
  @Test func whatOnePeerSaysInTheNameOfOthersKeepsThemNotOut() {
    var book = CosignatureBook(origin: Self.origin)
    for index in 0..<4 {
      for size in 3...6 as ClosedRange<UInt64> {
        var forged = cosignature(size, by: index)
        forged.signature = Signature(Bytes64(repeating: 6))
        _ = book.add(forged, from: PeerLink(9), head: 2)
      }
    }
    for index in 0..<3 { #expect(book.add(cosignature(5, by: index), from: PeerLink(UInt64(index)), head: 2) == .kept) }
    book.reached(head(5), set: set)
    #expect(book.take()?.cosignatures.map(\.validator) == [0, 1, 2])
  }

  @Test func aPeerHasRoomForAFewHeadsAndGivesItBackWhenItGoes() {
    var book = CosignatureBook(origin: Self.origin)
    let first = UInt64(3), last = first + UInt64(ReplicationLimit.cosignaturesPerPeer)
    for index in 0..<3 { for size in first...last { _ = book.add(cosignature(size, by: index), from: PeerLink(UInt64(index)), head: 2) } }
    book.peerDown(PeerLink(0))
    // The oldest made room for the newest.
    book.reached(head(first), set: set)
    #expect(book.take() == nil)
    // Those of the peer that left are gone.
    book.reached(head(last), set: set)
    #expect(book.take() == nil)
    #expect(book.add(cosignature(last, by: 0), from: PeerLink(7), head: last) == .kept)
    #expect(book.take()?.size == last)
  }
}
