public import Ambient
public import Audit
public import Digests
public import Ed25519

/// What the machine knows of a block; the bytes stay with the driver.
public struct BlockReference: Hashable, Sendable, BitwiseCopyable {
  public var hash: Digest
  public var parentHash: Digest
  public var height: Height
  public var timestamp: Timestamp
  public var proposer: PublicKey

  public init(hash: Digest, parentHash: Digest, height: Height, timestamp: Timestamp, proposer: PublicKey) {
    self.hash = hash
    self.parentHash = parentHash
    self.height = height
    self.timestamp = timestamp
    self.proposer = proposer
  }
}

/// A leader's proposal: its notarise vote and the block that it names.
public struct Proposal: Hashable, Sendable {
  public var vote: SignedVote
  public var block: BlockReference
  public init(vote: SignedVote, block: BlockReference) {
    self.vote = vote
    self.block = block
  }
}

public enum Message: Hashable, Sendable {
  case vote(SignedVote)
  case proposal(Proposal)
  case certificate(Certificate)
}

/// The two clocks of an input: monotonic time for timers, wall-clock time for block timestamps.
public struct Times: Hashable, Sendable {
  public var monotonic: Instant
  public var wall: Timestamp
  public init(monotonic: Instant, wall: Timestamp) {
    self.monotonic = monotonic
    self.wall = wall
  }
}

/// What happened.
public enum Input: Sendable {
  /// The machine may act: the store is open, its head is the floor.
  case start
  case received(Message)
  /// The block asked for by `Effect.build`.
  case built(View, BlockReference)
  case validated(Digest, isValid: Bool)
  /// Every journal record up to this sequence number is on disk.
  case journalSynced(UInt64)
  /// The block's body is on disk.
  case bodyDurable(Digest)
  /// Whether events are waiting, and whether they fill a block.
  case pendingChanged(hasEvents: Bool, fillsBlock: Bool)
  case timer
}

/// What the driver shall do, in order.
public enum Effect: Sendable {
  /// Write the record to the journal; its sequence number is the count of records appended since `start`, from 1.
  case append(JournalRecord, sequence: UInt64)
  /// Send to all validators, once every record up to the sequence number is synced.
  case broadcast(Message, after: UInt64)
  /// Assemble a block on this parent and answer with `Input.built`. The timestamp is at least this.
  case build(View, parent: BlockReference, timestamp: Timestamp)
  case validate(BlockReference)
  case storeBody(BlockReference)
  /// Call with `Input.timer` at this time; replaces an earlier request.
  case setTimer(Instant)
  /// These blocks are final, in ascending height; the certificate finalises the last.
  case commit([BlockReference], Certificate)
}
