/// Limits of this target. Per connected peer: the queues of `WireCaps`, a TLS session of about 20 KiB, and a row of facts; of all peers together: what readers hold.
enum Limits {
  /// Bytes of unfinished messages that all readers hold together. Beyond it the peer with the most of them is disconnected, a validator last.
  static let unfinishedByteCount = 512 << 20
  /// A reader that holds less does not make anybody count.
  static let unfinishedByteCountMin = 1 << 20
  /// Text of a multiaddr, in bytes; what the wire carries.
  static let multiaddrByteCount = 400
  /// Peers known, connected or not, and addresses of each.
  static let knownPeers = 1024
  static let addressesPerPeer = 4
  /// The largest `peers.json` that is read: 1024 entries of 4 addresses.
  static let bookByteCount = 4 << 20
  /// Peers added by an operator, so that the table always has room for others.
  static let manualPeers = 256

  /// Connections that others opened and that have not finished their handshake.
  static let inboundHandshakes = 32
  /// Dials at a time; validators, boot nodes and manual peers are dialled whatever the others do.
  static let dials = 16
  static let lookups = 16
  /// Handshake steps (key exchange, signature) per tick.
  static let handshakeStepsPerTick = 2
  /// Handshakes that one address may begin: burst, and per second.
  static let handshakeBurst = 32
  static let handshakesPerSecond = 4
  /// Addresses whose rate is remembered.
  static let addressesRemembered = 1024

  static let dialDelayMilliseconds: UInt64 = 1000
  static let dialDelayMillisecondsMax: UInt64 = 60_000
  static let foreignChainDelayMillisecondsMax: UInt64 = 300_000
  /// A connection that lasted so long clears the failures before it.
  static let lastingMilliseconds: UInt64 = 10_000
  /// Two connections of one pair that begin further apart than this were not dialled at the same time.
  static let settledMilliseconds: UInt64 = 10_000
  /// A closing connection may take so long to send its Goodbye.
  static let goodbyeMilliseconds: UInt64 = 1000

  static let scoreAtFirst = 500
  static let scoreMax = 1000
  static let scoreMin = 100
  /// A connected peer earns a point in this time.
  static let scoreEarnedMilliseconds: UInt64 = 10_000
  static let banMillisecondsMax: UInt64 = 86_400_000
  static let validatorBanMillisecondsMax: UInt64 = 60_000

  /// Refused handshakes that are remembered, and for how long.
  static let rejections = 64
  static let rejectionMilliseconds: UInt64 = 3_600_000
  /// The address book is written at most this often.
  static let bookSaveMilliseconds: UInt64 = 1000
  /// A connected peer is asked for addresses this often while this node wants more peers.
  static let exchangeMilliseconds: UInt64 = 60_000
  /// Bytes that the kernel may hold unsent: what a vote must wait for.
  static let unsentByteCount = 131_072
  /// Bytes of events that wait for a peer before it is given more; the rest waits where all peers share it.
  static let queuedEventByteCount = 131_072
}

/// What the driver needs to know.
public enum PeeringLimit {
  /// Call `Peering.sweep` this often.
  public static let sweepMilliseconds: UInt64 = 50
}
