import Audit
import Bytes
import Digests
import Ledger
import LedgerFixtures
import Merkle
import Testing

@Test func theWindowAgreesWithANaiveModel() {
  var window = ReplayWindow(pastWindow: 60_000, futureWindow: 1000, seed: 9)
  var model: [(id: EventID, time: UInt64, leaf: UInt64)] = []
  for step in 0..<3000 as Range<UInt64> {
    let now = 1_000_000 + step * 50
    let id = EventID(SHA256.hash(Bytes16(step, 0).array))
    let time = now - step * 7919 % 60_000 + step % 2 * 1000
    window.expire(before: Timestamp(milliseconds: now - 60_000))
    window.insert(id, timestamp: Timestamp(milliseconds: time), leaf: LeafIndex(step))
    model.append((id, time, step))
    if step % 500 == 499 {
      for event in model where event.time >= now - 60_000 {
        #expect(window.leaf(of: event.id, timestamp: Timestamp(milliseconds: event.time)) == LeafIndex(event.leaf))
      }
      // Expiry drops whole spans: nothing stays more than one span (953 ms) too long.
      for event in model where event.time < now - 61_000 {
        #expect(window.leaf(of: event.id, timestamp: Timestamp(milliseconds: event.time)) == nil)
      }
      #expect(window.leaf(of: EventID(.zero), timestamp: Timestamp(milliseconds: now)) == nil)
    }
  }
}

@Test func aCrashLosesOnlyWhatWasNotSynced() throws {
  var fixture = try ChainFixture()
  let store = MemoryStore(genesis: fixture.chain.tip.header)
  try store.commit([fixture.chain.apply(fixture.build(fixture.record(1)), certificate: [])])
  let durable = store.head
  try store.commitUnsynced([fixture.chain.apply(fixture.build(fixture.record(2)), certificate: [])])
  store.crash()
  #expect(store.head == durable)
  #expect(try store.reader(of: .entries).root(ofSize: 1) == durable.treeRoot)
}
