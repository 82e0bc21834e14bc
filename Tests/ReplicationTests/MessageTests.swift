import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Replication
import Testing

/// Encodings of what replicas say to each other.
@Suite struct MessageTests {
  private static let tag = ChainTag(Bytes16(1, 2))
  private static let key = SigningKey(seed: Bytes32(repeating: 3))

  private static func record(_ number: UInt8) -> [UInt8] {
    let blob = [UInt8](repeating: number, count: 16 + 8)
    let statement = Statement(
      flags: [], contentType: .opaque, bodyLength: 8, timestamp: Timestamp(milliseconds: 7), stream: 1, sequence: UInt64(number), chainTag: tag,
      signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: Signature(Bytes64(repeating: number))).encoded + blob
  }

  private static func block() throws -> Block {
    let header = BlockHeader(
      eventCount: 2, chainTag: tag, height: Height(9), timestamp: Timestamp(milliseconds: 5), treeSize: 12, parentHash: .empty, eventsRoot: .empty,
      treeRoot: .empty, historyRoot: .empty, validatorsHash: .empty, nextValidatorsHash: .empty, parametersHash: .empty, proposer: key.publicKey)
    return try Block(header: header, body: record(1) + record(2))
  }

  private static func certificate(_ block: Block) throws -> Certificate {
    let set = try ValidatorSet([Validator(publicKey: key.publicKey, cosignerKey: key.publicKey, power: 1, name: "v1")])
    let vote = Vote(
      kind: .finalise, chainTag: tag, epoch: Epoch(0), view: View(9), parentView: View(8), height: block.header.height, blockHash: block.hash)
    return Certificate(vote: vote, signatures: [(0, Signature(Bytes64(repeating: 4)))], in: set)
  }

  private static func samples() throws -> [ReplicaMessage] {
    let block = try block()
    let vote = Vote(kind: .notarise, chainTag: tag, epoch: Epoch(0), view: View(9), parentView: View(8), height: Height(9), blockHash: block.hash)
    let reference = BlockReference(block.header, hash: block.hash)
    let certificate = try certificate(block)
    let proposal = Proposal(
      vote: SignedVote(vote: vote, publicKey: key.publicKey, signature: Signature(Bytes64(repeating: 1))), block: reference, justification: [certificate])
    let ids = [EventID(SHA256.hash([1])), EventID(SHA256.hash([2]))]
    let rival = Vote(kind: .notarise, chainTag: tag, epoch: Epoch(0), view: View(9), parentView: View(8), height: Height(9), blockHash: .zero)
    let evidence = Evidence(proposal.vote, SignedVote(vote: rival, publicKey: key.publicKey, signature: Signature(Bytes64(repeating: 2))))
    return [
      .consensus(.getCertificate(Epoch(1), View(2))), .consensus(.certificate(certificate)), .propose(proposal, block.header, .ids(ids, records: record(1))),
      .propose(proposal, block.header, .body(block.body)), .getBlock(block.hash), .block(block), .getEvents(block: block.hash, positions: [0, 5, 65_535]),
      .blockEvents(block: block.hash, records: record(1)), .events(record(1) + record(2)), .eventsTaken(77), .syncRequest(from: Height(5), blocksMax: 256, bytesMax: 4096),
      .syncResponse(from: Height(9), blocks: [block], certificate: certificate),
      .syncResponse(from: Height(9), blocks: [block, block.withholding([0])], certificate: certificate),
      .historyRequest(from: Height(5), blocksMax: 256, bytesMax: 4096, anchor: Height(77)), .history(from: Height(3), nil),
      .history(from: Height(9), History(anchor: block.header, blocks: [block.withholding([0])], certificate: certificate, proof: [.empty, block.hash])),
      .syncResponse(from: Height(10), blocks: [], certificate: nil),
      .getParts(from: Height(9)), .parts(from: Height(9), ends: []), .parts(from: Height(9), ends: [Height(9), Height(300), Height(301)]),
      .getBoundaries(from: Epoch(3)), .boundaries([Boundary(header: block.header, certificate: certificate, nextSet: [1, 2, 3])]),
      .cosignature(Cosignature(size: 12, root: .empty, validator: 0, seconds: 5, signature: Signature(Bytes64(repeating: 6)))),
      .evidence([try #require(evidence)]),
    ]
  }

  @Test func everyMessageDecodesToWhatWasEncoded() throws {
    for message in try Self.samples() {
      let (type, bytes) = message.encoded()
      let again = try ReplicaMessage(type: type, decoding: bytes.bytes, chainTag: Self.tag).encoded()
      #expect(again.type == type && again.bytes == bytes)
      #expect(try #require(ReplicaMessageType.byteCountMax(type)) >= bytes.count)
    }
  }

  @Test func theLayoutsAreTheDocumentedOnes() throws {
    let request = ReplicaMessage.syncRequest(from: Height(5), blocksMax: 256, bytesMax: 4096).encoded()
    #expect(request.type == 36 && Hex.encode(request.bytes.bytes) == "00000000000000050000010000001000")
    let events = ReplicaMessage.getEvents(block: .zero, positions: [1, 256]).encoded()
    #expect(events.type == 34 && Hex.encode(events.bytes.bytes) == String(repeating: "00", count: 32) + "00010100")
    let cosignature = ReplicaMessage.cosignature(
      Cosignature(size: 1, root: .zero, validator: 2, seconds: 3, signature: Signature(Bytes64(repeating: 0xAB)))
    ).encoded()
    let expected =
      "0000000000000001" + String(repeating: "00", count: 32) + "0002000000000000" + "0000000000000003" + String(repeating: "ab", count: 64)
    #expect(cosignature.type == 23 && Hex.encode(cosignature.bytes.bytes) == expected)
    let block = try Self.block()
    #expect(ReplicaMessage.block(block).encoded().bytes == block.header.encoded + block.body)
  }

  /// Cut, extended and altered payloads are refused or decode to something that encodes to the same bytes; nothing traps.
  @Test func damagedBytesAreRefusedOrStillCanonical() throws {
    var chance = SeededGenerator(seed: 4)
    for message in try Self.samples() {
      let (type, bytes) = message.encoded()
      for count in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 97)) {
        expectCanonical(type, Array(bytes.prefix(count)))
      }
      expectCanonical(type, bytes + [0])
      for _ in 0..<300 {
        var altered = bytes
        for _ in 0..<Int.random(in: 1...3, using: &chance) where !altered.isEmpty {
          altered[Int.random(in: 0..<altered.count, using: &chance)] = UInt8.random(in: 0...255, using: &chance)
        }
        expectCanonical(type, altered)
      }
    }
    for type in 0...255 as ClosedRange<UInt8> where ReplicaMessageType.byteCountMax(type) == nil {
      let empty: [UInt8] = []
      #expect(throws: FormatError.self) { _ = try ReplicaMessage(type: type, decoding: empty.bytes, chainTag: Self.tag) }
    }
  }

  private func expectCanonical(_ type: UInt8, _ bytes: [UInt8]) {
    guard let message = try? ReplicaMessage(type: type, decoding: bytes.bytes, chainTag: Self.tag) else { return }
    let again = message.encoded()
    #expect(again.type == type && again.bytes == bytes)
  }

  @Test func aHeaderThatIsNotTheVotesIsRefused() throws {
    guard case .propose(let proposal, var header, let contents) = try Self.samples()[2] else {
      Issue.record("the third sample is a proposal")
      return
    }
    header.timestamp = Timestamp(milliseconds: 6)
    let bytes = ReplicaMessage.propose(proposal, header, contents).encoded().bytes
    #expect(throws: FormatError.malformed("the header is not that of the vote")) {
      _ = try ReplicaMessage(type: 17, decoding: bytes.bytes, chainTag: Self.tag)
    }
  }
}
