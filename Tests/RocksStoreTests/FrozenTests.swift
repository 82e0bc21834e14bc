import Audit
import Digests
import Foundation
import Ledger
import LedgerFixtures
import Merkle
import Testing

@testable import RocksStore

/// States that are frozen beside a running store, and what can be saved of a chain.
@Suite final class FrozenTests {
  private let directory = "/tmp/moloch-frozen-\(UInt64.random(in: 0 ... .max))"
  private var fixture: ChainFixture
  private let genesis: BlockHeader
  private let hash = SHA256.hash([5])

  init() throws {
    fixture = try ChainFixture()
    genesis = fixture.chain.tip.header
  }

  deinit { for suffix in ["", "-staging", "-fresh"] { try? FileManager.default.removeItem(atPath: directory + suffix) } }

  private func open(_ suffix: String = "") throws -> RocksLedgerStore { try RocksLedgerStore(directory: directory + suffix, genesis: genesis, genesisHash: hash) }

  private func extend(_ store: RocksLedgerStore, to height: UInt64, certificate: (UInt64) -> [UInt8] = { _ in [1, 2] }) throws {
    while fixture.chain.tip.header.height.rawValue < height {
      let next = fixture.chain.tip.header.height.rawValue + 1
      try store.commit([fixture.chain.apply(fixture.build((0..<3).flatMap { fixture.record(next * 10 + $0) }), certificate: certificate(next))])
    }
    while try store.advanceIndex(blocksMax: 10) {}
  }

  @Test func aFrozenStateStaysAsItWasWhileTheStoreGoesOn() throws {
    let store = try open()
    try extend(store, to: 7)
    let head = store.head
    try store.freeze(at: directory + "-staging")
    try extend(store, to: 20)
    store.compaction.run { _, _ in true }
    let frozen = try RocksLedgerStore(frozen: directory + "-staging", data: directory, genesis: genesis, genesisHash: hash)
    #expect(frozen.head == head && frozen.indexedHeight == Height(7))
    #expect(try frozen.reader(of: .entries).root(ofSize: head.treeSize) == head.treeRoot)
    #expect(try frozen.block(at: Height(7))?.body == store.block(at: Height(7))?.body)
    #expect(try frozen.header(at: Height(8)) == nil)
    #expect(throws: StoreError.self) { try RocksLedgerStore(frozen: directory + "-staging", data: directory, genesis: genesis, genesisHash: SHA256.hash([6])) }
    // Reading changed nothing that the store goes on from.
    try extend(store, to: 22)
    #expect(store.head.height == Height(22))
  }

  @Test func whatLiesBelowTheLimitIsSavedUpToACertificate() throws {
    do {
      let store = try open()
      // Every third block has a certificate of its own, the others are proven by it.
      try extend(store, to: 12) { $0 % 3 == 0 ? [1, 2] : [] }
    }
    let saved = try Salvage(from: directory + "/chain", to: directory + "-fresh", below: Height(9), genesisHash: hash, options: StoreOptions()) { _, _ in }
    #expect(saved.height == Height(6))
    try FileManager.default.createDirectory(atPath: directory + "-staging", withIntermediateDirectories: true)
    try FileManager.default.moveItem(atPath: directory + "-fresh", toPath: directory + "-staging/chain")
    let rest = try open("-staging"), whole = try open()
    #expect(rest.head.height == Height(6) && rest.earliestBodyHeight == Height(1))
    for height in 1...6 as ClosedRange<UInt64> {
      #expect(try rest.block(at: Height(height))?.body == whole.block(at: Height(height))?.body)
      #expect(try rest.certificate(at: Height(height)) == whole.certificate(at: Height(height)))
    }
    #expect(try rest.entries(at: Height(7)) == nil && rest.reader(of: .entries).root(ofSize: rest.head.treeSize) == rest.head.treeRoot)
  }

  @Test func ofAChainThatDoesNotOpenNothingIsSaved() throws {
    do { try extend(try open(), to: 3) }
    try FileManager.default.removeItem(atPath: directory + "/chain/CURRENT")
    let saved = try Salvage(from: directory + "/chain", to: directory + "-fresh", below: Height(3), genesisHash: hash, options: StoreOptions()) { _, _ in }
    #expect(saved.height == Height(0))
    #expect(throws: StoreError.self) {
      try Salvage(from: directory + "/chain", to: directory + "-fresh", below: Height(3), genesisHash: hash, options: StoreOptions()) { _, _ in }
    }
  }
}
