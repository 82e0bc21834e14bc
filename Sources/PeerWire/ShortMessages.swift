import Bytes

/// Why a connection ends; the text names details for logs. One byte of code, then one byte of length and UTF-8.
public struct Goodbye: Equatable, Sendable {
  @frozen public enum Reason: UInt8, CaseIterable, Sendable {
    case other = 0
    /// The node stops.
    case shutdown
    /// No common protocol version.
    case version
    /// Another chain, or another genesis of the same name.
    case chainMismatch
    /// No room for more peers.
    case full
    case misbehaviour
    case timeout
    /// The two nodes are connected already.
    case duplicate
    /// An operator removed the peer.
    case requested
    /// The key is not the one that was expected or proven.
    case identity
    case banned

    /// The label in metrics and in `rejected` of the API.
    public var name: String {
      switch self {
      case .other: "other"
      case .shutdown: "shutdown"
      case .version: "version"
      case .chainMismatch: "chain_mismatch"
      case .full: "full"
      case .misbehaviour: "misbehaviour"
      case .timeout: "timeout"
      case .duplicate: "duplicate"
      case .requested: "requested"
      case .identity: "identity"
      case .banned: "banned"
      }
    }
  }

  public var reason: Reason
  public var text: String

  /// Texts above `WireLimit.goodbyeTextByteCount` are cut.
  public init(_ reason: Reason, _ text: String = "") {
    self.reason = reason
    var kept = text
    while kept.utf8.count > WireLimit.goodbyeTextByteCount { kept.removeLast() }
    self.text = kept
  }

  public func encoded() -> [UInt8] {
    var bytes = [reason.rawValue]
    bytes.append(text: text, lengthBytes: 1)
    return bytes
  }

  /// Unknown reasons of later versions are `other`; nil for a malformed message.
  public init?(decoding bytes: RawSpan) {
    var reader = TextReader(offset: 0)
    guard let code = reader.byte(bytes), let text = reader.text(bytes, lengthBytes: 1, max: WireLimit.goodbyeTextByteCount), reader.offset == bytes.byteCount
    else { return nil }
    reason = Reason(rawValue: code) ?? .other
    self.text = text
  }
}

/// A sign of life: nonce (8), the sender's wall clock in Unix milliseconds (8), height of its last final block (8). Pong has the same layout and
/// repeats the nonce of the Ping that it answers.
@frozen public struct Ping: Equatable, Sendable, BitwiseCopyable {
  public static let byteCount = 24

  public var nonce: UInt64
  public var wallMilliseconds: UInt64
  public var headHeight: UInt64

  public init(nonce: UInt64, wallMilliseconds: UInt64, headHeight: UInt64) {
    self.nonce = nonce
    self.wallMilliseconds = wallMilliseconds
    self.headHeight = headHeight
  }

  public func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: nonce)
    bytes.append(bigEndian: wallMilliseconds)
    bytes.append(bigEndian: headHeight)
    return bytes
  }

  public init?(decoding bytes: RawSpan) {
    guard bytes.byteCount == Self.byteCount else { return nil }
    nonce = bytes.uint64(at: 0)
    wallMilliseconds = bytes.uint64(at: 8)
    headHeight = bytes.uint64(at: 16)
    guard wallMilliseconds < 1 << 53 && headHeight < 1 << 53 else { return nil }
  }
}

/// Peer exchange: kind (1; 0 asks, 1 answers), count (1), each two bytes of length and a multiaddr with its peer id.
public struct Addresses: Equatable, Sendable {
  public var isRequest: Bool
  public var addresses: [String]

  public static let request = Addresses(isRequest: true, addresses: [])
  public static func answer(_ addresses: [String]) -> Addresses { Addresses(isRequest: false, addresses: addresses) }

  private init(isRequest: Bool, addresses: [String]) { (self.isRequest, self.addresses) = (isRequest, addresses) }

  /// Traps above `WireLimit.exchangedAddresses`. Addresses that would exceed the message's cap are left out.
  public func encoded() -> [UInt8] {
    precondition(addresses.count <= WireLimit.exchangedAddresses)
    var bytes: [UInt8] = [isRequest ? 0 : 1, 0]
    for address in addresses where bytes.count + 2 + address.utf8.count <= WireLimit.addresses {
      bytes.append(text: address, lengthBytes: 2)
      bytes[1] += 1
    }
    return bytes
  }

  public init?(decoding bytes: RawSpan) {
    var reader = TextReader(offset: 0)
    guard let kind = reader.byte(bytes), kind <= 1, let count = reader.byte(bytes), Int(count) <= WireLimit.exchangedAddresses else { return nil }
    self.init(isRequest: kind == 0, addresses: [])
    guard !isRequest || count == 0 else { return nil }
    for _ in 0..<count {
      guard let address = reader.text(bytes, lengthBytes: 2, max: WireLimit.addressByteCount) else { return nil }
      addresses.append(address)
    }
    guard reader.offset == bytes.byteCount else { return nil }
  }
}
