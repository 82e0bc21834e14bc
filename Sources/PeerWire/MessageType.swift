/// A lane of a connection: lower numbers go first, always.
@frozen public enum Lane: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  /// Votes, certificates, status; what keeps the connection: Hello, Goodbye, Ping, Pong; and what lets events flow.
  case votes = 0
  /// Proposals and blocks of the views at hand.
  case blocks = 1
  case sync = 2
  /// Gossip of events.
  case events = 3
  /// Addresses of other nodes, and evidence.
  case exchange = 4

  @inlinable public var index: Int { Int(rawValue) }
}

/// The code of a message. 1 to 15 belong to the connection itself; the others are carried for the replica.
@frozen public struct MessageType: RawRepresentable, Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let hello = MessageType(rawValue: 1)
  public static let goodbye = MessageType(rawValue: 2)
  public static let ping = MessageType(rawValue: 3)
  public static let pong = MessageType(rawValue: 4)
  public static let addresses = MessageType(rawValue: 5)

  public static let vote = MessageType(rawValue: 16)
  public static let propose = MessageType(rawValue: 17)
  public static let certificate = MessageType(rawValue: 18)
  public static let getCertificate = MessageType(rawValue: 19)
  public static let status = MessageType(rawValue: 20)
  public static let witnessRequest = MessageType(rawValue: 21)
  public static let witness = MessageType(rawValue: 22)
  public static let cosignature = MessageType(rawValue: 23)
  public static let evidence = MessageType(rawValue: 24)

  public static let getBlock = MessageType(rawValue: 32)
  public static let block = MessageType(rawValue: 33)
  public static let getEvents = MessageType(rawValue: 34)
  public static let blockEvents = MessageType(rawValue: 35)
  public static let syncRequest = MessageType(rawValue: 36)
  public static let syncResponse = MessageType(rawValue: 37)
  public static let getBoundaries = MessageType(rawValue: 38)
  public static let boundaries = MessageType(rawValue: 39)
  /// From protocol version 2 on, like `history`.
  public static let historyRequest = MessageType(rawValue: 40)
  public static let history = MessageType(rawValue: 41)
  public static let partialRange = MessageType(rawValue: 42)
  /// From protocol version 3 on, like `parts`.
  public static let getParts = MessageType(rawValue: 43)
  public static let parts = MessageType(rawValue: 44)

  public static let events = MessageType(rawValue: 48)
  public static let eventsTaken = MessageType(rawValue: 49)

  /// Every type, in the order of its code; the index of a type in statistics.
  public static let all: [MessageType] = [
    .hello, .goodbye, .ping, .pong, .addresses, .vote, .propose, .certificate, .getCertificate, .status, .witnessRequest, .witness, .cosignature, .evidence,
    .getBlock, .block, .getEvents, .blockEvents, .syncRequest, .syncResponse, .getBoundaries, .boundaries, .historyRequest, .history, .partialRange, .getParts,
    .parts, .events, .eventsTaken,
  ]

  /// The lane of the type; nil for an unknown code.
  @inlinable public var lane: Lane? {
    switch rawValue {
    case 1...4, 16, 18...23, 49: .votes
    case 5, 24: .exchange
    case 17, 32...35: .blocks
    case 36...44: .sync
    case 48: .events
    default: nil
    }
  }

  /// The type is the connection's own business and never handed up.
  @inlinable public var isInternal: Bool { rawValue < 16 }

  /// The label of the type in metrics.
  public var description: String {
    switch self {
    case .hello: "hello"
    case .goodbye: "goodbye"
    case .ping: "ping"
    case .pong: "pong"
    case .addresses: "addresses"
    case .vote: "vote"
    case .propose: "propose"
    case .certificate: "certificate"
    case .getCertificate: "get_certificate"
    case .status: "status"
    case .witnessRequest: "witness_request"
    case .witness: "witness"
    case .cosignature: "cosignature"
    case .evidence: "evidence"
    case .getBlock: "get_block"
    case .block: "block"
    case .getEvents: "get_events"
    case .blockEvents: "block_events"
    case .syncRequest: "sync_request"
    case .syncResponse: "sync_response"
    case .getBoundaries: "get_boundaries"
    case .boundaries: "boundaries"
    case .historyRequest: "history_request"
    case .history: "history"
    case .partialRange: "partial_range"
    case .getParts: "get_parts"
    case .parts: "parts"
    case .events: "events"
    case .eventsTaken: "events_taken"
    default: "unknown"
    }
  }
}
