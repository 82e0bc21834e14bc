import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Ledger
import LedgerFixtures
import RocksStore
import Testing

/// What a store that does not begin with genesis remembers.
@Suite final class BeginningTests {
  private let directory = "/tmp/moloch-beginning-\(UInt64.random(in: 0 ... .max))"

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private func open(_ genesis: BlockHeader) throws -> RocksLedgerStore {
    try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: SHA256.hash([5]))
  }

  @Test func aCheckpointStandsUntilItsBlockIsKnown() throws {
    var fixture = try ChainFixture()
    let genesis = fixture.chain.tip.header
    let block = try fixture.chain.apply(fixture.build((0..<3).flatMap { fixture.record($0) }), certificate: [1, 2])
    let key = SigningKey(seed: Bytes32(repeating: 1))
    let checkpoint = Checkpoint(origin: "example.org/main", size: block.header.treeSize, root: block.header.treeRoot)
    let note = Array(checkpoint.note([checkpoint.cosignature(key, name: "example.org/v1", seconds: 5)]).utf8)
    do {
      let store = try open(genesis)
      #expect(store.soughtCheckpoint == nil && store.anchor == nil && store.earliestBodyHeight == Height(1))
      try store.begin(from: try CosignedCheckpoint(parsing: note))
      #expect(store.soughtCheckpoint == note && store.anchor == nil)
    }
    let anchor = Anchor(height: Height(7), hash: block.hash)
    do {
      let store = try open(genesis)
      #expect(store.soughtCheckpoint == note && store.anchor == nil && store.earliestBodyHeight == Height(1))
      try store.adopt(anchor)
      #expect(store.soughtCheckpoint == nil && store.anchor == anchor && store.earliestBodyHeight == Height(8))
    }
    let store = try open(genesis)
    #expect(store.soughtCheckpoint == nil && store.anchor == anchor && store.earliestBodyHeight == Height(8))
    // What has blocks has its beginning, which may only be put off.
    try store.commit([block])
    #expect(throws: StoreError.self) { try store.adopt(anchor) }
    #expect(throws: StoreError.self) { try store.begin(from: Anchor(height: Height(9), hash: block.hash)) }
    #expect(throws: StoreError.self) { try store.begin(from: try CosignedCheckpoint(parsing: note)) }
    #expect(store.anchor == anchor)
    try store.adopt(Anchor(height: Height(9), hash: block.hash))
    #expect(store.anchor?.height == Height(9) && store.earliestBodyHeight == Height(10))
  }
}
