import Bytes

/// One side's view of a connection: which messages are allowed now, and what they say. Every state answers every message.
///
/// | state | Hello | Goodbye | everything else | end of the stream |
/// |---|---|---|---|---|
/// | greeting | `hello`, then open; `incompatible`, then ended | `goodbye`, then ended | violation, then ended | ended |
/// | open | violation, then ended | `goodbye`, then ended | the message | ended |
/// | ended | nothing | nothing | nothing | nothing |
public struct WireSession: Sendable {
  @frozen public enum Phase: Sendable { case greeting, open, ended }

  public enum Event: Equatable, Sendable {
    /// Everything was consumed, or the session has ended.
    case needMore
    case hello(Hello)
    /// A Hello without a common protocol version, of which only the beginning can be read.
    case incompatible(Hello.Preamble)
    case goodbye(Goodbye)
    case ping(Ping)
    case pong(Ping)
    case addresses(Addresses)
    /// A message for the replica.
    case message(MessageType, [UInt8])
    case violation(WireViolation)
  }

  public private(set) var phase = Phase.greeting
  public private(set) var reader: FrameReader
  private let protocols: ClosedRange<UInt16>

  /// - Parameter protocols: the versions that this node speaks.
  public init(caps: WireCaps, protocols: ClosedRange<UInt16>) {
    reader = FrameReader(caps: caps)
    self.protocols = protocols
  }

  /// Reads from `offset` up to the next event; `offset` moves behind what was consumed. Call again until `needMore`.
  public mutating func advance(_ bytes: RawSpan, _ offset: inout Int) -> Event {
    guard phase != .ended else {
      offset = bytes.byteCount
      return .needMore
    }
    switch reader.advance(bytes, &offset) {
    case .needMore: return .needMore
    case .violation(let violation): return end(.violation(violation))
    case .message(let type, let payload): return interpret(type, payload)
    }
  }

  /// The connection is over, and what has come of unfinished messages is given up.
  public mutating func forget() {
    phase = .ended
    reader.forget()
  }

  /// The connection is over, for whatever reason; nothing is read any more.
  public mutating func end() { phase = .ended }

  private mutating func end(_ event: Event) -> Event {
    phase = .ended
    return event
  }

  private mutating func interpret(_ type: MessageType, _ payload: [UInt8]) -> Event {
    switch (phase, type) {
    case (.greeting, .hello):
      guard let preamble = Hello.Preamble(decoding: payload.bytes) else { return end(.violation(.malformed(type))) }
      guard preamble.common(protocols) != nil else { return end(.incompatible(preamble)) }
      guard let hello = Hello(decoding: payload.bytes) else { return end(.violation(.malformed(type))) }
      phase = .open
      reader.isGreeting = false
      return .hello(hello)
    case (_, .goodbye):
      guard let goodbye = Goodbye(decoding: payload.bytes) else { return end(.violation(.malformed(type))) }
      return end(.goodbye(goodbye))
    case (.open, .ping):
      guard let ping = Ping(decoding: payload.bytes) else { return end(.violation(.malformed(type))) }
      return .ping(ping)
    case (.open, .pong):
      guard let pong = Ping(decoding: payload.bytes) else { return end(.violation(.malformed(type))) }
      return .pong(pong)
    case (.open, .addresses):
      guard let addresses = Addresses(decoding: payload.bytes) else { return end(.violation(.malformed(type))) }
      return .addresses(addresses)
    case (.open, _) where !type.isInternal: return .message(type, payload)
    default: return end(.violation(.unexpected(type)))
    }
  }
}
