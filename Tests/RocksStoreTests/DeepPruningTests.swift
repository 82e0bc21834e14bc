import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Ledger
import LedgerFixtures
import Merkle
import Testing

@testable import RocksStore

/// Entries that are no longer there: what goes, what stays, and what a crash leaves. 120 blocks of three events, deeply pruned below block 110: its first leaf is 327, so
/// that bundles from leaf 256 on stay whole, and with them block 86, which holds leaves 255 to 257.
@Suite final class DeepPruningTests {
  private let directory = "/tmp/moloch-deep-\(UInt64.random(in: 0 ... .max))"
  private var fixture: ChainFixture
  private let genesis: BlockHeader
  /// By leaf.
  private var entries: [[UInt8]] = []
  private static let first: UInt64 = 86
  private static let firstLeaf: UInt64 = 255
  /// The second event of block 40.
  private static let governanceLeaf: UInt64 = 118
  private let governanceRecord: [UInt8]

  init() throws {
    fixture = try ChainFixture()
    genesis = fixture.chain.tip.header
    let notice = GovernanceAct.recordPrune(PruneNotice(isDeep: true, beforeHeight: Height(1), firstLeafWithBody: LeafIndex(0), minimumIndex: LeafIndex(0)))
    governanceRecord = fixture.record(7, type: 0xF4, by: SigningKey(seed: Bytes32(repeating: 1)), body: notice.encoded)
    let store = try open()
    for height in 1...120 as ClosedRange<UInt64> {
      var records = (0..<3).map { fixture.record(height * 10 + $0) }
      if height == 40 { records[1] = governanceRecord }
      entries += records.map { Array($0.prefix(Entry.byteCount)) }
      try store.commit([fixture.chain.apply(fixture.build(records.flatMap { $0 }), certificate: [1, 2])])
    }
    while try store.advanceIndex(blocksMax: 10) {}
    // Into table files.
    store.compaction.run { _, _ in true }
  }

  deinit { for suffix in ["", "-saved"] { try? FileManager.default.removeItem(atPath: directory + suffix) } }

  private func open(_ suffix: String = "") throws -> RocksLedgerStore { try RocksLedgerStore(directory: directory + suffix, genesis: genesis, genesisHash: SHA256.hash([5])) }
  private func id(_ leaf: UInt64) -> EventID {
    let statement = Array(entries[Int(leaf)].prefix(Statement.byteCount))
    return EventID(SHA256.hash(statement.bytes))
  }
  private func hash(_ leaf: UInt64) -> Digest {
    let entry = entries[Int(leaf)]
    return TreeHash.leaf(entry.bytes)
  }
  private func rows(_ store: RocksLedgerStore) throws -> [[UInt8]: [UInt8]] {
    Dictionary(uniqueKeysWithValues: try store.index.rows(0, from: [], countMax: 100_000).map { ($0.key, $0.value) })
  }
  private func sweep(_ store: RocksLedgerStore) throws {
    while try store.sweepOn() {}
    #expect(!store.isSweeping)
  }

  private func check(_ store: RocksLedgerStore, _ note: Comment? = nil) throws {
    #expect(store.earliestEntryHeight == Height(Self.first) && store.earliestBodyHeight == Height(110) && !store.isSweeping, note)
    let head = store.head, index = try rows(store)
    for leaf in 0..<UInt64(entries.count) {
      let height = Height(leaf / 3 + 1), isHere = leaf >= Self.firstLeaf
      #expect(try store.height(containing: LeafIndex(leaf)) == height)
      // A presented entry is provable by its index.
      let proof = try InclusionProof.make(index: leaf, size: head.treeSize, from: store.reader(of: .entries))
      try proof.verify(leafHash: hash(leaf), root: head.treeRoot)
      let record = try #require(try store.record(at: LeafIndex(leaf)))
      #expect(record.height == height && record.record.isEmpty == (!isHere && leaf != Self.governanceLeaf), note)
      #expect(try store.location(of: id(leaf)) == (isHere || leaf == Self.governanceLeaf ? LeafIndex(leaf) : nil), note)
      guard leaf % 3 == 0 else { continue }
      let header = try #require(try store.header(at: height))
      #expect(try store.certificate(at: height) == [1, 2] && header.height == height)
      #expect(try (store.entries(at: height) != nil) == isHere && (store.abridged(at: height) != nil) == isHere, note)
      #expect(try (store.storedEntries(at: height) != nil) == isHere, note)
    }
    #expect(try store.record(at: LeafIndex(Self.governanceLeaf))?.record == governanceRecord, note)
    // None dangles, none is missing: head, and the sums of two signers in one stream each.
    #expect(index.keys.count { $0.count == 32 } == entries.count - Int(Self.firstLeaf) + 1 && index.count { $0.key.count != 32 } == 5, note)
    let kept = try store.chain.rows(RocksLedgerStore.Family.entries, from: [], countMax: 1000)
    #expect(kept.count == 120 - Int(Self.first) + 1 && kept[0].key.starts(with: RocksLedgerStore.key(Height(Self.first))), note)
  }

  @Test func entriesAndTheirRowsGoAndProofsStay() throws {
    var store: RocksLedgerStore? = try open()
    let activity = try #require(try store?.activity(of: fixture.signer.publicKey))
    #expect(try #require(store).entryBytes(below: Height(Self.first)) > 0)
    try store?.pruneDeep(below: Height(110))
    // From here on nobody sees an entry that is still to be deleted.
    #expect(try store?.isSweeping == true && store?.entries(at: Height(85)) == nil && store?.storedEntries(at: Height(85)) != nil)
    try sweep(#require(store))
    store?.prunedCompaction.run { _, _ in true }
    #expect(try store?.entryBytes(below: Height(Self.first)) == 0)
    try check(#require(store))
    #expect(try store?.activity(of: fixture.signer.publicKey) == activity && activity.eventCount == 359)
    // A lower watermark takes nothing back, and a small chain has no bundle to lose.
    try store?.pruneDeep(below: Height(85))
    try sweep(#require(store))
    try check(#require(store))
    store = nil
    store = try open()
    try check(#require(store))
    // The chain goes on, and the replay window is there.
    try store?.commit([fixture.chain.apply(fixture.build(fixture.record(5000)), certificate: [1, 2])])
    var chain = fixture.chain
    try store?.restoreWindow(of: &chain)
    #expect(try store?.block(at: Height(121)) != nil)
  }

  @Test func blocksBelowTheFirstWholeBundleStay() throws {
    let store = try open()
    // Block 86 begins with leaf 255.
    for height in [0, 1, 50, 86] as [UInt64] {
      try store.pruneDeep(below: Height(height))
      #expect(!store.isSweeping && store.earliestEntryHeight == Height(1) && store.earliestBodyHeight == Height(max(1, height)))
    }
    try store.pruneDeep(below: Height(87))
    #expect(store.isSweeping && store.earliestEntryHeight == Height(86))
  }

  /// The process ended behind each of the writes of a deep prune.
  @Test func aStartGoesOnWhereACrashHasEndedIt() throws {
    var store: RocksLedgerStore? = try open()
    let whole = try rows(#require(store))
    // Behind the watermark.
    try store?.pruneDeep(below: Height(110))
    store = nil
    store = try open()
    #expect(try store?.isSweeping == true && store?.entries(at: Height(1)) == nil && rows(#require(store)) == whole)
    // Behind some rows of the index: the stage is done again, and the sums count nothing twice.
    while (store?.sweep?.next ?? Height(1)) < Height(60) { #expect(try store?.sweepOn() == true) }
    #expect(try rows(#require(store)).count < whole.count && store?.sweptHeight == Height(1))
    try store?.index.flush()
    store = nil
    store = try open()
    #expect(store?.sweep == nil && store?.isSweeping == true)
    try sweep(#require(store))
    try check(#require(store))
    // Behind the mark of what is deleted: the entries are there once more.
    let row = RocksLedgerStore.key(Height(5), try #require(try store?.header(at: Height(5))).hash)
    try store?.chain.write([(RocksLedgerStore.Family.entries, row, entries[12] + entries[13] + entries[14])])
    store = nil
    try check(open())
  }

  /// What the index held beside the rows of pruned events comes back from the sums and the records of governance events.
  @Test func anIndexThatStartsAgainHasTheSameRows() throws {
    var store: RocksLedgerStore? = try open()
    try store?.pruneDeep(below: Height(110))
    // Also in the middle of a stage: what it had deleted is not left over.
    while (store?.sweep?.next ?? Height(1)) < Height(40) { #expect(try store?.sweepOn() == true) }
    #expect(try store?.restartIndex(movingTo: directory + "/older-index") == true)
    try sweep(#require(store))
    try check(#require(store))
    let before = try rows(#require(store))
    #expect(try store?.restartIndex(movingTo: directory + "/old-index") == true && store?.indexedHeight == Height(Self.first - 1))
    while try store?.advanceIndex(blocksMax: 7) == true {}
    #expect(try rows(#require(store)) == before)
    store = nil
    try FileManager.default.removeItem(atPath: directory + "/index")
    store = try open()
    while try store?.advanceIndex(blocksMax: 7) == true {}
    #expect(try rows(#require(store)) == before)
    try check(#require(store))
    // One that ends below the entries that are here is no beginning.
    let stale = try #require(try store?.header(at: Height(50)))
    try store?.index.write([(0, RocksLedgerStore.indexHeadKey, RocksLedgerStore.key(stale.height) + stale.hash.bytes.array + [RocksLedgerStore.indexVersion])])
    try store?.index.flush()
    store = nil
    store = try open()
    while try store?.advanceIndex(blocksMax: 7) == true {}
    #expect(try rows(#require(store)) == before)
  }

  /// Below pruned entries the tree files are all there is; above they are built from the entries.
  @Test func treesAreRebuiltAboveThePrunedEntriesAndMissedBelow() throws {
    var store: RocksLedgerStore? = try open()
    try store?.pruneDeep(below: Height(110))
    try sweep(#require(store))
    store = nil
    let files = try FileManager.default.contentsOfDirectory(atPath: directory + "/mmr")
    func cut(_ leaves: UInt64) throws {
      for name in files where name.hasPrefix("level-") {
        let level = try #require(UInt64(name.dropFirst(6))), path = directory + "/mmr/" + name
        // The path is lent to the call.
        #expect(unsafe truncate(path, off_t(32 * (leaves >> level))) == 0)
      }
    }
    try cut(Self.firstLeaf + 1)
    try FileManager.default.removeItem(atPath: directory + "/mmr/history-00")
    try check(open())
    let bytes = FileManager.default.contents(atPath: directory + "/mmr/level-00")
    try cut(Self.firstLeaf - 1)
    #expect {
      _ = try open()
    } throws: { error in
      if case .damaged(let text)? = error as? StoreError { text.contains("255 leaves, whose entries were pruned") } else { false }
    }
    #expect(try #require(bytes).count == 32 * 360)
  }

  /// A node that nobody has read yet is put right while its entry is there.
  @Test func aWrongNodeIsPutRightBeforeItsEntryGoes() throws {
    var store: RocksLedgerStore? = try open()
    let file = try #require(FileHandle(forUpdatingAtPath: directory + "/mmr/level-00"))
    try file.seek(toOffset: 32 * 17)
    try file.write(contentsOf: Data(repeating: 0xAA, count: 32))
    try file.close()
    let head = try #require(store?.head)
    do {
      let reader = try #require(store).reader(of: .entries)
      #expect(throws: ProofError.self) { try InclusionProof.make(index: 16, size: head.treeSize, from: reader).verify(leafHash: hash(16), root: head.treeRoot) }
    }
    try store?.pruneDeep(below: Height(110))
    try sweep(#require(store))
    try check(#require(store))
    store = nil
    try check(open())
  }

  /// An entry that does not have the root of its header is no ground to delete anything.
  @Test func aDamagedEntryEndsTheSweep() throws {
    let store = try open()
    let row = RocksLedgerStore.key(Height(30), try #require(try store.header(at: Height(30))).hash)
    try store.chain.write([(RocksLedgerStore.Family.entries, row, entries[0] + entries[1] + entries[2])])
    try store.pruneDeep(below: Height(110))
    #expect(throws: StoreError.damaged("roots of block 30")) { while try store.sweepOn() {} }
    #expect(try store.sweptHeight == Height(1) && store.storedEntries(at: Height(29)) != nil)
  }

  /// What is saved of a damaged chain knows what was pruned, also where it ends below.
  @Test func aSavedChainKnowsWhatWasPruned() throws {
    var store: RocksLedgerStore? = try open()
    try store?.pruneDeep(below: Height(110))
    try sweep(#require(store))
    store = nil
    #expect(RocksLedgerStore.isDeeplyPruned(chain: directory + "/chain") && !RocksLedgerStore.isDeeplyPruned(chain: directory + "/none"))
    for (limit, first, count) in [(117, 86, 116 * 3 - 1), (50, 50, nil)] as [(UInt64, UInt64, Int?)] {
      try? FileManager.default.removeItem(atPath: directory + "-saved")
      try FileManager.default.createDirectory(atPath: directory + "-saved", withIntermediateDirectories: true)
      let salvage = try Salvage(
        from: directory + "/chain", to: directory + "-saved/chain", below: Height(limit), genesisHash: SHA256.hash([5]), options: StoreOptions()) { _, _ in }
      #expect(salvage.height == Height(limit - 1))
      try FileManager.default.copyItem(atPath: directory + "/mmr", toPath: directory + "-saved/mmr")
      let saved = try open("-saved")
      #expect(saved.head.height == Height(limit - 1) && saved.earliestEntryHeight == Height(first) && !saved.isSweeping)
      while try saved.advanceIndex(blocksMax: 10) {}
      #expect(try saved.indexedHeight == saved.head.height && saved.record(at: LeafIndex(Self.governanceLeaf))?.record == governanceRecord)
      #expect(try saved.firstLeaf(of: saved.earliestEntryHeight) == LeafIndex(min(Self.firstLeaf, saved.head.treeSize)))
      if let count { #expect(try saved.activity(of: fixture.signer.publicKey)?.eventCount == UInt64(count)) }
    }
  }
}
