import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import LedgerFixtures
import Merkle
import Testing

extension ChainFixture {
  /// A block on the head with these records, whatever the rules say of them.
  func forge(_ records: [UInt8]) throws -> Block {
    var header = try build([]).block.header
    var tree = chain.tip.tree
    var leaves: [Digest] = []
    var offset = 0
    while offset < records.count {
      leaves.append(TreeHash.leaf(records.bytes.extracting(offset..<offset + Entry.byteCount)))
      tree.append(leafHash: leaves[leaves.count - 1])
      offset += Record.length(peeking: records.bytes, at: offset) ?? records.count
    }
    header.eventCount = UInt32(leaves.count)
    header.treeSize += UInt64(leaves.count)
    header.eventsRoot = TreeHash.root(ofLeafHashes: leaves)
    header.treeRoot = tree.root
    return try Block(header: header, body: records)
  }

  func violation(_ header: BlockHeader, _ body: [UInt8], on tip: ChainTip? = nil) -> BlockViolation? {
    var batch = SignatureBatch(capacity: 16, seed: Bytes32(repeating: 3))
    do { _ = try chain.validate(Block(header: header, body: body), on: tip ?? chain.tip, batch: &batch); return nil } catch { return error }
  }
}

@Test func aBuiltBlockIsValidAndEveryChangedHeaderFieldIsRefused() throws {
  let fixture = try ChainFixture()
  let block = try fixture.build(fixture.record(1) + fixture.record(2)).block
  #expect(fixture.violation(block.header, block.body) == nil)
  let other = SHA256.hash([1])
  let table: [(BlockViolation, (inout BlockHeader) -> Void)] = [
    (.chainTag, { $0.chainTag = ChainTag(Bytes16()) }), (.height, { $0.height = Height(2) }), (.parentHash, { $0.parentHash = other }),
    (.timestamp, { $0.timestamp = Timestamp(milliseconds: 1_700_000_000_000) }), (.treeSize, { $0.treeSize = 3 }),
    (.bodyLayout, { $0.eventCount = 1 }), (.eventsRoot, { $0.eventsRoot = other }), (.treeRoot, { $0.treeRoot = other }),
    (.historyRoot, { $0.historyRoot = other }), (.validatorsHash, { $0.validatorsHash = other }),
    (.nextValidatorsHash, { $0.nextValidatorsHash = other }), (.parametersHash, { $0.parametersHash = other }),
    (.proposer, { $0.proposer = fixture.signer.publicKey }),
  ]
  for (violation, change) in table {
    var header = block.header
    change(&header)
    #expect(fixture.violation(header, block.body) == violation)
  }
}

@Test func anEventThatBreaksARuleIsRefused() throws {
  let fixture = try ChainFixture()
  var forged = fixture.record(1)
  forged[Statement.byteCount + 3] ^= 1
  let table: [(EventViolation, [UInt8])] = [
    (.foreignChain, fixture.record(1, tag: ChainTag(Bytes16()))),
    (.governance(.signerIsNoValidator), fixture.record(1, type: 0xF1)),
    (.signerIsValidator, fixture.record(1, by: SigningKey(seed: Bytes32(repeating: 1)))),
    (.outsideWindow, fixture.record(1, at: 1_700_000_001_000 - 86_400_001)),
    (.outsideWindow, fixture.record(1, at: 1_700_000_001_000 + 300_001)),
    (.badSignature, forged),
  ]
  for (violation, record) in table {
    let block = try fixture.forge(record)
    #expect(fixture.violation(block.header, block.body) == .event(position: 0, violation))
  }
  // What a change of set, parameters or signers can have made invalid since admission is found when a block is built.
  for (violation, record) in table where [.signerIsValidator, .governance(.signerIsNoValidator)].contains(violation) {
    #expect(throws: BlockViolation.event(position: 0, violation)) { try fixture.build(record) }
  }
  var altered = try fixture.build(fixture.record(1)).block.body
  let header = try fixture.build(altered).block.header
  altered[200] ^= 1
  #expect(fixture.violation(header, altered) == .event(position: 0, .format(.digestMismatch)))
}

/// Whoever sends a body chooses what its records say; the header's own body is the only one that can make the block invalid.
@Test func whatAForeignBodySaysIsNotTheBlocksFault() throws {
  let fixture = try ChainFixture()
  let header = try fixture.build(fixture.record(1) + fixture.record(2)).block.header
  let inside: UInt64 = 1_700_000_001_000
  var foreignTag = fixture.record(1) + fixture.record(2)
  foreignTag[48] ^= 1
  let long = try fixture.build(fixture.record(1)).block.header
  #expect(fixture.violation(long, fixture.record(1, body: [UInt8](repeating: 7, count: Int(fixture.chain.parameters.blockBytesMax)))) == .eventsRoot)
  for body in [
    foreignTag, fixture.record(1, at: inside - 86_400_001) + fixture.record(2), fixture.record(1) + fixture.record(1), fixture.record(1, type: 0xF1) + fixture.record(2),
    fixture.record(1, by: SigningKey(seed: Bytes32(repeating: 1))) + fixture.record(2),
  ] { #expect(fixture.violation(header, body) == .eventsRoot) }
}

@Test func anEventIsOnTheChainOnce() throws {
  var fixture = try ChainFixture()
  let twice = try fixture.build(fixture.record(1) + fixture.record(1)).block
  #expect(fixture.violation(twice.header, twice.body) == .event(position: 1, .duplicate))
  let first = try fixture.build(fixture.record(1))
  let child = try fixture.build(fixture.record(1), on: first.tip)
  #expect(fixture.violation(child.block.header, child.block.body, on: first.tip) == .event(position: 0, .duplicate))
  _ = fixture.chain.apply(first, certificate: [])
  let next = try fixture.build(fixture.record(1)).block
  #expect(fixture.violation(next.header, next.body) == .event(position: 0, .duplicate))
}
