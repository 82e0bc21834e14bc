public import Ambient
public import Audit
public import Digests
public import Ed25519

/// The two clocks of an input: monotonic time for timers, wall-clock time for block timestamps.
public struct Times: Hashable, Sendable {
  public var monotonic: Instant
  public var wall: Timestamp
  public init(monotonic: Instant, wall: Timestamp) {
    self.monotonic = monotonic
    self.wall = wall
  }
}

/// What the driver found out about a block.
public enum Verdict: Hashable, Sendable {
  case valid
  case invalid
  /// Cannot be judged before this time; the machine asks again then.
  case notBefore(Timestamp)
}

/// What happened.
public enum Input: Sendable {
  /// The machine may act: the store is open, its head is the floor.
  case start
  case received(Message, from: PeerLink)
  /// A peer is connected and has proved that it holds this validator key, if any.
  case peerUp(PeerLink, validator: PublicKey?)
  case peerDown(PeerLink)
  case timer
  /// The block asked for by `Effect.build`; nil when none could be built now.
  case built(View, BlockReference?)
  case validated(Digest, Verdict)
  /// Every journal record up to this sequence number is on disk.
  case journalSynced(UInt64)
  /// The block's body is on disk.
  case bodyDurable(Digest)
  /// A fetched or restored block: its bytes are here and hash to this reference. It is validated and stored as the machine asks; the body of a restored
  /// block is on disk already, and `bodyDurable` follows.
  case available(BlockReference)
  /// The store holds every final block up to this height.
  case applied(Height)
  /// Final blocks were applied by certificate, outside the machine: the floor jumps. The facts are those of the floor's epoch when that is a later one
  /// than the machine's; a floor at the last block of an epoch belongs to the next.
  case synced(Machine.Floor, EpochFacts?)
  /// The answer to `Effect.enterEpoch`.
  case epochOpened(EpochFacts)
  /// The journal will take no more records: nothing is signed any more.
  case journalRefused
  /// What waits to be proposed. `isUrgent`: a change of the set or evidence is pending, so that blocks do not wait for events.
  case pendingChanged(hasEvents: Bool, fillsBlock: Bool, isUrgent: Bool = false)
}

/// What is constant in an epoch.
public struct EpochFacts: Sendable, Hashable {
  public var epoch: Epoch
  public var set: ValidatorSet
  public var parameters: ChainParameters
  /// Hash of the last block before the epoch.
  public var boundary: Digest
  /// The finality certificate of that block; nil for genesis.
  public var boundaryCertificate: Certificate?

  public init(epoch: Epoch, set: ValidatorSet, parameters: ChainParameters, boundary: Digest, boundaryCertificate: Certificate? = nil) {
    self.epoch = epoch
    self.set = set
    self.parameters = parameters
    self.boundary = boundary
    self.boundaryCertificate = boundaryCertificate
  }
}
