import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Ledger
import LedgerFixtures
import Testing

@testable import RocksStore

/// Redactions and crashes: between the batch that names events and the one that deletes their bodies, and before the files are clean.
@Suite final class RedactionTests {
  private let directory = "/tmp/moloch-redaction-\(UInt64.random(in: 0 ... .max))"
  private var fixture: ChainFixture
  private let genesis: BlockHeader
  private let validator = SigningKey(seed: Bytes32(repeating: 1))
  private var sequence: UInt64 = 0

  init() throws {
    fixture = try ChainFixture()
    genesis = fixture.chain.tip.header
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private func open(_ path: String? = nil) throws -> RocksLedgerStore {
    var options = StoreOptions()
    options.compression = .none
    return try RocksLedgerStore(directory: path ?? directory, genesis: genesis, genesisHash: SHA256.hash([5]), options: options)
  }

  /// A record with text that no other has.
  private func event() -> (record: [UInt8], id: EventID, secret: String) {
    sequence += 1
    let secret = "secret-\((0..<8).map { _ in String(UInt64.random(in: 0 ... .max), radix: 16) }.joined())"
    let record = fixture.record(sequence, body: Array(secret.utf8))
    return (record, EventID(SHA256.hash(Array(record[..<128]))), secret)
  }

  /// The next block.
  private func block(_ records: [UInt8]) throws -> BlockCommit { try fixture.chain.apply(fixture.build(records), certificate: [1, 2]) }

  /// The block that approves a redaction: the only validator's proposal is its approval.
  private func approval(of ids: [EventID]) throws -> (commit: BlockCommit, proposal: EventID) {
    sequence += 1
    let act = GovernanceAct.proposeRedaction(RedactionProposal(reason: .other, requesterHash: .zero, events: ids, note: ""))
    let record = GovernanceFixture.record(act, by: validator, at: fixture.chain.tip.header.timestamp.rawValue, sequence: sequence)
    let commit = try block(record)
    #expect(commit.redactions.map(\.events) == [ids], "the block approves it")
    return (commit, EventID(SHA256.hash(Array(record[..<128]))))
  }

  private func holds(_ text: String, _ path: String) throws -> Bool {
    try FileManager.default.contentsOfDirectory(atPath: path + "/chain").contains { name in
      // A file that has gone meanwhile holds nothing.
      (try? Data(contentsOf: URL(fileURLWithPath: path + "/chain/" + name)))?.range(of: Data(text.utf8)) != nil
    }
  }

  /// Whether a text goes from the files: the database deletes those that it has replaced in the background.
  private func isClean(of text: String, _ path: String) throws -> Bool {
    let deadline = Date(timeIntervalSinceNow: 120)
    while try holds(text, path) {
      guard Date() < deadline else { return false }
      usleep(10_000)
    }
    return true
  }

  /// The rows as the log gives them, before a start does anything.
  private func isNamedAndNotErased(_ id: EventID, at height: Height, _ path: String) throws -> Bool {
    typealias Family = RocksLedgerStore.Family
    let chain = try Database(path: path + "/chain", families: RocksLedgerStore.families, options: StoreOptions(), cacheBytes: 1 << 20, isReadOnly: true)
    return try chain.value(Family.redactions, id.digest.bytes.array) != nil && chain.value(Family.withheld, RocksLedgerStore.key(height)) == nil
  }

  /// Cuts the log of a store at many places in what `write` adds to it, opens each copy, and hands it over.
  /// - Returns: how often the log ended between naming and erasing.
  private func crashes(
    of id: EventID, at height: Height, in store: RocksLedgerStore, write: () throws -> Void, check: (RocksLedgerStore, String) throws -> Void
  ) throws -> Int {
    let log = try WriteAheadLog(directory: directory)
    let before = try log.size()
    try write()
    let after = try log.size()
    #expect(after > before)
    var between = 0
    for cut in Set(stride(from: before, through: after, by: max(1, (after - before) / 40)).map { $0 } + [after]).sorted() {
      let copy = directory + "-cut"
      defer { try? FileManager.default.removeItem(atPath: copy) }
      try log.copy(to: copy, cutAt: cut)
      if try isNamedAndNotErased(id, at: height, copy) { between += 1 }
      try check(try open(copy), copy)
    }
    return between
  }

  /// The approving block is there and the body is not, or neither has happened; never the block and the body.
  @Test func aStartEndsWhatACrashBetweenNamingAndErasingHasLeft() throws {
    let store = try open()
    let (record, id, secret) = event(), other = event()
    try store.commit([block(record + other.record)])
    for _ in 0..<3 { try store.commit([block(event().record)]) }
    let (commit, proposal) = try approval(of: [id])
    var outcomes: Set<Bool> = []
    let between = try crashes(of: id, at: Height(1), in: store, write: { try store.commit([commit]) }) { reopened, path in
      let isApproved = reopened.head.height == commit.header.height
      outcomes.insert(isApproved)
      #expect(isApproved || reopened.head.height.rawValue == commit.header.height.rawValue - 1)
      #expect(try reopened.redaction(of: id) == (isApproved ? proposal : nil))
      let kept = try #require(try reopened.block(at: Height(1)))
      #expect(kept.withholds(0) == isApproved && !kept.withholds(1))
      #expect(try reopened.record(at: LeafIndex(0))?.record == (isApproved ? Array(record.prefix(Entry.byteCount)) : record))
      #expect(try reopened.record(at: LeafIndex(1))?.record == other.record)
      guard isApproved else { return }
      // The files are cleaned by the task that the start finds.
      let erasure = try #require(reopened.erasure)
      try erasure.run()
      try reopened.finish(erasure)
      #expect(try self.isClean(of: secret, path) && self.holds(other.secret, path))
      #expect(reopened.erasure == nil)
    }
    #expect(outcomes == [true, false])
    #expect(between > 0, "no cut lay between the two writes")
  }

  /// The name waits for its event, over restarts, and so does the erasure of a crash in its block.
  @Test func anEventThatIsNamedBeforeItIsThereLosesItsBodyWhenItComes() throws {
    var store: RocksLedgerStore? = try open()
    let (record, id, secret) = event(), other = event()
    let (commit, proposal) = try approval(of: [id])
    try store?.commit([commit])
    #expect(try store?.redaction(of: id) == nil, "it is not on the chain")
    store = nil
    store = try open()
    let next = try block(other.record + record), height = next.header.height
    let opened = try #require(store)
    _ = try crashes(of: id, at: height, in: opened, write: { try opened.commit([next]) }) { reopened, path in
      guard reopened.head.height == height else { return #expect(try reopened.redaction(of: id) == nil) }
      #expect(try reopened.redaction(of: id) == proposal)
      let kept = try #require(try reopened.block(at: height))
      #expect(!kept.withholds(0) && kept.withholds(1))
      let erasure = try #require(reopened.erasure)
      try erasure.run()
      try reopened.finish(erasure)
      #expect(try self.isClean(of: secret, path) && self.holds(other.secret, path))
    }
    #expect(try store?.redaction(of: id) == proposal)
    #expect(try store?.block(at: height)?.withholds(1) == true)
  }

  /// Bodies that come later leave out what was redacted meanwhile, although the peer has them.
  @Test func aRedactedBodyDoesNotComeBackWithABackfill() throws {
    let store = try open()
    let (record, id, _) = event(), other = event()
    let old = try block(record + other.record)
    try store.begin(from: Anchor(height: Height(1), hash: old.hash))
    try store.commit([old])
    let (commit, proposal) = try approval(of: [id])
    try store.commit([commit])
    #expect(store.earliestBodyHeight == Height(2))
    #expect(try store.redaction(of: id) == proposal)
    var fill = BodyFill([old.block])
    var batch = SignatureBatch(capacity: BodyFill.eventsPerStep, seed: Bytes32(repeating: 3))
    #expect(try fill.step(store, &batch) == .done(missing: 0))
    try store.fill(fill.blocks)
    let kept = try #require(try store.block(at: Height(1)))
    #expect(kept.withholds(0) && !kept.withholds(1))
    #expect(try store.missingBodies(at: Height(1)) == 0 && store.withheldHeights(from: Height(1), countMax: 9) == [Height(1)])
    #expect(try store.bodyGap(floor: Height(1), searched: Height(0), blocksMax: 9, bytesMax: 1000).heights == nil, "nothing is missing")
  }
}
