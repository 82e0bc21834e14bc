import Audit
import Bytes
import Digests
import Ed25519
import Ledger
import Merkle
import Testing

struct Fixture {
  static let tag = ChainTag(Bytes16(repeating: 7))
  let validator = SigningKey(seed: Bytes32(repeating: 1)).publicKey
  let signer = SigningKey(seed: Bytes32(repeating: 2))
  var chain: Chain

  init() throws {
    let set = try ValidatorSet([Validator(publicKey: validator, cosignerKey: validator, power: 1, name: "v1")])
    let parameters = ChainParameters()
    let genesis = BlockHeader(
      eventCount: 0, chainTag: Self.tag, height: Height(0), timestamp: Timestamp(milliseconds: 1_700_000_000_000), treeSize: 0,
      parentHash: .zero, eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: set.hash, nextValidatorsHash: set.hash,
      parametersHash: parameters.hash, proposer: PublicKey(Bytes32()))
    let state = GovernanceState(chainID: "test", chainTag: Self.tag, validators: set, parameters: parameters, signers: .empty)
    chain = Chain(tip: ChainTip(genesis: genesis, governance: state), seed: 1)
  }

  func record(_ sequence: UInt64, at time: UInt64 = 1_700_000_000_000, tag: ChainTag = Self.tag, type: UInt8 = 0, by key: SigningKey? = nil) -> [UInt8] {
    let key = key ?? signer
    let blob = [UInt8](repeating: 9, count: 16 + 40)
    let statement = Statement(
      flags: [], contentType: ContentType(rawValue: type), bodyLength: 40, timestamp: Timestamp(milliseconds: time), stream: 1,
      sequence: sequence, chainTag: tag, signer: key.publicKey, bodyDigest: SHA256.hash(blob))
    return Entry(statement: statement, signature: key.sign(statement.encoded.bytes)).encoded + blob
  }

  func build(_ records: [UInt8], on tip: ChainTip? = nil) throws -> Candidate {
    let parent = tip ?? chain.tip
    let time = Timestamp(milliseconds: parent.header.timestamp.rawValue + 1000)
    return try chain.build(on: parent, records: records, timestamp: time, proposer: validator)
  }

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
  let fixture = try Fixture()
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
  let fixture = try Fixture()
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

@Test func anEventIsOnTheChainOnce() throws {
  var fixture = try Fixture()
  let twice = try fixture.build(fixture.record(1) + fixture.record(1)).block
  #expect(fixture.violation(twice.header, twice.body) == .event(position: 1, .duplicate))
  let first = try fixture.build(fixture.record(1))
  let child = try fixture.build(fixture.record(1), on: first.tip)
  #expect(fixture.violation(child.block.header, child.block.body, on: first.tip) == .event(position: 0, .duplicate))
  _ = fixture.chain.apply(first, certificate: [])
  let next = try fixture.build(fixture.record(1)).block
  #expect(fixture.violation(next.header, next.body) == .event(position: 0, .duplicate))
}
