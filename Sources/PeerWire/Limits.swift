/// Fixed limits of the wire format, in bytes unless the name says otherwise.
public enum WireLimit {
  public static let headerByteCount = 8
  /// Payload of one fragment that is read.
  public static let fragmentByteCount = 16_384
  /// Header and payload that are written together: one TLS record.
  public static let flightByteCount = 16_384
  /// A fragment is not started in a flight that has less room than this, unless it ends the message.
  public static let fragmentByteCountMin = 1024
  public static let hello = 4096
  public static let goodbye = 256
  public static let ping = 64
  public static let addresses = 16_384
  /// Addresses of a Hello, and of an answer of the peer exchange.
  public static let ownAddresses = 4
  public static let exchangedAddresses = 64
  /// UTF-8 bytes: a multiaddr, a chain id, a node's name, a version, the text of a Goodbye.
  public static let addressByteCount = 400
  public static let nameByteCount = 64
  public static let goodbyeTextByteCount = 200
}

/// The longest message of each type, on the wire and in a queue. What a message may have at most follows the format, not the chain: parameters can raise what a
/// block holds while the node runs, and whoever is behind them reads such blocks, too. Room is made for what has arrived, not for what a cap allows.
///
/// | lane | longest message | queue of one peer |
/// |---|---|---|
/// | votes | 64 KiB: a certificate of 128 signatures has 9 KiB | 4 MiB |
/// | blocks | the largest block of the format and 1 MiB for justifications | two blocks of the chain with their justifications |
/// | sync | 5 MiB and four of the largest blocks of the format | 10 MiB and four blocks of the chain |
/// | events | 1.25 MiB: the largest record behind the usual size | 4 MiB |
/// | exchange | 16 KiB | 64 KiB |
///
/// In the lanes of blocks and of sync two messages find room however long they are.
public struct WireCaps: Sendable, Equatable {
  /// The largest encoding of a block that a format of the ledger allows, header and all.
  public static let blockByteCountMax = 320 + (32 << 20)
  /// The largest encoding of a block that the chain allowed at genesis: what queues are cut for.
  public let blockByteCount: Int

  public init(blockByteCount: Int) {
    precondition(blockByteCount > 0 && blockByteCount <= Self.blockByteCountMax, "the format allows blocks of 32 MiB")
    self.blockByteCount = blockByteCount
  }

  private static let largestBlockMessage = blockByteCountMax + (1 << 20)
  /// A range of blocks ends with one that has a certificate of its own, for which it goes beyond its usual size.
  private static let largestRange = (5 << 20) + 4 * blockByteCountMax
  private static let gossipByteCount = (1 << 20) + (256 << 10)

  /// Payload bytes of the longest message of a type; 0 for unknown types.
  public func byteCount(_ type: MessageType) -> Int {
    switch type {
    case .hello: WireLimit.hello
    case .goodbye: WireLimit.goodbye
    case .ping, .pong: WireLimit.ping
    case .addresses: WireLimit.addresses
    case .vote, .status, .getCertificate, .witnessRequest, .cosignature, .getBlock, .syncRequest, .historyRequest, .getBoundaries, .getParts, .eventsTaken: 1024
    case .certificate, .witness, .parts: 65_536
    case .evidence: WireLimit.addresses
    case .getEvents: 160 << 10
    case .propose, .block, .blockEvents: Self.largestBlockMessage
    case .syncResponse, .history, .partialRange, .boundaries: Self.largestRange
    case .events: Self.gossipByteCount
    default: 0
    }
  }

  /// Bytes that wait in one lane for one peer.
  public func queueByteCount(_ lane: Lane) -> Int {
    switch lane {
    case .votes: 4 << 20
    case .blocks: 2 * (blockByteCount + (1 << 20))
    case .sync: (10 << 20) + 4 * blockByteCount
    case .events: 4 << 20
    case .exchange: 65_536
    }
  }

  /// Messages of a lane that wait however long they are.
  func messagesAnyway(_ lane: Lane) -> Int { lane == .blocks || lane == .sync ? 2 : 0 }

  /// Payload bytes that a reader holds at most: one unfinished message per lane.
  public var readerByteCount: Int { 65_536 + Self.largestBlockMessage + Self.largestRange + Self.gossipByteCount + WireLimit.addresses }
}
