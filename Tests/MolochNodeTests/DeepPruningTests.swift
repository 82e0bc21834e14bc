import Audit
import Bytes
import Configuration
import Consensus
import Digests
import Foundation
import Ledger
import LedgerFixtures
import Merkle
import Reactor
import Replication
import RocksStore
import Testing

@testable import API
@testable import MolochNode

/// What a node answers of entries that it has given up, on a chain of 300 blocks with an event each, deeply pruned below block 280: the first bundle of entries goes, and
/// the entries of block 257 and those above it stay.
@Suite final class DeepPruningTests {
  private let chain: StoredChain
  private var store: RocksLedgerStore { chain.store }
  /// Of the first block.
  private let entry: [UInt8]

  init() throws {
    chain = try StoredChain(blocks: 300)
    entry = try #require(try chain.store.entries(at: Height(1)))
  }

  private func prune(_ before: UInt64, archives: Int? = 2, isDryRun: Bool = false, isForced: Bool = false) throws -> String {
    let policy = RetentionPolicy(daysMin: 1, archivePeersMin: 2, isHeld: false)
    let pruning = Pruning(before: before, isDryRun: isDryRun, isForced: isForced, isDeep: true, archivePeers: archives, policy: policy)
    let work = try pruning.begin(store, data: chain.directory, genesis: chain.genesis, wall: store.head.timestamp.rawValue)
    if !isDryRun { while try store.sweepOn() {} }
    return String(decoding: try work(MaintenanceTask()), as: UTF8.self)
  }

  private func answer(_ request: ReadRequest, publication: Publication? = nil) -> Result<Answer, Refusal> {
    Reader(store: store, genesis: chain.genesis).answer(ReadJob(ConnectionID(rawValue: 0), 0, request, publication: publication, durableSize: store.head.treeSize))
  }

  private func json(_ request: ReadRequest) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(answer(request).get().body)) as? [String: Any])
  }

  private func refusal(_ request: ReadRequest) -> Refusal? {
    if case .failure(let refusal) = answer(request) { refusal } else { nil }
  }

  @Test func thePolicyIsAskedForEntriesToo() throws {
    let dry = try prune(275, archives: 0, isDryRun: true)
    #expect(dry.contains("\"earliest_entry_height\":257,\"earliest_entry_index\":256,\"entries\":256,") && !store.isSweeping && store.earliestBodyHeight == Height(1), "\(dry)")
    #expect(throws: NodeFailure.self) { try prune(275, archives: 1) }
    #expect(throws: NodeFailure.self) { try prune(280) }
    // Without bodies that go, the entries alone are a reason to ask for an archive.
    _ = try store.prune(below: Height(275))
    do {
      _ = try prune(275, archives: nil)
      Issue.record("nobody is known to hold these entries")
    } catch let failure as NodeFailure {
      #expect(failure.code == 2 && failure.message.contains("these bodies and entries"))
    }
    #expect(!store.isSweeping)
    #expect(try prune(275, archives: nil, isForced: true).contains("\"blocks\":0,"))
    #expect(store.earliestEntryHeight == Height(257))
    // Nothing is left to go, and nobody is asked.
    #expect(try prune(275, archives: 0).contains("\"entries\":0,"))
  }

  @Test func prunedEntriesAreAnsweredWithWhatIsKnown() throws {
    _ = try prune(275)
    // By its id an event is not found; the answer says from where on it would be.
    for id in [chain.ids[0], chain.ids[255]] {
      let refused = try #require(refusal(.event(id, raw: false, bodyOnly: false, includes: [])))
      #expect(refused.code == .notFound && refused.details.map(\.0) == ["earliest_entry_index"] && refused.message.contains("from leaf 256 on"), "\(refused)")
    }
    #expect(refusal(.event(chain.ids[256], raw: false, bodyOnly: false, includes: []))?.code == .pruned, "its body is gone, its entry is here")
    #expect(refusal(.event(chain.ids[274], raw: false, bodyOnly: false, includes: [])) == nil)
    // By its place it is.
    #expect(refusal(.inclusion(.leaf(LeafIndex(0)), size: nil, format: .bundle, since: nil))?.code == .pruned)
    #expect(refusal(.inclusion(.leaf(LeafIndex(300)), size: nil, format: .json, since: nil))?.code == .notFound)
    // Bundles of entries are there whole or not at all; tiles of the tree all are.
    let first = try #require(TilePath(text: "tile/entries/000")), second = try #require(TilePath(text: "tile/entries/001.p/44"))
    let tree = try #require(TilePath(text: "tile/0/000"))
    #expect(refusal(.tile(first))?.code == .notFound && refusal(.tile(tree)) == nil)
    #expect(try answer(.tile(second)).get().body.count == 44 * TilePath.bundleEntryByteCount)
  }

  /// Whoever has the entry and its index verifies it with what the node still has.
  @Test func aPresentedEntryIsProvenByItsIndex() throws {
    _ = try prune(275)
    for (leaf, entry) in [(0, entry), (256, try #require(try store.entries(at: Height(257))))] as [(UInt64, [UInt8])] {
      let body = try json(.inclusion(.leaf(LeafIndex(leaf)), size: 290, format: .json, since: nil))
      let inclusion = try #require(body["inclusion"] as? [String: Any]), hashes = try #require(inclusion["hashes"] as? [String])
      let proof = InclusionProof(index: leaf, size: 290, hashes: try hashes.map { try #require(Digest(hex: $0)) })
      try proof.verify(leafHash: TreeHash.leaf(entry.bytes), root: #require(try store.header(at: Height(290))).treeRoot)
      #expect((body["entry"] is NSNull) == (leaf == 0) && (body["event_id"] is NSNull) == (leaf == 0) && body["block_height"] as? UInt64 == leaf + 1)
      #expect(body["leaf_hash"] as? String == TreeHash.leaf(entry.bytes).hex)
    }
    // An index says the same as the id.
    let byID = try answer(.inclusion(.event(chain.ids[299]), size: nil, format: .json, since: nil)).get().body
    #expect(try answer(.inclusion(.leaf(LeafIndex(299)), size: nil, format: .json, since: nil)).get().body == byID)
  }

  /// A peer that asks for what was pruned gets nothing; what is above is served.
  @Test func peersGetTheBlocksWhoseEntriesAreHere() throws {
    _ = try prune(275)
    func blocks(from height: UInt64) throws -> [Block]? {
      let query = StoreQuery.history(from: Height(height), blocksMax: 4, bytesMax: 1 << 20, anchor: Height(280), PeerLink(1))
      guard case .history(_, let history) = try store.load(query, epochLength: 100, chainTag: ChainFixture.tag) else { return nil }
      return history?.blocks
    }
    #expect(try store.abridged(at: Height(256)) == nil && store.abridged(at: Height(257)) != nil)
    #expect(try blocks(from: 1) == nil && blocks(from: 256) == nil)
  }

  /// Parts of the snapshot hold entries, too: those that begin below go, and the next begins with the first entry that is here.
  @Test func partsOfTheSnapshotGoWithTheirEntries() throws {
    let directory = chain.directory + "/snapshots"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let names = [(1, 200), (201, 260), (261, 280)].map { SnapshotFiles.name(Height($0.0), Height($0.1)) }
    for name in names { try Data(repeating: 1, count: 100).write(to: URL(fileURLWithPath: directory + "/" + name)) }
    var files = SnapshotFiles(data: chain.directory, genesis: chain.genesis, log: try Log(Settings(Layers()), home: chain.directory))
    #expect(files.count == 3 && SnapshotFiles.bytes(data: chain.directory, below: Height(257)) == 200)
    #expect(try prune(275, isDryRun: true).contains("\"snapshot_bytes\":200"))
    _ = try prune(275)
    files.drop(below: store.earliestEntryHeight)
    #expect(files.count == 1 && files.byteCount == 100)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [names[2]])
  }
}
