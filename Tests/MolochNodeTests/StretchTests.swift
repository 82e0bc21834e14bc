import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import LedgerFixtures
import PeerWire
import Replication
import Testing

/// Full blocks that one certificate has made final: what is read of them for a peer is what a connection carries.
@Suite struct StretchTests {
  private static let bodyBytes = 1 << 20

  /// A chain of blocks whose last one alone has a certificate.
  private func stretch(of blocks: Int, blockBytes: Int) throws -> MemoryStore {
    var parameters = ChainParameters()
    parameters.blockBytesMax = UInt32(blockBytes)
    parameters.bodyBytesMax = UInt32(Self.bodyBytes)
    var fixture = try ChainFixture(parameters)
    let store = MemoryStore(genesis: fixture.chain.tip.header)
    let set = fixture.chain.validators
    let record = fixture.record(0, body: [UInt8](repeating: 9, count: Self.bodyBytes)).count
    var sequence: UInt64 = 0
    for block in 1...blocks {
      let time = fixture.chain.tip.header.timestamp.rawValue + 1000
      var records: [UInt8] = []
      records.reserveCapacity(blockBytes)
      while records.count + record <= blockBytes {
        sequence += 1
        records += fixture.record(sequence, at: time, body: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: Self.bodyBytes))
      }
      let candidate = try fixture.build(records)
      var certificate: [UInt8] = []
      if block == blocks {
        let vote = Vote(
          kind: .finalise, chainTag: ChainFixture.tag, epoch: Epoch(0), view: View(9), parentView: View(8), height: candidate.block.header.height, blockHash: candidate.block.hash)
        certificate = Certificate(vote: vote, signatures: [(0, Signature(Bytes64()))], in: set).encoded
      }
      try store.commit([fixture.chain.apply(candidate, certificate: certificate)])
    }
    return store
  }

  private func answer(_ store: MemoryStore, _ query: StoreQuery) throws -> StoreAnswer { try store.load(query, epochLength: 100, chainTag: ChainFixture.tag) }

  @Test(arguments: [(3, 8 << 20), (5, 8 << 20), (4, 32 << 20)]) func blocksThatOneCertificateHasMadeFinalTravelTogether(_ blocks: Int, _ blockBytes: Int) throws {
    let store = try stretch(of: blocks, blockBytes: blockBytes), caps = WireCaps(blockByteCount: BlockHeader.byteCount + (8 << 20))
    guard case .range(_, let range, let certificate) = try answer(store, .range(from: Height(1), blocksMax: 256, bytesMax: 4 << 20, PeerLink(1))) else {
      Issue.record("no range")
      return
    }
    #expect(range.count == blocks)
    let (type, bytes) = ReplicaMessage.syncResponse(from: Height(1), blocks: range, certificate: certificate).encoded()
    #expect(bytes.count > blocks * (blockBytes - Self.bodyBytes - 300) && bytes.count <= caps.byteCount(MessageType(rawValue: type)))
    var outbox = Outbox(caps: caps, eventMessagesMax: 1)
    #expect(outbox.queue(MessageType(rawValue: type), bytes) == .queued)
    guard case .syncResponse(_, let read, _) = try ReplicaMessage(type: type, decoding: bytes.bytes, chainTag: ChainFixture.tag) else {
      Issue.record("unreadable")
      return
    }
    #expect(read.map(\.hash) == range.map(\.hash))
  }

  /// What no message can carry is not read to its end, and the peer is answered that there is nothing.
  @Test func whatNoMessageCarriesIsAnsweredByNothing() throws {
    let store = try stretch(of: 5, blockBytes: 32 << 20)
    guard case .range(_, let range, let certificate) = try answer(store, .range(from: Height(1), blocksMax: 256, bytesMax: 4 << 20, PeerLink(1))) else {
      Issue.record("no range")
      return
    }
    #expect(range.isEmpty && certificate == nil)
    // One block less is a range.
    guard case .range(_, let shorter, _) = try answer(store, .range(from: Height(2), blocksMax: 256, bytesMax: 4 << 20, PeerLink(1))) else {
      Issue.record("no range")
      return
    }
    #expect(shorter.count == 4)
    // The parts of a snapshot have the same bound; without bodies all of it is small.
    var builder = SnapshotPartBuilder()
    for height in 1...5 as ClosedRange<UInt64> {
      let block = try #require(try store.abridged(at: Height(height)))
      let certificate = store.certificate(at: Height(height)).flatMap { $0.isEmpty ? nil : $0 }
      switch builder.add(block, certificate: certificate, epochLength: 5) {
      case .open: #expect(height < 5)
      case .complete(let part): #expect(height == 5 && part.count == 5)
      case .passed: Issue.record("passed at \(height)")
      }
    }
  }

  /// A node gets a message that no peer would take from its own program: it is not sent, and nothing traps.
  @Test func aMessageAboveItsCapIsRefused() {
    let caps = WireCaps(blockByteCount: 1000)
    var outbox = Outbox(caps: caps, eventMessagesMax: 1)
    #expect(outbox.queue(.vote, [UInt8](repeating: 0, count: 1025)) == .tooLong(max: 1024))
    #expect(outbox.isEmpty)
  }
}
