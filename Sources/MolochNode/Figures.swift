import API
import Ambient
import Audit
import Consensus
import Ed25519
import CLinux
import Glibc
import Ledger
import Mempool
import Metrics
import PeerWire
import Peering
import Replication
import TLS

/// What the reactor thread counts, and what it reads for a scrape.
final class Figures {
  let metrics: NodeMetrics
  private let log: Log
  private let files = ProcessFiles()
  private(set) var lastCommit: Instant?
  /// While syncing.
  var before: SecondBefore?
  /// Highest height shown: the gauge never falls in one life of the process.
  private var height: UInt64 = 0

  /// Codes with which a submission can be refused.
  private static let rejections: [ErrorCode] = [
    .invalidEvent, .signerNotAllowed, .sequenceConflict, .eventTooLarge, .batchTooLarge, .mempoolFull, .storageFull, .notReady, .rateLimited,
  ]

  init(version: String, commit: String, log: Log) {
    self.log = log
    metrics = Self.emptyMetrics(version: version, commit: commit)
    let process = ProcessStatistics(files)
    metrics.process.startTime.set(process.startSeconds)
    metrics.chain.startTime.set(Double(WallClock.now().milliseconds) / 1000)
    metrics.process.maxFiles.set(process.filesMax)
    metrics.network.peerCount.set(0)
    metrics.api.isHealthy.set(true)
    metrics.storage.isReadOnly.set(false)
    // Links between peers carry the node key's own certificate.
    metrics.process.certificateExpiry["peer"].set(TLSCredential.selfSignedExpirySeconds)
  }

  /// The families of a node, each at its beginning.
  static func emptyMetrics(version: String, commit: String) -> NodeMetrics {
    NodeMetrics(
      version: version, commit: commit, protocolVersion: "\(PeeringOptions().protocols.upperBound)", rejections: rejections.map { $0.rawValue }, requestSeries: Gate.requestSeries,
      messageTypes: MessageType.all.map { "\($0)" })
  }

  // MARK: Events of the driver

  /// - Parameter production: nanoseconds from proposal to commit; nil for a block that was synced.
  func final(events: Int, bytes: Int, production: UInt64?, now: Instant) {
    let chain = metrics.chain
    chain.blocksCommitted.add()
    metrics.mempool.committed.add(UInt64(events))
    chain.blockEvents.observe(UInt64(events))
    chain.blockBytes.observe(UInt64(bytes))
    if let lastCommit { chain.blockInterval.observe(now.nanoseconds(since: lastCommit)) }
    lastCommit = now
    guard let production else { return }
    chain.blockProduction.observe(production)
    chain.blockTime.set((production + 500_000) / 1_000_000)
  }

  /// A contradiction that this process was the first to keep: what an earlier one had kept raised its alarm then.
  func found(_ evidence: Evidence) {
    for (position, offence) in Evidence.Offence.allCases.enumerated() where offence == evidence.offence { metrics.consensus.evidence[position].add() }
  }

  /// About once a second, what the storage thread saw.
  func take(_ pulse: StoragePulse) {
    let storage = metrics.storage, statistics = pulse.statistics
    storage.total.set(statistics.total)
    storage.capacity.set(statistics.total + statistics.free)
    storage.free.set(statistics.free)
    for (position, bytes) in [statistics.chain, statistics.mmr, statistics.index, statistics.validator, statistics.other].enumerated() {
      storage.components[position].set(bytes)
    }
    if let last = pulse.lastBackup { storage.lastBackup.set(last) } else { storage.lastBackup.clear() }
    storage.caches["block"].set(pulse.cacheBytes)
    storage.indexHeight.set(pulse.indexedHeight)
    storage.indexLag.set(pulse.height - min(pulse.height, pulse.indexedHeight))
    storage.compactionPending.set(pulse.compaction.pendingBytes)
    storage.compactionRunning.set(pulse.compaction.running)
  }

  func reloaded(accepted: Bool) {
    metrics.process.lastReloadSuccess.set(accepted)
    metrics.process.lastReloadTime.set(Double(WallClock.now().milliseconds) / 1000)
  }

  // MARK: Scrape

  /// The exposition, with everything that is kept elsewhere read now. Reactor thread.
  func text(_ gate: Gate, _ format: Exposition.Format, _ now: Instant) -> [UInt8] {
    let statistics = gate.statistics
    let mempool = metrics.mempool
    mempool.accepted.set(statistics.accepted)
    for (position, code) in Self.rejections.enumerated() {
      if let index = ErrorCode.allCases.firstIndex(of: code) { mempool.rejected[position].set(statistics.rejected[index]) }
    }
    mempool.signerKeys[0].set(statistics.signerHits)
    mempool.signerKeys[1].set(statistics.signerMisses)
    mempool.signatureCombinations[0].set(statistics.combinations)
    mempool.badSignatures[0].set(statistics.badSignatures)
    mempool.quarantined[0].set(gate.quarantined(MonotonicClock.now()))
    metrics.api.latency.set(buckets: statistics.latencies, sum: statistics.latencySumMicroseconds)
    metrics.api.connections[0].set(statistics.connections)
    metrics.api.connections[1].set(0)
    metrics.api.rateLimited.set(statistics.rateLimited)
    for (position, count) in statistics.refusals.enumerated() { metrics.api.rejected[position].set(count) }
    readLatencies(gate, now)
    metrics.network.peerCount.set(gate.surroundings.peerCount)
    metrics.api.isReady.set(gate.readiness.isReady)
    metrics.api.isHealthy.set(gate.health.status != .failing)
    metrics.storage.caches["key"].set(gate.signers.byteCount)
    if let publication = gate.surroundings.publication {
      metrics.chain.checkpointSize.set(publication.size)
      if let cosigned = publication.lines.compactMap(\.time).max() { metrics.chain.checkpointAge.set(Double(gate.wallMilliseconds) / 1000 - Double(cosigned)) }
    }
    if let replica = gate.replica {
      metrics.storage.earliestBodyHeight.set(gate.surroundings.earliestBodyHeight)
      height = max(height, replica.durable.header.height.rawValue)
      metrics.chain.height.set(height)
      metrics.chain.treeSize.set(replica.durable.header.treeSize)
      mempool.size.set(replica.pool.load.events)
      mempool.bytes.set(replica.pool.load.bytes)
      let conduct = replica.signatureFacts(now: MonotonicClock.now())
      mempool.signatureCombinations[1].set(conduct.combinations)
      mempool.badSignatures[1].set(conduct.refused)
      mempool.quarantined[1].set(conduct.quarantined)
      let sync = replica.syncFacts
      if let lag = sync.lag { metrics.sync.lag.set(lag) }
      metrics.sync.isSyncing.set(sync.isSyncing)
      metrics.consensus.isActive.set(replica.machine.isMember && replica.machine.standing == .voting)
    }
    readProcess()
    let exemplars = gate.copyDetails(to: metrics.api.requests)
    return Exposition(metrics.registry, format, details: gate.detailsRequests, exemplars: [APIMetrics.requestsName: exemplars]).bytes
  }

  private func readLatencies(_ gate: Gate, _ now: Instant) {
    let percentiles = gate.recentLatencies([0.5, 0.9, 0.99, 0.999], now: now)
    for position in 0..<metrics.api.window.count {
      if let percentiles { metrics.api.window[position].set(percentiles[position]) } else { metrics.api.window[position].clear() }
    }
  }

  private func readProcess() {
    // The threads first: what they spend meanwhile counts for the process alone, so that they are never more than it.
    let process = metrics.process, byRole = ThreadStatistics.nanosecondsByRole(), statistics = ProcessStatistics(files)
    process.cpu.set(max(process.cpu.value, statistics.cpuNanoseconds))
    var rest = statistics.cpuNanoseconds
    for (position, spent) in byRole.enumerated() where position + 1 < process.threads.count {
      process.threads[position].set(max(process.threads[position].value, spent))
      rest -= min(rest, process.threads[position].value)
    }
    // Threads that have ended, too.
    let other = process.threads[process.threads.count - 1]
    other.set(max(other.value, rest))
    process.resident.set(statistics.residentBytes)
    process.virtual.set(statistics.virtualBytes)
    process.openFiles.set(statistics.filesOpen)
    process.diskRead.set(max(process.diskRead.value, statistics.diskReadBytes))
    process.diskWritten.set(max(process.diskWritten.value, statistics.diskWrittenBytes))
    for level in LogLevel.allCases { process.logRecords[level.rawValue].set(log.recordCount(level)) }
    process.logDropped.set(log.droppedCount)
  }
}
