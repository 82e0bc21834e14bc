import Foundation
import RocksStore
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
    let tip = ChainTip(header: genesis, tree: MountainRange(), history: MountainRange())
    chain = Chain(tip: tip, validators: set, parameters: parameters, signers: .empty, seed: 1)
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

}

private func temporary() -> String { "/tmp/moloch-store-\(UInt64.random(in: 0 ... .max))" }

@Test func aReopenedStoreHoldsTheChainAndRepairsItsTreeFiles() throws {
  var fixture = try Fixture()
  let (directory, genesis) = (temporary(), fixture.chain.tip.header)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  let hash = SHA256.hash([5])
  var store: RocksLedgerStore? = try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash)
  for height in 1...5 as ClosedRange<UInt64> {
    let records = (0..<3).flatMap { fixture.record(height * 10 + $0) }
    try store?.commit([fixture.chain.apply(fixture.build(records), certificate: [1, 2])])
  }
  #expect(throws: StoreError.locked(pid: "\(getpid())")) { try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash) }
  let damages: [() throws -> Void] = [
    {}, { try FileManager.default.removeItem(atPath: directory + "/mmr") },
    { try Data().write(to: URL(fileURLWithPath: directory + "/mmr/level-01")) },
    { try Data(repeating: 1, count: 999).write(to: URL(fileURLWithPath: directory + "/mmr/level-03")) },
    { try Data(repeating: 1, count: 128).write(to: URL(fileURLWithPath: directory + "/mmr/history-00")) },
  ]
  for damage in damages {
    store = nil
    try damage()
    store = try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash)
    let store = try #require(store)
    #expect(store.head == fixture.chain.tip.header)
    #expect(try store.certificate(at: Height(5)) == [1, 2])
    #expect(try store.height(containing: LeafIndex(7)) == Height(3))
    let entries = try #require(try store.entries(at: Height(3)))
    let proof = try InclusionProof.make(index: 7, size: 15, from: store.reader(of: .entries))
    try proof.verify(leafHash: TreeHash.leaf(entries.bytes.extracting(192..<384)), root: store.head.treeRoot)
  }
  store = nil
  let other = SHA256.hash([6])
  #expect(throws: StoreError.foreignChain(found: hash, expected: other)) {
    try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: other)
  }
  try Data("moloch-data 2\n".utf8).write(to: URL(fileURLWithPath: directory + "/FORMAT"))
  #expect(throws: StoreError.format(found: "moloch-data 2")) {
    try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash)
  }
}

@Test func candidatesOutliveTheProcessAndLosersAreDeletedAtCommit() throws {
  var fixture = try Fixture()
  let (directory, genesis) = (temporary(), fixture.chain.tip.header)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  let hash = SHA256.hash([5])
  let winner = try fixture.build(fixture.record(1) + fixture.record(2))
  let loser = try fixture.build(fixture.record(3))
  let child = try fixture.build(fixture.record(4), on: winner.tip)
  var store: RocksLedgerStore? = try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash)
  for candidate in [winner, loser, child, winner] { try store?.store(candidate.block) }
  store = nil
  store = try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash)
  let found = try #require(try store?.candidates())
  #expect(found.map(\.header.height) == [Height(1), Height(1), Height(2)])
  #expect(found.map(\.hash).sorted() == [winner, loser, child].map(\.block.hash).sorted())
  #expect(found.first { $0.hash == winner.block.hash }?.body == winner.block.body)
  try store?.commit([fixture.chain.apply(winner, certificate: [7], isStored: true)])
  #expect(try store?.block(at: Height(1))?.body == winner.block.body)
  #expect(try store?.candidate(loser.block.hash) == nil)
  store = nil
  store = try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: hash)
  #expect(try store?.candidates().map(\.hash) == [child.block.hash])
  #expect(try store?.block(at: Height(1))?.body == winner.block.body)
  #expect(store?.head == winner.block.header)
  // A block that was never stored is written whole, and the last candidate is deleted.
  let other = try fixture.build(fixture.record(5))
  try store?.commit([fixture.chain.apply(other, certificate: [8])])
  #expect(try store?.candidates().isEmpty == true)
  #expect(try store?.block(at: Height(2))?.body == other.block.body)
}
