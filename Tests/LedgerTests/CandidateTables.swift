import Audit
import Bytes
import Digests
import Ledger
import LedgerFixtures
import Merkle
import Testing

@Test func aStoredCandidateBecomesFinalWithoutItsBodyAndLosersGo() throws {
  var fixture = try ChainFixture()
  let store = MemoryStore(genesis: fixture.chain.tip.header)
  let winner = try fixture.build(fixture.record(1))
  let loser = try fixture.build(fixture.record(2))
  let orphan = try fixture.build(fixture.record(3), on: loser.tip)
  for candidate in [winner, loser, orphan] { try store.store(candidate.block) }
  #expect(store.candidates().map(\.hash).sorted() == [winner, loser, orphan].map(\.block.hash).sorted())
  try store.commit([fixture.chain.apply(winner, certificate: [9], isStored: true)])
  #expect(store.candidate(loser.block.hash) == nil && store.candidate(winner.block.hash) == nil)
  #expect(store.candidates().map(\.hash) == [orphan.block.hash])
  #expect((try store.block(at: Height(1)))?.body == winner.block.body)
  #expect(store.certificate(at: Height(1)) == [9])
}

@Test func aCommitOfACandidateThatIsNotStoredIsRefused() throws {
  var fixture = try ChainFixture()
  let store = MemoryStore(genesis: fixture.chain.tip.header)
  let candidate = try fixture.build(fixture.record(1))
  let commit = fixture.chain.apply(candidate, certificate: [], isStored: true)
  #expect(throws: StoreError.damaged("candidate \(candidate.block.hash) is missing")) { try store.commit([commit]) }
}

@Test func aCrashKeepsAnyPrefixOfTheUnsyncedWrites() throws {
  let fixture = try ChainFixture()
  let first = try fixture.build(fixture.record(1))
  let second = try fixture.build(fixture.record(2), on: first.tip)
  for survivors in 0...3 {
    var chain = fixture.chain
    let store = MemoryStore(genesis: chain.tip.header)
    store.storeUnsynced(first.block)
    try store.commitUnsynced([chain.apply(first, certificate: [1], isStored: true)])
    store.storeUnsynced(second.block)
    #expect(store.unsyncedCount == 3)
    store.crash(survivors: survivors)
    #expect(store.head.height == Height(survivors >= 2 ? 1 : 0), "\(survivors)")
    #expect(store.candidates().map(\.hash) == [[], [first.block.hash], [], [second.block.hash]][survivors], "\(survivors)")
    #expect(try store.reader(of: .entries).root(ofSize: store.head.treeSize) == store.head.treeRoot)
  }
}

@Test func sectionsPutTogetherAreTheBlock() throws {
  let fixture = try ChainFixture()
  let block = try fixture.build(fixture.record(1) + fixture.record(2) + fixture.record(3)).block
  let sections = block.sections
  let again = try #require(Block(header: block.header, entries: sections.entries, bodies: sections.bodies))
  #expect(again.body == block.body && again.offsets == block.offsets && again.hash == block.hash)
  #expect(Block(header: block.header, entries: sections.entries, bodies: sections.bodies + [0]) == nil)
  #expect(Block(header: block.header, entries: Array(sections.entries.dropLast()), bodies: sections.bodies) == nil)
  #expect(Block(header: block.header, entries: sections.entries, bodies: Array(sections.bodies.dropLast())) == nil)
}

@Test func aPrunedStoreKeepsAllButBodies() throws {
  var fixture = try ChainFixture()
  let store = MemoryStore(genesis: fixture.chain.tip.header)
  for sequence in 1...3 as ClosedRange<UInt64> { try store.commit([fixture.chain.apply(try fixture.build(fixture.record(sequence)), certificate: [9], isStored: false)]) }
  store.prune(before: Height(3))
  #expect(store.earliestBodyHeight == Height(3))
  for height in 1...2 as ClosedRange<UInt64> {
    #expect(try store.block(at: Height(height)) == nil && store.bodies(at: Height(height)) == nil)
    #expect(store.entries(at: Height(height))?.count == Entry.byteCount && store.certificate(at: Height(height)) == [9])
  }
  #expect(try store.block(at: Height(3)) != nil)
  store.prune(before: Height(9))
  #expect(store.earliestBodyHeight == Height(3), "the head keeps its body")
}
