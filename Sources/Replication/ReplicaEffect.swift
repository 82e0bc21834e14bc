public import Ambient
public import Audit
public import Consensus
public import Digests
public import Ledger

/// What the driver does for the replica. `store`, `persist` and `adopt` are performed in order, and so are `journal` effects; the two lines may overlap.
public enum ReplicaEffect: Sendable {
  /// Append the records to the vote journal and sync it; answer with `journalSynced(through)`.
  case journal([JournalRecord], through: UInt64)
  /// Write a candidate to the store, synced; answer with `stored(hash)`.
  case store(Block)
  /// Write the final blocks with one synced write and answer with `persisted(height)`; then append the floor to the vote journal, behind what was journaled before.
  case persist([BlockCommit], FloorRecord, Height)
  /// The block that the store begins from is known, or is a later one than was said: write it, synced, before anything that follows.
  case adopt(Anchor)
  /// Send to connected peers. Nothing in it waits for the disk any more.
  case send(ReplicaMessage, to: Destination)
  /// Read from the store; answer with `loaded`.
  case load(StoreQuery)
  /// Look for bodies that are missing, or check and write some that came; answer with `filled`. It may take its time: blocks go first.
  case fill(BackfillWork)
  /// Call `timer` at this time; replaces an earlier request.
  case setTimer(Instant)
  /// Tell whoever waits: the block is final and durable.
  case final(FinalBlock)
  /// Cosignatures of a quorum for the newest tree head that has one.
  case checkpoint(CosignedHead)
  /// Raise an alarm: a validator has signed what contradicts itself, in a way not seen before. `isKept`: `Replica.evidence` has changed, keep it.
  case evidence(Evidence, isKept: Bool)
  /// Whether this validator signs has changed. Remember it beyond the process, before the records that follow.
  case standing(StandingChange)
  case penalise(PeerLink, Fault)
  /// End the process cleanly: everything up to here is on disk, and from this height on the chain has a version of the protocol that this program does not know.
  case unknownProtocol(UInt32, from: Height)
  /// End the process with this reason: what a quorum has signed is not what this node finds.
  case halt(String)
}

/// The floor of final blocks for the vote journal. It frees the votes below it and says, when the store is lost, how far it went.
public struct FloorRecord: Sendable {
  public let record: JournalRecord
  /// The answer `persisted` waits until the record is on disk: nobody but this journal can tell a sole validator that its chain was lost. Otherwise the record may
  /// wait for the next barrier: the certificate in the store binds more than it does, and peers hold the chain.
  public let isAwaited: Bool

  public init(_ record: JournalRecord, isAwaited: Bool) {
    self.record = record
    self.isAwaited = isAwaited
  }
}

/// The newest final and durable head.
public struct Head: Sendable, Hashable {
  public var header: BlockHeader
  public var hash: Digest
  public init(header: BlockHeader, hash: Digest) {
    self.header = header
    self.hash = hash
  }
}

/// A block that has just become final and durable.
public struct FinalBlock: Sendable {
  public let header: BlockHeader
  public let hash: Digest
  /// The set of its height.
  public let validators: ValidatorSet
  public let ids: [EventID]
  public let byteCount: Int
  /// From the proposal, or its receipt, to the durable commit, nanoseconds; nil for blocks that a sync brought.
  public let productionNanoseconds: UInt64?
}
