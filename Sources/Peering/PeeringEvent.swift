public import Bytes
public import Ed25519
public import PeerWire
public import Reactor

/// Names one connection to a peer from `up` to `down`; counted from 1, never used again in the life of the process.
@frozen public struct LinkID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

@frozen public enum Direction: String, Sendable { case inbound = "in", outbound = "out" }

/// Who came up, as proven by the handshake; heights are claims.
public struct PeerFacts: Equatable, Sendable {
  public var peer: PeerID
  /// The validator key that the peer proved to hold; it need not be in the current set.
  public var validator: PublicKey?
  public var direction: Direction
  /// The highest protocol version that both speak.
  public var protocolVersion: UInt16
  public var headHeight: UInt64
  public var headHash: Bytes32
  public var earliestBodyHeight: UInt64
}

/// What the driver hands on after each callback.
public enum PeeringEvent: Equatable, Sendable {
  case up(LinkID, PeerFacts)
  case received(LinkID, MessageType, [UInt8])
  /// The driver gave the link a message that no peer would take; it is not sent, and the link ends.
  case tooLong(LinkID, MessageType, byteCount: Int, max: Int)
  /// Nothing follows for this link.
  case down(LinkID, PeerID, Goodbye.Reason)
  /// A handshake failed.
  case refused(Rejection)
}

/// A handshake that this node refused, or that was refused to it.
public struct Rejection: Equatable, Sendable {
  /// Nil when the other side was never identified.
  public var peer: PeerID?
  public var address: SocketAddress?
  public var direction: Direction
  public var reason: Goodbye.Reason
  /// Details for logs: the two chains, the two ranges of versions.
  public var text: String
  /// Unix milliseconds.
  public var time: UInt64
}

/// Why a peer could not be reached; `name` is the word of the logs and of `/v1/peers`.
public enum DialFailure: String, Sendable {
  case dns, refused, timeout, unreachable, version, identity, full, banned, other
  case chainMismatch = "chain_mismatch"

  init(_ reason: Goodbye.Reason) {
    switch reason {
    case .version: self = .version
    case .chainMismatch: self = .chainMismatch
    case .full: self = .full
    case .identity: self = .identity
    case .banned, .misbehaviour: self = .banned
    case .timeout: self = .timeout
    case .other, .shutdown, .duplicate, .requested: self = .other
    }
  }
}

/// A host name that must be resolved off the loop; answered by `Peering.resolved`.
public struct Lookup: Equatable, Sendable {
  public var token: UInt64
  public var host: String
  public var family: HostFamily
}

/// What a provable or an ambiguous fault costs.
public enum Penalty: Equatable, Sendable {
  /// Provable: the peer is disconnected and banned.
  case ban
  /// Ambiguous: so many points of a score of 1000; below 100 the peer is banned.
  case lower(Int)
}
