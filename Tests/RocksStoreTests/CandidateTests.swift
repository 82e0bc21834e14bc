import Audit
import Digests
import Foundation
import Ledger
import LedgerFixtures
import RocksStore
import Testing

@Test func candidatesOutliveTheProcessAndLosersAreDeletedAtCommit() throws {
  var fixture = try ChainFixture()
  let (directory, genesis) = ("/tmp/moloch-candidates-\(UInt64.random(in: 0 ... .max))", fixture.chain.tip.header)
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
