import Ambient
import Ed25519
import PeerWire
import Reactor
import TLS

/// One connection to another node, from the dial or the accept to its close.
///
///      connecting ─► securing ─► greeting ─► up ─► closing
///      (outbound)    (TLS)       (Hello)
///
/// Every phase ends in `closing`, or at once when the socket goes.
final class Link {
  enum Phase { case connecting, securing, greeting, up, closing }

  let connection: ConnectionID
  let direction: Direction
  /// The other end of the socket, when it has a name.
  let address: SocketAddress?
  /// The dialled peer, the only one that this connection may lead to, and where it was dialled.
  let dialled: (peer: PeerID, address: Multiaddr)?
  var phase: Phase
  /// When the phase must be over; not for `up`.
  var deadline: Instant
  var tls: TLSSession?
  var session: WireSession
  var outbox: Outbox
  /// Output waits to be pumped at the end of the tick; a handshake step waits for its turn.
  var isDirty = false
  var isWaitingForTurn = false
  var hasSentHello = false

  // Known from the handshake.
  var peer: PeerID?
  var hello: Hello?
  /// The proven validator key.
  var validator: PublicKey?
  /// Set while up.
  var number: LinkID?

  // Facts of the connection.
  var began: Instant
  var connectedSinceWall: UInt64 = 0
  var lastReceived: Instant
  var headHeight: UInt64 = 0
  var nextPing: Instant
  var pingUnderWay: (nonce: UInt64, sent: Instant, wall: UInt64)?
  var roundTripMilliseconds: Double?
  var skewMilliseconds: Int64?
  var allowances: [Allowance]
  /// This node asked for addresses and has no answer yet.
  var isAskingForAddresses = false
  /// What of `session.reader.receivedBytes` and `outbox.sentBytes` is in the statistics already.
  var countedReceived: [UInt64]
  var countedSent: [UInt64]

  init(
    _ connection: ConnectionID, _ direction: Direction, address: SocketAddress?, dialled: (PeerID, Multiaddr)?, phase: Phase, deadline: Instant, tls: TLSSession?,
    caps: WireCaps, options: PeeringOptions, now: Instant
  ) {
    self.connection = connection
    self.direction = direction
    self.address = address
    self.dialled = dialled
    self.phase = phase
    self.deadline = deadline
    self.tls = tls
    session = WireSession(caps: caps, protocols: options.protocols)
    outbox = Outbox(caps: caps, eventMessagesMax: options.messageBufferSize)
    began = now
    lastReceived = now
    nextPing = now
    allowances = Lane.allCases.map { Allowance.of($0, rate: options.ratePerPeer, now: now) }
    countedReceived = Array(repeating: 0, count: Lane.allCases.count)
    countedSent = countedReceived
  }

  /// Bytes of this connection on the wire without TLS.
  var bytesIn: UInt64 { session.reader.receivedBytes.reduce(0, +) }
  var bytesOut: UInt64 { outbox.sentBytes.reduce(0, +) }
}
