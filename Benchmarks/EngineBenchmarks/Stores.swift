import Audit
import Benchmark
import Bytes
import CBaselines
import Digests
import Ed25519
import Foundation
import Ledger
import RocksStore

private let eventsPerBlock = 1000
private let perBlock = BenchmarkMetric.custom("us per block, wall", polarity: .prefersSmaller, useScalingFactor: false)
private let perEvent = BenchmarkMetric.custom("ns per event, CPU of the process", polarity: .prefersSmaller, useScalingFactor: false)

/// Blocks of 1000 events of 300 B: our durable commit and index, beside a database that gets five keys per event.
func registerStores() {
  Benchmark("store: durable commit of a block", configuration: configuration([perBlock, perEvent])) { benchmark in
    let chain = ChainOnDisk()
    for _ in benchmark.scaledIterations {
      let commit = chain.nextCommit()
      timed(benchmark) { chain.commit(commit) }
    }
  }
  Benchmark("store: index of a block", configuration: configuration([perBlock, perEvent])) { benchmark in
    let chain = ChainOnDisk()
    for _ in benchmark.scaledIterations {
      chain.commit(chain.nextCommit())
      timed(benchmark) { chain.index() }
    }
  }
  Benchmark("store: loser, five puts per event, synced", configuration: configuration([perBlock, perEvent])) { benchmark in
    let store = FivePutStore()
    var next: UInt64 = 0
    for _ in benchmark.scaledIterations {
      let records = (0..<eventsPerBlock).map { Events.record(next + UInt64($0)) }
      timed(benchmark) { store.commit(records, first: next) }
      next += UInt64(eventsPerBlock)
    }
  }
}

private func configuration(_ metrics: [BenchmarkMetric]) -> Benchmark.Configuration {
  .init(metrics: metrics, warmupIterations: 0, scalingFactor: .one, maxDuration: .seconds(6), maxIterations: 200)
}

private func timed(_ benchmark: Benchmark, _ body: () -> Void) {
  let wall = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID)
  body()
  benchmark.measurement(perBlock, (nanoseconds(CLOCK_MONOTONIC) - wall) / 1000)
  benchmark.measurement(perEvent, (nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / eventsPerBlock)
}

private func temporary() -> String {
  // Beside the build, on a disk: /tmp may be memory.
  let base = ProcessInfo.processInfo.environment["MOLOCH_BENCH_DIRECTORY"] ?? FileManager.default.currentDirectoryPath
  return base + "/bench-\(UInt64.random(in: 0 ... .max))"
}

private final class ChainOnDisk {
  private var chain: Chain
  private var store: RocksLedgerStore?
  private let directory = temporary()
  private var next: UInt64 = 0

  init() {
    do {
      chain = try Events.chain()
      store = try RocksLedgerStore(directory: directory, genesis: chain.tip.header, genesisHash: SHA256.hash([1]))
    } catch { fatalError("\(error)") }
  }

  deinit {
    store = nil
    try? FileManager.default.removeItem(atPath: directory)
  }

  func nextCommit() -> BlockCommit {
    var records: [UInt8] = []
    for _ in 0..<eventsPerBlock {
      records += Events.record(next)
      next += 1
    }
    let time = Timestamp(milliseconds: chain.tip.header.timestamp.rawValue + 1)
    do { return chain.apply(try chain.build(on: chain.tip, records: records, timestamp: time, proposer: Events.keys[63].publicKey), certificate: [1]) }
    catch { fatalError("\(error)") }
  }

  func commit(_ block: BlockCommit) { do { try store?.commit([block]) } catch { fatalError("\(error)") } }
  func index() { do { _ = try store?.advanceIndex(blocksMax: 1) } catch { fatalError("\(error)") } }
}

/// Event, id, signer, actor and time, each a key of its own in random order, in one synced batch.
private final class FivePutStore {
  private let options = rocksdb_options_create()
  private let writes = rocksdb_writeoptions_create()
  private let database: OpaquePointer?
  private let directory = temporary()

  init() {
    var message: UnsafeMutablePointer<CChar>?
    rocksdb_options_set_create_if_missing(options, 1)
    rocksdb_writeoptions_set_sync(writes, 1)
    database = rocksdb_open(options, directory, &message)
    precondition(message == nil)
  }

  deinit {
    rocksdb_close(database)
    rocksdb_writeoptions_destroy(writes)
    rocksdb_options_destroy(options)
    try? FileManager.default.removeItem(atPath: directory)
  }

  func commit(_ records: [[UInt8]], first: UInt64) {
    let batch = rocksdb_writebatch_create()
    defer { rocksdb_writebatch_destroy(batch) }
    for (position, record) in records.enumerated() {
      let id = SHA256.hash(record.bytes.extracting(0..<128)).bytes.array
      var leaf: [UInt8] = []
      leaf.append(bigEndian: first + UInt64(position))
      put(batch, [0x65] + id, record)
      put(batch, [0x69] + id, leaf)
      put(batch, [0x73] + record[64..<96] + id.prefix(8), leaf)
      put(batch, [0x61] + id.suffix(16) + leaf, [])
      put(batch, [0x74] + record[24..<32] + leaf, [])
    }
    var message: UnsafeMutablePointer<CChar>?
    rocksdb_write(database, writes, batch, &message)
    precondition(message == nil)
  }

  private func put(_ batch: OpaquePointer?, _ key: [UInt8], _ value: [UInt8]) {
    key.withUnsafeBytes { key in
      value.withUnsafeBytes { value in
        rocksdb_writebatch_put(
          batch, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count, value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
      }
    }
  }
}
