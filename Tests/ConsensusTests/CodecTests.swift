import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

@Suite struct CodecTests {
  private let tag = Cluster.chainTag

  private func samples() throws -> [Message] {
    let cluster = try Cluster(4, seed: 1)
    let block = cluster.block(on: Cluster.genesis, by: 0, timestamp: Timestamp(milliseconds: 99))
    let certificate = try cluster.certificate(.nullify, view: 3, by: [0, 1, 2])
    let witness = Witness(nonce: SHA256.hash([3]), epoch: Epoch(0), view: View(4), entry: certificate, chainTag: tag, signing: cluster.keys[1])
    let status = PeerStatus(
      epoch: Epoch(2), view: View(9), bound: Bound(epoch: Epoch(2), view: View(4)), finalHeight: Height(300), finalHash: block.hash,
      wall: Timestamp(milliseconds: 1234))
    var unbound = status
    unbound.bound = nil
    unbound.hasEvents = true
    return [
      .vote(cluster.vote(.finalise, by: 2, view: 8, parentView: 7, block: block)),
      .proposal(cluster.proposal(by: 0, view: 4, parentView: 1, block: block, justification: [certificate, certificate])),
      .proposal(cluster.proposal(by: 0, view: 1, block: block)), .certificate(certificate), .getCertificate(Epoch(5), View(6)), .status(status),
      .status(unbound), .witnessRequest(SHA256.hash([8])), .witness(witness),
      .witness(Witness(nonce: .zero, epoch: Epoch(0), view: View(1), entry: nil, chainTag: tag, signing: cluster.keys[0])),
    ]
  }

  @Test func everyMessageSurvivesItsEncodingAndNoOtherLengthIsRead() throws {
    for message in try samples() {
      var bytes: [UInt8] = []
      message.encode(into: &bytes)
      #expect(try Message(decoding: bytes.bytes, type: message.code, chainTag: tag) == message)
      let longer = bytes + [0]
      #expect(throws: FormatError.self) { try Message(decoding: longer.bytes, type: message.code, chainTag: tag) }
      let shorter = Array(bytes.dropLast())
      // A witness without its certificate is a shorter witness; everything else needs its last byte.
      #expect(throws: FormatError.self) { try Message(decoding: shorter.bytes, type: message.code, chainTag: tag) }
    }
    #expect(throws: FormatError.self) { try Message(decoding: [UInt8](repeating: 0, count: 300).bytes, type: 99, chainTag: tag) }
  }

  @Test func layoutsAreThoseOfTheDocument() throws {
    var bytes: [UInt8] = []
    Message.getCertificate(Epoch(0x0102), View(0x0304)).encode(into: &bytes)
    #expect(Hex.encode(bytes.bytes) == "00000000000001020000000000000304")
    bytes = []
    let status = PeerStatus(
      epoch: Epoch(1), view: View(2), bound: Bound(epoch: Epoch(3), view: View(4)), finalHeight: Height(5), finalHash: Digest(Bytes32(repeating: 0xAA)),
      wall: Timestamp(milliseconds: 6))
    Message.status(status).encode(into: &bytes)
    #expect(
      Hex.encode(bytes.bytes) == "00000000000000010000000000000002" + "0100000000000000" + "00000000000000030000000000000004" + "0000000000000005"
        + String(repeating: "aa", count: 32) + "0000000000000006")
    let witness = try samples()[8]
    bytes = []
    witness.encode(into: &bytes)
    #expect(String(decoding: bytes[0..<16], as: UTF8.self) == "moloch-wtns-v1\0\0" && bytes.count == 176 + 96 + 1 + 3 * 64)
    #expect(try samples().map(\.code) == [16, 17, 17, 18, 19, 20, 20, 21, 22, 22])
  }

  @Test func noiseIsRefusedOrReadAsItIsWritten() throws {
    var random = SeededGenerator(seed: 71)
    for message in try samples() {
      var original: [UInt8] = []
      message.encode(into: &original)
      for _ in 0..<300 {
        var bytes = original
        for _ in 0...(random.next() % 3) { bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 << (random.next() % 8)) }
        if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
        guard let read = try? Message(decoding: bytes.bytes, type: message.code, chainTag: tag) else { continue }
        var again: [UInt8] = []
        read.encode(into: &again)
        #expect(again == bytes, "seed 71, type \(message.code)")
      }
    }
  }

  @Test func witnessesAreSignedOverEveryField() throws {
    guard case .witness(let witness) = try samples()[8] else { preconditionFailure("the ninth sample is a witness") }
    #expect(witness.isAccepted)
    let changes: [(inout Witness) -> Void] = [
      { $0.nonce = .zero }, { $0.epoch = Epoch(9) }, { $0.view = View(9) }, { $0.chainTag = ChainTag(Bytes16(9, 9)) },
    ]
    for change in changes {
      var other = witness
      change(&other)
      #expect(!other.isAccepted)
    }
  }
}
