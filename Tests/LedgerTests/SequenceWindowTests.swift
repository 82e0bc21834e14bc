import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import LedgerFixtures
import Testing

/// Which (signer, stream, seq) final events have used.
@Suite struct SequenceWindowTests {
  private func statement(_ record: [UInt8], change: (inout Statement) -> Void = { _ in }) throws -> Statement {
    var statement = try Statement(decoding: record.bytes)
    change(&statement)
    return statement
  }

  @Test func aFinalEventHoldsItsSequence() throws {
    var fixture = try ChainFixture()
    let records = (1...40 as ClosedRange<UInt64>).map { fixture.record($0) }
    for (index, record) in records.enumerated() {
      #expect(try fixture.chain.sequences.leaf(of: statement(record)) == nil)
      _ = try fixture.chain.apply(fixture.build(record), certificate: [])
      #expect(try fixture.chain.sequences.leaf(of: statement(record)) == LeafIndex(UInt64(index)))
    }
    for (index, record) in records.enumerated() {
      // Another event of the same signer, stream and sequence.
      #expect(try fixture.chain.sequences.leaf(of: statement(record) { $0.timestamp = Timestamp(milliseconds: 7) }) == LeafIndex(UInt64(index)))
      #expect(try fixture.chain.sequences.leaf(of: statement(record) { $0.stream += 1000 }) == nil)
      #expect(try fixture.chain.sequences.leaf(of: statement(record) { $0.sequence += 1000 }) == nil)
      #expect(try fixture.chain.sequences.leaf(of: statement(record) { $0.signer = PublicKey(Bytes32(repeating: 3)) }) == nil)
      #expect(try fixture.chain.sequences.leaf(of: statement(record) { $0.sequence = 0 }) == nil, "an unsequenced event conflicts with nothing")
    }
  }

  @Test func sequencesAreThereAgainAfterARestart() throws {
    var fixture = try ChainFixture()
    let store = MemoryStore(genesis: fixture.chain.tip.header)
    let records = [fixture.record(1), fixture.record(2)]
    for record in records { try store.commit([fixture.chain.apply(fixture.build(record), certificate: [])]) }
    var restarted = Chain(tip: fixture.chain.tip, seed: 99)
    try store.restoreWindow(of: &restarted)
    for (index, record) in records.enumerated() { #expect(try restarted.sequences.leaf(of: statement(record)) == LeafIndex(UInt64(index))) }
    #expect(try restarted.sequences.leaf(of: statement(fixture.record(3))) == nil)
  }
}
