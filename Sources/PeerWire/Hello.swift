public import Bytes

/// The first message of both sides: who is speaking, of which chain, where it is and what it can.
///
/// | offset | length | field |
/// |---|---|---|
/// | 0 | 16 | chain tag |
/// | 16 | 32 | genesis hash |
/// | 48 | 2 | lowest protocol version spoken |
/// | 50 | 2 | highest protocol version spoken |
/// | 52 | 32 | node key: the peer id |
/// | 84 | 1 | flags; bit 0: a validator key follows at the end |
/// | 85 | 1 | reserved, zero |
/// | 86 | 2 | port where it listens, 0 = nowhere |
/// | 88 | 8 | height of the last final block |
/// | 96 | 32 | hash of that block |
/// | 128 | 8 | epoch |
/// | 136 | 8 | view |
/// | 144 | 8 | lowest height whose bodies it has |
/// | 152 | 8 | wall clock, Unix milliseconds |
/// | 160 | | chain id, version, name: each one byte of length and UTF-8 |
/// | | | count of addresses (1), each two bytes of length and a multiaddr |
/// | | 96 | validator key (32) and binding signature (64), when flagged |
///
/// The first 52 bytes keep their place in every protocol version, so that strangers can tell each other why they part.
public struct Hello: Equatable, Sendable {
  public struct Preamble: Equatable, Sendable {
    public static let byteCount = 52

    public var chainTag: Bytes16
    public var genesisHash: Bytes32
    public var protocolMin: UInt16
    public var protocolMax: UInt16

    public init(chainTag: Bytes16, genesisHash: Bytes32, protocols: ClosedRange<UInt16>) {
      self.chainTag = chainTag
      self.genesisHash = genesisHash
      (protocolMin, protocolMax) = (protocols.lowerBound, protocols.upperBound)
    }

    /// Reads the first 52 bytes, whatever follows; nil when they are too few or the range is reversed.
    public init?(decoding bytes: RawSpan) {
      guard bytes.byteCount >= Self.byteCount else { return nil }
      chainTag = Bytes16(bytes, at: 0)
      genesisHash = Bytes32(bytes, at: 16)
      protocolMin = bytes.uint16(at: 48)
      protocolMax = bytes.uint16(at: 50)
      guard protocolMin <= protocolMax else { return nil }
    }

    /// The highest version that both sides speak; nil when there is none.
    public func common(_ protocols: ClosedRange<UInt16>) -> UInt16? {
      let version = min(protocolMax, protocols.upperBound)
      return version >= max(protocolMin, protocols.lowerBound) ? version : nil
    }
  }

  /// A validator's key and its signature over `bindingMessage`.
  public struct Binding: Equatable, Sendable {
    public var key: Bytes32
    public var signature: Bytes64
    public init(key: Bytes32, signature: Bytes64) { (self.key, self.signature) = (key, signature) }
  }

  public var preamble: Preamble
  public var nodeKey: Bytes32
  public var listenPort: UInt16 = 0
  public var headHeight: UInt64 = 0
  public var headHash = Bytes32()
  public var epoch: UInt64 = 0
  public var view: UInt64 = 0
  public var earliestBodyHeight: UInt64 = 0
  public var wallMilliseconds: UInt64 = 0
  public var chainID = ""
  public var version = ""
  public var name = ""
  /// Where the node says it can be reached, as multiaddrs.
  public var addresses: [String] = []
  public var binding: Binding?

  public init(preamble: Preamble, nodeKey: Bytes32) {
    self.preamble = preamble
    self.nodeKey = nodeKey
  }

  /// The bytes that a validator key signs to be bound to one node key on one connection: `moloch-bind-v1\0\0`, chain tag (16), keying material
  /// exported from the TLS session (32; zero without TLS), the signer's node key (32), the other's (32).
  ///
  /// The signer's own key comes first: a reflected binding names its author where the reflector should stand.
  public static func bindingMessage(chainTag: Bytes16, exporter: Bytes32, signer: Bytes32, other: Bytes32) -> [UInt8] {
    var message: [UInt8] = []
    message.append(Bytes16(ascii: "moloch-bind-v1\0\0"))
    message.append(chainTag)
    message.append(exporter)
    message.append(signer)
    message.append(other)
    return message
  }

  /// Traps on names and addresses above their limits: they are this node's own.
  public func encoded() -> [UInt8] {
    precondition(addresses.count <= WireLimit.ownAddresses, "a node advertises few addresses")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512)
    bytes.append(preamble.chainTag)
    bytes.append(preamble.genesisHash)
    bytes.append(bigEndian: preamble.protocolMin)
    bytes.append(bigEndian: preamble.protocolMax)
    bytes.append(nodeKey)
    bytes.append(binding == nil ? 0 : 1)
    bytes.append(0)
    bytes.append(bigEndian: listenPort)
    bytes.append(bigEndian: headHeight)
    bytes.append(headHash)
    bytes.append(bigEndian: epoch)
    bytes.append(bigEndian: view)
    bytes.append(bigEndian: earliestBodyHeight)
    bytes.append(bigEndian: wallMilliseconds)
    for text in [chainID, version, name] {
      precondition(text.utf8.count <= WireLimit.nameByteCount, "names are short")
      bytes.append(UInt8(text.utf8.count))
      bytes += text.utf8
    }
    bytes.append(UInt8(addresses.count))
    for address in addresses { bytes.append(text: address, lengthBytes: 2) }
    if let binding {
      bytes.append(binding.key)
      bytes.append(binding.signature)
    }
    return bytes
  }

  /// Reads a whole Hello; nil for anything but exactly one.
  public init?(decoding bytes: RawSpan) {
    guard let preamble = Preamble(decoding: bytes), bytes.byteCount >= 160 else { return nil }
    self.init(preamble: preamble, nodeKey: Bytes32(bytes, at: 52))
    let flags = bytes.uint8(at: 84)
    guard flags & ~1 == 0 && bytes.uint8(at: 85) == 0 else { return nil }
    listenPort = bytes.uint16(at: 86)
    headHeight = bytes.uint64(at: 88)
    headHash = Bytes32(bytes, at: 96)
    epoch = bytes.uint64(at: 128)
    view = bytes.uint64(at: 136)
    earliestBodyHeight = bytes.uint64(at: 144)
    wallMilliseconds = bytes.uint64(at: 152)
    // Heights, views and times are below 2^53 in every format of the ledger.
    for value in [headHeight, epoch, view, earliestBodyHeight, wallMilliseconds] where value >= 1 << 53 { return nil }
    var reader = TextReader(offset: 160)
    guard let chainID = reader.text(bytes, lengthBytes: 1, max: WireLimit.nameByteCount),
      let version = reader.text(bytes, lengthBytes: 1, max: WireLimit.nameByteCount),
      let name = reader.text(bytes, lengthBytes: 1, max: WireLimit.nameByteCount),
      let count = reader.byte(bytes), Int(count) <= WireLimit.ownAddresses
    else { return nil }
    (self.chainID, self.version, self.name) = (chainID, version, name)
    for _ in 0..<count {
      guard let address = reader.text(bytes, lengthBytes: 2, max: WireLimit.addressByteCount) else { return nil }
      addresses.append(address)
    }
    if flags & 1 == 1 {
      guard bytes.byteCount - reader.offset == 96 else { return nil }
      binding = Binding(key: Bytes32(bytes, at: reader.offset), signature: Bytes64(bytes, at: reader.offset + 32))
    } else {
      guard reader.offset == bytes.byteCount else { return nil }
    }
  }
}

extension Array where Element == UInt8 {
  /// Appends a length of one or two bytes and UTF-8. Traps when the length does not fit.
  mutating func append(text: String, lengthBytes: Int) {
    let count = text.utf8.count
    precondition(count < 1 << (8 * lengthBytes), "a text fits its length")
    if lengthBytes == 2 { append(UInt8(count >> 8)) }
    append(UInt8(count & 255))
    self += text.utf8
  }
}

/// Reads length-prefixed texts one behind the other. Control characters are refused: these texts reach logs and terminals.
struct TextReader {
  var offset: Int

  mutating func byte(_ bytes: RawSpan) -> UInt8? {
    guard offset < bytes.byteCount else { return nil }
    offset += 1
    return bytes.uint8(at: offset - 1)
  }

  mutating func text(_ bytes: RawSpan, lengthBytes: Int, max: Int) -> String? {
    guard bytes.byteCount - offset >= lengthBytes else { return nil }
    let count = lengthBytes == 1 ? Int(bytes.uint8(at: offset)) : Int(bytes.uint16(at: offset))
    offset += lengthBytes
    guard count <= max, count <= bytes.byteCount - offset else { return nil }
    let slice = bytes.extracting(offset..<offset + count)
    offset += count
    guard let text = slice.text, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return nil }
    return text
  }
}
