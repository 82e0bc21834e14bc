import Audit
import PeerWire
import Replication
import Testing

/// What a replica may say, a connection must carry: a message above the cap of its type gets an honest peer banned.
@Suite struct WireAgreementTests {
  @Test func everyMessageOfAReplicaFitsTheCapOfItsType() {
    let largest = WireCaps(blockByteCount: ReplicationLimit.blockBytesMax)
    var types: [MessageType] = []
    for code in UInt8.min...UInt8.max {
      guard let most = ReplicaMessageType.byteCountMax(code) else { continue }
      let type = MessageType(rawValue: code)
      types.append(type)
      #expect(largest.byteCount(type) >= most, "\(type): \(largest.byteCount(type)) on the wire, \(most) of a replica")
    }
    #expect(types == MessageType.all.filter { !$0.isInternal })
  }

  /// The caps follow the blocks of the chain; what does not depend on them is the same on every chain.
  @Test func theSmallestBlocksLeaveRoomForWhatIsNoBlock() {
    let header = BlockHeader.byteCount, smallest = WireCaps(blockByteCount: header + 2_097_152)
    for type in MessageType.all where !type.isInternal && ![.propose, .block, .blockEvents, .syncResponse, .history, .partialRange].contains(type) {
      #expect(smallest.byteCount(type) >= ReplicaMessageType.byteCountMax(type.rawValue) ?? .max, "\(type)")
    }
    #expect(smallest.byteCount(.propose) >= header + 2_097_152 + ReplicationLimit.proposalBytesMax + 16)
    #expect(smallest.byteCount(.syncResponse) >= ReplicationLimit.rangeBytesMax + 2 * (header + 2_097_152) + ReplicationLimit.proposalBytesMax)
    // Entries and bits of a block are never longer than its records.
    let proof = header + ReplicationLimit.proposalBytesMax + 32 * 53 + 8 * ReplicationLimit.rangeBlocksMax
    #expect(smallest.byteCount(.history) >= ReplicationLimit.rangeBytesMax + 2 * (header + 2_097_152) + proof)
    #expect(smallest.byteCount(.partialRange) >= ReplicationLimit.rangeBytesMax + 2 * (header + 2_097_152) + proof)
  }
}
