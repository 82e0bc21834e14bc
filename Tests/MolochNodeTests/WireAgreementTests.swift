import Audit
import PeerWire
import Replication
import Testing

/// What a replica may say, a connection must carry: a message above the cap of its type gets an honest peer banned.
@Suite struct WireAgreementTests {
  @Test func everyMessageOfAReplicaFitsTheCapOfItsType() {
    // Whatever the blocks of the chain had at genesis: governance can raise what they may have.
    let smallest = WireCaps(blockByteCount: BlockHeader.byteCount + 2_097_152)
    var types: [MessageType] = []
    for code in UInt8.min...UInt8.max {
      guard let most = ReplicaMessageType.byteCountMax(code) else { continue }
      let type = MessageType(rawValue: code)
      types.append(type)
      #expect(smallest.byteCount(type) >= most, "\(type): \(smallest.byteCount(type)) on the wire, \(most) of a replica")
    }
    #expect(types == MessageType.all.filter { !$0.isInternal })
  }

  @Test func theFormatsOfLedgerAndWireAgree() { #expect(WireCaps.blockByteCountMax == ReplicationLimit.blockBytesMax) }

  /// Proposals and ranges of the largest blocks find room in the queues of a chain that began with the smallest, two at a time.
  @Test func queuesTakeTwoOfTheLargestMessages() {
    var outbox = Outbox(caps: WireCaps(blockByteCount: BlockHeader.byteCount + 2_097_152), eventMessagesMax: 1)
    let block = [UInt8](repeating: 0, count: ReplicationLimit.blockBytesMax), range = [UInt8](repeating: 0, count: ReplicationLimit.rangeBytesCarried)
    #expect([outbox.queue(.propose, block), outbox.queue(.propose, block), outbox.queue(.propose, block)] == [.queued, .queued, .overflow])
    #expect([outbox.queue(.syncResponse, range), outbox.queue(.syncResponse, range), outbox.queue(.syncResponse, range)] == [.queued, .queued, .refused])
  }
}
