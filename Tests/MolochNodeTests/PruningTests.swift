import Audit
import Bytes
import Consensus
import Digests
import Foundation
import JSON
import Ledger
import LedgerFixtures
import Reactor
import Replication
import RocksStore
import Testing

@testable import API
@testable import MolochNode

/// What may be pruned and who may do it, on a chain of 60 blocks an hour apart that nobody but this test runs.
@Suite final class PruningTests {
  private let chain: StoredChain
  private let wall: UInt64
  private var store: RocksLedgerStore { chain.store }

  init() throws {
    chain = try StoredChain(blocks: 60)
    wall = chain.store.head.timestamp.rawValue
  }

  private func prune(
    _ before: UInt64, days: UInt64? = 1, archives: Int? = 2, isHeld: Bool = false, isDryRun: Bool = false, isForced: Bool = false
  ) throws -> String {
    let policy = RetentionPolicy(daysMin: days, archivePeersMin: 2, isHeld: isHeld)
    let pruning = Pruning(before: before, isDryRun: isDryRun, isForced: isForced, archivePeers: archives, policy: policy)
    return String(decoding: try pruning.begin(store, data: chain.directory, genesis: chain.genesis, wall: wall)(MaintenanceTask(unit: "blocks")), as: UTF8.self)
  }

  private func code(_ begin: () throws -> String) -> Int32? {
    do { _ = try begin() } catch { return (error as? NodeFailure)?.code }
    return nil
  }

  @Test func thePolicyIsAskedBeforeAnythingIsDeleted() throws {
    #expect(code { try prune(10, days: nil) } == 78)
    #expect(code { try prune(10, isHeld: true) } == 77)
    #expect(code { try prune(10, archives: 1) } == 2)
    #expect(code { try prune(10, archives: nil) } == 2)
    // The replay window of the head is 24 hours and 5 minutes: the block 25 hours before it is the last that may go.
    #expect(code { try prune(37) } == 64)
    #expect(throws: NodeFailure.self) { try prune(37) }
    #expect(code { try prune(36, days: 2) } == 64)
    #expect(try prune(12, archives: 0, isDryRun: true).contains("\"earliest_body_height\":12,\"blocks\":11"))
    #expect(store.earliestBodyHeight == Height(1))
  }

  /// What the node was told to prune, and what it would prune by itself, is not fetched again.
  @Test func theFloorOfABackfillFollowsThePolicy() throws {
    func floor(_ policy: RetentionPolicy) throws -> Height { try Pruning.backfillFloor(store, chain.genesis, policy, wall: wall) }
    var policy = RetentionPolicy(daysMin: 1, archivePeersMin: 2, isHeld: false, backfills: true)
    #expect(try floor(policy) == Height(1))
    _ = try prune(12, days: 2)
    #expect(try floor(policy) == Height(12))
    policy.prunesByItself = true
    #expect(try floor(policy) == Height(36), "the highest height that is pruned today")
    policy.isHeld = true
    #expect(try floor(policy) == Height(12), "under a hold nothing is pruned")
    policy = RetentionPolicy(daysMin: nil, archivePeersMin: 2, isHeld: false, backfills: true, prunesByItself: true)
    #expect(try floor(policy) == Height(12), "nothing is pruned without a number of days")
    policy.backfills = false
    #expect(try floor(policy) == store.earliestBodyHeight)
  }

  @Test func whatIsPrunedIsGoneAndSaysSo() throws {
    #expect(try prune(12, days: 2).contains("\"earliest_body_height\":12,\"blocks\":11"))
    #expect(try prune(36, archives: nil, isForced: true).contains("\"blocks\":24"))
    #expect(try prune(36, archives: 0).contains("\"blocks\":0"))
    let reader = Reader(store: store, genesis: chain.genesis)
    func ask(_ height: UInt64, raw: Bool) -> Result<Answer, Refusal> {
      let request = ReadRequest.event(chain.ids[Int(height) - 1], raw: raw, bodyOnly: false, includes: [])
      return reader.answer(ReadJob(ConnectionID(rawValue: 0), 0, request, publication: nil, durableSize: store.head.treeSize))
    }
    for isRaw in [false, true] {
      guard case .failure(let refusal) = ask(35, raw: isRaw) else {
        Issue.record("a pruned event was answered")
        continue
      }
      #expect(refusal.code == .pruned && refusal.code.status == 410)
      #expect(refusal.details.map(\.0) == ["statement", "block_height", "leaf_index"])
      guard case .success = ask(36, raw: isRaw) else {
        Issue.record("an event that is there was refused")
        continue
      }
    }
    // Where events are listed, the flag stands beside the empty body.
    for height in [35, 36] as [UInt64] {
      let record = try #require(try store.record(at: LeafIndex(height - 1))).record
      var json = JSONWriter()
      EventJSON.write(try Entry(decoding: record.bytes), id: chain.ids[Int(height) - 1], record: record, position: nil, includesRaw: false, &json)
      let text = String(decoding: json.bytes, as: UTF8.self)
      #expect(text.contains("\"pruned\":true,\"body\":null") == (height == 35), "\(text)")
    }
    // A peer that asks for pruned blocks gets none, and the node goes on.
    let link = PeerLink(1)
    let query = StoreQuery.range(from: Height(5), blocksMax: 4, bytesMax: 1 << 20, link)
    guard case .range(_, let blocks, _) = try store.load(query, epochLength: 100, chainTag: ChainFixture.tag) else {
      Issue.record("a range was asked for")
      return
    }
    #expect(blocks.isEmpty)
  }
}
