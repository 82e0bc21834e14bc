import Audit
import Digests
import Foundation
import Ledger
import LedgerFixtures
import RocksStore

/// A chain of blocks an hour apart, each with one event, that nobody but one test reads.
final class StoredChain {
  static let hour: UInt64 = 3_600_000
  let directory = "/tmp/moloch-stored-chain-\(UInt64.random(in: 0 ... .max))"
  let store: RocksLedgerStore
  let genesis: Genesis
  /// The event of height h is at h - 1.
  private(set) var ids: [EventID] = []

  init(blocks: UInt64) throws {
    var fixture = try ChainFixture()
    let key = fixture.validator
    genesis = try Genesis(
      json: Genesis.text(
        chainID: "test", timestamp: fixture.chain.tip.header.timestamp, domain: "moloch.internal",
        validators: [Validator(publicKey: key, cosignerKey: key, power: 1, name: "v1")], parameters: ChainParameters(), signers: []))
    store = try RocksLedgerStore(directory: directory, genesis: fixture.chain.tip.header, genesisHash: SHA256.hash([5]))
    for height in 1...blocks {
      let time = Timestamp(milliseconds: fixture.chain.tip.header.timestamp.rawValue + Self.hour)
      let record = fixture.record(height, at: time.rawValue)
      ids.append(EventID(SHA256.hash(Array(record[0..<128]))))
      let candidate = try fixture.chain.build(on: fixture.chain.tip, records: record, timestamp: time, proposer: fixture.validator)
      try store.commit([fixture.chain.apply(candidate, certificate: [1, 2])])
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }
}
