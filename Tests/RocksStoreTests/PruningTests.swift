import Audit
import Bytes
import Digests
import Foundation
import Ledger
import LedgerFixtures
import Merkle
import Testing

@testable import RocksStore

/// Bodies that are no longer there: what goes, what stays, and what a crash leaves.
@Suite final class PruningTests {
  private let directory = "/tmp/moloch-pruning-\(UInt64.random(in: 0 ... .max))"
  private var fixture: ChainFixture
  private let genesis: BlockHeader

  init() throws {
    fixture = try ChainFixture()
    genesis = fixture.chain.tip.header
    let store = try open()
    for height in 1...30 as ClosedRange<UInt64> {
      let records = (0..<3).flatMap { fixture.record(height * 10 + $0, body: Self.body(height * 10 + $0)) }
      try store.commit([fixture.chain.apply(fixture.build(records), certificate: [1, 2])])
    }
    while try store.advanceIndex(blocksMax: 10) {}
    // Into table files.
    store.compaction.run { _, _ in true }
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private static let bodyBytes = 9_600

  /// Octets that no table compresses.
  private static func body(_ seed: UInt64) -> [UInt8] {
    (0..<UInt64(bodyBytes / 32)).flatMap { block in
      var word: [UInt8] = []
      word.append(bigEndian: seed << 16 | block)
      return SHA256.hash(word).bytes.array
    }
  }

  /// Bytes of the table files of the chain.
  private var tableBytes: Int {
    get throws {
      let files = try FileManager.default.contentsOfDirectory(atPath: directory + "/chain").filter { $0.hasSuffix(".sst") }
      return try files.reduce(0) { $0 + (try FileManager.default.attributesOfItem(atPath: directory + "/chain/" + $1)[.size] as? Int ?? 0) }
    }
  }

  private func open() throws -> RocksLedgerStore { try RocksLedgerStore(directory: directory, genesis: genesis, genesisHash: SHA256.hash([5])) }

  /// Blocks below 20 have entries, certificates and proofs, and no body; the others are whole.
  private func check(_ store: RocksLedgerStore) throws {
    #expect(store.earliestBodyHeight == Height(20))
    let head = store.head
    for height in 1...30 as ClosedRange<UInt64> {
      #expect(try store.certificate(at: Height(height)) == [1, 2])
      #expect(try (store.block(at: Height(height)) != nil) == (height >= 20))
      #expect(try (store.bodies(at: Height(height)) != nil) == (height >= 20))
      let entries = try #require(try store.entries(at: Height(height)))
      for position in 0..<3 as Range<UInt64> {
        let leaf = (height - 1) * 3 + position, entry = entries[Int(position) * 192..<Int(position) * 192 + 192]
        let record = try #require(try store.record(at: LeafIndex(leaf)))
        #expect(record.height == Height(height) && record.record.starts(with: entry) && record.record.count == (height >= 20 ? 192 + 16 + Self.bodyBytes : 192))
        let proof = try InclusionProof.make(index: leaf, size: head.treeSize, from: store.reader(of: .entries))
        try proof.verify(leafHash: TreeHash.leaf(Array(entry).bytes), root: head.treeRoot)
        #expect(try store.location(of: EventID(SHA256.hash(Array(entry.prefix(128)).bytes))) == LeafIndex(leaf))
      }
    }
  }

  @Test func entriesAndProofsSurviveAndTheSpaceComesBack() throws {
    var store: RocksLedgerStore? = try open()
    #expect(store?.earliestBodyHeight == Height(1))
    // Reopened, the rows are in tables.
    store = nil
    store = try open()
    let before = try tableBytes, pruned = 19 * 3 * Self.bodyBytes
    #expect(try #require(store).bodyBytes(below: Height(20)) > pruned / 2)
    try #require(store).prune(below: Height(20)).run { _, _ in true }
    #expect(try #require(store).bodyBytes(below: Height(20)) == 0)
    #expect(try tableBytes < before - pruned)
    try check(#require(store))
    // A lower watermark takes nothing back.
    try #require(store).prune(below: Height(7)).run { _, _ in true }
    store = nil
    try check(open())
  }

  /// What is written and in no table yet counts with its length; asking writes none.
  @Test func bodiesInMemoryAreCounted() throws {
    let store = try open()
    let tables = try tableBytes, before = try store.bodyBytes(below: Height(31))
    for height in 31...40 as ClosedRange<UInt64> {
      try store.commit([fixture.chain.apply(fixture.build(fixture.record(height * 10, body: Self.body(height * 10))), certificate: [1, 2])])
    }
    #expect(try store.bodyBytes(below: Height(31)) == before)
    let lower = try store.bodyBytes(below: Height(36)) - before, all = try store.bodyBytes(below: Height(41)) - before
    #expect(lower > 5 * UInt64(Self.bodyBytes) && lower < 6 * UInt64(Self.bodyBytes) && all > 10 * UInt64(Self.bodyBytes), "\(lower), \(all)")
    #expect(try tableBytes == tables)
  }

  @Test func anEmptyChainHasNothingToPrune() throws {
    let empty = directory + "-empty"
    defer { try? FileManager.default.removeItem(atPath: empty) }
    let store = try RocksLedgerStore(directory: empty, genesis: genesis, genesisHash: SHA256.hash([5]))
    _ = try store.prune(below: Height(1))
    #expect(store.earliestBodyHeight == Height(1))
  }

  /// The process ended after the watermark was on disk and before anything was deleted.
  @Test func aStartDeletesWhatACrashHasLeft() throws {
    var store: RocksLedgerStore? = try open()
    try #require(store).mark(below: Height(20))
    #expect(try store?.bodies(at: Height(19)) != nil)
    store = nil
    try check(open())
  }

  /// Trees are built anew from the entries, which are all there.
  @Test func aPrunedStoreRebuildsItsTrees() throws {
    _ = try open().prune(below: Height(20))
    try FileManager.default.removeItem(atPath: directory + "/mmr")
    try FileManager.default.removeItem(atPath: directory + "/index")
    let store = try open()
    while try store.advanceIndex(blocksMax: 10) {}
    try check(store)
    try store.commit([fixture.chain.apply(fixture.build(fixture.record(1000)), certificate: [1, 2])])
    #expect(try store.block(at: Height(31)) != nil)
  }
}
