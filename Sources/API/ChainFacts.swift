public import Audit
public import Digests
public import Ed25519
public import Replication
import Metrics

/// What never changes while the node runs.
public struct ChainFacts: Sendable {
  public let genesis: Genesis
  public let version: String
  /// The key of this node, which signs the log line of checkpoints.
  public let nodeKey: PublicKey
  /// The validator key with which the node was started, nil on an API node.
  public let validatorKey: PublicKey?

  public init(genesis: Genesis, version: String, nodeKey: PublicKey, validatorKey: PublicKey?) {
    self.genesis = genesis
    self.version = version
    self.nodeKey = nodeKey
    self.validatorKey = validatorKey
  }

  public var parameters: ChainParameters { genesis.parameters }
  /// Entry, salt and the largest inline body.
  public var recordBytesMax: Int { Entry.byteCount + Record.saltByteCount + Int(parameters.bodyBytesMax) }
}

/// The checkpoint that is served: signed over the newest tree head whose cosignature is on disk.
public struct Publication: Sendable {
  public struct Line: Sendable {
    public var name: String
    public var keyID: String
    public var type: String
    /// Unix seconds of a cosignature, nil for the log line.
    public var time: UInt64?
    public init(name: String, keyID: String, type: String, time: UInt64?) {
      self.name = name
      self.keyID = keyID
      self.type = type
      self.time = time
    }
  }

  /// The signed note.
  public var note: String
  public var size: UInt64
  public var root: Digest
  public var height: Height
  public var lines: [Line]
  public init(note: String, size: UInt64, root: Digest, height: Height, lines: [Line]) {
    self.note = note
    self.size = size
    self.root = root
    self.height = height
    self.lines = lines
  }
}

/// What the driver tells the gate about the rest of the node, about once a second or when it changes.
public struct Surroundings: Sendable {
  public var publication: Publication?
  public var indexedHeight: UInt64 = 0
  /// Blocks below this height have given up their bodies.
  public var earliestBodyHeight: UInt64 = 1
  /// The first leaf whose entry is here, and the height of its block: 0 and 1 before a deep prune.
  public var earliestEntryIndex: UInt64 = 0
  public var earliestEntryHeight: UInt64 = 1
  /// Connected peers that have said to hold all the bodies from the first entry on that is here.
  public var entryArchivePeerCount = 0
  /// Peers that hold the bodies that this node holds, as far as they have said.
  public var archivePeerCount = 0
  /// Peers past the handshake.
  public var peerCount = 0
  /// Nil before the store is open.
  public var sync: SyncFacts?
  /// Blocks per second of late while the node syncs; nil before there is a rate, and when it does not sync.
  public var syncRate: Double?
  public var uptimeSeconds: UInt64 = 0
  /// Age of the oldest pending event, seconds; nil when nothing is pending.
  public var oldestPendingSeconds: UInt64?
  /// The store refuses writes: the reason for people.
  public var readOnlyReason: String?
  public var freeBytes: UInt64 = 0
  public var isDiskLow = false
  /// Damage was found and is not repaired.
  public var integrityDetail: String?
  /// What the driver finds wrong with the network around the node and with its clock.
  public var warnings: [HealthWarning] = []
  /// Milliseconds since the storage thread last reported.
  public var storageSilenceMilliseconds: UInt64 = 0
  /// The `Date` field, 29 characters.
  public var date: [UInt8] = []
  /// Final blocks of the last 24 hours, by their proposers.
  public var proposedLastDay: [PublicKey: UInt64] = [:]
  /// Blocks of the last 24 hours that became final before this validator had voted for them, as far as this process has seen them.
  public var missedVotesLastDay: UInt64 = 0
  public init() {}
}

/// Counters of the gate; the driver copies them into the metrics.
public struct GateStatistics: Sendable {
  public static let latencyBoundsMilliseconds: [UInt64] = APIMetrics.latencyBoundsMilliseconds
  public var connections = 0
  public var requests: UInt64 = 0
  public var accepted: UInt64 = 0
  public var rejected: [UInt64] = Array(repeating: 0, count: ErrorCode.allCases.count)
  public var rateLimited: UInt64 = 0
  /// Requests answered with an error, by `APIMetrics.reasons`.
  public var refusals: [UInt64] = Array(repeating: 0, count: APIMetrics.reasons.count)
  public var signatures: UInt64 = 0
  public var batches: UInt64 = 0
  /// Batches of helper threads.
  public var offeredBatches: UInt64 = 0
  /// Combinations computed for batches, here and by helpers: one each while all signatures are good.
  public var combinations: UInt64 = 0
  /// Signatures of submissions that were refused.
  public var badSignatures: UInt64 = 0
  /// Look-ups of signers' keys that found them decoded, and the others.
  public var signerHits: UInt64 = 0
  public var signerMisses: UInt64 = 0
  /// Answers per latency bucket since the driver last took them, one more than bounds.
  public var latencies: [UInt64] = Array(repeating: 0, count: latencyBoundsMilliseconds.count + 1)
  public var latencySumMicroseconds: UInt64 = 0

  public init() {}

  mutating func observe(nanoseconds: UInt64) {
    let milliseconds = (nanoseconds + 999_999) / 1_000_000
    var bucket = 0
    while bucket < Self.latencyBoundsMilliseconds.count, milliseconds > Self.latencyBoundsMilliseconds[bucket] { bucket += 1 }
    latencies[bucket] += 1
    latencySumMicroseconds += nanoseconds / 1000
  }

  mutating func refused(_ code: ErrorCode) {
    if let index = ErrorCode.allCases.firstIndex(of: code) { rejected[index] += 1 }
  }
}
