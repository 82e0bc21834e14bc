public import Audit
public import Ed25519
public import Merkle
public import Reactor

/// What the storage thread looks up.
public enum ReadRequest: Sendable {
  case signer(PublicKey)
  case event(EventID, raw: Bool, bodyOnly: Bool, includes: [String])
  case block(Route.BlockName, includes: [String], octets: Bool)
  case inclusion(ProvenEvent, size: UInt64?, format: ProofFormat, since: UInt64?)
  case consistency(from: UInt64, to: UInt64, byHeight: Bool)
  case tile(TilePath)
  /// The answer to a submission that has become final: its ids, and whether bundles are wanted.
  case finalised(EventID, attestation: StaticString, isMinimal: Bool)
  case maintenance(MaintenanceRequest)
  /// The set of a height.
  case validators(Height)
  /// Handoffs from an epoch on.
  case validatorHistory(from: Epoch, countMax: Int)
  /// Set, parameters and proposals as of the head.
  case governance
}

/// What the admin socket asks of `/v1/admin/maintenance/{verb}`.
public struct MaintenanceRequest: Sendable {
  public let verb: String
  /// POST: something is begun. GET: something is asked for.
  public let isCommand: Bool
  /// Target of a backup, absolute.
  public let directory: String?
  /// Backup that an incremental one shares files with, absolute.
  public let base: String?
  public let pruning: PruneRequest?
  /// How much is verified.
  public let level: String?
  /// Pace of a compaction; nil for the configured one.
  public let megabytesPerSecond: UInt64?
  /// What is built anew: `mmr`, `index`.
  public let parts: [String]
}

/// What `POST prune` asks for.
public struct PruneRequest: Sendable {
  public let before: UInt64
  public let isDryRun: Bool
  public let isForced: Bool
  /// Entries and their rows of the index, too.
  public let isDeep: Bool
  /// Connected peers that hold what this node holds.
  public let archivePeers: Int
}

public enum ProofFormat: Sendable { case json, bundle, tlogProof }

/// What a proof of inclusion is asked for.
public enum ProvenEvent: Sendable {
  case event(EventID)
  /// Whoever has an entry and its place in the tree needs nothing else of it here.
  case leaf(LeafIndex)
}

/// A read on its way to the storage thread, and the request that waits for it.
public final class ReadJob: Sendable {
  public let connection: ConnectionID
  public let serial: UInt32
  public let request: ReadRequest
  /// The checkpoint to prove under, as it was when the request came.
  public let publication: Publication?
  /// Records and blocks beyond this are not shown.
  public let durableSize: UInt64

  init(_ connection: ConnectionID, _ serial: UInt32, _ request: ReadRequest, publication: Publication?, durableSize: UInt64) {
    self.connection = connection
    self.serial = serial
    self.request = request
    self.publication = publication
    self.durableSize = durableSize
  }
}
