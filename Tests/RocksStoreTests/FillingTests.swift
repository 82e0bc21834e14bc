import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import Ledger
import LedgerFixtures
import Testing

@testable import RocksStore

/// Bodies that come after their blocks.
@Suite final class FillingTests {
  private let directory = "/tmp/moloch-filling-\(UInt64.random(in: 0 ... .max))"
  private var fixture: ChainFixture
  private let genesis: BlockHeader
  /// The blocks of the chain, whole.
  private var blocks: [Block] = []
  private let anchor = Height(25)

  /// A store that began from block 25 of 30, with three events in each.
  init() throws {
    fixture = try ChainFixture()
    genesis = fixture.chain.tip.header
    var commits: [BlockCommit] = []
    for height in 1...30 as ClosedRange<UInt64> {
      let candidate = try fixture.build((0..<3).flatMap { fixture.record(height * 10 + $0, body: [UInt8](repeating: UInt8(height), count: 500)) })
      blocks.append(candidate.block)
      commits.append(fixture.chain.apply(candidate, certificate: [1, 2]))
    }
    let store = try open()
    try store.begin(from: Anchor(height: anchor, hash: blocks[24].hash))
    for commit in commits { try store.commit([commit]) }
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private func open(_ path: String? = nil) throws -> RocksLedgerStore {
    try RocksLedgerStore(directory: path ?? directory, genesis: genesis, genesisHash: SHA256.hash([5]))
  }

  private func range(_ heights: ClosedRange<Int>) -> [Block] { heights.map { blocks[$0 - 1] } }

  /// Bodies are here from `first` on, and are those of the chain.
  private func check(_ store: RocksLedgerStore, from first: UInt64) throws {
    #expect(store.earliestBodyHeight == Height(first))
    for height in 1...30 as ClosedRange<UInt64> {
      let block = try store.block(at: Height(height))
      #expect(height < first ? block == nil : block?.body == blocks[Int(height) - 1].body, "height \(height)")
    }
  }

  @Test func bodiesJoinFromTheAnchorDownAndStay() throws {
    var store: RocksLedgerStore? = try open()
    try check(#require(store), from: 26)
    try store?.fill(range(20...25))
    try check(#require(store), from: 20)
    store = nil
    store = try open()
    try check(#require(store), from: 20)
    try store?.fill(range(1...19))
    store = nil
    store = try open()
    try check(#require(store), from: 1)
    // What is pruned afterwards goes like any other body, and does not come back with a start.
    _ = try store?.prune(below: Height(12))
    store = nil
    store = try open()
    try check(#require(store), from: 12)
    #expect(store?.prunedHeight == Height(12))
  }

  @Test func aPruneBelowWhatIsHereIsKeptInMind() throws {
    var store: RocksLedgerStore? = try open()
    _ = try store?.prune(below: Height(8))
    store = nil
    store = try open()
    #expect(store?.prunedHeight == Height(8))
    try check(#require(store), from: 26)
  }

  @Test func theNextRangeIsAsLongAsItsBytesAllow() throws {
    let store = try open()
    // Three events of 192 + 16 + 500 bytes.
    let one = 3 * 708
    func next(_ floor: UInt64, blocks: Int = 256, bytes: Int) throws -> ClosedRange<Height>? {
      try store.bodyGap(floor: Height(floor), searched: Height(0), blocksMax: blocks, bytesMax: bytes).heights
    }
    #expect(try next(1, bytes: one) == Height(25)...Height(25))
    #expect(try next(1, bytes: 1) == Height(25)...Height(25), "one block is taken however large")
    #expect(try next(1, bytes: 4 * one) == Height(22)...Height(25))
    #expect(try next(24, bytes: 4 * one) == Height(24)...Height(25))
    #expect(try next(1, blocks: 3, bytes: 4 * one) == Height(23)...Height(25))
    #expect(try next(26, bytes: one) == nil && next(40, bytes: one) == nil)
  }

  private func check(_ blocks: [Block], _ store: RocksLedgerStore) throws -> (BodyFill.Progress, [Block]) {
    var fill = BodyFill(blocks)
    var batch = SignatureBatch(capacity: BodyFill.eventsPerStep, seed: Bytes32(repeating: 3))
    while true {
      let progress = try fill.step(store, &batch)
      #expect(batch.count == 0, "whatever comes next finds it empty")
      if progress != .more { return (progress, fill.blocks) }
    }
  }

  @Test func onlyTheBodiesOfTheChainPass() throws {
    let store = try open()
    let (progress, whole) = try check(range(20...25), store)
    #expect(progress == .done(missing: 0) && whole.map(\.body) == range(20...25).map(\.body))
    var body = blocks[21].body
    body[blocks[21].offsets[1] + Entry.byteCount + 30] ^= 1
    #expect(try check([blocks[20], Block(header: blocks[21].header, body: body)], store).0 == .foreign(Height(22)))
    body = blocks[21].body
    body[Statement.byteCount + 5] ^= 1
    #expect(try check([Block(header: blocks[21].header, body: body)], store).0 == .foreign(Height(22)), "a signature that is not in the chain")
    #expect(try check([Block(header: blocks[21].header, body: blocks[20].body)], store).0 == .foreign(Height(22)))
    #expect(try check([blocks[20].withholding([0, 2])], store).0 == .done(missing: 2))
  }

  /// The log of the database ends anywhere in the write: the watermark and the bodies are there together, or neither is.
  @Test func aCrashInTheWriteLeavesBothOrNone() throws {
    let store = try open()
    let log = try WriteAheadLog(directory: directory)
    let before = try log.size()
    try store.fill(range(20...25))
    let after = try log.size()
    #expect(after > before + 6 * 3 * 516)
    var seen: Set<UInt64> = []
    for cut in stride(from: before, through: after, by: max(1, (after - before) / 12)).map({ $0 }) + [after] {
      let copy = directory + "-cut"
      defer { try? FileManager.default.removeItem(atPath: copy) }
      try log.copy(to: copy, cutAt: cut)
      let reopened = try open(copy)
      seen.insert(reopened.earliestBodyHeight.rawValue)
      try check(reopened, from: cut == after ? 20 : 26)
    }
    #expect(seen == [20, 26])
  }
}

/// The log of an open database, as a crash would leave it.
struct WriteAheadLog {
  private let directory: String
  private let file: String

  /// - Parameter directory: of an open store.
  init(directory: String) throws {
    self.directory = directory
    let logs = try FileManager.default.contentsOfDirectory(atPath: directory + "/chain").filter { $0.hasSuffix(".log") }
    file = try #require(logs.max())
  }

  /// Bytes that were written: the file may be allocated ahead.
  func size() throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/chain/" + file)
    return try #require(attributes[.size] as? Int)
  }

  /// Copies the store with its log cut off.
  func copy(to target: String, cutAt bytes: Int) throws {
    try FileManager.default.copyItem(atPath: directory, toPath: target)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: target + "/chain/" + file))
    try handle.truncate(atOffset: UInt64(bytes))
    try handle.close()
  }
}
