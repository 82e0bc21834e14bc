public import Bytes
public import Ed25519

/// `network.*` of the configuration, and who this node is. Every duration is in milliseconds.
public struct PeeringOptions: Sendable {
  /// Connected peers; validators of the current set are admitted above it.
  public var peersMax = 50
  /// Connections that this node opens and keeps by itself; as many places, at most half, are closed to others' connections.
  public var peersMin = 8
  /// Connections from one address that are no validator's.
  public var inboundPerAddressMax = 8
  /// Messages per second that a peer may send; the share of each lane is in `Allowance`.
  public var ratePerPeer = 1000
  public var banMilliseconds: UInt64 = 600_000
  public var isExchangingAddresses = true
  public var connectionTimeoutMilliseconds: UInt64 = 10_000
  public var handshakeTimeoutMilliseconds: UInt64 = 5000
  public var keepAliveMilliseconds: UInt64 = 30_000
  public var idleTimeoutMilliseconds: UInt64 = 120_000
  /// Event messages that wait for one peer.
  public var messageBufferSize = 100
  /// Without TLS a peer is who it says it is: for tests only.
  public var isTLSEnabled = true
  /// Where others can reach this node; nil: where they see it, at `listenPort`.
  public var externalAddress: Multiaddr?
  /// 0: this node takes no connections.
  public var listenPort: UInt16 = 0
  /// Each with its peer id; redialled for ever.
  public var bootNodes: [Multiaddr] = []
  /// Shown to peers, at most 64 bytes each.
  public var name = ""
  public var version = ""
  /// Protocol versions that this node speaks.
  public var protocols: ClosedRange<UInt16> = 1...3

  public init() {}
}

/// The chain that a node follows: peers of another are refused.
public struct ChainIdentity: Equatable, Sendable {
  public var tag: Bytes16
  public var genesisHash: Bytes32
  /// At most 64 bytes.
  public var id: String
  /// The largest encoding of a block, for the caps of messages.
  public var blockByteCount: Int

  public init(tag: Bytes16, genesisHash: Bytes32, id: String, blockByteCount: Int) {
    self.tag = tag
    self.genesisHash = genesisHash
    self.id = id
    self.blockByteCount = blockByteCount
  }
}

/// What a node says about its chain in Hello and Ping.
public struct HeadFacts: Equatable, Sendable {
  public var height: UInt64
  public var hash: Bytes32
  public var epoch: UInt64
  public var view: UInt64
  public var earliestBodyHeight: UInt64

  public init(height: UInt64 = 0, hash: Bytes32 = Bytes32(), epoch: UInt64 = 0, view: UInt64 = 0, earliestBodyHeight: UInt64 = 0) {
    self.height = height
    self.hash = hash
    self.epoch = epoch
    self.view = view
    self.earliestBodyHeight = earliestBodyHeight
  }
}

/// A member of the current validator set.
public struct ValidatorPower: Equatable, Sendable {
  public var key: PublicKey
  public var power: UInt64
  public init(key: PublicKey, power: UInt64) { (self.key, self.power) = (key, power) }
}
