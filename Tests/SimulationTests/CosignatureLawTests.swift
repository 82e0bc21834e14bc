import Audit
import Bytes
import Digests
import Ed25519
import Testing

@testable import Replication
@testable import Simulation

/// The checker of cosignatures and checkpoints flags what it is for.
@Suite struct CosignatureLawTests {
  private static let origin = "moloch.internal/simulation"
  private static let keys = (0..<4).map { SigningKey(seed: Bytes32(8, UInt64($0), 3, 4)) }
  private let set = try! ValidatorSet(
    CosignatureLawTests.keys.enumerated().map { Validator(publicKey: $1.publicKey, cosignerKey: $1.publicKey, power: 1, name: "v\($0)") })

  private func head(_ size: UInt64) -> BlockHeader {
    BlockHeader(
      eventCount: 1, chainTag: ChainTag(Bytes16(1, 2)), height: Height(size), timestamp: Timestamp(milliseconds: 5), treeSize: size, parentHash: .zero, eventsRoot: .empty,
      treeRoot: SHA256.hash([UInt8(size)]), historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash, parametersHash: .zero,
      proposer: PublicKey(Bytes32()))
  }

  private func cosignature(_ size: UInt64, at seconds: UInt64 = 7, by index: Int = 0, signedAt: UInt64? = nil) -> Cosignature {
    let checkpoint = Checkpoint(origin: Self.origin, size: size, root: head(size).treeRoot)
    let own = Self.keys.first { $0.publicKey == set.validators[index].publicKey }!
    let line = checkpoint.cosignature(own, name: "x", seconds: signedAt ?? seconds)
    return Cosignature(size: size, root: checkpoint.root, validator: index, seconds: seconds, signature: line.signature)
  }

  private func failure(_ list: [Cosignature], recorded: Bool = true, head: UInt64? = nil, losingJournalAfter lost: Int? = nil) -> Failure.Class? {
    var laws = CosignatureLaws(origin: Self.origin, nodes: 1)
    do throws(Failure) {
      for (index, cosignature) in list.enumerated() {
        if recorded { laws.recorded(size: cosignature.size, root: cosignature.root, seconds: cosignature.seconds, node: 0) }
        try laws.released(cosignature, head: self.head(head ?? cosignature.size), set: set, node: 0, now: 0)
        if index == lost { laws.lostJournal(0) }
      }
      return nil
    } catch { return error.kind }
  }

  @Test func whatGoesBackIsSeen() {
    #expect(failure([cosignature(3), cosignature(3), cosignature(5), cosignature(6, at: 9)]) == nil)
    #expect(failure([cosignature(5), cosignature(3)]) == .doubleVote)
    #expect(failure([cosignature(5), cosignature(5, at: 8)]) == .doubleVote)
    #expect(failure([cosignature(5), cosignature(6, at: 6)]) == .doubleVote)
    // Without its journal the node cannot know.
    #expect(failure([cosignature(5), cosignature(3)], losingJournalAfter: 0) == nil)
  }

  @Test func whatIsUnfoundedIsSeen() {
    #expect(failure([cosignature(5)], recorded: false) == .earlyVote)
    #expect(failure([cosignature(5)], head: 6) == .agreement)
    #expect(failure([cosignature(5, at: 7, signedAt: 6)]) == .certificate)
  }

  @Test func aCheckpointWithoutAQuorumIsSeen() {
    func failure(_ list: [Cosignature], twice: Bool = false) -> Failure.Class? {
      var laws = CosignatureLaws(origin: Self.origin, nodes: 1)
      do throws(Failure) {
        for _ in 0..<(twice ? 2 : 1) {
          let checkpoint = CosignedHead(size: 5, root: head(5).treeRoot, cosignatures: list, validators: set)
          try laws.published(checkpoint, head: head(5), set: set, node: 0, now: 0)
        }
        return nil
      } catch { return error.kind }
    }
    let three = (0..<3).map { cosignature(5, by: $0) }
    #expect(failure(three) == nil)
    #expect(failure(Array(three.prefix(2))) == .certificate)
    #expect(failure([three[0], three[0], three[1]]) == .certificate)
    #expect(failure([three[0], three[1], cosignature(5, by: 2, signedAt: 6)]) == .certificate)
    #expect(failure(three, twice: true) == .validity)
  }
}
