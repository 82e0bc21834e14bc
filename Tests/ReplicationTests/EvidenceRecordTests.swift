import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

@testable import Replication

/// Which evidence is kept when there is too much of it.
@Suite struct EvidenceRecordTests {
  private func piece(_ signer: UInt8, view: UInt64) throws -> Evidence {
    let key = SigningKey(seed: Bytes32(repeating: signer))
    func vote(_ block: UInt8) -> SignedVote {
      SignedVote(
        signing: Vote(
          kind: .notarise, chainTag: ChainTag(Bytes16(1, 2)), epoch: Epoch(0), view: View(view), parentView: View(0), height: Height(1),
          blockHash: SHA256.hash([block])), with: key)
    }
    return try #require(Evidence(vote(1), vote(2)))
  }

  @Test func theOldestAreKeptAndOneValidatorDoesNotCrowdOutAnother() throws {
    var record = EvidenceRecord([])
    let most = ReplicationLimit.evidenceMax
    let flood = try (1...UInt64(most) + 10).map { try piece(1, view: $0) }
    for piece in flood.prefix(most) { #expect(record.add(piece) == .kept) }
    #expect(record.add(flood[0]) == .known)
    for piece in flood.suffix(10) { #expect(record.add(piece) == .dropped) }
    #expect(record.dropped == 10 && record.pieces == Array(flood.prefix(most)))

    let other = try piece(2, view: 5)
    #expect(record.add(other) == .kept)
    #expect(record.pieces.count == most && record.pieces.last == other && record.pieces.first == flood[0])
    #expect(!record.pieces.contains(flood[most - 1]) && record.dropped == 11)
    // As many of each at the end, however many the one goes on to make.
    for view in 6..<UInt64(most) * 2 { _ = record.add(try piece(2, view: view)) }
    #expect(abs(record.pieces.count { $0.signer == other.signer } - most / 2) <= 1)
  }
}
