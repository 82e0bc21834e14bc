import Audit
import Digests
import Foundation
import Ledger
import LedgerFixtures
import RocksStore
import Testing

/// Sets, parameters, signers and proposals are those of before after every restart, and the handoffs are all there.
@Test func aReopenedStoreKnowsWhatGovernanceHasDecided() throws {
  // A history in which the set changes.
  let seed: UInt64 = 8
  let directory = "/tmp/moloch-store-\(UInt64.random(in: 0 ... .max))"
  defer { try? FileManager.default.removeItem(atPath: directory) }
  var history = GovernanceHistory(seed: seed, chainTag: ChainFixture.tag)
  var chain = try GovernanceFixture.chain()
  let genesis = chain.tip
  let memory = MemoryStore(genesis: genesis.header)
  var sequence: UInt64 = 0
  for height in 1...40 as ClosedRange<UInt64> {
    let records = GovernanceFixture.records(&history, on: chain.tip, &sequence)
    let proposer = chain.validators.validators[0].publicKey
    let time = Timestamp(milliseconds: GovernanceFixture.start + height * 1000)
    let commit = chain.apply(try chain.build(on: chain.tip, records: records, timestamp: time, proposer: proposer), certificate: [UInt8(height)])
    try memory.commit([commit])
    let store = try RocksLedgerStore(directory: directory, genesis: genesis.header, genesisHash: .zero)
    try store.commit([commit])
    #expect(try store.governance(from: genesis.governance) == chain.tip.governance, "seed \(seed) height \(height)")
  }
  let store = try RocksLedgerStore(directory: directory, genesis: genesis.header, genesisHash: .zero)
  let handoffs = try store.handoffs(from: Height(0), countMax: 100), expected = try memory.handoffs(from: Height(0), countMax: 100)
  #expect(!handoffs.isEmpty, "seed \(seed): the set changes")
  #expect(handoffs.map(\.header) == expected.map(\.header) && handoffs.map(\.next) == expected.map(\.next))
  #expect(handoffs.map(\.certificate) == expected.map(\.certificate))
  for height in 0...41 as ClosedRange<UInt64> {
    let set = try store.validators(at: Height(height), genesis: genesis.governance.validators)
    #expect(set == (try memory.validators(at: Height(height), genesis: genesis.governance.validators)))
    if let header = try store.header(at: Height(height)) { #expect(set.hash == header.validatorsHash) }
  }
}
